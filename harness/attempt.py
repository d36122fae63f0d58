"""One attempt to deploy a variant, from clearing the box to a finished record. What pytest and the verbs share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.api import Api
from harness.bench import environment
from harness.engine import Engine, EngineError
from harness.flags import observed, resolve, shell_line
from harness.host import read_host
from harness.launch import Launched, clear, launch, settle
from harness.preflight import preflight, provide
from harness.progress import Progress
from harness.record import (
    ImageFacts,
    Phase,
    Record,
    Recorder,
    TestOutcome,
    new_directory,
    this_harness,
    write_atomically,
)
from harness.redact import from_environment
from harness.report.markdown import render
from harness.types import Answer, Bench, Check, Deployment, Diagnosis, Image, Measurement, Variant, Verdict
from harness.verification import ANSWER_TOKENS, CAPITAL, chat_problems, health_problems, models_problems


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

    def trouble(self) -> str:
        """Why there is nothing to judge, or no longer; an empty text when the deployment is up."""
        if self.launched is None:
            return f"{self.variant.name} was not started: {self.recorder.record.reason}"
        outcome = self.launched.outcome
        diagnosis = outcome if isinstance(outcome, Diagnosis) else self.launched.watch and self.launched.watch.failure()
        return f"{self.variant.name} {tell(diagnosis)}" if diagnosis else ""


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
    tests_available: int = 0,
) -> Iterator[Attempt]:
    """Clear the box, check, launch, ask; the `with` block judges; leaving takes everything down and ends the record.

    Raises RefusedFlagsError and RecordError before anything is started, EngineError when the daemon is lost.
    """
    started = datetime.now(UTC)
    labels = {"run": secrets.token_hex(4), "started": f"{started:%Y-%m-%dT%H:%M:%SZ}"}
    flags = resolve(variant, bench, labels)
    environ = environment(bench)
    redactor = from_environment(environ)
    recorder = Recorder(
        Record(
            record_id=f"{started:%Y%m%dT%H%M%SZ}-{labels['run']}",
            harness=this_harness(),
            verdict=Verdict.INTERRUPTED,
            reason="the run did not reach its end",
            started=started,
            bench=bench,
            host=read_host(),
            variant=variant,
            expectation=variant.benches[bench.name],
            declared=flags,
            replay=shell_line(flags, bench.docker_host if bench.name == "cpu" else ""),
            tests_available=tests_available,
        ),
        new_directory(reports, variant, bench, started),
    )
    ended = False
    try:
        if clear(engine, bench.port, progress, replace=replace):
            settle(bench.port, None)
        failed = provide(variant, bench, engine, progress)
        host = read_host()
        checks = preflight(variant, bench, host, engine.seen(bench.image), environ, failed)
        recorder.update(host=host, preflight=checks, image=_facts(engine.image(bench.image)))
        if not all(check.ok for check in checks):
            recorder.finish()
            yield Attempt(variant=variant, bench=bench, recorder=recorder, launched=None)
            ended = True
            return
        with launch(
            variant,
            bench,
            engine,
            log=recorder.log,
            environ=environ,
            redactor=redactor,
            progress=progress,
            flags=flags,
            keep=keep,
        ) as launched:
            yield _verified(variant, bench, recorder, launched)
            _after(recorder, launched)
        measured = () if keep() else settle(bench.port, host.memory_available_gib)
        recorder.update(measurements=recorder.record.measurements + measured)
        ended = True
    except EngineError as error:
        lost = Check(name="docker", ok=False, found=str(error), wanted="an engine that answers", remedy="see above")
        recorder.update(preflight=(*recorder.record.preflight, lost))
        ended = True
        raise
    finally:
        record = recorder.finish(interrupted=interrupted() or not ended)
        write_atomically(recorder.directory / "record.md", render(record))


def _verified(variant: Variant, bench: Bench, recorder: Recorder, launched: Launched) -> Attempt:
    """Ask the first two chats of a fresh deployment, and write down what is known of the start."""
    first = second = None
    image = launched.image.raw if launched.image else {}
    recorder.update(
        effective=observed(launched.flags, launched.inspect, image) if launched.inspect else None,
        image=_facts(launched.image),
        diagnosis=launched.outcome if isinstance(launched.outcome, Diagnosis) else None,
        exit=launched.exit,
        measurements=(_seconds("start", launched.start_s, variant.benches[bench.name].start_budget_s),),
    )
    if isinstance(launched.outcome, Deployment):
        served = variant.argument("--served-model-name") or variant.model
        with Api(launched.outcome.base_url, timeout_s=FIRST_ANSWER_S) as api:
            first, second = (api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS) for _ in range(2))
            version = api.version()
        asked = (_seconds("first_answer", first.seconds, FIRST_ANSWER_S), _seconds("second_answer", second.seconds))
        recorder.update(vllm_version=version, measurements=recorder.record.measurements + asked)
    _after(recorder, launched)
    return Attempt(variant=variant, bench=bench, recorder=recorder, launched=launched, first=first, second=second)


FIRST_ANSWER_S = 300.0
"""Longest first answer: CUDA graphs may still be compiled for it."""


def _after(recorder: Recorder, launched: Launched) -> None:
    """What the watch has seen by now; a death while serving becomes the diagnosis."""
    watch = launched.watch
    if watch is None:
        return
    died = watch.failure()
    recorder.update(
        phases=tuple(Phase(name=phase.name, at_s=phase.at_s) for phase in watch.phases),
        engine_facts=dict(watch.reader.facts),
        vllm_version=recorder.record.vllm_version or watch.reader.vllm_version,
        diagnosis=recorder.record.diagnosis or died,
        exit=recorder.record.exit or watch.exit,
    )


def _facts(image: Image | None) -> ImageFacts | None:
    if image is None:
        return None
    digest = image.digests[0] if image.digests else None
    return ImageFacts(ref=image.ref, id=image.id, digest=digest, architecture=image.architecture, labels=image.labels)


def _seconds(name: str, value: float, limit: float | None = None) -> Measurement:
    return Measurement(name=name, value=value, unit="s", limit=limit, ok=limit is None or value <= limit)
