"""Copies the logs of provoked failures into tests/logs/: `make capture-logs` runs the failure suite and calls this.

`python -m tests.capture_logs REPORTS`: every record there whose diagnosis is the expected one gives
`tests/logs/<rule-id>/<entry>.log`, with the exit state beside it. Paths of this machine are replaced by general ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.record import Record, read

LOGS = Path(__file__).parent / "logs"


def general(text: str, record: Record) -> str:
    """The text without this machine's own directories and socket."""
    home = Path(record.bench.vllm_home)
    for mine, anyone in (
        (str(home), "/home/user/vllm"),
        (str(home.parent), "/home/user/bench"),
        (record.bench.docker_host.removeprefix("unix://"), "/var/run/docker.sock"),
    ):
        text = text.replace(mine, anyone)
    return text


def main(reports: Path) -> int:
    """Copy what is there; returns 1 when nothing was."""
    copied = 0
    for file in sorted(reports.glob("*/record.json")):
        record = read(file)
        found = record.diagnosis
        if record.expectation.fault is None or found is None or found.rule != record.expectation.expects:
            continue
        log = file.with_name("container.log")
        text = log.read_text(errors="replace") if log.exists() else ""
        text = text or "\n".join(line.text for line in found.evidence) + "\n"
        into = LOGS / found.rule / f"{record.variant.name}.log"
        into.parent.mkdir(parents=True, exist_ok=True)
        into.write_text(general(text, record))
        into.with_suffix(".exit").unlink(missing_ok=True)
        if record.exit is not None:
            into.with_suffix(".exit").write_text(f"{record.exit.code} {str(record.exit.oom_killed).lower()}\n")
        copied += 1
        print(f"{into.relative_to(LOGS.parent)}: {record.variant.title}")
    return 0 if copied else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
