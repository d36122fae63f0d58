"""One watch a deployment, armed from before its start until it is taken down.

Three threads look at once: the attached output (phases, the first fatal line), the container's exit, and `/health`.
The first verdict wins; the others only add evidence. Readiness is HTTP 200, never an open port: Docker's proxy accepts
connections seconds before the server does.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING

from harness.diagnosis import Reader, diagnose
from harness.guard import Guard, floor_gib
from harness.host import memory_total_gib
from harness.progress import Progress
from harness.redact import Redactor
from harness.types import Diagnosis, Evidence, Exit, Noun

if TYPE_CHECKING:
    from harness.engine import Container

POLL_S = 0.05
"""Between two looks at `/health`, each a fraction of a millisecond of CPU."""
SLOW_POLL_S = 0.5
"""The same, after the first minute: of a start that takes minutes, and whose end the log announces."""
EAGER_POLL_S, EAGER_FOR_S = 0.005, 2.0
"""The same once the log says that the start is complete, and for how long: the server listens a moment later."""
HEALTH_TIMEOUT_S = 5.0
GRACE_S = 0.25
"""After an answer that tells of a failure, time for the log line about it to arrive."""
END_S = 60.0
"""Longest time from a fatal line of a server to its end."""
FATAL_GRACE_S = 3.0
"""After a fatal line, time for its cause, which may follow it, and for the exit; no more than is needed."""
DRAIN_S = 5.0
"""After an exit, time for the last of the log to arrive."""
LONGEST_LINE = 1 << 20
"""Bytes after which an unfinished line is passed on, so that memory stays flat."""


BACKLOG = 16 << 20
"""Bytes of the log that wait in memory for the disk."""
STALL_S = 1.0
"""Once so many wait, time for the disk to take some; then the log is given up, or the container would stall."""


class Spool:
    """Appends to a file from a thread of its own, so that a full or stalled disk stops nobody who has data for it."""

    def __init__(self, path: Path) -> None:
        self.lost = ""
        """Why the file is incomplete; nothing more is written then."""
        self._path, self._given, self._written = path, 0, 0
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._progress = threading.Event()
        self._thread = threading.Thread(target=self._write, name="watch-spool", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Hand `data` over. Waits only where BACKLOG is full, and at most STALL_S without progress."""
        while not self.lost and self._given - self._written > BACKLOG:
            self._progress.clear()
            if self._given - self._written > BACKLOG and not self._progress.wait(STALL_S):
                self.lost = f"{self._path} could not be written on (the disk took nothing for {STALL_S:.0f} s)"
        if not self.lost:
            self._given += len(data)
            self._queue.put(data)

    def close(self) -> None:
        """Wait until everything is written, or the disk has stalled."""
        self._queue.put(None)
        while self._thread.is_alive() and not self.lost:
            before = self._written
            self._thread.join(DRAIN_S)
            if self._thread.is_alive() and self._written == before:
                self.lost = f"{self._path} is incomplete (the disk took nothing for {DRAIN_S:.0f} s)"

    def _write(self) -> None:
        try:
            with self._path.open("ab", buffering=0) as file:
                while (data := self._queue.get()) is not None and not self.lost:
                    _all(file, data)
                    self._written += len(data)
                    self._progress.set()
        except OSError as error:
            self.lost = f"{self._path} could not be written on ({error.strerror})"
            self._progress.set()


def _all(file: IO[bytes], data: bytes) -> None:
    """Write all of `data`, in as many pieces as the disk takes it."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


class PhaseSeen(Noun):
    """A start-up phase: seconds from the container's start to the log line that announced it."""

    name: str
    at_s: float


class Watch:
    """Watches one container. `attach` before its start, `armed` after it, `close` when it is gone."""

    def __init__(self, name: str, log: Path, redactor: Redactor) -> None:
        self.reader = Reader(container=name)
        self.phases: list[PhaseSeen] = []
        self.exit: Exit | None = None
        self.begun = time.monotonic()
        self._log, self._redactor = log, redactor
        self._news: queue.Queue[str] = queue.Queue()
        self._wake = threading.Event()  # `/health` is worth a look now
        self._over = threading.Event()
        self._ended = threading.Event()
        self._settled = threading.Event()  # a failure is certain, and nothing that follows can change its cause
        self._lost: str | None = None
        self._spool: Spool | None = None
        self._failure: Diagnosis | None = None
        self._fatal_seen = False
        self._stood_down = False
        self._announced = False
        self._lock = threading.RLock()  # of the reader, which is asked while it reads
        self.guard: Guard | None = None
        self._container: Container | None = None
        self._drain: threading.Thread | None = None
        self._threads: list[threading.Thread] = []

    @property
    def unwritten(self) -> str:
        """Why the log file is incomplete, or empty; the output is read on nevertheless."""
        return self._spool.lost if self._spool else ""

    def attach(self, container: Container) -> None:
        """Read the output of a created container from its first byte, and wait for its end."""
        self._container = container
        output, ends = container.output(), container.ends()
        self._drain = self._thread("log", lambda: self._read(output))
        self._thread("exit", lambda: self._await_exit(ends))

    def armed(self, container: Container, base_url: str) -> None:
        """The container has been started: watch for `/health`, and for an end that came before the first event."""
        self.begun = time.monotonic()
        if self.exit is None and (ended := container.exited()) is not None:
            self.exit = ended
            self._news.put("exit")
        self._thread("health", lambda: self._await_health(base_url))
        self.guard = Guard(container.kill_if_there, floor_gib=floor_gib(memory_total_gib()))

    def until_ready(
        self, budget_s: float, what: str, progress: Progress, phase_budgets_s: Mapping[str, float] | None = None
    ) -> Diagnosis | None:
        """Wait for `/health` 200 (None) or the first sign of failure.

        `budget_s` seconds after the start is one, and so is a phase that outlives its own budget.
        """
        with progress.step(what, total=budget_s) as step:
            while True:
                spent = time.monotonic() - self.begun
                step.at(spent, note=self.phases[-1].name if self.phases else "starting")
                try:
                    left_s, _ = self._left(budget_s, phase_budgets_s or {})
                    news = self._news.get(timeout=max(0.0, min(0.5, left_s)))
                except queue.Empty:
                    left_s, limit_s = self._left(budget_s, phase_budgets_s or {})
                    if left_s <= 0:
                        return self._fail(timed_out_s=limit_s)
                    continue
                if news == "ready":
                    return None
                return self.failure()

    def _left(self, budget_s: float, phase_budgets_s: Mapping[str, float]) -> tuple[float, float]:
        """Seconds left of the budget that ends first, the current phase's or the whole start's; and that budget."""
        spent = time.monotonic() - self.begun
        left = [(budget_s - spent, budget_s)]
        if self.phases and (limit := phase_budgets_s.get(self.phases[-1].name)) is not None:
            left.append((self.phases[-1].at_s + limit - spent, limit))
        return min(left)

    def until_failed(self, budget_s: float) -> Diagnosis | None:
        """Wait at most `budget_s` seconds for the container's end, which must come, and after a fatal line END_S: a
        server may outlive its engine (vLLM 0.10.1.1). None when nothing came."""
        deadline, ending = time.monotonic() + budget_s, False
        while self.exit is None and self._lost is None and time.monotonic() < deadline:
            if self._fatal_seen and not ending:
                deadline, ending = min(deadline, time.monotonic() + END_S), True
            with suppress(queue.Empty):
                self._news.get(timeout=max(0.0, min(0.5, deadline - time.monotonic())))
        return self.failure()

    def complaint(self, answer: str) -> Diagnosis | None:
        """Why a request failed while the container lives: what the log says of it, else what the answer says."""
        self._over.wait(GRACE_S)  # the log line follows the answer
        failed = self.failure()
        with self._lock:
            return failed or self.reader.diagnosis() or diagnose(answer)

    def await_end(self) -> None:
        """After a fatal line: give the container the time to end, so that its exit and last lines can be recorded."""
        if self._fatal_seen and self._ended.wait(FATAL_GRACE_S) and self._drain is not None:
            self._drain.join(DRAIN_S)

    def stand_down(self) -> None:
        """From now on an end of the container is wanted: none counts as a failure any more."""
        self.failure()  # what has failed already counts
        self._stood_down = True

    def failure(self) -> Diagnosis | None:
        """Why the deployment is no longer good, or None while nothing says so."""
        if self._stood_down:
            return self._failure
        if self._failure is None and (self.exit is not None or self._lost is not None):
            if self._drain is not None:
                self._drain.join(DRAIN_S)
            return self._fail()
        if self._failure is None and self._fatal_seen:
            self._settled.wait(FATAL_GRACE_S)
            if self._ended.is_set() and self._drain is not None:
                self._drain.join(DRAIN_S)
            return self._fail()
        return self._failure

    def close(self) -> None:
        """End the threads; the log file is complete when the container is gone and its streams are closed."""
        self._over.set()
        self._wake.set()
        if self.guard is not None:
            self.guard.close()
        for thread in self._threads:
            thread.join(DRAIN_S)
        if self._container is not None:
            self._container.release()

    def _fail(self, timed_out_s: float | None = None) -> Diagnosis:
        with self._lock:
            if self._failure is None:
                self.reader.close()
                guarded = self._guarded()
                found = self.reader.diagnosis(
                    exit_code=self.exit.code if self.exit else None,
                    oom_killed=bool(guarded or (self.exit and self.exit.oom_killed)),
                    timed_out_s=timed_out_s,
                )
                seen = guarded or (() if found is None or found.evidence else self._silent())
                if found is not None and seen:
                    found = found.model_copy(update={"evidence": (*found.evidence, *seen)})
                self._failure = found or diagnose(b"", daemon_error=self._lost or "the container ended")
            assert self._failure is not None
            return self._failure

    def _silent(self) -> tuple[Evidence, ...]:
        """The exit as evidence, when the log holds none."""
        if self.exit is None:
            return ()
        return (Evidence(line=0, text=f"the container ended with exit code {self.exit.code}; see its log"),)

    def _guarded(self) -> tuple[Evidence, ...]:
        """What the guard saw, when it was the guard that killed the container."""
        if self.guard is None or self.guard.tripped is None:
            return ()
        point = self.guard.tripped
        told = (
            f"the harness killed the container {point.at_s:.1f} s after its start: {point.available_gib:.2f} GiB of "
            f"host memory were available, the floor is {self.guard.floor_gib:.2f} GiB"
        )
        return (Evidence(line=0, text=told),)

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=f"watch-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _read(self, output: Iterable[bytes]) -> None:
        pending = b""
        self._spool = spool = Spool(self._log)
        try:
            for chunk in output:
                whole, newline, rest = (pending + chunk).rpartition(b"\n")
                pending = rest
                if len(pending) > LONGEST_LINE:
                    whole, newline, pending = whole + newline + pending, b"", b""
                if whole or newline:
                    self._take(spool, whole + newline)
            if pending:
                self._take(spool, pending)
        finally:
            spool.close()

    def _take(self, spool: Spool, data: bytes) -> None:
        clean = self._redactor.data(data)
        spool.put(clean)
        with self._lock:
            before = len(self.reader.phases)
            fatal = self.reader.feed(clean)
            now = time.monotonic() - self.begun
            self.phases += [PhaseSeen(name=phase.name, at_s=now) for phase in self.reader.phases[before:]]
            if fatal is not None:
                self._fatal_seen = True
            if self._fatal_seen and self.reader.settled:
                self._settled.set()
        if self.reader.ready and not self._announced:
            self._announced = True
            self._wake.set()
        if fatal is not None:
            self._news.put("fatal")

    def _await_exit(self, ends: Iterator[Exit]) -> None:
        from harness.engine import EngineError, RefusedError

        try:
            self.exit = next(ends, None) or self.exit
        except (EngineError, RefusedError) as error:
            self._lost = str(error)
        else:
            if self.exit is None:
                self._lost = "the Docker Engine stopped reporting on the container"
        self._ended.set()
        self._settled.set()
        if not self._over.is_set():  # otherwise it was taken down by ourselves
            self._news.put("exit")

    def _await_health(self, base_url: str) -> None:
        eager_until = 0.0
        while not self._over.is_set():
            if _healthy(base_url):
                self._news.put("ready")
                return
            now = time.monotonic()
            usual_s = POLL_S if now - self.begun < 60 else SLOW_POLL_S
            if self._wake.wait(EAGER_POLL_S if now < eager_until else usual_s):
                eager_until = time.monotonic() + EAGER_FOR_S
                self._wake.clear()


def _healthy(base_url: str) -> bool:
    """Whether `/health` answers 200 now. Asked some thousand times a start, so without a client's machinery."""
    connection = HTTPConnection(base_url.removeprefix("http://"), timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
