"""On a box: a job as a subprocess of the local command under the box's lease, and the outbox where its outcome waits.

A job belongs to this process, not to the scheduler: when the scheduler is away it goes on, and its outcome waits here.
It ends with this process.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import lease
from harness.bench import Choice, choose
from harness.flags import LABEL
from harness.fleet.inventory import Inventory
from harness.fleet.jobs import Job, Outcome, Seen
from harness.host import read_host
from harness.record import FILE, ROOT, Attachment, RecordError, attach, read, this_harness, write_atomically
from harness.types import Bench, Verdict

GRACE_S = 120.0
"""Seconds a job that is asked to end has for taking its deployment down."""
LARGEST = 64 << 20
"""Bytes of the largest file that travels through the scheduler; a larger one stays on its box."""
RUN = f"{LABEL}.run"
"""The label that says which record a container belongs to."""
LEFT = "a worker that ended left this job behind"


class Running:
    """A job under way."""

    def __init__(self, job: Job) -> None:
        self.job, self.done = job, Future[Outcome]()
        self.done.set_running_or_notify_cancel()
        self.phase = "waits for the lease"
        self._asked = ""
        self._wake, self._woken = os.pipe()

    @property
    def asked(self) -> str:
        """Why it was asked to end; empty: it was not."""
        return self._asked

    def end(self, reason: str) -> None:
        """Ask it to end."""
        if not self._asked:
            self._asked = reason
            os.write(self._woken, b"x")

    def watch(self, process: subprocess.Popen[bytes], holding: tuple[subprocess.Popen[str], ...]) -> None:
        """Return when the process has ended; it is made to when it is asked for or a peer's lease is lost."""
        with ExitStack() as stack:
            ended: dict[int, subprocess.Popen[Any]] = {}
            everyone: tuple[subprocess.Popen[Any], ...] = (process, *holding)
            for one in everyone:
                handle = os.pidfd_open(one.pid)
                stack.callback(os.close, handle)
                ended[handle] = one
            before = {self._wake, *ended}
            while True:
                ready = select.select(list(before), [], [])[0]
                if process.poll() is not None:
                    return
                lost = [ended[handle] for handle in ready if handle in ended]
                if lost and not self._asked:
                    self._asked = "another box of the unit let go of its lease, or was lost"
                before -= set(ready)
                if self._asked:
                    break
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=GRACE_S)
                    return

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._wake)
        os.close(self._woken)


class Keeper:
    """The one of this process: what runs here, and the outbox."""

    def __init__(self, inventory: Inventory, unit: str, outbox: Path) -> None:
        self.inventory, self.unit, self.outbox = inventory, unit, outbox
        self.box, _ = inventory.head(unit)
        self.running: Running | None = None
        self.idle: Callable[[], None] = lambda: None
        """Called, in another thread, when a job has ended."""
        outbox.mkdir(parents=True, exist_ok=True)

    def begin(self, job: Job) -> Future[Outcome]:
        """Start a job, or find it: running, or ended before. One at a time."""
        if self.running and self.running.job.id == job.id:
            return self.running.done
        if (self.outbox / job.id / "outcome.json").exists():
            found = Future[Outcome]()
            found.set_result(self.outcome(job.id))
            return found
        if self.running:
            raise RuntimeError(f"{self.unit} runs {self.running.job.id} already")
        self.running = running = Running(job)
        threading.Thread(target=self._run, args=(running,), daemon=True, name=job.id).start()
        return running.done

    def recover(self) -> None:
        """End the jobs that a killed worker left: wait for the last of their processes, and write what came of them."""
        for job_file in sorted(self.outbox.glob("*/job.json")):
            if not (job_file.parent / "outcome.json").exists():
                job = Job.model_validate_json(job_file.read_text())
                self.running = running = Running(job)
                running.end(LEFT)
                threading.Thread(target=self._run, args=(running,), daemon=True, name=job.id).start()
                running.done.result()

    def outcome(self, job_id: str) -> Outcome:
        """The outcome that lies in the outbox."""
        return Outcome.model_validate_json((self.outbox / job_id / "outcome.json").read_text())

    def finished(self) -> tuple[str, ...]:
        """The jobs whose outcome lies here."""
        return tuple(path.parent.name for path in sorted(self.outbox.glob("*/outcome.json")))

    def phase(self) -> dict[str, Any]:
        """The running job, the last line that it wrote, and what waits here: told at each heartbeat."""
        running = self.running
        if running is None:
            return {"job": "", "phase": "", "finished": self.finished()}
        with suppress(OSError), (self.outbox / running.job.id / "output.log").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
            running.phase = lines[-1][:100] if lines else running.phase
        return {"job": running.job.id, "phase": running.phase, "finished": self.finished()}

    def _run(self, running: Running) -> None:
        job, started = running.job, datetime.now(UTC)
        directory = self.outbox / job.id
        verdict, reason, code = Verdict.BLOCKED, "", None
        try:
            directory.mkdir(exist_ok=True)
            write_atomically(directory / "job.json", job.model_dump_json())
            bench = choose(Choice(bench=job.bench, image=job.image), read_host())
            wait = self._waiting(running) if job.wait or running.asked == LEFT else None
            peers = {
                name: self.inventory.boxes[name].command(
                    f"exec .venv/bin/python -m harness fleet hold --bench {job.bench}{' --wait' if wait else ''}"
                )
                for name in self.inventory.units[self.unit]
                if name != self.box
            }
            with lease.lease_of_all(self.box, bench.docker_host, peers, wait, f"fleet job {job.id}") as (held, others):
                if not running.asked:
                    self._in_the_way(bench)
                    code = self._command(running, directory, held, others)
                if code is None or code < 0:
                    self._fence(directory, bench)
        except lease.BusyError as error:
            reason = f"box busy: {error}"
        except Exception as error:  # noqa: BLE001 (whatever it is, the controller must be told)
            reason = f"{type(error).__name__}: {error}"
        name, files = "", tuple[Attachment, ...]()
        with suppress(ValueError, RecordError):
            place = max((directory / "reports").glob(f"*/{FILE}")).parent
            record = read(place)
            name, verdict, reason = place.name, record.verdict, record.reason
            files = tuple(attach(path) for path in sorted(place.iterdir()) if path.is_file())
        if running.asked:
            verdict, reason = Verdict.INTERRUPTED, f"it was ended: {running.asked}"
        elif not reason:
            reason = f"the command ended with exit code {code} and left no record; it wrote: {self._tail(directory)}"
        outcome = Outcome(
            job=job,
            unit=self.unit,
            verdict=verdict,
            reason=reason,
            exit_code=code,
            started=started,
            ended=datetime.now(UTC),
            record=name,
            files=files,
        )
        write_atomically(directory / "outcome.json", outcome.model_dump_json())
        self.running = None
        running.done.set_result(outcome)
        running.close()
        self.idle()

    def _waiting(self, running: Running) -> Callable[[str], None]:
        def waiting(text: str) -> None:
            running.phase = text

        return waiting

    def _command(self, running: Running, directory: Path, held: int, others: tuple[subprocess.Popen[str], ...]) -> int:
        """Run the job's command to its end; it holds the lease too, and ends with this thread."""
        argv = [*("setpriv", "--pdeathsig", "TERM", "--"), sys.executable, *running.job.arguments]
        with (directory / "output.log").open("wb") as output:
            process = subprocess.Popen(
                [*argv, "--reports", str(directory / "reports")],
                cwd=ROOT,
                env={**os.environ, lease.HANDED_ON: str(held)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=(held,),
            )
            running.phase = "starts"
            running.watch(process, others)
        return process.returncode

    def _in_the_way(self, bench: Bench) -> None:
        """Under the lease: raise BusyError for a foreign container in the way, EngineError without a needed engine.

        Here nothing is removed: a deployment that somebody keeps up carries our label too. The command that holds the
        lease clears the box, as it does for anybody.
        """
        from harness.engine import Engine, EngineError
        from harness.launch import in_the_way
        from harness.preflight import describe

        try:
            engine = Engine(bench.docker_host)
        except EngineError:
            if bench.name == "cpu":
                return  # the command itself brings it up
            raise
        with engine:
            if foreign := in_the_way(engine.holders(), bench.port):
                raise lease.BusyError(f"busy by {describe(foreign[0])} → stop it there, it is none of ours")

    def _fence(self, directory: Path, bench: Bench) -> None:
        """Under the lease, when the command of a job was killed: remove the containers that it left, and no others."""
        from harness.engine import Engine
        from harness.launch import leftovers

        runs = set()
        for file in (directory / "reports").glob(f"*/{FILE}"):
            with suppress(RecordError):
                runs.add(read(file.parent).declared.labels.get(RUN))
        if not runs - {None}:
            return
        with Engine(bench.docker_host) as engine:
            for holder in leftovers(engine):
                container = engine.find(holder.id)
                if container and container.inspect()["Config"]["Labels"].get(RUN) in runs - {None}:
                    engine.remove(holder.id)

    def _tail(self, directory: Path) -> str:
        with suppress(OSError):
            return (directory / "output.log").read_text(errors="replace").strip()[-400:] or "nothing"
        return "nothing"


KEEPER: Keeper | None = None
"""Set by `harness.fleet.cluster.work`: what the controller asks is asked of it."""


def keeper() -> Keeper:
    """The keeper of this worker."""
    assert KEEPER is not None, "this process is no worker of a fleet"
    return KEEPER


async def run_job(text: str) -> str:
    """Run a job (JSON) to its end, or wait for the end of the one that runs already; its outcome as JSON."""
    done = keeper().begin(Job.model_validate_json(text))
    return (await asyncio.shield(asyncio.wrap_future(done))).model_dump_json()


async def look(bench: str, images: tuple[str, ...]) -> str:
    """What this box says of itself, as JSON (`Seen`)."""
    return (await asyncio.to_thread(_look, bench, images)).model_dump_json()


def _look(bench: str, images: tuple[str, ...]) -> Seen:
    from harness.engine import Engine, EngineError

    own, host = keeper(), read_host()
    chosen = choose(Choice.model_validate({"bench": bench}), host)
    trouble, there = "", dict.fromkeys(images, "")
    try:
        with Engine(chosen.docker_host) as engine:
            for ref in images:
                found = engine.image(ref)
                there[ref] = found.id if found else ""
    except EngineError as error:
        trouble = "" if chosen.name == "cpu" else str(error)
    return Seen(
        unit=own.unit,
        harness=this_harness(),
        host=host,
        bench=chosen,
        engine=trouble,
        images=there,
        disk_gib=shutil.disk_usage(own.outbox).free / 2**30,
        holder=lease.holder(chosen.docker_host),
        finished=own.finished(),
        clock=time.time(),
    )


async def clock() -> float:
    """This box's time, in seconds since 1970."""
    return time.time()


async def bring(job_id: str) -> tuple[str, dict[str, bytes]]:
    """The outcome of a job as JSON, and the files of its record but the largest."""
    own = keeper()
    outcome = own.outcome(job_id)
    place = own.outbox / job_id / "reports" / outcome.record
    names = [file.name for file in outcome.files if file.bytes <= LARGEST]
    return outcome.model_dump_json(), {name: (place / name).read_bytes() for name in names}


async def forget(job_id: str) -> None:
    """Its record is home: remove it here."""
    await asyncio.to_thread(shutil.rmtree, keeper().outbox / job_id)


async def end(job_id: str, reason: str) -> bool:
    """Ask a running job to end; False when it does not run here."""
    running = keeper().running
    if running is None or running.job.id != job_id:
        return False
    running.end(reason)
    return True
