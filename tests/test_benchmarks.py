"""The harness keeps its speed: small versions of `make bench`, for a lost order of magnitude and not for noise."""

from __future__ import annotations

import json
import random
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import collecting, logs
from benchmarks.__main__ import page
from benchmarks.table import Row, markdown
from harness.progress import progress
from harness.rules import RULES

if TYPE_CHECKING:
    from harness.engine import Engine

EVENTS_MS = {"ready": 500, "exit 0": 3000, "OOM kill": 3000, "fatal line, hang": 500}
"""Event → milliseconds to the right verdict, ten times and more what it takes."""


@pytest.mark.engine
@pytest.mark.parametrize("event", EVENTS_MS)
def test_a_verdict_comes_when_the_truth_is_known(engine_or_skip: Engine, tmp_path: Path, event: str) -> None:
    """A real container, a stamped event; the second of three delays counts, and no verdict is wrong."""
    from benchmarks.detect import OURS, trial

    trials = [
        trial(engine_or_skip, None, event, "published", tmp_path, progress(), delay_s=1, cap_s=15) for _ in range(3)
    ]
    assert not any(one.false(OURS) for one in trials)
    delays = [delay for one in trials if (delay := one.delay_ms(OURS)) is not None]
    assert len(delays) == len(trials)
    assert statistics.median(delays) < EVENTS_MS[event], delays


@pytest.mark.engine
def test_a_container_that_floods_its_log_is_kept_up_with(engine_or_skip: Engine, tmp_path: Path) -> None:
    """16 MB as fast as the engine takes them: all of it in the file, the memory flat, the end soon after the end."""
    (tmp_path / "block").write_bytes(logs.block(1))
    done = logs._child("follow", engine_or_skip, tmp_path, 16)
    assert done["bytes"] >= 16 << 20
    assert done["unwritten"] == ""
    assert done["grown_mib"] < 64
    assert done["lag_s"] < 5


def test_reading_a_log_is_far_faster_than_a_regex_per_line() -> None:
    """Many times as fast, in one process; 70 times when this was written."""
    data = logs.block(2)
    assert logs.speed(logs.diagnose, data) > 5 * logs.speed(logs.per_line, data[: 1 << 18])


def test_taking_secrets_out_is_no_bottleneck() -> None:
    """With the redaction, reading takes at most four times as long as without."""
    data = logs.block(2)
    assert logs.speed(logs.redact_and_diagnose, data) > logs.speed(logs.diagnose, data) / 4


def test_more_rules_cost_hardly_anything() -> None:
    """Eight times the rules, at most four times the time."""
    data = logs.block(2)
    more = tuple(rule.model_copy(update={"id": f"{rule.id}-{n}"}) for n in range(8) for rule in RULES)
    logs.diagnose(data[:1000], more)
    assert logs.speed(lambda text: logs.diagnose(text, more), data) > logs.speed(logs.diagnose, data) / 4


def test_collection_loads_no_heavy_library() -> None:
    """`pytest --collect-only suites/` starts as fast as pytest itself."""
    assert collecting.heavy() == []


def test_the_table_says_what_was_missed() -> None:
    """A row of its own a contestant; a pipe in a text is no column."""
    told = markdown([Row(what="a", who="b|c", value="1 s", target="< 1 s", ok=False)])
    assert told.splitlines()[-1] == "| a    | b\\|c | 1 s   |         | < 1 s  | **missed** |"


def test_the_page_has_the_newest_run_of_every_discipline(tmp_path: Path) -> None:
    """Disciplines can be run one at a time, on another day; the page says of each when, and on what machine."""
    for name, discipline, value in (("1", "idle", "old"), ("2", "idle", "new"), ("3", "collect", "fast")):
        told = {"discipline": discipline, "begun": f"day {name}", "machine": "a box", "small": False}
        rows = [asdict(Row(what="x", who="y", value=value))]
        (tmp_path / f"{name}.json").write_text(json.dumps(told | {"rows": rows}))
    told_page = page(tmp_path)
    assert "old" not in told_page
    assert told_page.index("`collect`, full, day 3: a box") < told_page.index("`idle`, full, day 2: a box")


def test_pollers_meet_the_event_in_every_phase_of_their_pause() -> None:
    """A median that luck decides compares nothing: of twelve events, one falls into each twelfth of a second."""
    from benchmarks.detect import phases

    delays = phases(12, random.Random(1))
    assert sorted(int(delay * 12) for delay in delays) == list(range(24, 36))
