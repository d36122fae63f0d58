"""What `pytest --collect-only suites/` costs beside a pytest run that collects nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import Row
from harness import HEAVY

ROOT = Path(__file__).parent.parent
PYTEST = ("-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider")
TOLD = "import sys, pytest; pytest.main(sys.argv[1:]); print('loaded', *(n for n in {!r} if n in sys.modules))"


def seconds(arguments: tuple[str, ...], place: Path) -> float:
    """Wall time of one Python process."""
    begun = time.monotonic()
    subprocess.run([sys.executable, *arguments], cwd=place, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun


def heavy() -> list[str]:
    """Libraries of `harness.HEAVY` that collection loads."""
    done = subprocess.run(
        [sys.executable, "-c", TOLD.format(HEAVY), *PYTEST[2:], "suites/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1].split()[1:]


def run(place: Path, *, small: bool) -> Iterator[Row]:
    """Both in turn, several times; the medians."""
    empty = place / "empty"
    empty.mkdir()
    (empty / "pytest.ini").write_text("[pytest]\naddopts = -p no:schemathesis -p no:anyio -p no:hypothesispytest\n")
    (empty / "test_one.py").write_text("def test_one() -> None: pass\n")
    times = [(seconds((*PYTEST, "suites/"), ROOT), seconds((*PYTEST, "."), empty)) for _ in range(3 if small else 9)]
    ours, bare = (statistics.median(one) for one in zip(*times, strict=True))
    what = "pytest --collect-only suites/"
    loaded = heavy()
    yield Row(what=what, who="an empty pytest run", value=f"{bare:.2f} s", ratio=f"{bare / ours:.2f} ×")
    yield Row(
        what=what,
        who="this harness",
        value=f"{ours:.2f} s (+{ours - bare:.2f} s)",
        target="≤ +0.3 s",
        ok=ours - bare <= 0.3,
    )
    yield Row(
        what=what,
        who="this harness, heavy libraries loaded",
        value=", ".join(loaded) or "none",
        target="none",
        ok=not loaded,
    )
