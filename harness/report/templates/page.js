"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const kept = (key, value) => {
    try {
      return value === undefined ? localStorage.getItem(key) : localStorage.setItem(key, value);
    } catch {
      return null; // a browser that keeps nothing for files shows the defaults
    }
  };

  const speak = (language) => {
    root.lang = language === "zh" ? "zh-Hant-TW" : "en";
    all("[data-en]").forEach((one) => { one.textContent = one.dataset[language]; });
    all("[data-label-en]").forEach((one) => {
      one.setAttribute("aria-label", language === "zh" ? one.dataset.labelZh : one.dataset.labelEn);
    });
  };
  speak(kept("gb10-language") || (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"));
  document.getElementById("language").addEventListener("click", () => {
    const language = root.lang === "en" ? "zh" : "en";
    kept("gb10-language", language);
    speak(language);
  });

  const theme = kept("gb10-theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    kept("gb10-theme", root.dataset.theme);
  });

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  all("[data-copy]").forEach((button) => button.addEventListener("click", async () => {
    await copy(document.getElementById(button.dataset.copy).textContent);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 2000);
  }));

  const show = (ones, wanted, counter) => {
    let shown = 0;
    for (const one of ones) {
      one.hidden = !wanted(one);
      shown += one.hidden ? 0 : 1;
    }
    if (counter) counter.textContent = shown;
  };
  const holds = (one, words) => words.every((word) => one.textContent.toLowerCase().includes(word));
  const words = (input) => input.value.toLowerCase().split(/\s+/).filter(Boolean);

  const tests = all("#test-list > li");
  const testSearch = document.getElementById("test-search");
  if (testSearch) {
    const buttons = all("[data-filters=tests] [data-outcome]");
    let outcome = "";
    const filter = () => {
      const wanted = words(testSearch);
      show(tests, (one) => (!outcome || one.dataset.outcome === outcome) && holds(one, wanted), document.getElementById("test-count"));
    };
    testSearch.addEventListener("input", filter);
    buttons.forEach((button) => button.addEventListener("click", () => {
      outcome = button.dataset.outcome;
      buttons.forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
      filter();
    }));
  }

  const logSearch = document.getElementById("log-search");
  if (logSearch) {
    const lines = all("#log-lines > div");
    const gaps = all("#log-lines > .gap");
    logSearch.addEventListener("input", () => {
      const wanted = words(logSearch);
      show(lines, (one) => holds(one, wanted), document.getElementById("log-count"));
      show(gaps, () => !wanted.length);
    });
    addEventListener("hashchange", () => {
      const line = document.getElementById(location.hash.slice(1));
      if (line && line.hidden) {
        logSearch.value = "";
        logSearch.dispatchEvent(new Event("input"));
        line.scrollIntoView();
      }
    });
  }

  const stale = document.getElementById("stale"); // the page itself can't know when nobody writes it any more
  if (stale) stale.hidden = Date.now() - Date.parse(stale.dataset.newest) < 7 * 864e5;

  const body = document.getElementById("record-rows");
  if (body) { // of ten thousand records only those shown are elements: a browser would lay the others out for seconds
    const fields = all("#record-filters select");
    const groups = all("article.trend");
    const more = document.getElementById("more");
    const step = Number(more.dataset.rows);
    let held, found, shown;
    const row = ([variant, bench, image, state, href, en, zh, started, start, tests, vllm]) => {
      const made = document.getElementById(`row-${state}`).content.firstElementChild.cloneNode(true);
      if (href !== null) made.querySelector("a").href = href;
      const texts = [variant, en, zh, bench, started, start, tests, vllm, image];
      all("[data-cell]", made).forEach((cell, at) => { cell.textContent = texts[at]; });
      return made;
    };
    const add = () => {
      body.append(...found.slice(shown, shown + step).map(row));
      shown = Math.min(shown + step, found.length);
      more.hidden = shown === found.length;
    };
    const filter = () => {
      held ??= JSON.parse(document.getElementById("record-data").textContent);
      const chosen = fields.map((one) => one.value);
      found = held.filter((one) => chosen.every((value, at) => !value || one[at] === value));
      document.getElementById("record-count").textContent = found.length;
      body.replaceChildren();
      shown = 0;
      add();
      show(groups, (one) => fields.every((field) => !field.value || !(field.dataset.field in one.dataset) || one.dataset[field.dataset.field] === field.value));
    };
    fields.forEach((field) => field.addEventListener("change", filter));
    more.addEventListener("click", () => {
      if (!held) filter();
      add();
    });
  }

  addEventListener("beforeprint", () => all("details").forEach((one) => { one.open = true; }));
})();
