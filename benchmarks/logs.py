"""The way of the log: from the container's first byte to the diagnosis and the file, at full speed."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.probe import created
from benchmarks.table import Row
from harness.diagnosis import Reader
from harness.engine import Container, Engine
from harness.redact import Redactor
from harness.rules import RULES
from harness.watch import Watch

LOGS = Path(__file__).parent.parent / "tests" / "logs"
CHUNK = 1 << 18
WRITE = """
import os, sys, time
megabytes = int(sys.argv[1])
block = open('/given/block', 'rb').read()
sent = 0
while sent < megabytes << 20:
    view = memoryview(block)
    while view: view = view[os.write(1, view):]
    sent += len(block)
open('/given/ended', 'w').write(repr(time.monotonic()))
"""
POLL_S = 180.0
"""Seconds after which a peer's single poll is ended, so that a run of everything has an end."""
IN_MEMORY_MB = 16
"""Size of the text for matchers that need no engine; a per-line loop over all rules takes long enough on it."""


def block(megabytes: int = 4) -> bytes:
    """Lines as vLLM writes them while it serves, with a real start in front; no two lines need be the same."""
    chance = random.Random(20260101)
    number = chance.randrange

    def line() -> bytes:
        at = f"09-28 15:{number(60):02}:{number(60):02}"
        if number(3) == 0:
            said = (
                f"(EngineCore pid=120) INFO {at} [loggers.py:123] Engine 000: Avg prompt throughput: "
                f"{number(30000) / 10} tokens/s, Avg generation throughput: {number(3000) / 10} tokens/s, Running: "
                f"{number(50)} reqs, Waiting: 0 reqs, GPU KV cache usage: {number(1000) / 10}%, Prefix cache hit rate: "
                f"{number(1000) / 10}%"
            )
        elif number(9) == 0:
            request = f"chatcmpl-{number(1 << 128):032x}"
            said = f"(APIServer pid=1) INFO {at} [logger.py:39] Received request {request}: prompt: None"
        else:
            said = (
                f'(APIServer pid=1) INFO:     10.0.{number(256)}.{number(256)}:{number(65536)} - "POST '
                '/v1/chat/completions HTTP/1.1" 200 OK'
            )
        return said.encode() + b"\n"

    parts, size = [start()], 0
    while size < megabytes << 20:
        parts.append(line())
        size += len(parts[-1])
    return b"".join(parts)


def start() -> bytes:
    """A real, healthy start."""
    return (LOGS / "healthy" / "gpt-oss-stopped.log").read_bytes().partition(b"Shutting down")[0]


def peak_mib() -> float:
    """The largest resident set of this process so far. (`ru_maxrss` would be that of whoever started it.)"""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def speed(read: Callable[[bytes], object], data: bytes) -> float:
    """MB per second of processor time, the best of three: other work on the machine only ever takes away."""
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        read(data)
        best = min(best, time.process_time() - begun)
    return len(data) / 1e6 / best


def diagnose(data: bytes, rules: Any = RULES) -> Reader:
    """Read as the watch does, in pieces."""
    reader = Reader(rules=rules)
    for at in range(0, len(data), CHUNK):
        reader.feed(data[at : at + CHUNK])
    reader.close()
    return reader


def by_line(data: bytes) -> None:
    """Read as the watch does where the engine writes slowly: each line comes alone."""
    reader = Reader()
    for line in data.splitlines(keepends=True):
        reader.feed(line)


def redact_and_diagnose(data: bytes) -> None:
    """What the watch does with each byte, but for the disk."""
    redactor, reader = Redactor(["a-secret-of-this-run"]), Reader()
    for at in range(0, len(data), CHUNK):
        reader.feed(redactor.data(data[at : at + CHUNK]))


def per_line(data: bytes) -> int:
    """One `re` a pattern of every rule, tried on every line: the usual way."""
    expressions = [re.compile(pattern) for rule in RULES for pattern in rule.patterns]
    return sum(1 for line in data.decode("utf-8", "replace").splitlines() for one in expressions if one.search(line))


def grep(data: bytes, place: Path) -> float:
    """MB per second of `grep -F -f` with a word of every pattern."""
    from harness.patterns import keys

    words, log = place / "words", place / "log"
    words.write_bytes(b"\n".join(sorted({keys(p)[0] for rule in RULES for p in rule.patterns})) + b"\n")
    log.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["grep", "-c", "-F", "-f", str(words), str(log)], stdout=subprocess.PIPE, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return len(data) / 1e6 / (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def follow(docker_host: str, directory: str, megabytes: str) -> None:
    """Child process: the product's own watch over a container that writes as fast as it can. Prints what it took."""
    place = Path(directory)
    with Engine(docker_host) as engine, _writer(engine, place, int(megabytes)) as raw:
        watch = Watch(raw.name, place / "container.log", Redactor(["a-secret-of-this-run"]))
        container = Container(engine, raw)
        watch.attach(container)
        before_mib = peak_mib()
        begun, cpu = time.monotonic(), time.process_time()
        raw.start()
        raw.wait()
        assert watch._drain is not None  # noqa: SLF001 (its end is what is measured)
        watch._drain.join()  # noqa: SLF001
        ended = time.monotonic()
        done = {
            "seconds": ended - begun,
            "lag_s": ended - float((place / "ended").read_text()),
            "cpu_s": time.process_time() - cpu,
            "rss_mib": peak_mib(),
            "grown_mib": peak_mib() - before_mib,
            "bytes": (place / "container.log").stat().st_size,
            "lines": watch.reader.lines,
            "unwritten": watch.unwritten,
        }
        watch.close()
    print(json.dumps(done))


def _writer(engine: Engine, place: Path, megabytes: int) -> Any:
    given = {str(place): {"bind": "/given", "mode": "rw"}}
    return created(engine, ["python3", "-uc", WRITE, str(megabytes)], volumes=given)


def _alone(engine: Engine, place: Path, megabytes: int) -> float:
    """Seconds that the container takes when nobody reads: the engine's own limit."""
    with _writer(engine, place, megabytes) as raw:
        begun = time.monotonic()
        raw.start()
        raw.wait()
        return float((place / "ended").read_text()) - begun


def _docker(engine: Engine, *words: str) -> None:
    """A command of Docker's own client; what it prints is thrown away."""
    subprocess.run(
        ["docker", *words],
        env={**os.environ, "DOCKER_HOST": engine.docker_host},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


def _attached(engine: Engine, place: Path, megabytes: int) -> float:
    """Seconds that the container takes when somebody is attached and throws all away: an engine serves a reader too."""
    with _writer(engine, place, megabytes) as raw:
        begun = time.monotonic()
        _docker(engine, "start", "--attach", raw.id)
        return float((place / "ended").read_text()) - begun


def _docker_logs(engine: Engine, place: Path, megabytes: int) -> tuple[float, float]:
    """Seconds until `docker logs -f` has told everything, and its lag behind the container's last byte."""
    with _writer(engine, place, megabytes) as raw:
        begun = time.monotonic()
        raw.start()
        _docker(engine, "logs", "-f", raw.id)
        ended = time.monotonic()
        return ended - begun, ended - float((place / "ended").read_text())


class _LateError(Exception):
    """The time of a poll is over. No OSError: the libraries that are interrupted would make one of their own of it."""


def get_logs(docker_host: str, directory: str, megabytes: str) -> None:
    """Child process: one poll of testcontainers' log strategy, once the container has written, for `POLL_S` at most."""

    def late(*_: object) -> None:
        raise _LateError

    signal.signal(signal.SIGALRM, late)
    with Engine(docker_host) as engine, _writer(engine, Path(directory), int(megabytes)) as raw:
        raw.start()
        raw.wait()
        begun = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, POLL_S)
        try:
            said = raw.logs(stdout=True, stderr=False), raw.logs(stdout=False, stderr=True)
            assert any(one.decode() for one in said)
            done = True
        except _LateError:
            done = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps({"seconds": time.monotonic() - begun, "rss_mib": peak_mib(), "done": done}))


def _child(what: str, engine: Engine, place: Path, megabytes: int) -> dict[str, Any]:
    code = f"import sys; from benchmarks import logs; logs.{what}(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, engine.docker_host, str(place), str(megabytes)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    answered: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answered


def run(engine: Engine, place: Path, *, small: bool) -> Iterator[Row]:
    """Through the engine, then each matcher alone, then with more rules."""
    yield from matchers()
    megabytes = 64 if small else 1024
    with tempfile.TemporaryDirectory(dir=place) as directory:
        given = Path(directory)
        (given / "block").write_bytes(block())
        yield from through_the_engine(engine, given, megabytes)


def through_the_engine(engine: Engine, place: Path, megabytes: int) -> Iterator[Row]:
    """The same container, read by nobody, by one who throws all away, by the harness and its peers."""
    size = megabytes * 1.048576
    what = f"read and diagnose {megabytes} MB from a container"
    alone_s = _alone(engine, place, megabytes)
    attached_s = _attached(engine, place, megabytes)
    ours = _child("follow", engine, place, megabytes)
    attached_s = (attached_s + _attached(engine, place, megabytes)) / 2  # before and after: other work comes and goes
    whole = ours["bytes"] >= megabytes << 20 and not ours["unwritten"]
    for who, seconds in (("nobody reading", alone_s), ("docker start --attach, all thrown away", attached_s)):
        yield Row(
            what=what,
            who=f"the engine, {who}",
            value=f"{size / seconds:.0f} MB/s",
            ratio=f"{ours['seconds'] / seconds:.2f} × the speed",
        )
    yield Row(
        what=what,
        who="this harness",
        value=f"{size / ours['seconds']:.0f} MB/s, {ours['cpu_s'] / ours['seconds'] * 100:.0f} % of a core",
        target="keeps up with the engine (≥ 0.8 of it with a reader), whole",
        ok=whole and ours["seconds"] <= 1.25 * attached_s,
    )
    yield Row(what=what, who="this harness, lag", value=f"{ours['lag_s']:.2f} s", target="< 1 s", ok=ours["lag_s"] < 1)
    yield Row(
        what=what,
        who="this harness, memory",
        value=f"{ours['rss_mib']:.0f} MiB, of which {ours['grown_mib']:.0f} for the log",
        target="the log's share < 64 MiB",
        ok=ours["grown_mib"] < 64,
    )
    seconds, lag_s = _docker_logs(engine, place, megabytes)
    yield Row(
        what=what,
        who="docker logs -f, no diagnosis",
        value=f"{size / seconds:.0f} MB/s, lag {lag_s:.1f} s",
        ratio=f"{ours['seconds'] / seconds:.2f} × the speed",
    )
    poll = _child("get_logs", engine, place, megabytes)
    yield Row(
        what=what,
        who="testcontainers get_logs, one of its polls a second",
        value=f"{'' if poll['done'] else 'not done after '}{poll['seconds']:.1f} s, {poll['rss_mib']:.0f} MiB",
    )


def matchers() -> Iterator[Row]:
    """What reading alone costs, in one process."""
    data = block(IN_MEMORY_MB)
    what = f"find known failures in {IN_MEMORY_MB} MB of a served log"
    diagnose(data[: 1 << 20])
    ours = speed(diagnose, data)
    usual = speed(per_line, data[: 1 << 20])
    yield Row(
        what=what, who="this harness", value=f"{ours:.0f} MB/s", target="≥ 2 × per-line regexes", ok=ours >= 2 * usual
    )
    yield Row(
        what=what, who="this harness, with secrets taken out", value=f"{speed(redact_and_diagnose, data):.0f} MB/s"
    )
    yield Row(what=what, who="one re per pattern per line", value=f"{usual:.2f} MB/s", ratio=f"{usual / ours:.3f} ×")
    with tempfile.TemporaryDirectory() as directory:
        fast = grep(data, Path(directory))
    yield Row(
        what=what, who="grep -F -f, which explains nothing", value=f"{fast:.0f} MB/s", ratio=f"{fast / ours:.2f} ×"
    )
    starts = start() * 40
    yield Row(
        what="the same of starts, one after the other", who="this harness", value=f"{speed(diagnose, starts):.1f} MB/s"
    )
    yield Row(
        what="the same of starts, a line at a time, as they come",
        who="this harness",
        value=f"{speed(by_line, starts):.1f} MB/s",
    )
    more = tuple(rule.model_copy(update={"id": f"{rule.id}-{n}"}) for n in range(8) for rule in RULES)
    diagnose(data[: 1 << 20], more)
    growth = ours / speed(lambda text: diagnose(text, more), data)
    yield Row(
        what="8 × the rules", who="this harness", value=f"{growth:.2f} × the time", target="≤ 2 ×", ok=growth <= 2
    )
