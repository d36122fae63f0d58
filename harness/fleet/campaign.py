"""A campaign: jobs are given to boxes that are free, records come home, a lost box is a verdict of its own."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from asyncio import Task
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.attempt import conclude
from harness.flags import resolve, shell_line
from harness.fleet import box, cluster, jobs, page
from harness.fleet.inventory import Inventory
from harness.fleet.jobs import Campaign, Job, Outcome, Result, Seen
from harness.progress import Row
from harness.record import FILE, Record, Recorder, new_directory, this_harness, write_atomically
from harness.report import views
from harness.types import Verdict
from harness.variants import find

if TYPE_CHECKING:
    from distributed import Client

HEAD: Row = ("box", "done", "state", "job", "phase")
GONE_S = 5.0
"""Seconds without a worker after which the job of a box that was there is lost, when distributed has not said so."""
PATIENCE_S = 60.0
"""Seconds that a box, or the scheduler, is waited for that is not there."""
TICK_S = 0.5
ASK_S = 60.0
"""Seconds a box has to answer a question: `nvidia-smi` and its engine are asked too."""
AGAIN_S = 10.0
"""Seconds after which a box that was refused is looked at again."""

Show = Callable[[Sequence[Row]], None]


class UnansweredError(Exception):
    """A box was asked, and nothing came back."""


def campaign_file(reports: Path, campaign: str) -> Path:
    """Where the state of a campaign is kept."""
    return reports / "fleet" / f"{campaign}.json"


class Conduct:
    """A campaign under way."""

    def __init__(
        self,
        inventory: Inventory,
        work: Sequence[Job],
        units: Sequence[str],
        *,
        reports: Path,
        say: Callable[[str], None],
        show: Show,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.inventory, self.units, self.reports = inventory, tuple(units), reports
        self.say, self.show, self.patience_s = say, show, patience_s
        self.harness = this_harness()
        self.id, self.started = work[0].campaign, datetime.now(UTC)
        self.waiting = jobs.arranged(work)
        self.results = {job.id: Result(job=job, unit=job.unit) for job in work}
        self.on: dict[str, Job] = {}
        """Unit → the job it was given and that has no verdict yet."""
        self.lost: set[str] = set()
        self.seen: dict[str, Seen] = {}
        self._admitted: dict[str, str] = {}
        """Unit → address of its worker, once it was looked at."""
        self._refused: dict[str, str] = {}
        self._looked: dict[str, tuple[str, float]] = {}
        """Unit → address of the worker that was refused, and when it was."""
        self._met: set[str] = set()
        """Units that were there since the scheduler was last away."""
        self._last_there: dict[str, float] = {}
        self._tasks: dict[Task[str], tuple[str, Job]] = {}
        self._errands: dict[str, Task[None]] = {}
        """What is asked of the boxes meanwhile: one that hangs delays no other."""
        self._phases: dict[str, str] = {}

    @property
    def open(self) -> bool:
        """Whether a job has no verdict yet."""
        return bool(self.waiting or self.on)

    async def run(self) -> Campaign:
        """Until every job has a verdict."""
        away_since: float | None = time.monotonic()
        while self.open:
            try:
                async with cluster.connected(self.inventory) as client:
                    away_since = None
                    self._admitted.clear()
                    self._met.clear()
                    self._last_there = dict.fromkeys(self.units, time.monotonic())
                    await self._session(client)
            except cluster.SchedulerAwayError as error:
                if away_since is None:
                    self.say(f"{error}; the boxes go on alone, and it is waited for")
                    away_since = time.monotonic()
                self._drop()
                if time.monotonic() - away_since > self.patience_s:
                    self._give_up(str(error))
                await asyncio.sleep(1)
        self._drop()
        self._keep()
        return self.state()

    def state(self) -> Campaign:
        """As it is now."""
        return Campaign(
            id=self.id,
            started=self.started,
            harness=self.harness,
            units=self.units,
            results=tuple(self.results.values()),
        )

    async def _session(self, client: Client) -> None:
        while self.open:
            if client.status != "running":
                raise cluster.SchedulerAwayError("the scheduler has gone away")
            there = await cluster.workers(client)
            for unit in self.units:
                self._meet(client, unit, there.get(unit, []))
            self._place(client)
            self._show()
            awaited: set[Task[Any]] = {*self._tasks, *self._errands.values()}
            if awaited:
                await asyncio.wait(awaited, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(TICK_S)
            for task in [task for task in self._tasks if task.done()]:
                self._ended(client, task)
            for name in [name for name, errand in self._errands.items() if errand.done()]:
                if not (errand := self._errands.pop(name)).cancelled():
                    errand.result()

    def _errand(self, name: str, what: Coroutine[Any, Any, None]) -> None:
        """Do something meanwhile, unless it is being done."""
        if name in self._errands:
            what.close()
        else:
            self._errands[name] = asyncio.ensure_future(what)

    def _meet(self, client: Client, unit: str, there: list[dict[str, Any]]) -> None:
        """What is to be done about one unit, now that these workers call themselves so."""
        fresh = [worker for worker in there if time.time() - worker["last_seen"] < GONE_S] or there
        if not fresh:
            self._admitted.pop(unit, None)
            self._absent(unit, time.monotonic() - self._last_there[unit])
            return
        self._met.add(unit)
        self._last_there[unit] = time.monotonic()
        fresh.sort(key=lambda one: -float(one["last_seen"]))
        worker, address = fresh[0], str(fresh[0]["address"])
        told = worker["metrics"].get("gb10", {})
        self._phases[unit] = str(told.get("phase", ""))
        if self._admitted.get(unit) != address:
            self._admitted.pop(unit, None)
            before, when = self._looked.get(unit, ("", 0.0))
            if len(fresh) > 1 or before != address or time.monotonic() - when > AGAIN_S:
                self._errand(f"look {unit}", self._look_at(client, unit, address, fresh))
            return
        for job_id in told.get("finished", ()):
            if job_id in self.lost:
                self._errand(f"home {job_id}", self._home(client, unit, address, job_id))
        self._busy(unit, str(told.get("job", "")))

    async def _look_at(self, client: Client, unit: str, address: str, there: list[dict[str, Any]]) -> None:
        """Let a unit have jobs, or say why not."""
        try:
            trouble = await self._trouble(client, unit, there)
            if not trouble:
                await self._resume(client, unit, address, there[0]["metrics"].get("gb10", {}))
        except UnansweredError as error:
            trouble = f"{error} → python -m harness fleet status, and look at {self.inventory.head(unit)[0]}"
        if trouble:
            self._looked[unit] = address, time.monotonic()
            self._refuse(unit, trouble)
            return
        self._refused.pop(unit, None)
        self._admitted[unit] = address

    async def _trouble(self, client: Client, unit: str, there: list[dict[str, Any]]) -> str:
        """Why no job may be started on a unit; empty: it may."""
        worker, (name, wanted) = there[0], self.inventory.head(unit)
        address = str(worker["address"])
        host = address.removeprefix("tls://").rpartition(":")[0]
        if len(there) > 1:
            return f"{len(there)} workers call themselves {unit}: {', '.join(w['address'] for w in there)} → stop one"
        if host != wanted.address:
            return f"a worker at {host} calls itself {unit}, which is {name} at {wanted.address} → see who that is"
        try:
            certified = await cluster.certified(self.inventory, address)
        except TimeoutError as error:
            raise UnansweredError(f"{address} did not answer within {cluster.ANSWER_S:g} s") from error
        except OSError as error:
            return f"{unit} at {address}: {error} → python -m harness fleet up brings it new certificates"
        if certified != unit:
            return f"the worker at {host} calls itself {unit}, and its certificate is {certified}'s → see who that is"
        if not jobs.same_version(worker):
            return f"{unit} runs harness {jobs.says(worker)[0] or 'unknown'}, this is {self.harness.version} → fleet up"
        begun = time.time()
        clock = await ask(client, address, box.clock)
        skew_s = float(clock) - (begun + time.time()) / 2
        images = sorted({result.job.image for result in self.results.values() if result.job.image})
        bench = next(iter(self.results.values())).job.bench
        seen = Seen.model_validate_json(await ask(client, address, box.look, bench, tuple(images)))
        self.seen[unit] = seen
        for told in jobs.different_images(self.seen):
            self.say(f"not the same on all boxes: {told}")
        found = jobs.checks(
            seen,
            unit=unit,
            harness=self.harness,
            skew_s=skew_s,
            least_disk_gib=wanted.least_disk_gib,
            serial_sha256=wanted.serial_sha256,
        )
        return jobs.blocked(found)

    async def _resume(self, client: Client, unit: str, address: str, told: dict[str, Any]) -> None:
        """A unit is there, perhaps again: find the job it was given, and end one that was counted as lost."""
        running, finished = told.get("job", ""), told.get("finished", ())
        if running in self.lost:
            self.say(f"{unit} is back; the job that it still runs was counted as lost and is ended")
            await ask(client, address, box.end, running, "it had been counted as lost, and judged so")
        job = self.on.get(unit)
        if job is not None and self.results[job.id].verdict is not None:
            del self.on[unit]  # its record was home when the scheduler went away
        elif job is None or any(of == unit for of, _ in self._tasks.values()):
            pass
        elif job.id == running or job.id in finished:
            self._submit(client, unit, address, job, attach=True)
        else:
            self._lose(unit, job, f"{unit} came back without the job: it was restarted meanwhile")

    def _place(self, client: Client) -> None:
        for unit, address in self._admitted.items():
            if unit in self.on or unit in self._refused:
                continue
            job = jobs.next_for(unit, self.waiting)
            if job is not None:
                self.waiting.remove(job)
                self.on[unit] = job
                self._set(job, unit=unit, started=datetime.now(UTC))
                self._submit(client, unit, address, job)

    def _submit(self, client: Client, unit: str, address: str, job: Job, *, attach: bool = False) -> None:
        future = client.submit(
            box.run_job,
            job.model_dump_json(),
            key=f"{job.id}{'-again' if attach else ''}",
            pure=False,
            retries=0,
            workers=[address],
            allow_other_workers=False,
            resources=None if attach else {cluster.RESOURCE: 1},
        )

        async def outcome() -> str:
            told: str = await future
            return told

        self._tasks[asyncio.ensure_future(outcome())] = (unit, job)

    def _ended(self, client: Client, task: Task[str]) -> None:
        unit, job = self._tasks.pop(task)
        if task.cancelled() or isinstance(task.exception(), asyncio.CancelledError) or client.status != "running":
            self._tasks[task] = (unit, job)  # dropped with the session, and found again in the next
            raise cluster.SchedulerAwayError("the scheduler has gone away")
        error = task.exception()
        if error is None:
            address = self._admitted.get(unit, "")
            self._errand(f"home {job.id}", self._home(client, unit, address, job.id, task.result()))
        elif type(error).__name__ in ("KilledWorker", "FutureCancelledError", "NoValidWorkerError"):
            self._lose(unit, job, f"{unit} was lost: its worker has died, or gave no sign of life for too long")
        else:
            self.on.pop(unit, None)
            self._judge(job, Verdict.BLOCKED, f"{type(error).__name__}: {error}")

    async def _home(self, client: Client, unit: str, address: str, job_id: str, told: str = "") -> None:
        """Bring the record of a job home and write down what came of it."""
        late, record, brought = self.results[job_id].verdict is not None, "", False
        try:
            told, files = await ask(client, address, box.bring, job_id)
            record = store(Outcome.model_validate_json(told), files, self.reports)
            brought = True
        except (UnansweredError, ValueError) as error:
            self.say(f"the record of {job_id} stays on {unit} for now ({error}) → fleet collect")
            if not told:
                return
        self.lost.discard(job_id)
        outcome = Outcome.model_validate_json(told)
        free = not outcome.job.unit and not late
        if free and outcome.exit_code is None and outcome.verdict is Verdict.BLOCKED:
            self._return(unit, address, outcome)
        elif not late or outcome.verdict is not Verdict.INTERRUPTED:
            self._judge(
                outcome.job,
                outcome.verdict,
                f"came home late, after it had been lost: {outcome.reason}" if late else outcome.reason,
                unit=unit,
                record=record,
                ended=outcome.ended,
            )
        else:
            self.say(f"{unit}: what was left of {job_id}, which had been lost, came home: {record or outcome.reason}")
        if self.on.get(unit) == outcome.job:
            del self.on[unit]
        if brought:
            with suppress(UnansweredError):  # what lies there twice is known by its content
                await ask(client, address, box.forget, job_id)

    def _return(self, unit: str, address: str, outcome: Outcome) -> None:
        """A box did not begin a job that any may do, because somebody holds it: another does it."""
        del self.on[unit]
        self._set(outcome.job, unit="", started=None)
        self.waiting.insert(0, outcome.job)
        self._admitted.pop(unit, None)
        self._looked[unit] = address, time.monotonic()
        self._refuse(unit, outcome.reason)

    def _absent(self, unit: str, for_s: float) -> None:
        """A unit is not there: the job it had is lost soon, those that must run there are kept for its return."""
        if unit in self.on and for_s > (GONE_S if unit in self._met else self.patience_s):
            self._lose(unit, self.on[unit], f"{unit} is lost: no worker of it is at the scheduler any more")
        if for_s > self.patience_s:
            head, _ = self.inventory.head(unit)
            self._refuse(
                unit, f"no worker of {unit} is at the scheduler → python -m harness fleet status, and look at {head}"
            )

    def _busy(self, unit: str, running: str) -> None:
        """A unit runs a job of another campaign, or none: what may not wait for it gets no place there."""
        self._refused.pop(unit, None)
        doomed = [job for job in self.waiting if job.unit in (unit, "") and not job.wait]
        if running and running not in self.results and doomed:
            self._refuse(unit, f"box busy: fleet job {running} runs there → --wait waits for it", quietly=True)

    def _refuse(self, unit: str, reason: str, *, quietly: bool = False) -> None:
        if self._refused.get(unit) != reason and not quietly:
            self.say(f"{unit} gets no job: {reason}")
        self._refused[unit] = reason
        self._block([job for job in self.waiting if job.unit == unit], unit, reason)
        if set(self.units) <= self._refused.keys() and not self.on:
            self._block(list(self.waiting), "", f"no box can be used: {'; '.join(self._refused.values())}")

    def _block(self, doomed: list[Job], unit: str, reason: str) -> None:
        for job in doomed:
            self.waiting.remove(job)
            self._judge(job, Verdict.BLOCKED, reason, unit=unit)

    def _lose(self, unit: str, job: Job, reason: str, *, elsewhere: bool = True) -> None:
        """A lost box judges no model: its job is interrupted, with a record that says so; it may be tried elsewhere."""
        for task in [task for task, (of, _) in self._tasks.items() if of == unit]:
            self._tasks.pop(task)
            task.cancel()
        self.on.pop(unit, None)
        self._admitted.pop(unit, None)
        self.lost.add(job.id)
        if elsewhere and not job.unit and job.turn == 1 and set(self.units) - {unit} - self._refused.keys():
            second = job.model_copy(update={"id": f"{job.id}-2", "turn": 2, "lost_on": unit})
            reason += "; it is tried once more on another box"
            self.waiting.insert(0, second)
            self.results[second.id] = Result(job=second, unit="")
        started = self.results[job.id].started or datetime.now(UTC)
        self._judge(job, Verdict.INTERRUPTED, reason)  # before the record, which takes a moment
        if unit in self.seen:
            self._set(job, record=lost_record(job, self.seen[unit], reason, started, self.reports))
            self._keep()

    def _give_up(self, why: str) -> None:
        for unit, job in list(self.on.items()):
            self._lose(unit, job, f"{why}; {unit} goes on alone and keeps the record → fleet collect", elsewhere=False)
        self._block(list(self.waiting), "", why)

    def _drop(self) -> None:
        for task in (*self._tasks, *self._errands.values()):
            task.cancel()
        self._tasks.clear()
        self._errands.clear()

    def _judge(self, job: Job, verdict: Verdict, reason: str, **more: Any) -> None:
        """A job has its verdict: it is said, and kept."""
        self._set(job, **({"verdict": verdict, "reason": reason, "ended": datetime.now(UTC)} | more))
        result = self.results[job.id]
        self.say(f"{verdict.value}: {job.variant} on {result.unit or 'no box'}: {reason}")
        self._keep()

    def _set(self, job: Job, **changes: Any) -> None:
        self.results[job.id] = self.results[job.id].model_copy(update=changes)

    def _keep(self) -> None:
        keep(self.state(), self.reports)

    def _show(self) -> None:
        """A row a box, and one for what no box has yet."""
        rows = []
        for unit in self.units:
            ended = sum(one.verdict is not None for one in self.results.values() if one.unit == unit)
            job = self.on.get(unit)
            refused, admitted = unit in self._refused, unit in self._admitted
            state = "running" if job else "refused" if refused else "free" if admitted else "is looked at"
            named = f"{job.variant} {job.image or ''}".strip() if job else ""
            again = f" (again, {job.lost_on} was lost)" if job and job.lost_on else ""
            phase = self._phases.get(unit, "") if job else self._refused.get(unit, "")
            rows.append((unit, str(ended), state, named + again, phase))
        rows.append(("waiting", "", "", "", f"{len(self.waiting)} jobs"))
        self.show(rows)


def keep(campaign: Campaign, reports: Path) -> None:
    """Write the state of a campaign and the page of all campaigns. Raises RecordError when that can't be written."""
    place = campaign_file(reports, campaign.id)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, campaign.model_dump_json(indent=2) + "\n")
    page.write(reports)


def store(outcome: Outcome, files: dict[str, bytes], reports: Path) -> str:
    """Write a record that came from a box under `reports`, and the list of all records; returns its directory's name.

    Raises ValueError when a file is not what the box said it sends.
    """
    if not outcome.record:
        return ""
    for file in outcome.files:
        if file.name in files and hashlib.sha256(files[file.name]).hexdigest() != file.sha256:
            raise ValueError(f"{file.name} of {outcome.job.id} was changed on its way")
    name, count = f"{outcome.record}-{outcome.unit}", 1
    while (place := reports / name).exists():
        if (place / FILE).exists() and (place / FILE).read_bytes() == files.get(FILE):
            return name  # it is home already
        count += 1  # another job of the same variant on this box, begun within the same second
        name = f"{outcome.record}-{outcome.unit}-{count}"
    part = reports / f".{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for file in outcome.files:
        if file.name in files:
            (part / file.name).write_bytes(files[file.name])
    part.rename(place)
    views.write_index(reports)
    return name


def lost_record(job: Job, seen: Seen, reason: str, started: datetime, reports: Path) -> str:
    """The record of a run whose box was lost: interrupted, which judges no model. Returns its directory's name."""
    variant = find(job.variant)
    bench = seen.bench.model_copy(update={"image": job.image or seen.bench.image})
    flags = resolve(variant, bench)
    record = Record(
        record_id=job.id,
        harness=seen.harness,
        verdict=Verdict.INTERRUPTED,
        reason=reason,
        started=started,
        ended=datetime.now(UTC),
        bench=bench,
        host=seen.host,
        variant=variant,
        expectation=variant.benches[bench.name],
        declared=flags,
        replay=shell_line(flags),
    )
    recorder = Recorder(record, new_directory(reports, variant, bench, started))
    conclude(recorder)
    return recorder.directory.name


async def ask(client: Client, address: str, what: Callable[..., Any], *told: Any) -> Any:
    """What a worker answers. Raises UnansweredError when it does not, SchedulerAwayError when that is why."""
    try:
        return (await asyncio.wait_for(client.run(what, *told, workers=[address]), ASK_S))[address]
    except (OSError, TimeoutError, KeyError, ValueError) as error:  # ValueError: the scheduler knows no such worker
        await cluster.workers(client)
        raise UnansweredError(f"{address} did not answer ({type(error).__name__}: {error})") from error


async def collect(inventory: Inventory, reports: Path, say: Callable[[str], None]) -> list[str]:
    """Bring home every record that waits on a box; returns their directories' names. Raises SchedulerAwayError."""
    home = []
    async with cluster.connected(inventory) as client:
        for unit, there in (await cluster.workers(client)).items():
            for worker in there:
                address = str(worker["address"])
                for job_id in worker["metrics"].get("gb10", {}).get("finished", ()):
                    try:
                        told, files = await ask(client, address, box.bring, job_id)
                        outcome = Outcome.model_validate_json(told)
                        name = store(outcome, files, reports)
                        await ask(client, address, box.forget, job_id)
                    except (UnansweredError, ValueError) as error:
                        say(f"{unit}: the record of {job_id} stays there for now: {error}")
                        continue
                    _late(outcome, name, reports)
                    say(f"{unit}: {outcome.job.variant}: {outcome.verdict.value}, {outcome.reason}")
                    home.append(name or outcome.job.id)
    return home


def _late(outcome: Outcome, record: str, reports: Path) -> None:
    """Write into its campaign what came home after it."""
    file = campaign_file(reports, outcome.job.campaign)
    if not file.exists():
        return
    campaign = Campaign.model_validate_json(file.read_text())
    changes = {
        "verdict": outcome.verdict,
        "reason": f"collected later: {outcome.reason}",
        "record": record,
        "ended": outcome.ended,
    }
    results = [one.model_copy(update=changes) if one.job.id == outcome.job.id else one for one in campaign.results]
    keep(campaign.model_copy(update={"results": tuple(results)}), reports)
