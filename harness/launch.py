"""Variant → Deployment | Diagnosis: clear the box, start one container, watch it, take it down again."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.diagnosis import diagnose
from harness.engine import Engine, Owned, RefusedError
from harness.host import memory_available_gib
from harness.progress import Progress
from harness.redact import Redactor
from harness.types import Bench, Deployment, Diagnosis, DockerFlags, Exit, Holder, Image, Measurement, Variant
from harness.variants import CONTAINERS
from harness.watch import Watch

SETTLE_S = 60.0
"""Longest time from the end of a container until its port is free and its memory is back."""
MEMORY_SLACK_GIB = 1.5
"""How near MemAvailable must come to what it was before the start; a page cache and a desktop move it that much."""


@dataclass(frozen=True, kw_only=True)
class Launched:
    """One attempt: what came of it, and the watch that goes on while it is used."""

    flags: DockerFlags
    outcome: Deployment | Diagnosis
    start_s: float
    """Seconds from `docker start` to the outcome."""
    watch: Watch | None
    """None when the daemon refused the container."""
    container_id: str | None
    inspect: dict[str, Any]
    """`docker inspect` after the outcome; empty when the daemon refused the container."""
    image: Image | None
    exit: Exit | None


@contextmanager
def launch(
    variant: Variant,
    bench: Bench,
    engine: Engine,
    *,
    log: Path,
    environ: Mapping[str, str],
    redactor: Redactor,
    progress: Progress,
    flags: DockerFlags,
    budget_s: float | None = None,
    keep: Callable[[], bool] = lambda: False,
) -> Iterator[Launched]:
    """Start `variant` with `flags` (of `resolve`) and wait for `/health`; leaving takes the container down.

    `log` is written while the container lives, without secrets. `budget_s` replaces the variant's start budget. When
    `keep()` is true on leaving, the container stays. A refused or failed start is an outcome, not an exception.
    """
    base_url = f"http://127.0.0.1:{flags.port}"
    expectation = variant.benches[bench.name]
    budget_s = budget_s or expectation.start_budget_s
    with ExitStack() as stack:
        watch = Watch(flags.name, log, redactor)
        stack.callback(watch.close)
        begun = time.monotonic()
        try:
            owned: Owned = stack.enter_context(engine.run(flags, environ, watch.attach))
        except RefusedError as refusal:
            yield refused(flags, redactor.text(refusal.text), engine.image(flags.image), time.monotonic() - begun)
            return
        container = owned.container
        assert container is not None
        watch.armed(container, base_url)
        failure = watch.until_ready(budget_s, f"start {variant.name}", progress, expectation.phase_budgets_s)
        start_s = time.monotonic() - watch.begun
        watch.await_end()
        outcome: Deployment | Diagnosis = failure or Deployment(
            variant=variant,
            bench=bench,
            flags=flags,
            container_id=container.id,
            base_url=base_url,
            log=str(log),
            started_s=start_s,
        )
        yield Launched(
            flags=flags,
            outcome=outcome,
            start_s=start_s,
            watch=watch,
            container_id=container.id,
            inspect=container.inspect(),
            image=engine.image(flags.image),
            exit=watch.exit,
        )
        owned.kept = keep()


def refused(flags: DockerFlags, text: str, image: Image | None, start_s: float = 0) -> Launched:
    """The outcome of a start that the daemon, or its absence, refused with `text`."""
    diagnosis = diagnose(b"", daemon_error=text, container=flags.name)
    assert diagnosis is not None, text
    return Launched(
        flags=flags,
        outcome=diagnosis,
        start_s=start_s,
        watch=None,
        container_id=None,
        inspect={},
        image=image,
        exit=None,
    )


def leftovers(engine: Engine) -> tuple[Holder, ...]:
    """Containers of this harness that still exist, whatever their name."""
    return tuple(holder for holder in engine.holders() if holder.ours)


def in_the_way(holders: Sequence[Holder], port: int) -> tuple[Holder, ...]:
    """Containers of somebody else under one of the harness's names, or on its port."""
    return tuple(h for h in holders if not h.ours and (h.name in CONTAINERS or port in h.ports))


def clear(engine: Engine, port: int, progress: Progress, *, replace: bool = False) -> tuple[str, ...]:
    """Remove every container of this harness, and with `replace` also the foreign ones in the way.

    Returns the names removed. What is left in the way is for preflight to name.
    """
    doomed = leftovers(engine) + (in_the_way(engine.holders(), port) if replace else ())
    for holder in doomed:
        progress.say(f"remove container {holder.name} ({holder.state})")
        engine.remove(holder.id)
    return tuple(holder.name for holder in doomed)


def settle(
    port: int, memory_before_gib: float | None, deadline_s: float = SETTLE_S, *, ours: bool = True
) -> tuple[Measurement, ...]:
    """Wait until `port` can be bound and MemAvailable is back near `memory_before_gib`, or the deadline has passed.

    `ours` is false while a scene may hold the port on purpose: then only the memory is waited for.

    Two measurements in seconds, each with the deadline as its limit; memory is left out when it is unknown.
    """
    begun = time.monotonic()

    def until(name: str, done: Callable[[], bool]) -> Measurement:
        ok = done()
        while not ok and time.monotonic() - begun < deadline_s:
            time.sleep(0.05)  # neither the port nor the memory announces itself
            ok = done()
        return Measurement(name=name, value=time.monotonic() - begun, unit="s", limit=deadline_s, ok=ok)

    measured = [until("port_free_after_stop", lambda: port_free(port))] if ours else []
    if memory_before_gib is not None:
        wanted = memory_before_gib - MEMORY_SLACK_GIB
        measured.append(until("memory_back_after_stop", lambda: (memory_available_gib() or wanted) >= wanted))
    return tuple(measured)


def port_free(port: int) -> bool:
    """Whether `port` can be bound on every interface of this machine now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
