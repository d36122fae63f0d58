"""A server program whose events are stamped: the stimulus by which those who watch a container are compared.

It runs in the CPU bench's image in place of vLLM. At its event it writes CLOCK_MONOTONIC, which containers share with
their host, into a bind mount; like vLLM it logs first and listens afterwards, and its port is closed until then.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import cpu_bench
from harness.engine import Container, Engine

EVENTS = (
    "ready",
    "ready, unannounced",
    "exit 1",
    "exit 0",
    "OOM kill",
    "restart",
    "fatal line, hang",
    "silent hang",
)
NETWORKS = ("host", "published")
FATAL = (
    "ERROR 09-28 15:47:24 [core.py:700] ValueError: Free memory on device (31.44/47.38 GiB) on startup is less than "
    "desired GPU memory utilization (0.95, 45.01 GiB). Decrease GPU memory utilization or reduce GPU memory used by "
    "other processes."
)
READY = "(APIServer pid=1) INFO:     Application startup complete."
LOADING = "(EngineCore pid=7) INFO 09-28 15:47:14 [gpu_model_runner.py:1953] Starting to load model openai/x..."
SCRIPT = """
import http.server, json, os, signal, socketserver, sys, time
event, delay, port, ready, fatal, loading = json.loads(sys.argv[1])
def stamp():
    with open('/stamp/at.new', 'w') as file: file.write(repr(time.monotonic()))
    os.rename('/stamp/at.new', '/stamp/at')
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.send_header('Content-Length', '0'); self.end_headers()
    def log_message(self, *_): pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer): daemon_threads = True
server = Server(('', port), Answer, bind_and_activate=False)
server.allow_reuse_address = True
server.server_bind()
print(loading, flush=True)
if event == 'restart':
    if not os.path.exists('/stamp/at'): signal.signal(signal.SIGTERM, lambda *_: (stamp(), os._exit(0)))
    time.sleep(3600)
time.sleep(delay)
if event == 'OOM kill':
    kept = []
    while True:
        stamp(); kept.append(bytearray(os.urandom(1 << 12) * 2048))
if event == 'ready': print(ready, flush=True)
if event.startswith('ready'): server.server_activate(); stamp(); server.serve_forever()
stamp()
if event.startswith('exit'): os._exit(int(event[5:]))
if event.startswith('fatal'): print(fatal, flush=True)
time.sleep(3600)
"""
OOM_LIMIT = "192m"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A created container, and where its event will be stamped."""

    container: Container
    raw: Any
    port: int
    """On this machine."""
    network: str
    stamp: Path

    @property
    def base_url(self) -> str:
        """Where it will answer."""
        return f"http://127.0.0.1:{self.port}"

    def at(self) -> float | None:
        """The event's CLOCK_MONOTONIC in seconds, or None before it."""
        path = self.stamp / "at"
        return float(path.read_text()) if path.exists() else None


def free_port() -> int:
    """A port of this machine that nobody holds now."""
    with socket.create_server(("", 0)) as seeking:
        return int(seeking.getsockname()[1])


@contextmanager
def created(engine: Engine, command: list[str], **more: Any) -> Iterator[Any]:
    """A container of the CPU bench's image, removed afterwards. `more` goes to docker-py."""
    raw = engine.client.containers.create(
        cpu_bench.locate().image, command, name=f"gb10-benchmark-{os.getpid()}-{secrets.token_hex(3)}", **more
    )
    try:
        yield raw
    finally:
        raw.remove(force=True, v=True)


@contextmanager
def probe(engine: Engine, event: str, network: str, delay_s: float, place: Path) -> Iterator[Probe]:
    """A probe that is created and not yet started; `delay_s` seconds after its start comes `event`."""
    port = free_port()
    inside = port if network == "host" else 8000
    stamp = place / secrets.token_hex(4)
    stamp.mkdir(parents=True)
    asked = f"exec 3<>/dev/tcp/127.0.0.1/{inside} && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q 200 <&3"
    more: dict[str, Any] = {"network_mode": "host"} if network == "host" else {"ports": {"8000/tcp": port}}
    given = json.dumps([event, delay_s, inside, READY, FATAL, LOADING])
    with created(
        engine,
        ["python3", "-uc", SCRIPT, given],
        volumes={str(stamp): {"bind": "/stamp", "mode": "rw"}},
        mem_limit=OOM_LIMIT if event == "OOM kill" else None,
        healthcheck={"test": ["CMD", "bash", "-c", asked], "interval": 10**9, "timeout": 10**9, "retries": 1000},
        **more,
    ) as raw:
        yield Probe(container=Container(engine, raw), raw=raw, port=port, network=network, stamp=stamp)


def stamped(probe: Probe, deadline_s: float) -> float:
    """The event's time, waited for at most `deadline_s` seconds. Raises TimeoutError."""
    until = time.monotonic() + deadline_s
    while (at := probe.at()) is None:
        if time.monotonic() > until:
            raise TimeoutError(f"the probe stamped no event within {deadline_s:.0f} s: {probe.raw.logs()[-500:]!r}")
        time.sleep(0.02)
    return at
