"""The views as text: nothing breaks out of them, and each is what its readers expect."""

from __future__ import annotations

import json
import re
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import Record, RecordError, TestOutcome, parse, read
from harness.report import ctrf, html, junit, markdown, texts
from harness.report.charts import against_limit, timeline
from harness.report.log import LONGEST, excerpt
from harness.report.views import views
from harness.types import Check, Measurement, Verdict
from tests import samples

GOLDEN = Path(__file__).parent / "records" / "1.0.json"
TEMPLATES = Path(html.__file__).parent / "templates"
OUTCOMES: tuple[Any, ...] = ("passed", "failed", "error", "skipped")


def saying(text: str) -> Record:
    """A record whose free texts are all `text`."""
    return samples.record(
        reason=text,
        replay=text,
        preflight=(Check(name=text, ok=False, found=text, wanted=text, remedy=text),),
        tests=tuple(
            TestOutcome(nodeid=text, requirement=text, outcome=outcome, seconds=1, message=text, reproduce=text)
            for outcome in OUTCOMES
        ),
        measurements=(Measurement(name=text, value=1, unit=text, limit=2),),
        engine_facts={text: text},
        resolved={text: text},
    )


class Tags(HTMLParser):
    """The tags of a page, and the policy it gives itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen += [tag] if tag != "code" else []  # a word of the replay line, text between backticks
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_no_text_changes_the_page_s_structure(text: str) -> None:
    """Whatever a record says, the page has the elements that it has for a harmless text, and no handler."""
    page = Tags(html.page(saying(text or "x"), None))
    assert page.handlers == []
    assert page.seen == Tags(html.page(saying("x"), None)).seen


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_the_embedded_record_can_be_read_back(text: str) -> None:
    """No text ends the script element that holds the record, and none is lost."""
    record = saying(text or "x")
    held = str(html.embedded(record.model_dump_json()))
    assert not set(held) & set("<>&\u2028\u2029")
    assert Record.model_validate_json(held) == record


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_junit_is_xml_whatever_the_text(text: str) -> None:
    """Characters that XML can't hold are replaced; the counts are those of the outcomes."""
    suite = ET.fromstring(junit.render(saying(text or "x")))[0]
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]


REMOVED = object()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def places(value: object) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in pairs for place in ((value, key), *places(one))]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_an_edited_record_is_refused_or_rendered(data: st.DataObject) -> None:
    """Whatever is put anywhere into a real record: one line says what is wrong, or every view can be made of it."""
    raw = json.loads(GOLDEN.read_text())
    container, key = data.draw(st.sampled_from(places(raw)), label="place")
    container[key] = data.draw(st.just(REMOVED) | JSON, label="value")
    if container[key] is REMOVED:
        del container[key]
    told, texts_of_views = "", []
    try:
        texts_of_views = list(views(parse(json.dumps(raw).encode(), "edited"), Path("nowhere")).values())
    except RecordError as error:
        told = str(error)
    assert len(told.splitlines()) == (not texts_of_views)
    assert all(text.encode() for text in texts_of_views)


def test_junit_shows_a_verdict_that_no_test_accounts_for() -> None:
    """A blocked run has no failed test; a CI system must see it all the same."""
    blocked = samples.record(verdict=Verdict.BLOCKED, reason="preflight port: taken")
    suite = ET.fromstring(junit.render(blocked))[0]
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties["verdict"] == "blocked"
    measured = ET.fromstring(junit.render(read(GOLDEN)))[0]
    values = {one.get("name"): one.get("value") for one in measured.iter("property")}
    assert values["measurement.start.limit"] == "600 s"


def test_ctrf_has_what_its_specification_requires() -> None:
    """The required members with the required types, and counts that add up."""
    document = json.loads(ctrf.render(saying("x")))
    assert (document["reportFormat"], document["specVersion"]) == ("CTRF", "0.0.0")
    summary = document["results"]["summary"]
    assert summary["tests"] == sum(summary[one] for one in ("passed", "failed", "skipped", "pending", "other")) == 4
    assert all(isinstance(summary[one], int) for one in ("start", "stop"))
    for test in document["results"]["tests"]:
        assert test["name"]
        assert test["status"] in ("passed", "failed", "skipped", "pending", "other")
        assert isinstance(test["duration"], int)


def test_markdown_fits_a_step_summary() -> None:
    """At most 64 KiB, whatever a record holds; the verdict is still first and a cut code block is closed."""
    huge = saying("`code` " + "x" * 20_000)
    page = markdown.render(huge)
    assert len(page.encode()) <= 64 * 1024
    assert page.startswith("# ")
    assert "does not fit into 64 KiB" in page
    cut = markdown.capped("```\n" + "line\n" * 50_000)
    assert len(re.findall(r"^```", cut, re.MULTILINE)) == 2


def test_a_line_of_a_hundred_megabytes_costs_no_memory(tmp_path: Path) -> None:
    """Lines are cut while they are read; the page says how much is missing."""
    log = tmp_path / "container.log"
    with log.open("wb") as file:
        file.write(b"first\n")
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b"\nlast\n")
    tracemalloc.start()
    shown = excerpt(log)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shown is not None
    lines = [part for part in shown.parts if not isinstance(part, int)]
    assert [line.number for line in lines] == [1, 2, 3]
    assert (len(lines[1].text), lines[1].cut) == (LONGEST, (100 << 20) - LONGEST)
    assert lines[2].text == "last"
    assert peak < 16 << 20


def test_a_log_is_shown_by_head_tail_and_evidence(tmp_path: Path) -> None:
    """Gaps say how many lines they stand for; all of them add up to the log."""
    log = tmp_path / "container.log"
    log.write_bytes(b"".join(b"%d\n" % n for n in range(1, 10_001)))
    shown = excerpt(log, [5000])
    assert shown is not None
    assert shown.total == 10_000 == sum(part if isinstance(part, int) else 1 for part in shown.parts)
    numbers = {part.number for part in shown.parts if not isinstance(part, int)}
    assert {1, 1000, 4980, 5000, 5020, 9001, 10_000} <= numbers
    assert not {1001, 4979, 5021, 9000} & numbers
    assert excerpt(tmp_path / "nowhere") is None


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=3000))
def test_any_bytes_are_a_log(data: bytes) -> None:
    """Binary, ANSI codes, no line end: each physical line is one."""
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        shown = excerpt(Path(file.name))
    assert shown is not None
    assert shown.total == data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


def test_a_phase_that_outlives_its_deadline_is_marked() -> None:
    """The chart shows the deadline where it lies, and colours what went over it."""
    record = read(GOLDEN)
    assert {bar.state for bar in timeline(record)} == {"ok"}
    slow = record.phases[3].model_copy(update={"deadline_s": 0.5})
    bars = timeline(record.model_copy(update={"phases": (*record.phases[:3], slow, *record.phases[4:])}))
    assert [bar.name for bar in bars if bar.state == "over"] == [slow.name]
    assert all(0 <= bar.begin <= 100 and 0 <= bar.width <= 100 for bar in bars)


@settings(deadline=None, max_examples=50)
@given(st.floats(allow_nan=False, allow_infinity=False), st.none() | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_can_be_drawn(value: float, limit: float | None) -> None:
    """Zero, negative and huge values stay within the bar."""
    drawn = against_limit(Measurement(name="x", value=value, unit="s", limit=limit))
    assert (drawn is None) == (limit is None)
    assert drawn is None or all(0 <= part <= 100 for part in drawn)


def test_every_label_of_the_templates_exists_in_both_languages() -> None:
    """No key is missing, no label is left untranslated but names."""
    used = {
        key
        for path in TEMPLATES.glob("*.html")
        for key in re.findall(r"\bt\('([\w-]+)'\)|fact\('([\w-]+)'", path.read_text())
        for key in key
        if key
    }
    assert used - texts.LABELS.keys() == set()
    same = {key for key, text in texts.LABELS.items() if text.en == text.zh_tw}
    assert same == {"dgx-os", "gpu", "vllm", "torch", "cuda", "check:docker", "check:hf-token"}


def test_the_policy_allows_nothing_but_the_page_s_own_style_and_script() -> None:
    """No `unsafe-inline`, no attribute styles or handlers that would need it, nothing from elsewhere."""
    page = html.page(read(GOLDEN), None)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert policy[1].startswith("default-src &#39;none&#39;")
    assert "unsafe" not in policy[1]
    assert not re.search(r"<[^>]+\sstyle=", page)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)


@pytest.mark.parametrize("name", ["index.html", "record.md", "junit.xml", "ctrf.json"])
def test_views_are_pure(tmp_path: Path, name: str) -> None:
    """The same record gives the same bytes."""
    record = read(GOLDEN)
    assert views(record, tmp_path / "log")[name] == views(record, tmp_path / "log")[name]
