"""The record: judged by what it holds, written whole or not at all, read back or refused with a reason."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness import record as records
from harness.history import lost
from harness.record import Recorder, RecordError, TestOutcome, judge, new_directory, read, write_atomically
from harness.report.markdown import escape, fence, render
from harness.types import Check, Diagnosis, Measurement, Stage, Text, Verdict
from harness.variants import find
from tests import samples

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "tests" / "records"
GOOD = Check(name="port", ok=True, found="free", wanted="port 8000 free")
BAD = Check(name="port", ok=False, found="taken", wanted="port 8000 free", remedy="docker rm -f x")
PASSED = TestOutcome(nodeid="suites/a.py::t", requirement="it works", outcome="passed", seconds=1)
FAILED = TestOutcome(nodeid="suites/a.py::u", requirement="it works", outcome="failed", seconds=1, message="no")
SKIPPED = TestOutcome(nodeid="suites/a.py::v", requirement="it works", outcome="skipped", seconds=0)
OOM = Diagnosis(
    rule="gpu-memory-startup",
    stage=Stage.COMPILE,
    cause=Text(en="no room", zh_tw="空間不足"),
    remedy=Text(en="less", zh_tw="調低"),
)
HELD = Measurement(name="memory_back_after_stop", value=60, unit="s", limit=60, ok=False)
LATE = Measurement(name="start", value=700, unit="s", limit=600, ok=False)


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({"tests": (PASSED,)}, Verdict.ACCEPTED, "1 tests passed (1 more were not run)"),
        ({"tests": (PASSED,), "tests_available": 1}, Verdict.ACCEPTED, "1 tests passed"),
        ({}, Verdict.INCONCLUSIVE, "no test was run"),
        ({"tests": (SKIPPED,)}, Verdict.INCONCLUSIVE, "no test was run"),
        ({"tests": (PASSED, FAILED)}, Verdict.REJECTED, "1 of 2 tests failed, first suites/a.py::u"),
        ({"tests": (PASSED,), "diagnosis": OOM}, Verdict.REJECTED, "gpu-memory-startup: no room"),
        ({"tests": (PASSED,), "measurements": (LATE,)}, Verdict.REJECTED, "start: 700.0 s, limit 600.0 s"),
        (
            {"tests": (PASSED,), "measurements": (HELD,)},
            Verdict.INCONCLUSIVE,
            "memory_back_after_stop: not within 60 s",
        ),
        ({"preflight": (GOOD, BAD)}, Verdict.BLOCKED, "preflight port: taken → docker rm -f x"),
        ({"preflight": (BAD,), "tests": (FAILED,)}, Verdict.BLOCKED, "preflight port"),
    ],
)
def test_the_verdict_follows_from_the_record(changes: dict[str, Any], verdict: Verdict, reason: str) -> None:
    """Whose fault it is decides; a run that judged nothing is never accepted."""
    found, why = judge(samples.record(**changes))
    assert found is verdict
    assert reason in why


def test_an_expected_failure_is_accepted_and_its_absence_is_not() -> None:
    """`expects` may name a rule: then that diagnosis is the good outcome."""
    wanted = samples.record().expectation.model_copy(update={"expects": "gpu-memory-startup"})
    expecting = {"expectation": wanted, "tests": (PASSED,)}
    assert judge(samples.record(**expecting, diagnosis=OOM))[0] is Verdict.ACCEPTED
    assert judge(samples.record(**expecting))[0] is Verdict.REJECTED


def test_an_interrupted_run_is_interrupted() -> None:
    """Whatever had passed by then."""
    assert judge(samples.record(tests=(PASSED,)), interrupted=True)[0] is Verdict.INTERRUPTED


def test_a_lost_host_is_no_failed_model() -> None:
    """Another boot at the end than at the beginning: interrupted, whatever else is known."""
    host = samples.HOST.model_copy(update={"boot_id": "before"})
    died = samples.record(host=host, diagnosis=OOM)
    verdict, reason = judge(died, boot_id="after")
    assert verdict is Verdict.INTERRUPTED
    assert "the host restarted during this run" in reason
    assert judge(died, boot_id="before")[0] is Verdict.REJECTED
    assert judge(samples.record(diagnosis=OOM), boot_id="after")[0] is Verdict.REJECTED  # nobody knows


def test_a_failure_beside_the_kernels_kills_says_so() -> None:
    """The kernel's counter before and after the run stands in the reason."""
    killed = Measurement(name="kernel_oom_kills", value=2, unit="processes")
    assert "the kernel killed 2 processes" in judge(samples.record(diagnosis=OOM, measurements=(killed,)))[1]


def test_records_whose_run_is_gone_are_found(tmp_path: Path) -> None:
    """Of this box, whatever the boot: neither finished ones, nor those under way, nor what is no record."""
    here = samples.HOST.model_copy(update={"name": "here", "boot_id": "now"})
    hosts = dict.fromkeys(("killed", "under-way", "finished"), here) | {
        "restarted": here.model_copy(update={"boot_id": "before"}),
        "elsewhere": here.model_copy(update={"name": "elsewhere"}),
        "other-unit": here.model_copy(update={"serial_sha256": "b" * 64}),
    }
    held = {}
    for name, host in hosts.items():
        (tmp_path / name).mkdir()
        held[name] = Recorder(samples.record(host=host), tmp_path / name)
    held.pop("finished").finish()
    alive = held.pop("under-way")
    held.clear()  # as if their processes were gone: a lock dies with its holder
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "record.json").write_text("{")
    box = here.model_copy(update={"serial_sha256": "a" * 64})
    assert [directory.name for directory, _ in lost(tmp_path, box)] == ["killed", "restarted"]
    alive.finish()


def test_a_record_says_interrupted_until_its_end(tmp_path: Path) -> None:
    """The file on disk is valid at any moment, and calls itself unfinished until it is finished."""
    recorder = Recorder(samples.record(), tmp_path)
    assert read(tmp_path).verdict is Verdict.INTERRUPTED
    recorder.update(tests=(PASSED,))
    assert read(tmp_path).verdict is Verdict.INTERRUPTED
    recorder.finish()
    finished = read(tmp_path)
    assert finished.verdict is Verdict.ACCEPTED
    assert finished.ended is not None


def test_a_writer_killed_at_any_moment_leaves_a_whole_record(tmp_path: Path) -> None:
    """kill -9 while the record is rewritten over and over: what is there can always be read."""
    write_for_ever = (
        "import sys; from pathlib import Path; from tests import samples; from harness.record import Recorder\n"
        "r = Recorder(samples.record(), Path(sys.argv[1])); print('ready', flush=True)\n"
        "while True: r.update(reason='x' * 100000)\n"
    )
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", write_for_ever, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(0.05)
            writer.send_signal(signal.SIGKILL)
        assert read(tmp_path).verdict is Verdict.INTERRUPTED


def test_a_failed_write_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the old file stays and the error says what to do."""
    write_atomically(tmp_path / "f", "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordError, match=r"No space left on device.*free space"):
        write_atomically(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON"),
        ('{"schema_name": "gb10-deployment-record", "sch', "is not JSON"),
        ("[]", "is not a deployment record"),
        ('{"schema_name": "other"}', "is not a deployment record"),
        ('{"schema_name": "gb10-deployment-record", "schema_version": "9.0"}', "reads 1.0, 1.1 → it is from a newer"),
        ('{"schema_name": "gb10-deployment-record", "schema_version": "1.0"}', "is malformed: KeyError"),
        ('{"schema_name": "gb10-deployment-record", "schema_version": "1.1"}', "is malformed at"),
        ('{"schema_name": "gb10-deployment-record", "schema_version": []}', "is malformed: TypeError"),
        ('{"schema_name": "gb10-deployment-record"}', "is malformed: KeyError"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_malformed_record_is_refused_with_a_reason(tmp_path: Path, text: str, reason: str) -> None:
    """Cut short, foreign, from the future, hand-edited: one line says which."""
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(RecordError, match=reason):
        read(tmp_path)


OUTSIDE = {"name": "../../etc/passwd", "bytes": 1, "sha256": "0" * 64}
HOSTILE: tuple[tuple[str, Any], ...] = (
    ("attachments", [OUTSIDE]),
    ("attachments", [OUTSIDE | {"name": "/etc/passwd"}]),
    ("attachments", [OUTSIDE | {"name": "log\n"}]),
    ("tests_available", 1e999),
    ("memory", [{"at_s": float("nan"), "available_gib": 1}]),
    ("started", "2026-01-01T00:00:00"),
    ("reason", "\ud800"),
    ("phases", 7),
    ("surprise", 1),
)


@pytest.mark.parametrize(("field", "value"), HOSTILE, ids=str)
def test_a_hand_edited_record_is_refused(tmp_path: Path, field: str, value: object) -> None:
    """A path for an attachment's name, a number that is none, a time without a zone, half a character."""
    edited = json.loads(samples.record().model_dump_json()) | {field: value}
    (tmp_path / "record.json").write_text(json.dumps(edited))
    with pytest.raises(RecordError, match=f"is malformed at {field}|is not JSON"):
        read(tmp_path)


def test_a_huge_record_is_refused_unread(tmp_path: Path) -> None:
    """A file of another size than a record's is not loaded."""
    with (tmp_path / "record.json").open("wb") as file:
        file.truncate(records.LARGEST + 1)
    with pytest.raises(RecordError, match="larger than 64 MiB"):
        read(tmp_path)


def test_every_older_version_is_read() -> None:
    """A golden record of each version that was ever written is kept, and means today what it meant."""
    assert {path.stem for path in RECORDS.iterdir()} == {*records.MIGRATIONS}
    oldest = read(RECORDS / "1.0.json")
    assert (oldest.verdict, oldest.vllm_version) == (Verdict.ACCEPTED, "0.32.0")
    assert {phase.deadline_s for phase in oldest.phases} == {oldest.expectation.start_budget_s}
    assert oldest.memory_floor_gib is None
    assert oldest.host.serial_sha256 is None


def test_a_missing_record_is_refused_with_a_reason(tmp_path: Path) -> None:
    """No file: say so."""
    with pytest.raises(RecordError, match="can't be read"):
        read(tmp_path / "nowhere")


def test_a_record_survives_writing_and_reading(tmp_path: Path) -> None:
    """What is read is what was written."""
    full = samples.record(tests=(PASSED, FAILED), diagnosis=OOM, measurements=(LATE,), preflight=(GOOD, BAD))
    write_atomically(tmp_path / "record.json", full.model_dump_json())
    assert read(tmp_path / "record.json") == full


def test_the_committed_schema_is_the_code_s() -> None:
    """reports/record.schema.json is generated (`make schema`), and a real record fits it."""
    committed = (ROOT / "reports" / "record.schema.json").read_text()
    assert committed == records.schema()
    Draft202012Validator.check_schema(json.loads(committed))
    validator = Draft202012Validator(json.loads(committed))
    for one in (samples.record(), read(RECORDS / "1.0.json")):
        validator.validate(json.loads(one.model_dump_json()))
    future = json.loads(samples.record().model_dump_json()) | {"schema_version": "9.0"}
    assert not validator.is_valid(future)


def test_two_records_of_one_second_do_not_collide(tmp_path: Path) -> None:
    """Directories are named by time, variant and bench; a name that exists gets a number."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    variant = find("gpt-oss-120b")
    made = [new_directory(tmp_path / "new", variant, samples.CPU, now).name for _ in range(2)]
    assert made == ["20260102T030405Z-gpt-oss-120b-cpu", "20260102T030405Z-gpt-oss-120b-cpu-2"]


@pytest.mark.parametrize("place", ["a file", "below a file"])
def test_reports_that_can_t_be_written_are_an_error(tmp_path: Path, place: str) -> None:
    """A file where the directory should be: say so, start nothing."""
    (tmp_path / "file").write_text("")
    where = tmp_path / "file" if place == "a file" else tmp_path / "file" / "reports"
    with pytest.raises(RecordError, match="--reports"):
        new_directory(where, find("gpt-oss-120b"), samples.CPU, datetime.now(UTC))


def test_the_page_says_the_verdict_first_and_everything_else() -> None:
    """Verdict, reason, what the bench shows, diagnosis with remedy, replay line, preflight, tests."""
    page = render(
        samples.record(verdict=Verdict.REJECTED, reason="because", diagnosis=OOM, tests=(FAILED,), preflight=(BAD,))
    )
    assert page.startswith("# ❌ rejected: gpt-oss-120b, MXFP4 on the cpu bench\n\nbecause.")
    for part in (
        "the procedure, not the hardware",
        "gpu-memory-startup",
        "less",
        "docker run",
        "docker rm -f x",
        "it works",
    ):
        assert part in page


@given(st.text())
def test_no_text_can_break_out_of_the_page(text: str) -> None:
    """Text from outside starts no markup and ends no code block."""
    assert not set(re.sub(r"\\.", "", escape(text))) & set("<>`*_[]|~")
    block = fence([text])
    ticks = block.partition("\n")[0]
    assert block.count(ticks) == 2 or ticks not in text


@given(st.binary())
def test_any_file_is_a_record_or_an_error(data: bytes) -> None:
    """Reading never ends in a traceback of another kind."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "record.json"
        path.write_bytes(data)
        with pytest.raises(RecordError):
            read(path)


def test_records_are_immutable() -> None:
    """A record is a value."""
    with pytest.raises(Exception, match="frozen"):
        samples.record().verdict = Verdict.ACCEPTED  # type: ignore[misc]
