"""What large records cost: one with ten thousand tests and a log of 100 MB, and ten thousand of them in a list."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.logs import block, peak_mib
from benchmarks.table import Row
from harness.history import listing
from harness.record import FILE, Record, TestOutcome, read
from harness.report.views import write, write_index

EXAMPLE = Path(__file__).parent.parent / "reports" / "examples" / "accepted"


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Wall seconds and the largest resident set in MiB of `work` in a process of its own."""
    context = multiprocessing.get_context("fork")
    pipe, inside = context.Pipe()

    def child() -> None:
        begun = time.monotonic()
        work()
        inside.send((time.monotonic() - begun, peak_mib()))

    process = context.Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    told: tuple[float, float] = pipe.recv() if pipe.poll() else (0.0, 0.0)
    return told


def large(tests: int) -> Record:
    """The example's record with so many tests."""
    record = read(EXAMPLE)
    outcomes = tuple(
        TestOutcome(
            nodeid=f"suites/test_x.py::test_{n}", requirement=f"It holds for {n}.", outcome="passed", seconds=0.01
        )
        for n in range(tests)
    )
    return record.model_copy(update={"tests": outcomes, "tests_available": tests})


def run(place: Path, *, small: bool) -> Iterator[Row]:
    """Render, then list."""
    tests, megabytes, records = (1000, 20, 1000) if small else (10_000, 100, 10_000)
    big = place / "big"
    big.mkdir()
    (big / FILE).write_text(large(tests).model_dump_json())
    piece = block()
    with (big / "container.log").open("wb") as log:
        while log.tell() < megabytes * 1_000_000:
            log.write(piece)
    seconds, mib = measured(lambda: write(read(big), big))
    yield Row(
        what=f"render a record with {tests} tests and a log of {megabytes} MB",
        who="this harness",
        value=f"{seconds:.1f} s, {mib:.0f} MiB, page of {(big / 'index.html').stat().st_size / 1e6:.1f} MB",
        target="< 10 s, < 500 MiB",
        ok=seconds < 10 and mib < 500,
    )
    shutil.rmtree(big)
    reports = place / "reports"
    raw = json.loads((EXAMPLE / FILE).read_text())
    page = (EXAMPLE / "index.html").read_bytes()
    for n in range(records):
        directory = reports / f"r{n:05}"
        directory.mkdir(parents=True)
        (directory / FILE).write_text(json.dumps(raw | {"record_id": f"r{n}"}))
        (directory / "index.html").write_bytes(page[:1])
    for which, target_s in (("the first time", 20.0), ("again", 3.0)):
        seconds, mib = measured(lambda: _listed(reports, records))
        limit = target_s * records / 10_000 + 1
        yield Row(
            what=f"list {records} records, {which}",
            who="this harness",
            value=f"{seconds:.1f} s, {mib:.0f} MiB",
            target=f"< {limit:.0f} s",
            ok=seconds < limit,
        )
    seconds, mib = measured(lambda: write_index(reports))
    yield Row(what=f"the page of {records} records", who="this harness", value=f"{seconds:.1f} s, {mib:.0f} MiB")


def _listed(reports: Path, count: int) -> None:
    assert len(listing(reports).records) == count
