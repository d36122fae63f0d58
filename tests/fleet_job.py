"""A job for the fleet's tests in the place of `pytest suites/`: it takes the lease, works, leaves a real record."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from harness.attempt import conclude
from harness.engine import default_docker_host
from harness.host import boot_id
from harness.lease import lease
from harness.record import Recorder, TestOutcome, new_directory
from tests import samples


def main(seconds: str, option: str, reports: str) -> None:
    """Hold the lease for `seconds`, then write an accepted record below `reports`."""
    assert option == "--reports"
    now = datetime.now(UTC)
    with lease(default_docker_host()):
        about = samples.record(started=now, record_id=f"{now:%Y%m%dT%H%M%SZ}-fleet", tests_available=1)
        recorder = Recorder(about, new_directory(Path(reports), about.variant, about.bench, now))
        print("works", flush=True)
        time.sleep(float(seconds))
        passed = TestOutcome(nodeid="worked", requirement="The job was done.", outcome="passed", seconds=0)
        recorder.update(tests=(passed,))
        recorder.finish(boot_id=boot_id())
        conclude(recorder)


if __name__ == "__main__":
    main(*sys.argv[1:])
