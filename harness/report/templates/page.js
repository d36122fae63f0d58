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

  const fields = all("#record-filters select");
  const rows = all("#record-rows > tr");
  const groups = all("article.trend");
  const more = document.getElementById("more");
  if (more) {
    const step = Number(more.dataset.rows);
    let room = step;
    const filter = () => {
      const wanted = fields.filter((one) => one.value);
      const fits = (one) => wanted.every((select) => !(select.dataset.field in one.dataset) || one.dataset[select.dataset.field] === select.value);
      let found = 0;
      for (const row of rows) row.hidden = !(fits(row) && (found += 1) <= room);
      document.getElementById("record-count").textContent = found;
      more.hidden = found <= room;
      show(groups, fits);
    };
    fields.forEach((field) => field.addEventListener("change", () => {
      room = step;
      filter();
    }));
    more.addEventListener("click", () => {
      room += step;
      filter();
    });
  }

  addEventListener("beforeprint", () => all("details").forEach((one) => { one.open = true; }));
})();
