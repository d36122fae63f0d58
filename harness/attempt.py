"""One attempt to deploy a variant, from clearing the box to a finished record. What pytest and the verbs share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.api import Api
from harness.bench import environment
from harness.diagnosis import Reader
from harness.dialects import dialect
from harness.engine import Engine, EngineError
from harness.flags import LABEL, observed, resolve, shell_line
from harness.history import lost, since_last_accepted
from harness.host import boot_id, oom_kills, read_host
from harness.launch import Launched, clear, launch, leftovers, refused, settle
from harness.preflight import preflight, provide
from harness.progress import Progress
from harness.record import (
    KERNEL_KILLS,
    UNFINISHED,
    ImageFacts,
    Phase,
    Record,
    Recorder,
    TestOutcome,
    blocking,
    new_directory,
    this_harness,
)
from harness.redact import Redactor, from_environment
from harness.report import views
from harness.resolved import resolved
from harness.seal import seal
from harness.staging import Scene, faulty, staged
from harness.types import (
    Answer,
    Bench,
    Check,
    Deployment,
    Diagnosis,
    Dialect,
    Finding,
    Host,
    Image,
    Measurement,
    Variant,
    Verdict,
)
from harness.verification import ANSWER_TOKENS, CAPITAL, chat_problems, health_problems, models_problems
from harness.weights import page_cache, weights


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An attempt under way. `launched` is None when preflight blocked it; nothing was started then."""

    variant: Variant
    bench: Bench
    recorder: Recorder
    launched: Launched | None
    first: Answer | None = None
    """The first chat after the start: it still compiles."""
    second: Answer | None = None
    """The same chat again."""
    scene: Scene | None = None
    """What was staged around the start, for a failure that must happen."""

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Why it failed: at the start, at the first chat, or while serving; None while nothing says so."""
        watch = self.launched.watch if self.launched else None
        return self.recorder.record.diagnosis or (watch.failure() if watch else None)

    @property
    def dialect(self) -> Dialect:
        """What the served version of vLLM does."""
        return dialect(self.recorder.record.vllm_version)

    @property
    def deployment(self) -> Deployment | None:
        """The running deployment, or None."""
        outcome = self.launched.outcome if self.launched else None
        return outcome if isinstance(outcome, Deployment) else None

    def verify(self) -> tuple[TestOutcome, ...]:
        """What must hold after every start, as test outcomes in the record: health, models, a chat completion.

        Returns the ones that failed; empty when there is no deployment to ask.
        """
        if self.deployment is None or self.first is None:
            return ()
        with Api(self.deployment.base_url) as api:
            asked = (
                ("health", "/health answers 200", health_problems(api.health())),
                ("models", "/v1/models lists exactly the served name", models_problems(api.models(), self.variant)),
                ("chat", "a chat answers a known question", chat_problems(self.first, CAPITAL, self.variant)),
            )
        outcomes = tuple(
            TestOutcome(
                nodeid=f"verify::{name}",
                requirement=requirement,
                outcome="failed" if problems else "passed",
                seconds=0,
                message="\n".join(problems),
            )
            for name, requirement, problems in asked
        )
        self.recorder.update(tests=outcomes, tests_available=len(outcomes))
        return tuple(outcome for outcome in outcomes if outcome.outcome == "failed")

    def note(self, id_: str, what: str, seen: str) -> None:
        """Write a finding that the variant does not forbid into the record."""
        self.recorder.add(Finding(id=id_, what=what, seen=seen, forbidden=False))

    def trouble(self) -> str:
        """Why there is nothing to judge, or no longer; an empty text when the deployment is up."""
        if self.launched is None:
            return f"{self.variant.name} was not started: {self.recorder.record.reason}"
        return f"{self.variant.name} {tell(self.diagnosis)}" if self.diagnosis else ""


def tell(diagnosis: Diagnosis) -> str:
    """A diagnosis for a person: rule, cause, evidence, remedy."""
    evidence = "".join(f"\n    {line.line:>6} | {line.text}" for line in diagnosis.evidence)
    return f"failed: {diagnosis.rule}: {diagnosis.cause.en}{evidence}\n  → {diagnosis.remedy.en}"


@contextmanager
def attempt(
    variant: Variant,
    bench: Bench,
    engine: Engine,
    *,
    reports: Path,
    progress: Progress,
    replace: bool = False,
    keep: Callable[[], bool] = lambda: False,
    interrupted: Callable[[], bool] = lambda: False,
    begun: Callable[[Recorder], object] = lambda _: None,
    tests_available: int = 0,
    sign_key: Path | None = None,
) -> Iterator[Attempt]:
    """Clear the box, check, launch, ask; the `with` block judges; leaving takes everything down and ends the record.

    A variant that must fail is staged, launched and taken down before the block begins; its scene ends with the block.
    `begun` gets the record as soon as it is on disk.
    Raises RefusedFlagsError and RecordError before anything is started, EngineError when the daemon is lost.
    """
    fault = variant.benches[bench.name].fault
    environ = environment(bench)
    redactor = from_environment(environ)
    recover(reports, engine, progress)
    with ExitStack() as stack:
        scene = None
        wrong, place = variant, bench
        if fault is not None:
            if clear(engine, bench.port, progress, replace=replace):
                settle(bench.port, None)
            scene = stack.enter_context(staged(variant, bench, engine, progress))
            wrong, place = faulty(variant, bench.model_copy(update={"vllm_home": str(scene.home)}))
        recorder = _begin(wrong, place, reports, tests_available, redactor)
        begun(recorder)
        stack.enter_context(_ending(recorder, interrupted, sign_key))
        if fault is None and clear(engine, bench.port, progress, replace=replace):
            settle(bench.port, None)
        host = read_host()
        if place.docker_host == engine.docker_host:
            failed = {} if fault else provide(wrong, place, engine, progress)
            checks = preflight(wrong, place, host, engine.seen(place.image), environ, failed)
            recorder.update(
                page_cache=page_cache(Path(place.vllm_home), wrong.model),  # before the weights are read
                host=host,
                preflight=checks,
                image=_facts(engine.image(place.image)),
                weights=weights(Path(place.vllm_home), wrong.model),
            )
        if blocking(recorder.record):
            recorder.finish()
            yield Attempt(variant=wrong, bench=place, recorder=recorder, launched=None)
            return
        with ExitStack() as up:
            launched = up.enter_context(_launched(wrong, place, engine, recorder, environ, redactor, progress, keep))
            under_way = _verified(wrong, place, recorder, launched, scene)
            if scene is None:
                yield under_way
            elif scene.after_start and launched.watch and isinstance(launched.outcome, Deployment):
                scene.after_start(engine, launched.outcome.container_id)
                launched.watch.until_failed(recorder.record.expectation.start_budget_s)
            _after(recorder, launched)
        recorder.add(*_kernel_kills(host))
        measured = () if keep() else settle(bench.port, host.memory_available_gib, ours=fault is None)
        recorder.add(*measured)
        if scene is not None:
            yield under_way


@contextmanager
def adopted(
    variant: Variant,
    bench: Bench,
    engine: Engine,
    base_url: str,
    *,
    reports: Path,
    interrupted: Callable[[], bool] = lambda: False,
    begun: Callable[[Recorder], object] = lambda _: None,
    tests_available: int = 0,
    sign_key: Path | None = None,
) -> Iterator[Attempt]:
    """Judge what answers at `base_url`, in the variant's container, whoever started it: it is left as it is.

    `base_url` may be a proxy in front of it. Raises like `attempt`.
    """
    redactor = from_environment(environment(bench))
    recorder = _begin(variant, bench, reports, tests_available, redactor)
    begun(recorder)
    with _ending(recorder, interrupted, sign_key):
        container = engine.find(variant.container)
        if container is None or container.exited():
            here = Check(
                name="deployed",
                ok=False,
                found="no such container that runs",
                wanted=f"{variant.container}, which serves {variant.name}",
                remedy=f"start it, or select another variant than {variant.name} with -m",
            )
            recorder.update(preflight=(here,))
            yield Attempt(variant=variant, bench=bench, recorder=recorder, launched=None)
            return
        inspect = container.inspect()
        bound = (inspect["HostConfig"].get("PortBindings") or {}).get("8000/tcp") or [{}]
        labels = inspect["Config"].get("Labels") or {}
        flags = resolve(
            variant,
            bench.model_copy(update={"port": int(bound[0].get("HostPort") or bench.port)}),
            {k.removeprefix(f"{LABEL}."): v for k, v in labels.items() if k.startswith(f"{LABEL}.")},
        )
        reader = Reader(container=flags.name)
        with recorder.log.open("wb") as file:
            for data in engine.logs(container):
                clean = redactor.data(data)
                file.write(clean)
                reader.feed(clean)
        image = engine.image(inspect["Config"]["Image"])
        deployment = Deployment(
            variant=variant,
            bench=bench,
            flags=flags,
            container_id=container.id,
            base_url=base_url,
            log=str(recorder.log),
            started_s=0,
        )
        launched = Launched(
            flags=flags,
            outcome=deployment,
            start_s=0,
            watch=None,
            container_id=container.id,
            inspect=inspect,
            image=image,
            exit=None,
        )
        recorder.update(
            declared=flags,
            engine_facts=dict(reader.facts),
            vllm_version=reader.vllm_version,
            resolved=resolved(recorder.log),
        )
        yield _verified(variant, bench, recorder, launched, None)


def recover(reports: Path, engine: Engine, progress: Progress) -> None:
    """End the records that a killed run or a restart of the host left without an end: the verdict says which, with the
    container's exit.

    Call it before the box is cleared: the container that was left behind is the witness.
    """
    now = boot_id()
    for directory, record in lost(reports, read_host()):
        run = f"{LABEL}.run"
        mine = record.declared.labels.get(run)
        witness = None
        for holder in leftovers(engine):
            container = engine.find(holder.id)
            if container and mine and container.inspect()["Config"]["Labels"].get(run) == mine:
                witness = container.exited()
        recorder = Recorder(record, directory)
        recorder.update(exit=record.exit or witness)
        ended = recorder.finish(interrupted=True, boot_id=now)
        conclude(recorder)
        progress.say(f"{directory.name}: {ended.reason}")


def _begin(variant: Variant, bench: Bench, reports: Path, tests_available: int, redactor: Redactor) -> Recorder:
    """A record that calls itself interrupted, on disk."""
    started = datetime.now(UTC)
    labels = {"run": secrets.token_hex(4), "started": f"{started:%Y-%m-%dT%H:%M:%SZ}"}
    flags = resolve(variant, bench, labels)
    record = Record(
        record_id=f"{started:%Y%m%dT%H%M%SZ}-{labels['run']}",
        harness=this_harness(),
        verdict=Verdict.INTERRUPTED,
        reason=UNFINISHED,
        started=started,
        bench=bench,
        host=read_host(),
        variant=variant,
        expectation=variant.benches[bench.name],
        declared=flags,
        replay=shell_line(flags, bench.docker_host if bench.name == "cpu" else ""),
        tests_available=tests_available,
    )
    return Recorder(record, new_directory(reports, variant, bench, started), redactor)


@contextmanager
def _ending(recorder: Recorder, interrupted: Callable[[], bool], sign_key: Path | None) -> Iterator[None]:
    """Finish the record, its page and its seal, however the block ends; a lost daemon is a failed check."""
    ended = False
    try:
        yield
        ended = True
    except EngineError as error:
        gone = Check(name="docker", ok=False, found=str(error), wanted="an engine that answers", remedy="see above")
        recorder.update(preflight=(*recorder.record.preflight, gone))
        ended = True
        raise
    finally:
        recorder.finish(interrupted=interrupted() or not ended, boot_id=boot_id())
        conclude(recorder, sign_key)


def conclude(recorder: Recorder, sign_key: Path | None = None) -> None:
    """Write what follows from a finished record: what changed since the last accepted one, its views, the seal over
    all of it, and the list of all records."""
    recorder.update(since=since_last_accepted(recorder.directory.parent, recorder.written))
    views.write(recorder.written, recorder.directory)
    seal(recorder.directory, recorder.written, sign_key)
    views.write_index(recorder.directory.parent)


@contextmanager
def _launched(
    variant: Variant,
    bench: Bench,
    engine: Engine,
    recorder: Recorder,
    environ: Mapping[str, str],
    redactor: Redactor,
    progress: Progress,
    keep: Callable[[], bool],
) -> Iterator[Launched]:
    """The launch, on the bench's own engine or on the one that a fault names."""
    with ExitStack() as stack:
        own = engine
        if bench.docker_host != engine.docker_host:
            try:
                own = stack.enter_context(Engine(bench.docker_host))
            except EngineError as error:
                yield refused(recorder.record.declared, str(error), None)
                return
        yield stack.enter_context(
            launch(
                variant,
                bench,
                own,
                log=recorder.log,
                environ=environ,
                redactor=redactor,
                progress=progress,
                flags=recorder.record.declared,
                keep=keep,
            )
        )


def _verified(variant: Variant, bench: Bench, recorder: Recorder, launched: Launched, scene: Scene | None) -> Attempt:
    """Ask the first two chats of a fresh deployment, and write down what is known of the start."""
    first = second = None
    image = launched.image.raw if launched.image else {}
    recorder.update(
        effective=observed(launched.flags, launched.inspect, image) if launched.inspect else None,
        image=_facts(launched.image),
        diagnosis=launched.outcome if isinstance(launched.outcome, Diagnosis) else None,
        exit=launched.exit,
        measurements=()
        if launched.watch is None
        else (_seconds("start", launched.start_s, variant.benches[bench.name].start_budget_s),),
    )
    if isinstance(launched.outcome, Deployment):
        served = variant.argument("--served-model-name") or variant.model
        with Api(launched.outcome.base_url, timeout_s=FIRST_ANSWER_S) as api:
            first, second = (api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS) for _ in range(2))
            version = api.version()
        asked = (_seconds("first_answer", first.seconds, FIRST_ANSWER_S), _seconds("second_answer", second.seconds))
        speaks = dialect(version)
        recorder.update(
            vllm_version=version,
            dialect=f"vLLM {speaks.since} and later" + (f" ({speaks.note})" if speaks.note else ""),
            measurements=recorder.record.measurements + asked,
        )
        if first.status != 200 and launched.watch is not None:
            recorder.update(diagnosis=launched.watch.complaint(first.text))
    _after(recorder, launched)
    return Attempt(
        variant=variant, bench=bench, recorder=recorder, launched=launched, first=first, second=second, scene=scene
    )


FIRST_ANSWER_S = 300.0
"""Longest first answer: CUDA graphs may still be compiled for it."""


def _after(recorder: Recorder, launched: Launched) -> None:
    """What the watch has seen by now; a death while serving becomes the diagnosis."""
    watch = launched.watch
    if watch is None:
        return
    died = watch.failure()
    if watch.unwritten:
        lost = Check(
            name="log", ok=False, found=watch.unwritten, wanted="the whole log", remedy="free space on that disk"
        )
        recorder.update(preflight=(*(c for c in recorder.record.preflight if c.name != "log"), lost))
    expected = recorder.record.expectation
    recorder.update(
        phases=tuple(
            Phase(
                name=phase.name,
                at_s=phase.at_s,
                deadline_s=expected.phase_budgets_s.get(phase.name, expected.start_budget_s),
            )
            for phase in watch.phases
        ),
        engine_facts=dict(watch.reader.facts),
        resolved=recorder.record.resolved or resolved(recorder.log),
        memory_floor_gib=watch.guard.floor_gib if watch.guard else None,
        memory=tuple(watch.guard.curve) if watch.guard else (),
        vllm_version=recorder.record.vllm_version or watch.reader.vllm_version,
        diagnosis=recorder.record.diagnosis or died,
        exit=recorder.record.exit or watch.exit,
    )


def _kernel_kills(before: Host) -> tuple[Measurement, ...]:
    """How many processes the kernel has killed for memory since `before`; nothing where it does not count."""
    now = oom_kills()
    if before.oom_kills is None or now is None:
        return ()
    return (Measurement(name=KERNEL_KILLS, value=now - before.oom_kills, unit="processes"),)


def _facts(image: Image | None) -> ImageFacts | None:
    if image is None:
        return None
    environ = dict(entry.partition("=")[::2] for entry in (image.raw.get("Config") or {}).get("Env") or ())
    return ImageFacts(
        ref=image.ref,
        id=image.id,
        digest=image.digests[0] if image.digests else None,
        architecture=image.architecture,
        labels=image.labels,
        created=image.raw.get("Created") or None,
        torch=image.labels.get("com.nvidia.pytorch.version") or environ.get("PYTORCH_VERSION"),
        cuda=image.labels.get("com.nvidia.cuda.version") or environ.get("CUDA_VERSION"),
    )


def _seconds(name: str, value: float, limit: float | None = None) -> Measurement:
    return Measurement(name=name, value=value, unit="s", limit=limit, ok=limit is None or value <= limit)
