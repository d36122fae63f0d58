"""What `pytest --collect-only suites/` costs beside a pytest run that collects one empty test.

Both run with bytecode, as everybody's second run does, and with the same plugins. Processor time is what is compared:
it is what either of them takes on a machine that others use too. The wall time stands beside it.
"""

from __future__ import annotations

import os
import resource
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
WITHOUT = "PYTHONDONTWRITEBYTECODE"
MORE_S = 0.3
"""What collection may take more than an empty run."""


def seconds(arguments: tuple[str, ...], place: Path, environ: dict[str, str]) -> tuple[float, float]:
    """Processor time and wall time of one Python process."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, *arguments], cwd=place, env=environ, stdout=subprocess.DEVNULL, check=True)
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


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
    ours, bare = ((*PYTEST, "suites/"), ROOT), ((*PYTEST, "."), empty)
    environ = {name: value for name, value in os.environ.items() if name != WITHOUT}
    environ["PYTHONPYCACHEPREFIX"] = str(place / "bytecode")
    seconds(*bare, environ)
    first = seconds(*ours, environ)
    times = [(seconds(*ours, environ), seconds(*bare, environ)) for _ in range(3 if small else 15)]
    cpu, wall = ([statistics.median(one[who][which] for one in times) for who in (0, 1)] for which in (0, 1))
    more_s = statistics.median(one[0] - other[0] for one, other in times)
    what = "pytest --collect-only suites/"
    yield Row(
        what=what,
        who="an empty pytest run",
        value=f"{cpu[1]:.2f} s of CPU, {wall[1]:.2f} s",
        ratio=f"{cpu[1] / cpu[0]:.2f} ×",
    )
    yield Row(
        what=what,
        who="this harness",
        value=f"+{more_s:.2f} s: {cpu[0]:.2f} s of CPU, {wall[0]:.2f} s",
        target=f"≤ +{MORE_S} s of CPU",
        ok=more_s <= MORE_S,
    )
    yield Row(
        what=what,
        who="this harness, the first time (no bytecode yet)",
        value=f"{first[0]:.2f} s of CPU, {first[1]:.2f} s",
    )
    loaded = heavy()
    yield Row(
        what=what,
        who="this harness, heavy libraries loaded",
        value=", ".join(loaded) or "none",
        target="none",
        ok=not loaded,
    )
