"""`python -m benchmarks [ROW …] [--small] [--write]`: run, print, and keep under benchmarks/results/."""

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
from subprocess import SubprocessError

from benchmarks import collecting, recorded, share, whole
from benchmarks.table import Row, markdown

QUESTIONS = {
    "collect": "What collecting the tests costs",
    "detect": "From the event in a container to the verdict in hand",
    "logs": "From a container's log to diagnosis and file",
    "records": "What large records cost",
    "idle": "What waiting costs",
    "whole": "A whole run, and the same by hand",
    "share": "Who waits while a container computes",
}
"""Discipline → its title, in the order of the page."""
OWN_ENGINE = {"collect": collecting.run, "records": recorded.run, "whole": whole.run, "share": share.run}
"""Those that need no engine, or find it by themselves."""
RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def rows(name: str, directory: Path, *, small: bool) -> Iterator[Row]:
    """The rows of a discipline; one that could not be run to its end says why, and the next one is run."""
    from benchmarks import detect, idle, logs
    from harness import cpu_bench
    from harness.engine import Engine, EngineError, RefusedError

    needing = {"detect": detect.run, "idle": idle.run, "logs": logs.run}
    try:
        if name in OWN_ENGINE:
            yield from OWN_ENGINE[name](directory, small=small)
        else:
            with Engine(cpu_bench.locate().docker_host) as engine:
                yield from needing[name](engine, directory, small=small)
    except (EngineError, RefusedError, OSError, SubprocessError) as error:
        told = " ".join(str(error).split())[-160:]
        yield Row(what=QUESTIONS[name], who="this harness", value=f"not run to its end: {told}", ok=False)


def machine() -> str:
    """What this was measured on, and how busy it was at the beginning."""
    from harness import cpu_bench
    from harness.lease import holder

    busy = holder(cpu_bench.locate().docker_host)
    return (
        f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}{', beside another run of the harness' if busy else ''}"
    )


def page(results: Path) -> str:
    """The newest run of every discipline, as Markdown."""
    newest: dict[str, dict[str, object]] = {}
    for file in sorted(results.glob("*.json")):
        told = json.loads(file.read_text())
        if told["discipline"] in QUESTIONS and told["rows"]:
            newest[told["discipline"]] = told
    parts = []
    for name, told in sorted(newest.items(), key=lambda item: list(QUESTIONS).index(item[0])):
        size = "small" if told["small"] else "full"
        table = markdown([Row(**row) for row in told["rows"]])  # type: ignore[attr-defined]
        parts.append(f"### {QUESTIONS[name]}\n\n`{name}`, {size}, {told['begun']}: {told['machine']}\n\n{table}")
    return "\n".join(parts)


def main() -> int:
    """The command. Exit code 1: a target was missed, or something could not be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("discipline", nargs="*", help=f"any of {', '.join(QUESTIONS)}; all of them by default")
    parser.add_argument("--small", action="store_true", help="minutes instead of fifty; the figures are rougher")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where tables and JSON are kept")
    parser.add_argument("--write", action="store_true", help="put the newest run of each into docs/performance.md")
    given = parser.parse_args()
    if wrong := [name for name in given.discipline if name not in QUESTIONS]:
        parser.error(f"no such discipline: {', '.join(wrong)} → {', '.join(QUESTIONS)}")
    given.results.mkdir(parents=True, exist_ok=True)
    found: list[Row] = []
    for name in given.discipline or list(QUESTIONS):
        begun, where, own = datetime.now(UTC), machine(), list[Row]()
        with tempfile.TemporaryDirectory() as directory:
            for row in rows(name, Path(directory), small=given.small):
                own.append(row)
                print(f"{row.what}: {row.who}: {row.value} {row.ratio}".rstrip(), file=sys.stderr, flush=True)
        told = {
            "discipline": name,
            "begun": f"{begun:%Y-%m-%d %H:%M} UTC",
            "machine": where,
            "small": given.small,
            "rows": [asdict(row) for row in own],
        }
        kept = given.results / f"{begun:%Y%m%dT%H%M%SZ}-{name}"
        kept.with_suffix(".json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        kept.with_suffix(".md").write_text(f"# {QUESTIONS[name]}\n\n{where}\n\n{markdown(own)}")
        print(f"\n{where}\n\n{markdown(own)}", flush=True)
        found += own
    if given.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{page(given.results)}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    return 1 if any(row.ok is False for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
