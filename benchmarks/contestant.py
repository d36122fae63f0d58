"""Everybody else's way of waiting for a server in a container, each in a process of its own.

testcontainers is the real package. The other loops are written anew from the peers' documented behaviour, with their
pauses: vLLM's `RemoteOpenAIServer` (tests/utils.py), pytest-docker's `wait_until_responsive`, sparkrun's port and API
loops. Time-outs are cut short here; DEFAULT_S has the peers' own.

Reads `{"container", "port", "network", "cap_s"}` a line from standard input, answers with `{"said", "at", "cpu_s"}`.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import docker
import requests
from testcontainers.core import wait_strategies as strategies
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

DEFAULT_S: dict[str, float | None] = {
    "testcontainers http": 120,
    "testcontainers log": 120,
    "testcontainers healthcheck": 120,
    "testcontainers port": 120,
    "vLLM RemoteOpenAIServer loop": 240,
    "pytest-docker loop, 0.1 s": 30,
    "sparkrun loops": 840,
    "raw die event": None,
}
"""Contestant → the seconds its own default waits for a server that never comes."""


class OverError(Exception):
    """The contestant says that the server died."""


class Target(DockerContainer):
    """A container that somebody else started, as testcontainers' strategies want it."""

    host_port = 0
    network = ""

    def get_container_host_ip(self) -> str:
        return "127.0.0.1"

    def get_exposed_port(self, port: int) -> int:  # noqa: ARG002 (testcontainers' signature)
        return self.host_port


def testcontainers(make: Callable[[], Any]) -> Callable[..., None]:
    """Wait with one of the package's own strategies."""

    def wait(raw: Any, port: int, cap_s: float) -> None:
        target = Target("unused")
        target._container, target.host_port = raw, port  # noqa: SLF001 (it has no other way to adopt a container)
        try:
            make().with_startup_timeout(int(cap_s)).wait_until_ready(target)
        except RuntimeError as error:
            raise OverError(str(error)[:80]) from error

    return wait


def vllm(raw: Any, port: int, cap_s: float) -> None:
    """0.5 s; the exit is looked at only when the GET raises, and only a code that is not 0 counts."""
    begun = time.time()
    while True:
        try:
            if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200:
                return
        except requests.RequestException:
            raw.reload()
            if raw.status == "exited" and raw.attrs["State"]["ExitCode"] != 0:
                raise OverError("Server exited unexpectedly.") from None
            time.sleep(0.5)
            if time.time() - begun > cap_s:
                raise TimeoutError from None


def pytest_docker(_: Any, port: int, cap_s: float) -> None:
    """`wait_until_responsive(check, timeout, pause)` with its README's check and pause."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < cap_s:
        try:
            if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise TimeoutError


def sparkrun(raw: Any, port: int, cap_s: float) -> None:
    """`nc -z` every 2 s with an inspect, then GET /v1/models every 5 s; two refusals in a row mean death."""
    until = time.monotonic() + cap_s
    while time.monotonic() < until:
        with socket.socket() as knocking:
            knocking.settimeout(2)
            if knocking.connect_ex(("127.0.0.1", port)) == 0:
                break
        raw.reload()
        if raw.status != "running":
            raise OverError("container is not running")
        time.sleep(2)
    refused = 0
    while time.monotonic() < until:
        try:
            if requests.get(f"http://127.0.0.1:{port}/v1/models", timeout=5).status_code == 200:
                return
            refused = 0
        except requests.ConnectionError:
            refused += 1
            if refused == 2:
                raise OverError("server appears to have died") from None
        time.sleep(5)
    raise TimeoutError


def die_event(raw: Any, _: int, cap_s: float) -> None:
    """`docker events` with a filter: the floor, as soon as the engine itself says it."""
    client = docker.from_env(timeout=int(cap_s) + 1)
    begun = int(time.time()) - 60
    until = int(time.time() + cap_s)
    for _event in client.events(since=begun, until=until, filters={"container": raw.id, "event": "die"}, decode=True):
        raise OverError("die")
    raise TimeoutError


WAITS: dict[str, Callable[[Any, int, float], None]] = {
    "testcontainers http": testcontainers(lambda: strategies.HttpWaitStrategy(8000, "/health").for_status_code(200)),
    "testcontainers log": testcontainers(lambda: strategies.LogMessageWaitStrategy("Application startup complete")),
    "testcontainers healthcheck": testcontainers(strategies.HealthcheckWaitStrategy),
    "testcontainers port": testcontainers(lambda: strategies.PortWaitStrategy(8000)),
    "vLLM RemoteOpenAIServer loop": vllm,
    "pytest-docker loop, 0.1 s": pytest_docker,
    "sparkrun loops": sparkrun,
    "raw die event": die_event,
}


def main(name: str) -> None:
    """Answer one line after the other, until there is none."""
    testcontainers_config.ryuk_disabled = True
    client = docker.from_env()
    print("here", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        raw = client.containers.get(asked["container"])
        cpu = time.process_time()
        said, why = "ready", ""
        try:
            WAITS[name](raw, asked["port"], asked["cap_s"])
        except OverError as over:
            said, why = "failed", str(over)
        except TimeoutError:
            said = "time-out"
        at = time.monotonic()
        print(json.dumps({"said": said, "at": at, "cpu_s": time.process_time() - cpu, "why": why}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
