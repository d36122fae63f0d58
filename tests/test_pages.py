"""The pages, in a real browser: they work, they speak both languages, they fit, they can be read, they let nothing out.

Needs Chromium (`apt-get install chromium`); without one these tests skip, or fail under --require-browser.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.history import Listing
from harness.record import ImageFacts, Record, Recorder, RecordError, TestOutcome, read, summary, write_atomically
from harness.report import html
from harness.report.views import render_again, views, write, write_index
from harness.types import Change, Changes, Diagnosis, Evidence, Finding, Measurement, MemoryPoint, Stage, Text, Verdict
from tests import samples
from tests.conftest import Open

GOLDEN = Path(__file__).parent / "records" / "1.0.json"
NARROW, WIDE = 360, 1920

REJECTED: dict[str, Any] = {
    "verdict": Verdict.REJECTED,
    "reason": "kv-cache-too-small: the cache holds no request",
    "measurements": (
        Measurement(name="start", value=42, unit="s", limit=600),
        Measurement(name="new_kind", value=0.00001, unit="s", limit=1, ok=False),
    ),
    "memory": (MemoryPoint(at_s=0, available_gib=20), MemoryPoint(at_s=42, available_gib=4)),
    "memory_floor_gib": 1.0,
    "tests": (
        TestOutcome(nodeid="suites/a.py::one", requirement="It answers.", outcome="passed", seconds=1),
        TestOutcome(
            nodeid="suites/a.py::two",
            requirement="It counts.",
            outcome="failed",
            seconds=1,
            message="1 is not 2",
            reproduce="python -m pytest suites/a.py::two",
        ),
        TestOutcome(nodeid="suites/a.py::three", requirement="It rests.", outcome="skipped", seconds=0, message="no"),
    ),
    "since": Changes(
        before="20260101T000000Z-00000000",
        after="20260102T000000Z-00000000",
        changes=(
            Change(section="image", what="digest", before="sha256:a", after="sha256:b"),
            Change(section="measurements", what="start", before=None, after="42 s", worse=True, note="noise 3 %"),
        ),
    ),
    "findings": (Finding(id="docs", what="the API's own pages", seen="/docs", forbidden=True),),
    "diagnosis": Diagnosis(
        rule="kv-cache-too-small",
        stage=Stage.COMPILE,
        cause=Text(en="the cache holds no request", zh_tw="快取放不下一個請求"),
        remedy=Text(en="lower --max-model-len", zh_tw="調低 --max-model-len"),
        evidence=(Evidence(line=1500, text="line 1500"),),
    ),
}


def laid(directory: Path, record: Record, log: str = "") -> Path:
    """A record with its log and views in `directory`; returns its page."""
    directory.mkdir(parents=True, exist_ok=True)
    if log:
        (directory / "container.log").write_text(log)
    write_atomically(directory / "record.json", record.model_dump_json())
    write(record, directory)
    return directory / "index.html"


@pytest.fixture
def accepted(tmp_path: Path) -> Path:
    """The page of a real run, with a log."""
    return laid(tmp_path / "accepted", read(GOLDEN), "INFO one\nWARNING two\nERROR three\n" * 10)


@pytest.fixture
def rejected(tmp_path: Path) -> Path:
    """The page of a failure, with a log of which the middle is left out."""
    lines = "".join(f"line {n}\n" for n in range(1, 5001))
    return laid(tmp_path / "rejected", samples.record(**REJECTED), lines)


@pytest.fixture
def listed(accepted: Path, rejected: Path) -> Path:
    """The list of five records and an unreadable one."""
    reports = accepted.parent.parent
    assert rejected.parent.parent == reports
    for n in range(3):
        changes = {"verdict": Verdict.ACCEPTED, "started": f"2026-01-0{n + 2}T00:00:00Z"}
        image = ImageFacts(ref=f"image:{n // 2}", id=f"sha256:{n // 2}", digest=None, architecture="x", labels={})
        laid(reports / f"run-{n}", samples.record(**(REJECTED | changes | {"image": image})))
    (reports / "broken").mkdir()
    (reports / "broken" / "record.json").write_text('{"schema_name": "gb10-depl')
    render_again(reports)
    (reports / "difference.html").write_text(html.difference(REJECTED["since"]))
    return reports / "index.html"


def every(listed: Path) -> tuple[Path, ...]:
    """A page of each kind."""
    return listed, *(listed.parent / name for name in ("accepted/index.html", "rejected/index.html", "difference.html"))


def test_the_verdict_comes_first_and_the_rest_in_order(open_page: Open, rejected: Path) -> None:
    """Verdict, diagnosis, start-up, memory, measurements, tests, replay, log: what an operator asks, in that order."""
    page = open_page(rejected)
    assert page.locator("main > section").first.locator(".word").inner_text() == "Rejected"
    wanted = ["diagnosis", "start-up", "memory", "measurements", "tests", "findings", "replay", "identity", "log"]
    ids = page.locator("main h2").evaluate_all("all => all.map(one => one.id)")
    assert [one for one in ids if one in wanted] == wanted


def test_the_switch_changes_every_label(open_page: Open, rejected: Path) -> None:
    """English and Traditional Chinese; no text of the other language is left standing in a heading."""
    page = open_page(rejected)
    assert page.locator("#diagnosis").inner_text() == "Diagnosis"
    page.click("#language")
    assert page.locator("html").get_attribute("lang") == "zh-Hant-TW"
    headings = page.locator("main h2:not(.visually-hidden), thead th, dt:not(:has(code))").all_inner_texts()
    names = {"GPU", "vLLM", "PyTorch", "CUDA", "DGX OS"}
    assert [text for text in headings if text not in names and not re.search(r"[\u4e00-\u9fff]", text)] == []
    assert "快取放不下一個請求" in page.locator(".cause").inner_text()
    page.reload()
    assert page.locator("#diagnosis").inner_text() == "診斷", "the choice is kept"


def test_a_browser_in_chinese_is_greeted_in_chinese(open_page: Open, accepted: Path) -> None:
    """The browser's language is the first choice."""
    assert open_page(accepted, locale="zh-TW").locator(".word").inner_text() == "驗收通過"


def test_light_and_dark_follow_the_system_and_the_button(open_page: Open, accepted: Path) -> None:
    """The page is dark where the system is; the button turns it round."""
    page = open_page(accepted, scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.click("#theme")
    assert page.evaluate(colour) != dark
    page.click("#theme")
    assert page.evaluate(colour) == dark


def test_tests_are_filtered_by_outcome_and_text(open_page: Open, rejected: Path) -> None:
    """The specification is searched by requirement, name and message."""
    page = open_page(rejected)
    shown = page.locator("#test-list > li:visible")
    assert shown.count() == 3
    page.click("[data-filters=tests] [data-outcome=failed]")
    assert shown.count() == 1
    assert "It counts." in shown.inner_text()
    assert "1 is not 2" in shown.inner_text()
    page.click("[data-filters=tests] [data-outcome='']")
    page.fill("#test-search", "rests")
    assert shown.count() == 1
    assert page.locator("#test-count").inner_text() == "1"


def test_the_replay_line_is_copied(open_page: Open, accepted: Path) -> None:
    """One press, and the line is in the clipboard as it stands in the record."""
    page = open_page(accepted)
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.click("[data-copy=replay-line]")
    assert page.evaluate("window.copied") == read(GOLDEN).replay
    assert page.locator("[data-copy=replay-line]").inner_text() == "Copied"


def test_the_copy_button_works_without_a_clipboard_api(open_page: Open, accepted: Path) -> None:
    """A page without the permission falls back to a selection."""
    page = open_page(accepted)
    page.evaluate(
        "navigator.clipboard.writeText = () => Promise.reject(new Error('no'));"
        "document.execCommand = () => { window.copied = document.activeElement.value; return true; }"
    )
    page.click("[data-copy=replay-line]")
    assert page.evaluate("window.copied") == read(GOLDEN).replay


def test_the_log_is_searched_and_bounded(open_page: Open, rejected: Path) -> None:
    """Of a long log head, tail and the evidence are there; what is left out is said; a search shows what matches."""
    page = open_page(rejected)
    assert page.locator("#log-lines .gap").count() == 2
    assert page.locator("#L1500.hit code").inner_text() == "line 1500"
    assert page.locator("#L2500").count() == 0
    page.click(".evidence a")
    assert page.locator("#L1500").is_visible()
    page.fill("#log-search", "LINE 4999")
    assert page.locator("#log-lines > div:visible").count() == 1
    assert page.locator("#log-count").inner_text() == "1"
    page.evaluate("location.hash = '#L1'")
    page.evaluate("location.hash = '#L1500'")
    page.wait_for_function("!document.getElementById('L1500').hidden")


def test_the_page_carries_the_record(open_page: Open, rejected: Path) -> None:
    """The record as JSON is in the page, loss-less."""
    page = open_page(rejected)
    carried = json.loads(page.locator("#record-json").text_content() or "")
    assert Record.model_validate(carried) == read(rejected.parent)


def test_the_list_is_filtered_and_draws_trends(open_page: Open, listed: Path) -> None:
    """Records by variant, bench, image and verdict; trends with the change of image; the unreadable one is named."""
    page = open_page(listed)
    rows = page.locator("#record-rows > tr:visible")
    assert rows.count() == 5
    page.select_option("select[data-field=verdict]", "rejected")
    assert rows.count() == 1
    page.select_option("select[data-field=verdict]", "")
    page.select_option("select[data-field=image]", "image:0 (0)")
    assert rows.count() == 2
    assert page.locator(".trend .sparkline").count() >= 2
    assert page.locator(".trend .sparkline").first.locator(".change").count() >= 1
    assert "is not JSON" in page.locator("section[aria-labelledby=unreadable]").inner_text()
    page.select_option("select[data-field=image]", "")
    page.locator("#record-rows a").first.click()
    page.wait_for_selector(".word")


def test_ten_thousand_records_are_listed_in_seconds(open_page: Open, tmp_path: Path) -> None:
    """The page shows some hundred at once, finds among all of them, and is there in seconds."""
    one = summary(read(GOLDEN), "x")
    days = [timedelta(hours=12 * n) for n in range(10_000)]
    many = [
        one.model_copy(update={"directory": f"d{n}", "started": one.started + day, "image": f"image:{n // 2500}"})
        for n, day in enumerate(days)
    ]
    (tmp_path / "index.html").write_text(html.index(Listing(tuple(many), ())))
    page = open_page(tmp_path / "index.html")
    rows = page.locator("#record-rows > tr:visible")
    assert rows.count() == page.locator("#record-rows > tr").count() == html.ROWS
    page.click("#more")
    assert rows.count() == 2 * html.ROWS
    assert page.locator("#record-rows a").nth(150).get_attribute("href") == "d9849/index.html"
    page.select_option("select[data-field=image]", "image:0")
    assert page.locator("#record-count").inner_text() == "2500"
    assert rows.count() == html.ROWS


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("locale", ["en-US", "zh-TW"])
def test_nothing_overflows(open_page: Open, listed: Path, width: int, locale: str) -> None:
    """On a phone and on a wide screen, in both languages, the page itself never scrolls sideways."""
    for path in every(listed):
        page = open_page(path, width=width, locale=locale)
        needed, given = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert needed <= given, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-TW"])
def test_axe_finds_nothing(open_page: Open, listed: Path, scheme: str, locale: str) -> None:
    """Contrast, landmarks, names: no violation of any weight, in both colour schemes and languages."""
    from axe_playwright_python.sync_playwright import Axe

    for path in every(listed):
        page = open_page(path, scheme=scheme, locale=locale)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        found = Axe().run(page)
        told = [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]]
        assert told == [], path


def test_it_prints_in_light_without_controls(open_page: Open, accepted: Path) -> None:
    """On paper there are no buttons and no dark background."""
    page = open_page(accepted, scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("button:visible").count() == 0


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}\x00\x1b[31m\u202e&amp;"


CHOICES = {"", "cpu", "rw", "ro", "passed", "failed", "skipped", Stage.COMPILE.value}
"""Texts that a record takes from a fixed list: another one is refused."""


def test_a_hostile_record_is_harmless(open_page: Open, tmp_path: Path) -> None:
    """Script tags, control characters and turned text in every free field and in the log: shown, never run."""

    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: poison(one) for key, one in value.items()}
        if isinstance(value, list):
            return [poison(one) for one in value]
        return value + HOSTILE if isinstance(value, str) and value not in CHOICES else value

    record = samples.record(**REJECTED)
    clean = json.loads(record.model_dump_json())
    for field, value in clean.items():
        try:
            record = Record.model_validate(dict(record) | {field: poison(value)})
        except ValueError:
            continue  # a field that takes no free text refuses it
    assert HOSTILE in record.reason
    assert HOSTILE in record.variant.title
    page = open_page(laid(tmp_path / "hostile", record, f"{HOSTILE}\n" * 3))
    assert page.evaluate("document.scripts.length") == 2
    assert page.locator("img").count() == 0
    assert "{{7*7}}" in page.locator(".reason").inner_text()
    assert not re.search("[\x00\x1b\u202e]", page.locator("main").inner_html())
    assert "alert(1)" in page.locator("#L1").inner_text()
    render_again(tmp_path)
    listed = open_page(tmp_path / "index.html")
    listed.select_option("select[data-field=verdict]", record.verdict.value)  # rows are made again from the page's data
    assert listed.locator("#record-rows > tr").count() == 1
    assert listed.evaluate("document.scripts.length") == 2
    assert listed.locator("img").count() == 0


def test_every_view_is_the_same_again(listed: Path) -> None:
    """Rendering again gives the same bytes, and changes no record."""

    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in listed.parent.rglob("*") if path.is_file()}

    before = everything()
    written = render_again(listed.parent)
    assert everything() == before
    assert {path.parent.name for path in written} >= {"accepted", "rejected", "run-0"}
    assert not (listed.parent / "broken" / "index.html").exists()


def test_a_killed_run_gets_its_page_with_the_next_list(tmp_path: Path) -> None:
    """A run that did not reach its end leaves a record without a page; the list never links to nothing."""
    (tmp_path / "killed").mkdir()
    Recorder(samples.record(), tmp_path / "killed")
    write_index(tmp_path)
    assert "interrupted" in (tmp_path / "killed" / "index.html").read_text()
    assert 'href="killed/index.html"' in (tmp_path / "index.html").read_text()


def test_a_place_without_a_record_is_an_error(tmp_path: Path) -> None:
    """A wrong path is told, an empty directory of records is an empty list."""
    with pytest.raises(RecordError, match="can't be read"):
        render_again(tmp_path / "nowhere")
    render_again(tmp_path)
    assert "no records yet" in (tmp_path / "index.html").read_text()


def test_a_finished_recorder_s_log_is_listed_by_name(tmp_path: Path) -> None:
    """The page links to the attachments that the record names."""
    recorder = Recorder(samples.record(), tmp_path)
    recorder.log.write_text("x\n")
    record = recorder.finish()
    write(record, tmp_path)
    assert '<a href="container.log">' in (tmp_path / "index.html").read_text()


EXAMPLES = Path(__file__).parent.parent / "reports" / "examples"


@pytest.mark.parametrize("name", ["accepted", "rejected", "blocked"])
def test_the_views_of_the_examples_are_this_harnesss(name: str) -> None:
    """After a change of views, texts or what a test demands."""
    record = read(EXAMPLES / name)
    stale = [
        view
        for view, text in views(record, EXAMPLES / name / "container.log").items()
        if (EXAMPLES / name / view).read_text(encoding="utf-8") != text
    ]
    assert stale == [], "python -m harness report reports/examples writes them again"


@pytest.mark.parametrize("name", ["accepted", "rejected", "blocked"])
def test_the_examples_are_what_they_are_called(open_page: Open, name: str) -> None:
    """Each committed example (`make examples`) has the verdict of its name."""
    assert read(EXAMPLES / name).verdict.value == name
    assert open_page(EXAMPLES / name / "index.html").locator(".word").inner_text() == name.capitalize()
