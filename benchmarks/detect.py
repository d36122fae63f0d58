"""From the event in a container to the verdict in hand, all contestants at once on the same container."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contestant import DEFAULT_S
from benchmarks.probe import EVENTS, NETWORKS, probe, stamped
from benchmarks.table import Row, spread
from harness.engine import Engine
from harness.progress import Progress, progress
from harness.redact import Redactor
from harness.types import Diagnosis
from harness.watch import Watch

OURS = "this harness"
PHASE_S = 3.0
"""Budget of the phase in which the silent hang happens: its floor."""
SAID: dict[str, str] = {"ready": "ready", "ready, unannounced": "ready"}
"""What is right to say at an event; of every other one that the start failed."""
Answer = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One container: its event's time, and what each contestant said and when."""

    event: str
    network: str
    at: float
    answers: dict[str, Answer]
    diagnosis: Diagnosis | None = None

    def delay_ms(self, who: str) -> float | None:
        """From the event to a right verdict; None for a wrong one or a time-out."""
        answer = self.answers[who]
        right = answer["said"] == SAID.get(self.event, "failed")
        return (answer["at"] - self.at) * 1000 if right and not self.false(who) else None

    def false(self, who: str) -> bool:
        """Whether it said `ready` of a server that was not, or `failed` of one that had not.

        A second is left for the event itself: an OOM kill begins before it is over.
        """
        answer = self.answers[who]
        if self.event in SAID:
            return bool(answer["said"] == "failed" or (answer["said"] == "ready" and answer["at"] < self.at))
        return bool(answer["said"] == "ready" or (answer["said"] == "failed" and answer["at"] < self.at - 1))


class Contestants:
    """The peers' processes, started once."""

    def __init__(self, names: tuple[str, ...], docker_host: str) -> None:
        self._processes = {
            name: subprocess.Popen(
                [sys.executable, "-m", "benchmarks.contestant", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "DOCKER_HOST": docker_host},
            )
            for name in names
        }
        for name in names:
            self._answer(name)

    def ask(self, **what: object) -> None:
        """Let all of them wait."""
        for process in self._processes.values():
            assert process.stdin is not None
            process.stdin.write(json.dumps(what) + "\n")
            process.stdin.flush()

    def answers(self) -> dict[str, Answer]:
        """What each said in the end."""
        return {name: json.loads(self._answer(name)) for name in self._processes}

    def _answer(self, name: str) -> str:
        stdout = self._processes[name].stdout
        assert stdout is not None
        line = stdout.readline()
        assert line, f"the contestant {name} ended without an answer"
        return line

    def close(self) -> None:
        """End them."""
        for process in self._processes.values():
            process.kill()
            process.communicate()


@contextmanager
def contestants(engine: Engine, names: tuple[str, ...] = tuple(DEFAULT_S)) -> Iterator[Contestants]:
    """The peers, ready to be asked."""
    opened = Contestants(names, engine.docker_host)
    try:
        yield opened
    finally:
        opened.close()


def trial(
    engine: Engine,
    peers: Contestants | None,
    event: str,
    network: str,
    place: Path,
    shown: Progress,
    *,
    delay_s: float,
    cap_s: float,
) -> Trial:
    """One container with one event, `delay_s` after its start; who has said nothing `cap_s` after it, never does."""
    with probe(engine, event, network, delay_s, place) as probed:
        restart = threading.Timer(delay_s, probed.raw.restart)  # by somebody else, while it loads
        watch = Watch(probed.raw.name, probed.stamp / "container.log", Redactor())
        try:
            watch.attach(probed.container)
            probed.raw.start()
            watch.armed(probed.container, probed.base_url)
            if event == "restart":
                restart.start()
            cpu = time.process_time()
            if peers:
                wait_s = delay_s + cap_s
                peers.ask(container=probed.raw.id, port=probed.port, network=network, cap_s=wait_s)
            budgets = {"weights": delay_s + PHASE_S} if event == "silent hang" else None
            diagnosis = watch.until_ready(delay_s + cap_s, event, shown, budgets)
            at = time.monotonic()
            ours = {"said": "failed" if diagnosis else "ready", "at": at, "cpu_s": time.process_time() - cpu}
            answers = {OURS: ours} | (peers.answers() if peers else {})
            stamp = stamped(probed, 10)
            if event == "silent hang":
                stamp = watch.begun + watch.phases[-1].at_s + delay_s + PHASE_S
        finally:
            if restart.is_alive():
                restart.join()
            probed.container.kill_if_there()
            watch.close()
    return Trial(event=event, network=network, at=stamp, answers=answers, diagnosis=diagnosis)


def rows(trials: list[Trial], *, cap_s: float) -> list[Row]:
    """The trials of one event on one network, a row a contestant."""
    event, network, told = trials[0].event, trials[0].network, []
    base: float | None = None
    for who in trials[0].answers:
        if who == "raw die event" and not (event.startswith("exit") or event in ("OOM kill", "restart")):
            continue
        if who == "testcontainers port" and event not in SAID:
            continue
        delays = [delay for one in trials if (delay := one.delay_ms(who)) is not None]
        false = sum(one.false(who) for one in trials)
        missed = len(trials) - len(delays) - false
        parts = []
        if delays:
            median, p99, _ = spread(delays)
            base = median if who == OURS else base
            parts.append(f"{median:.1f} ms, largest {p99:.1f}")
        if false:
            parts.append(f"**wrong in {false} of {len(trials)}**")
        if missed:
            default = DEFAULT_S.get(who)
            told_default = f", {default:.0f} s by default" if default else ""
            parts.append(f"time-out in {missed} of {len(trials)} (cut to {cap_s:.0f} s{told_default})")
        ratio = f"{median / base:.1f} ×" if delays and base and who != OURS else ""
        told.append(
            Row(what=f"{event}, {network} network, n={len(trials)}", who=who, value="; ".join(parts), ratio=ratio)
        )
    return [_judged(row, trials) if row.who == OURS else row for row in told]


def _judged(row: Row, trials: list[Trial]) -> Row:
    delays = [delay for one in trials if (delay := one.delay_ms(OURS)) is not None]
    event = trials[0].event
    whole = len(delays) == len(trials)
    median, p99, _ = spread(delays) if delays else (0, 0, 0)
    if event == "ready":
        peer = [delay for one in trials if (delay := one.delay_ms("testcontainers http")) is not None]
        faster = bool(peer) and spread(peer)[0] >= 20 * median
        target = "median ≤ 15 ms, p99 ≤ 100 ms, never wrong, ≥ 20 × faster than testcontainers http"
        return _with(row, target, whole and median <= 15 and p99 <= 100 and faster)
    if event == "fatal line, hang":
        return _with(row, "≤ 10 ms after the line", whole and median <= 10)
    if event == "silent hang":
        return _with(row, "≤ 100 ms after the phase's budget", whole and median <= 100)
    floor = [delay for one in trials if "raw die event" in one.answers and (delay := one.delay_ms("raw die event"))]
    if floor:
        return _with(row, "median ≤ 2 × the event", whole and median <= 2 * spread(floor)[0])
    return _with(row, "", None if whole else False)


def _with(row: Row, target: str, ok: bool | None) -> Row:
    return Row(what=row.what, who=row.who, value=row.value, ratio=row.ratio, target=target, ok=ok)


def phases(count: int, chance: random.Random) -> list[float]:
    """Delays that spread the event evenly over a second, in any order: luck decides no median of those who poll."""
    spread_out = [2 + (n + chance.random()) / count for n in range(count)]
    chance.shuffle(spread_out)
    return spread_out


def run(engine: Engine, place: Path, *, small: bool) -> Iterator[Row]:
    """Every event on every network that matters, eight or twelve times: small, two or three."""
    cap_s = 5.0 if small else 6.0
    shown = progress()
    chance = random.Random(20260101)
    with contestants(engine) as peers:
        for event in EVENTS:
            for network in NETWORKS if event == "ready" else ("published",):
                repeated = (3 if event in SAID else 2) if small else (8 if event.endswith("hang") else 12)
                trials = [
                    trial(engine, peers, event, network, place, shown, delay_s=delay_s, cap_s=cap_s)
                    for delay_s in phases(repeated, chance)
                ]
                yield from rows(trials, cap_s=cap_s)
