"""A job for the fleet's tests in the place of `pytest suites/`: it takes the lease, works, leaves a real record.

With `--serve` its work is a real container that listens on the box's port 8000 until somebody asks it for `/end`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.flags import CONTAINER_PORT, LABEL
from harness.host import boot_id
from harness.lease import lease
from harness.record import Recorder, TestOutcome, new_directory
from harness.report import views
from harness.types import Measurement
from harness.variants import CONTAINERS
from tests import samples

if TYPE_CHECKING:
    from harness.engine import Engine

VARIANT = "gpt-oss-120b"
IMAGE = "fleet-box:1"
"""Links into /usr, which is mounted from the host with its Python in it."""
SERVE = """
import http.server as h, os, signal, sys, threading
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Answer(h.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(sys.argv[1].encode())
        if self.path == "/end": threading.Thread(target=server.shutdown).start()
server = h.ThreadingHTTPServer(("", 8000), Answer)
server.serve_forever()
"""


@contextmanager
def served(engine: Engine, run: str, name: str = CONTAINERS[0], port: int = CONTAINER_PORT) -> Iterator[str]:
    """A container of the run that answers with it on `port`; its id. It is removed at the end."""
    api = engine.client.api
    python = Path(sys.executable).resolve()
    places = {"/usr", str(python.parent.parent)}
    made: str = api.create_container(
        IMAGE,
        [str(python), "-c", SERVE, run],
        name=name,
        labels={LABEL: VARIANT, f"{LABEL}.run": run},
        ports=[CONTAINER_PORT],
        host_config=api.create_host_config(
            binds=[f"{place}:{place}:ro" for place in places], port_bindings={CONTAINER_PORT: port}
        ),
    )["Id"]
    try:
        api.start(made)
        yield made
    finally:
        engine.remove(made)


def main(seconds: float, reports: Path, serve: str) -> None:
    """Hold the lease for `seconds`, or as long as the container serves, then write an accepted record in `reports`."""
    now = datetime.now(UTC)
    docker_host = os.environ.get("DOCKER_HOST", "")
    with lease(docker_host):
        about = samples.record(started=now, record_id=f"{now:%Y%m%dT%H%M%SZ}-fleet", tests_available=1)
        if serve:
            labels = {LABEL: about.variant.name, f"{LABEL}.run": serve}
            about = about.model_copy(update={"declared": about.declared.model_copy(update={"labels": labels})})
        recorder = Recorder(about, new_directory(reports, about.variant, about.bench, now))
        if serve:
            from harness.engine import Engine  # takes as long as the rest together

            with Engine(docker_host) as engine, served(engine, serve) as container:
                print("works", flush=True)
                engine.patient().wait(container)
        else:
            print("works", flush=True)
            time.sleep(seconds)
        passed = TestOutcome(nodeid="worked", requirement="The job was done.", outcome="passed", seconds=0)
        took = Measurement(name="start", value=(datetime.now(UTC) - now).total_seconds(), unit="s", limit=60, ok=True)
        recorder.update(tests=(passed,), measurements=(took,))
        recorder.finish(boot_id=boot_id())
        views.write(recorder.written, recorder.directory)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # whoever ends a job wants its container gone
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float)
    parser.add_argument("--serve", default="")
    parser.add_argument("--reports", type=Path, required=True)
    main(**vars(parser.parse_args()))
