"""`python -m benchmarks [ROW …] [--small]`: run, print, and keep under benchmarks/results/."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import collecting, recorded, whole
from benchmarks.table import Row, markdown

DISCIPLINES = ("collect", "detect", "logs", "records", "idle", "whole")
OWN_ENGINE = {"collect": collecting.run, "records": recorded.run, "whole": whole.run}
"""Those that need no engine, or find it by themselves."""
RESULTS = Path(__file__).parent / "results"


def rows(names: list[str], place: Path, *, small: bool) -> Iterator[Row]:
    """Every row of the disciplines `names`."""
    from benchmarks import detect, idle, logs
    from harness import cpu_bench
    from harness.engine import Engine

    needing = {"detect": detect.run, "idle": idle.run, "logs": logs.run}
    for name in names:
        directory = place / name
        directory.mkdir()
        if name in OWN_ENGINE:
            yield from OWN_ENGINE[name](directory, small=small)
        else:
            with Engine(cpu_bench.locate().docker_host) as engine:
                yield from needing[name](engine, directory, small=small)


def main() -> int:
    """The command. Exit code 1: a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("discipline", nargs="*", help=f"any of {', '.join(DISCIPLINES)}; all of them by default")
    parser.add_argument("--small", action="store_true", help="minutes instead of half an hour; the figures are rougher")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the table and its JSON are kept")
    given = parser.parse_args()
    if wrong := [name for name in given.discipline if name not in DISCIPLINES]:
        parser.error(f"no such discipline: {', '.join(wrong)} → {', '.join(DISCIPLINES)}")
    found: list[Row] = []
    begun = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as directory:
        for row in rows(given.discipline or list(DISCIPLINES), Path(directory), small=given.small):
            found.append(row)
            print(f"{row.what}: {row.who}: {row.value} {row.ratio}".rstrip(), file=sys.stderr, flush=True)
    machine = (
        f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}"
    )
    table = markdown(found)
    print(f"\n{machine}\n\n{table}")
    given.results.mkdir(parents=True, exist_ok=True)
    name = given.results / f"{begun:%Y%m%dT%H%M%SZ}"
    told = {
        "begun": begun.isoformat(),
        "machine": machine,
        "small": given.small,
        "rows": [asdict(row) for row in found],
    }
    name.with_suffix(".json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    name.with_suffix(".md").write_text(f"# Benchmarks of {begun:%Y-%m-%d %H:%M} UTC\n\n{machine}\n\n{table}")
    return 1 if any(row.ok is False for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
