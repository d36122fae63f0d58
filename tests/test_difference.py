"""What changed between two records: the order of suspicion, noise, exit codes; the history that noise comes from."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.difference import SECTIONS, compare, outcome
from harness.history import INDEX, listing, since_last_accepted, superfluous
from harness.record import ImageFacts, Record, read, write_atomically
from harness.report import html, markdown
from harness.report.views import render_again
from harness.types import Measurement, Verdict
from tests import samples
from tests.test_record import FAILED, PASSED

SPEED = Measurement(name="decode", value=50, unit="tok/s")


def start(value: float, limit: float | None = None) -> Measurement:
    """A start-up time."""
    return Measurement(name="start", value=value, unit="s", limit=limit, ok=limit is None or value <= limit)


def put(reports: Path, day: int, **changes: Any) -> Record:
    """A record of that day, on disk."""
    begun = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    record = samples.record(record_id=f"run-{day}", started=begun, ended=begun, **changes)
    directory = reports / f"{begun:%Y%m%dT%H%M%SZ}-{record.variant.name}-cpu"
    directory.mkdir(parents=True)
    write_atomically(directory / "record.json", record.model_dump_json())
    return record


def test_what_differs_in_every_run_is_no_change() -> None:
    """Times, ids, the boot, free memory, seconds of a test."""
    one = samples.record(tests=(PASSED,))
    host = one.host.model_copy(update={"boot_id": "other", "memory_available_gib": 1.0, "oom_kills": 7})
    labels = one.declared.labels | {"gb10-acceptance.run": "ffff"}
    flags = one.declared.model_copy(update={"labels": labels})
    now = datetime.now(UTC)
    slower = PASSED.model_copy(update={"seconds": 9.0})
    other = samples.record(record_id="x", started=now, ended=now, host=host, declared=flags, tests=(slower,))
    assert compare(one, other).changes == ()


def test_changes_come_in_the_order_of_suspicion() -> None:
    """Machine, image, flags, settings, tests, measurements; each names what it was and is."""
    old = samples.record(tests=(PASSED,), measurements=(start(100),), resolved={"dtype": "bfloat16"})
    command = ("vllm", "serve", "openai/gpt-oss-120b", "--max-model-len", "8192")
    new = samples.record(
        host=samples.HOST.model_copy(update={"driver": "580.95"}),
        vllm_version="0.11.0",
        declared=old.declared.model_copy(update={"command": command}),
        resolved={"dtype": "float16"},
        tests=(PASSED.model_copy(update={"outcome": "failed"}),),
        measurements=(start(200),),
    )
    found = compare(old, new)
    order = [SECTIONS.index(change.section) for change in found.changes]
    assert order == sorted(order)
    assert {change.section for change in found.changes} == set(SECTIONS) - {"harness"}
    told = {change.what: (change.before, change.after) for change in found.changes}
    assert told["--max-model-len"] == ("32768", "8192")
    assert told["driver"] == ("unknown", "580.95")
    assert told["dtype"] == ("bfloat16", "float16")
    assert outcome(found) == "regressed"


@pytest.mark.parametrize(
    ("was", "now", "word"),
    [
        (start(100), start(109), "same"),
        (start(100), start(111), "regressed"),
        (start(100), start(89), "changed"),
        (start(0.01), start(0.4), "same"),
        (start(100, 105), start(106, 105), "regressed"),
        (SPEED, SPEED.model_copy(update={"value": 44.0}), "regressed"),
        (SPEED, SPEED.model_copy(update={"value": 56.0}), "changed"),
    ],
)
def test_without_a_history_a_stated_band_is_noise(was: Measurement, now: Measurement, word: str) -> None:
    """Ten percent, and half a second; over a limit is a regression whatever the noise."""
    old, new = (samples.record(measurements=(m,)) for m in (was, now))
    assert outcome(compare(old, new)) == word


def test_with_a_history_its_own_spread_is_noise() -> None:
    """Three median deviations around the median, at least three percent of it."""
    calm = [{"start": 100.0 + d} for d in (0, 0.5, -0.5, 0.2, -0.2)]
    wild = [{"start": 100.0 + d} for d in (0, 20, -20, 10, -10)]
    old, new = samples.record(measurements=(start(100),)), samples.record(measurements=(start(104),))
    assert outcome(compare(old, new, calm)) == "regressed"
    assert outcome(compare(old, new, wild)) == "same"
    (change,) = compare(old, new, calm).changes
    assert change.note == "+4.0%, noise of 5 accepted records ±3 s around 100"


def test_another_bench_is_no_regression() -> None:
    """What is not comparable is changed, not worse."""
    old = samples.record(tests=(PASSED,), measurements=(start(100),), verdict=Verdict.ACCEPTED)
    bench = samples.CPU.model_copy(update={"name": "gb10"})
    new = samples.record(bench=bench, tests=(FAILED,), measurements=(start(900),), verdict=Verdict.REJECTED)
    assert outcome(compare(old, new)) == "changed"


def test_the_last_accepted_record_is_found_and_shown(tmp_path: Path) -> None:
    """The newest before this one, of the same variant and bench; the page and record.md show what changed."""
    put(tmp_path, 1, verdict=Verdict.ACCEPTED, tests=(PASSED,))
    put(tmp_path, 2, verdict=Verdict.ACCEPTED, tests=(PASSED,), vllm_version="0.10")
    put(tmp_path, 3, verdict=Verdict.REJECTED, tests=(FAILED,), vllm_version="0.11")
    now = put(tmp_path, 4, verdict=Verdict.REJECTED, tests=(FAILED,), vllm_version="<b>0.12</b>")
    put(tmp_path, 5, verdict=Verdict.ACCEPTED, tests=(PASSED,))
    found = since_last_accepted(tmp_path, now)
    assert found is not None
    assert found.before == "run-2"
    shown = now.model_copy(update={"since": found})
    assert "Since the last accepted record, run-2" in markdown.render(shown)
    page = html.page(shown, None)
    assert "&lt;b&gt;0.12&lt;/b&gt;" in page
    assert since_last_accepted(tmp_path / "none", now) is None


def test_diff_says_it_in_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 same, 1 changed, 3 regressed, 2 unreadable; text, JSON and HTML."""
    put(tmp_path, 0, tests=(PASSED,))
    put(tmp_path, 1, tests=(PASSED,), vllm_version="1")
    put(tmp_path, 2, tests=(FAILED,))
    one, two, three = (str(path) for path in sorted(tmp_path.iterdir()))
    assert main(["diff", one, one]) == 0
    assert main(["diff", one, two]) == 1
    capsys.readouterr()
    assert main(["diff", one, three, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["outcome"] == "regressed"
    assert main(["diff", one, three, "--html"]) == 3
    assert capsys.readouterr().out.startswith("<!doctype html>")
    assert main(["diff", one, str(tmp_path / "nowhere")]) == 2


def test_ten_thousand_records_are_listed_in_seconds(tmp_path: Path) -> None:
    """With the index; without it each is read once. A new, a changed and a removed record are seen at once."""
    measured = tuple(Measurement(name=f"m{n}", value=n, unit="s", limit=100) for n in range(8))
    body = samples.record(verdict=Verdict.ACCEPTED, tests=(PASSED,) * 20, measurements=measured).model_dump_json()
    for n in range(10_000):
        directory = tmp_path / f"run-{n:05}"
        directory.mkdir()
        (directory / "record.json").write_text(body)
    begun = time.monotonic()
    assert len(listing(tmp_path).records) == 10_000
    first, begun = time.monotonic() - begun, time.monotonic()
    listed = listing(tmp_path)
    again, begun = time.monotonic() - begun, time.monotonic()
    assert len(listed.records) == 10_000
    page = html.index(listed)
    drawn = time.monotonic() - begun
    print(f"first {first:.1f} s, again {again:.2f} s, page of {len(page) >> 20} MiB {drawn:.1f} s")
    assert first < 40
    assert again < 10
    assert drawn < 60
    (tmp_path / "run-00000" / "record.json").unlink()
    (tmp_path / "run-00001" / "record.json").write_text("cut")
    listed = listing(tmp_path)
    assert (len(listed.records), [one.directory for one in listed.unreadable]) == (9_998, ["run-00001"])


def test_an_index_that_another_state_of_the_checkout_kept_is_made_again(tmp_path: Path) -> None:
    """What a summary has is no part of the version: a line that does not fit is read again."""
    put(tmp_path, 0)
    good = listing(tmp_path)
    with closing(sqlite3.connect(tmp_path / INDEX)) as index, index:
        index.execute("UPDATE line SET line = json_remove(line, '$.ended')")
    assert listing(tmp_path) == good


def test_what_another_selection_left_out_is_one_change() -> None:
    """Not a line a test, and no regression; a test that failed is named in any case."""
    many = tuple(PASSED.model_copy(update={"nodeid": f"suites/a.py::{n}"}) for n in range(9))
    broken = FAILED.model_copy(update={"nodeid": "suites/a.py::broken"})
    before, after = samples.record(tests=many), samples.record(tests=(many[0], broken))
    found = [one for one in compare(before, after).changes if one.section == "tests"]
    assert [(one.what, one.before, one.after, one.worse) for one in found] == [
        ("not run", "8 tests", None, False),
        ("suites/a.py::broken", None, "failed", True),
    ]
    assert [one.what for one in compare(after, before).changes if one.section == "tests"] == [
        "run only now",
        "suites/a.py::broken",
    ]


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_index_is_made_again(tmp_path: Path, damage: bytes) -> None:
    """It is only ever a copy of what the records say."""
    put(tmp_path, 1)
    (tmp_path / INDEX).write_bytes(damage)
    assert len(listing(tmp_path).records) == 1
    assert len(listing(tmp_path).records) == 1
    (tmp_path / INDEX).unlink(missing_ok=True)
    assert len(listing(tmp_path).records) == 1


def test_retention_never_gives_up_the_last_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """However old it is; unreadable ones are kept and said; a dry run deletes nothing."""
    good = {"verdict": Verdict.ACCEPTED, "tests": (PASSED,)}
    bad = {"verdict": Verdict.REJECTED, "tests": (FAILED,)}
    for day, changes in enumerate((good, good, bad, bad, bad)):
        put(tmp_path, day, **changes)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "record.json").write_text("{")
    before = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert main(["prune", "--keep", "1", "--dry-run", "--reports", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == before
    assert main(["prune", "--keep", "1", "--reports", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "the last accepted record of gpt-oss-120b on cpu" in told
    assert "kept: broken: unreadable" in told
    left = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert [name[:8] for name in left] == ["20260102", "20260105", "broken"]
    assert main(["prune", "--keep-days", "0", "--reports", str(tmp_path)]) == 0
    assert [path.name[:8] for path in sorted(tmp_path.iterdir()) if path.is_dir()] == ["20260102", "broken"]


def test_a_run_under_way_is_not_pruned(tmp_path: Path) -> None:
    """A record whose writer lives; a killed run's is as old as any other."""
    put(tmp_path, 0)
    listed = listing(tmp_path)
    (one,) = listed.records
    running = listed._replace(records=(one.model_copy(update={"running": True}),))
    assert superfluous(running, keep=0).doomed == ()
    assert superfluous(listed, keep=0).doomed == listed.records


def test_an_accepted_record_that_can_t_be_read_is_not_the_last_accepted_one(tmp_path: Path) -> None:
    """A list reads little of a record: what was edited elsewhere in it counts when something is deleted, compared or
    shown."""
    put(tmp_path, 0, verdict=Verdict.ACCEPTED)
    put(tmp_path, 1, verdict=Verdict.ACCEPTED)
    put(tmp_path, 2)
    good, edited, newest = (tmp_path / one.directory for one in listing(tmp_path).records)
    held = json.loads((edited / "record.json").read_text())
    (edited / "record.json").write_text(
        json.dumps(held | {"attachments": [{"name": "../x", "bytes": 1, "sha256": ""}]})
    )
    listed = listing(tmp_path)
    assert [one.directory for one in superfluous(listed, keep=0, reports=tmp_path).doomed] == [
        newest.name,
        edited.name,
    ]
    changes = since_last_accepted(tmp_path, read(newest))
    assert changes is not None
    assert changes.before == read(good).record_id
    page = render_again(tmp_path)[-1].read_text()
    assert "malformed at attachments.0.name" in page
    assert f'href="{edited.name}/index.html"' not in page


def test_trends_mark_a_new_image_and_a_new_driver(tmp_path: Path) -> None:
    """Where the line crosses over, and by name."""
    drivers = ("570.1", "570.1", "580.2", "580.2")
    for day, driver in enumerate(drivers):
        host = samples.HOST.model_copy(update={"driver": driver})
        image = ImageFacts(ref="i", id=f"sha256:{'ab'[day // 3]}", digest=None, architecture="arm64", labels={})
        put(tmp_path, day, host=host, image=image, measurements=(start(10 + day, 60),))
    ((trend,),) = (html.trends(listing(tmp_path).records[::-1]),)
    assert [told for _, told in trend["changes"]] == ["driver 570.1 → 580.2", "image i (a) → i (b)"]
    assert len(trend["charts"]["start"][0].changes) == 2
