"""The pytest plugin: options, marks from the data, the run, the records, the summary.

Collection touches no daemon and no network: everything that does is imported and called when a test asks for it.
"""

from __future__ import annotations

import gc
import os
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import options
from harness.failures import FAILURES
from harness.progress import Progress, Step, progress
from harness.redact import from_environment
from harness.types import Bench, Deployment, DockerFlags, Judged, Measurement, Variant, Verdict
from harness.variants import MARKS, VARIANTS

if TYPE_CHECKING:
    from harness.attempt import Attempt
    from harness.engine import Engine
    from harness.launch import Launched
    from harness.lifecycle import Died, Recovery, Stopped
    from harness.perf import Loaded
    from harness.record import Record, Recorder

RUN = pytest.StashKey["Run"]()
PARAMETERS: dict[str, tuple[Variant, ...]] = {"attempt": VARIANTS, "failed": FAILURES}
"""The session fixtures that are parametrised; a test that needs one runs once an entry."""
ENTRIES = VARIANTS + FAILURES
MENDED_BUDGET_S = 600
"""Longest start of a miniature once the remedy has been applied."""


class Run:
    """The one run of this session: the bench, the engine, and an attempt at a time."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.begun: list[Recorder] = []
        """Every attempt's record, also of one that did not come so far as to be judged."""
        self.records: list[Recorder] = []
        """Those that tests judge."""
        self.interrupted = False
        self.told: set[str] = set()
        """Variants whose trouble has been reported once."""
        self.counts: dict[str, int] = {}
        """Variant name → tests collected for it, before deselection."""
        self._stack = ExitStack()
        self._up = ExitStack()
        """What is up now: one attempt at most."""
        self._engine: Engine | None = None
        self._bench: Bench | None = None
        self._loads: dict[str, tuple[Loaded, ...]] = {}
        """By variant name."""
        self.trouble = ""
        """Why no variant can be started here, once known."""
        self.again: Record | None = None
        """The record that is judged again, instead of this checkout's variants."""
        self.parameters = PARAMETERS
        if config.option.record:
            self.replay(config.option.record)

    def replay(self, path: Path) -> None:
        """Judge the variant of a record. Raises UsageError when there is none, or none that may be started."""
        from harness.record import RecordError, read
        from harness.replay import ReplayError, recorded_variant

        try:
            self.again = read(path)
            variant = recorded_variant(self.again)
        except (RecordError, ReplayError) as error:
            raise pytest.UsageError(f"--record: {error}") from None
        must_fail = self.again.expectation.fault is not None
        self.parameters = {"attempt": () if must_fail else (variant,), "failed": (variant,) if must_fail else ()}

    @contextmanager
    def visible(self) -> Iterator[Progress]:
        """A progress that reaches the terminal although pytest captures output."""
        capture = self.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else ExitStack():
            if self.config.option.verbose >= 0:
                print(file=sys.stderr)  # leave pytest's own line of dots
            yield _Quiet() if self.config.option.verbose < 0 else progress()

    def bench(self) -> Bench:
        """The bench, made ready; the first call may take minutes. Fails the test when there is none."""
        from harness import lease
        from harness.bench import BenchUnavailableError, choose, prepare
        from harness.cpu_bench import BenchError
        from harness.engine import Engine, EngineError
        from harness.host import read_host
        from harness.replay import ReplayError, choose_again, compare_image

        if self.trouble:
            pytest.skip(f"not run: {self.trouble.partition('→')[0].strip()}")
        if self._bench is None:
            choice = options.choice(self.config.option)
            try:
                deployed = self.config.option.deployed
                with self.visible() as shown:
                    if self.again is None:
                        chosen = choose(choice, read_host())
                    else:
                        choice, chosen = choose_again(self.again, choice, read_host(), shown)
                    if not deployed:
                        wait = shown.say if self.config.option.wait else None
                        self._stack.enter_context(lease.lease(chosen.docker_host, wait))
                    shown.say(f"bench {chosen.name}: {chosen.chosen}")
                    ready = chosen if deployed else prepare(chosen, choice, shown)
                    self._engine = self._stack.enter_context(Engine(ready.docker_host))
                    if self.again is not None:
                        compare_image(self.again, ready, self._engine.image, shown)
                    self._bench = ready
            except (lease.BusyError, BenchUnavailableError, BenchError, EngineError, ReplayError) as error:
                self.trouble = f"blocked: {error}"
                session = self.config.pluginmanager.getplugin("session")
                assert session is not None
                session.shouldfail = "nothing can be judged here"  # said once, not once a test
                raise pytest.fail.Exception(self.trouble, pytrace=False) from None
        assert self._bench is not None
        return self._bench

    def _say(self, text: str) -> None:
        with self.visible() as shown:
            shown.say(text)

    @contextmanager
    def attempt(self, variant: Variant) -> Iterator[Attempt]:
        """Deploy `variant`, and take it down when the last test that needs it is over."""
        from harness.attempt import adopted, attempt
        from harness.engine import EngineError
        from harness.flags import RefusedFlagsError
        from harness.record import RecordError

        bench, given = self.bench(), self.config.option
        assert self._engine is not None
        self._up.close()  # pytest ends a session fixture late; one model at a time does not wait for it
        with ExitStack() as stack:
            self._up = stack
            try:
                with self.visible() as shown:
                    common: Any = {
                        "reports": given.reports,
                        "interrupted": lambda: self.interrupted,
                        "begun": self.begun.append,
                        "tests_available": self.counts.get(variant.name, 0),
                        "sign_key": given.sign_key,
                    }
                    if given.deployed:
                        under_way = stack.enter_context(adopted(variant, bench, self._engine, given.deployed, **common))
                    else:
                        under_way = stack.enter_context(
                            attempt(
                                variant,
                                bench,
                                self._engine,
                                progress=shown,
                                replace=given.replace,
                                keep=lambda: given.keep and not self.interrupted and self._last(variant),
                                **common,
                            )
                        )
            except (RefusedFlagsError, RecordError, EngineError) as error:
                self.trouble = f"blocked: {error}"
                pytest.fail(self.trouble, pytrace=False)
            self.records.append(under_way.recorder)
            if not given.deployed:
                stack.callback(self._say, f"take {variant.name} down")
            yield under_way

    @property
    def engine(self) -> Engine:
        """The bench's engine, connected by the first attempt."""
        assert self._engine is not None, "ask for an attempt first"
        return self._engine

    @property
    def environ(self) -> dict[str, str]:
        """What variables passed by name take their values from."""
        from harness.bench import environment

        return environment(self.bench())

    @contextmanager
    def launch(
        self, attempt: Attempt, log: Path, flags: DockerFlags | None = None, budget_s: float | None = None
    ) -> Iterator[Launched]:
        """Launch the attempt's variant once more, beside it, with other flags if given; nothing is cleared before."""
        from harness.launch import launch

        with (
            self.visible() as shown,
            launch(
                attempt.variant,
                attempt.bench,
                self.engine,
                log=log,
                environ=self.environ,
                redactor=from_environment(self.environ),
                progress=shown,
                flags=flags or attempt.recorder.record.declared,
                budget_s=budget_s,
            ) as launched,
        ):
            yield launched

    @contextmanager
    def mended(self, failed: Attempt, log: Path) -> Iterator[Launched]:
        """Apply exactly the remedy that the diagnosis of a failure states, start again, and record what came of it."""
        from harness.record import RemedyProof
        from harness.staging import apply_remedy

        assert failed.diagnosis is not None
        assert failed.scene is not None
        entry = next(entry for entry in FAILURES if entry.name == failed.variant.name)
        placed = self.bench().model_copy(update={"vllm_home": failed.bench.vllm_home})
        remedy, flags = apply_remedy(entry, placed, self.engine, failed.scene, failed.diagnosis)
        with self.launch(failed, log, flags=flags, budget_s=MENDED_BUDGET_S) as again:
            failed.recorder.update(
                remedy_proof=RemedyProof(
                    remedy=remedy,
                    healthy=isinstance(again.outcome, Deployment),
                    failed_after_s=failed.launched.start_s if failed.launched else 0,
                    start_s=again.start_s,
                )
            )
            yield again

    def stop(self, attempt: Attempt) -> Stopped:
        """`docker stop` in the midst of a stream; from now on an end of the container is no failure."""
        from harness import lifecycle

        return lifecycle.stop(self.engine, self._standing_down(attempt))

    def start_again(self, attempt: Attempt) -> Recovery:
        """`docker start`, until `/health` is 200, the container ends or the start budget is over."""
        deployment = self._standing_down(attempt)
        self.engine.start(deployment.container_id)
        return self._recovered(attempt, "stop_start_recovery")

    def restart(self, attempt: Attempt) -> Recovery:
        """`docker restart`, until `/health` is 200, the container ends or the start budget is over."""
        from harness.lifecycle import GRACE_S

        deployment = self._standing_down(attempt)
        self.engine.restart(deployment.container_id, GRACE_S)
        return self._recovered(attempt, "restart_recovery")

    def kill_the_engine(self, attempt: Attempt) -> Died:
        """Kill the engine process, and see what becomes of it."""
        from harness import lifecycle
        from harness.api import Api

        deployment = self._standing_down(attempt)
        log = b"\n".join(self.raw_log(deployment))
        with Api(deployment.base_url, timeout_s=5) as api:
            return lifecycle.kill_the_engine(self.engine, api, deployment, max(0, log.rfind(b"non-default args")))

    def _standing_down(self, attempt: Attempt) -> Deployment:
        assert attempt.launched is not None
        assert attempt.deployment is not None
        if attempt.launched.watch is not None:
            attempt.launched.watch.stand_down()
        return attempt.deployment

    def _recovered(self, attempt: Attempt, name: str) -> Recovery:
        from harness.api import Api
        from harness.lifecycle import recovery

        deployment, budget_s = self._standing_down(attempt), attempt.recorder.record.expectation.start_budget_s
        container = self.engine.find(deployment.container_id)
        assert container is not None, "the container is gone"
        with (
            self.visible() as shown,
            shown.step(f"{name} of {attempt.variant.name}"),
            Api(deployment.base_url, timeout_s=5) as api,
        ):
            came = recovery(api, container.exited, budget_s)
        attempt.recorder.add(Measurement(name=name, value=came.seconds, unit="s", limit=budget_s, ok=came.healthy))
        return came

    def loads(self, attempt: Attempt) -> tuple[Loaded, ...]:
        """What the deployment did under each of its loads, measured once; the record gets every figure."""
        from harness.perf import measure

        name = attempt.variant.name
        if name not in self._loads:
            with self.visible() as shown:
                self._loads[name] = measure(self.engine, attempt, shown)
        return self._loads[name]

    def times_per_token(self, attempt: Attempt) -> Iterator[tuple[float, float]]:
        """Milliseconds per output token of one stream, by a second client and by the tool, anew as often as asked."""
        from harness.perf import times_per_token

        deployment = attempt.deployment
        assert deployment is not None
        one = next(one for one in self.loads(attempt) if one.load.streams == 1)
        return times_per_token(self.engine, deployment, one)

    def judged(self, attempt: Attempt) -> tuple[Judged, ...]:
        """What is said of the deployment's speed, as it stands in the record."""
        from harness.perf import judge

        return judge(attempt)

    def raw_log(self, deployment: Deployment) -> list[bytes]:
        """The lines of the container's log as the engine has it, with whatever secrets are in it: never to be kept."""
        container = self.engine.find(deployment.container_id)
        assert container is not None, "the container is gone"
        return b"".join(self.engine.logs(container)).splitlines()

    def free_port(self) -> int:
        """A TCP port that nothing listens on now."""
        with socket.create_server(("", 0)) as probe:
            port: int = probe.getsockname()[1]
        return port

    def require(self, attempt: Attempt) -> None:
        """Fail the first test whose deployment is not there or has died, with the reason; don't run the others."""
        trouble = attempt.trouble()
        if not trouble:
            return
        name = attempt.variant.name
        if name in self.told:
            pytest.skip(f"not run: {trouble.splitlines()[0]}")
        self.told.add(name)
        pytest.fail(trouble, pytrace=False)

    def _last(self, variant: Variant) -> bool:
        return list(self.counts)[-1:] == [variant.name]

    def pytest_keyboard_interrupt(self) -> None:
        """Ctrl-C, or the SIGTERM that is turned into it: what is under way ends as interrupted."""
        self.interrupted = True

    def close(self) -> None:
        """Let go of the engine and the lease."""
        self._stack.close()


class _Quiet:
    """Progress under `-q`: nothing."""

    def say(self, text: str) -> None:
        """Print nothing."""

    @contextmanager
    def step(self, what: str, total: float | None = None, unit: str = "s") -> Iterator[Step]:  # noqa: ARG002
        """Show nothing."""
        yield self

    def at(self, done: float, total: float | None = None, note: str = "") -> None:
        """Show nothing."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gb10", "vLLM acceptance")
    for flag, described in (*options.BENCH, *options.RUN, *options.REPLAY, *options.KEEP):
        group.addoption(flag, **described)
    group.addoption(
        "--deployed",
        type=options.address,
        metavar="URL",
        help="judge what somebody else has started and serves at URL, in the variant's container: nothing is started, "
        "stopped or restarted",
    )
    group.addoption(
        "--soak",
        type=options.positive,
        default=0.1,
        metavar="MINUTES",
        help="how long the load lasts (default: 0.1, a canary)",
    )
    group.addoption(
        "--fuzz",
        type=options.positive,
        default=20,
        metavar="SECONDS",
        help="how long requests made up from the served OpenAPI schema are tried (default: 20; nightly: 600)",
    )
    group.addoption(
        "--require-engine",
        action="store_true",
        help="tests of the harness itself that need a Docker Engine fail without one, instead of being skipped",
    )


def pytest_configure(config: pytest.Config) -> None:
    for mark, sentence in MARKS.items():
        config.addinivalue_line("markers", f"{mark}: {sentence}")
    config.addinivalue_line("markers", "perf: how fast the deployment is")
    config.addinivalue_line("markers", "engine: a test of the harness itself that needs a Docker engine")
    config.addinivalue_line(
        "markers", "mendable: the test is about failures whose remedy can be applied on this machine"
    )
    config.addinivalue_line(
        "markers", "own: the test needs a deployment that this run has started; left out with --deployed"
    )
    config.addinivalue_line(
        "markers",
        "lifecycle: the test stops, restarts or kills the deployment; it runs last, and not with --deployed or --keep",
    )
    config.addinivalue_line("markers", "only(mark): the test is about variants with this mark; others do not run it")
    if config.option.sign_key:
        from harness.seal import SealError, private_key

        try:
            private_key(config.option.sign_key)
        except SealError as error:
            raise pytest.UsageError(f"--sign-key: {error}") from None
    gc.freeze()  # what is loaded by now stays: the collector need not walk it again, a tenth of a second a collection
    config.stash[RUN] = run = Run(config)
    config.pluginmanager.register(run, "gb10-run")
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("one machine holds one model: run without -n")


def pytest_sessionstart() -> None:
    # pytest ignores SIGTERM and would leave the container behind (pytest-dev/pytest#5243)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> list[str]:
    if config.option.verbose < 0:
        return []
    given = config.option
    return [
        f"acceptance: bench {given.bench}, port {given.port}, image {given.image or 'as the bench has it'}, "
        f"records in {given.reports}",
        f"variants: {', '.join(variant.name for variant in VARIANTS)}",
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    only = {mark.args[0] for mark in metafunc.definition.iter_markers("only")}
    unknown = only - MARKS.keys()
    if unknown:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: only({unknown}) names no mark of a variant")
    mendable = metafunc.definition.get_closest_marker("mendable") is not None
    perf = metafunc.definition.get_closest_marker("perf") is not None  # records of an older harness declare no loads
    for fixture, entries in metafunc.config.stash[RUN].parameters.items():
        if fixture not in metafunc.fixturenames:
            continue
        chosen = [
            e
            for e in entries
            if only <= set(e.marks)
            and (not mendable or any(x.mend for x in e.benches.values()))
            and (not perf or any(x.loads for x in e.benches.values()))
        ]
        metafunc.parametrize(
            fixture,
            [
                pytest.param(e, id=e.name, marks=[getattr(pytest.mark, m) for m in e.marks if m in MARKS])
                for e in chosen
            ],
            indirect=True,
            scope="session",
        )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count what there is for each variant before marks deselect."""
    counts = config.stash[RUN].counts
    for item in items:
        if variant := _variant(item):
            counts[variant.name] = counts.get(variant.name, 0) + 1
    given = config.option
    most = given.timeout if given.timeout is not None else float(config.getini("timeout") or 0)
    for item in items:  # what was asked to last longer may last longer
        lasts = {"soak_s": 60 * given.soak, "fuzz_s": given.fuzz}
        longer = sum(seconds for name, seconds in lasts.items() if name in getattr(item, "fixturenames", ()))
        if longer and most:  # 0 is none
            item.add_marker(pytest.mark.timeout(most + longer))
    out = {"own", "lifecycle"} if given.deployed else {"lifecycle"} if given.keep else set()
    again = config.stash[RUN].again is not None  # then a test without the record's variant has nothing to judge
    left_out = [
        item for item in items if out & {m.name for m in item.iter_markers()} or (again and _variant(item) is None)
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Bring the tests of one variant together, whatever ordered them before: a variant is loaded once."""
    entries = FAILURES + VARIANTS if session.config.option.keep else ENTRIES  # what is kept must come last
    order = {entry.name: at for at, entry in enumerate(entries)}
    session.items.sort(
        key=lambda item: (
            order.get(v.name, 0) if (v := _variant(item)) else -1,
            item.get_closest_marker("lifecycle") is not None,
        )
    )
    selected = {v.name for item in session.items if (v := _variant(item))}
    run = session.config.stash[RUN]
    run.counts = {
        name: count for name, count in sorted(run.counts.items(), key=lambda i: order.get(i[0], 0)) if name in selected
    }


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """The run of this session."""
    current = request.config.stash[RUN]
    yield current
    current.close()


@pytest.fixture
def soak_s(request: pytest.FixtureRequest) -> float:
    """How long a load lasts, in seconds (`--soak`)."""
    return 60 * float(request.config.option.soak)


@pytest.fixture
def fuzz_s(request: pytest.FixtureRequest) -> float:
    """How long requests are made up, in seconds (`--fuzz`)."""
    return float(request.config.option.fuzz)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Write each outcome into the record of its variant, and the log's end into a failure."""
    report: pytest.TestReport = yield
    variant = _variant(item)
    run = item.config.stash[RUN]
    recorder = next((r for r in run.records if variant and r.record.variant.name == variant.name), None)
    if recorder is None:
        return report
    if report.failed and recorder.log.exists():
        report.sections.append((f"{variant.name if variant else ''} log, last 40 lines", tail(recorder)))
    if report.when == "call" or not report.passed:
        _record(item, report, recorder)
    return report


def _record(item: pytest.Item, report: pytest.TestReport, recorder: Recorder) -> None:
    from harness.record import RecordError, TestOutcome

    redactor = from_environment(os.environ)
    outcome: Any = "error" if report.failed and report.when != "call" else report.outcome
    message = "" if report.passed else redactor.text(_message(report))
    doc = getattr(getattr(item, "function", None), "__doc__", None) or ""
    tested = TestOutcome(
        nodeid=item.nodeid,
        requirement=" ".join(doc.split()),
        outcome=outcome,
        seconds=report.duration,
        message=message,
        reproduce=f"python -m pytest {shlex.quote(item.nodeid)} --bench {recorder.record.bench.name}",
    )
    earlier = tuple(t for t in recorder.record.tests if t.nodeid != item.nodeid)
    try:
        recorder.update(tests=(*earlier, tested))
    except RecordError as error:  # a full disk: nothing more can be judged that would be recorded
        item.config.stash[RUN].trouble = f"blocked: {error}"
        item.session.shouldstop = str(error)


def _message(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):  # a skip: file, line, reason
        return report.longrepr[2]
    return report.longreprtext


def tail(recorder: Recorder, lines: int = 40) -> str:
    """The end of the container's log."""
    with recorder.log.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 64 * 1024))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that accepted nothing is not green: a verdict other than accepted is exit code 1."""
    run = session.config.stash[RUN]
    bad = run.trouble or any(r.record.verdict is not Verdict.ACCEPTED for r in run.begun if r.record.ended)
    if bad and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Iterator[None]:
    """The verdicts, below everything that pytest says of single tests."""
    yield
    run = config.stash[RUN]
    if not run.begun and not run.trouble:
        return
    terminalreporter.section("verdicts")
    for recorder in run.begun:
        record = recorder.record
        good = record.verdict is Verdict.ACCEPTED
        terminalreporter.write_line(
            f"{record.verdict.value.upper():<12} {record.variant.name} on the {record.bench.name} bench: "
            f"{record.reason}",
            green=good,
            red=not good,
        )
        terminalreporter.write_line(f"{'':<12} {recorder.directory / 'index.html'}")
    benches = {r.record.bench.name: r.record.bench for r in run.begun}
    for bench in benches.values():
        terminalreporter.write_line(f"The {bench.name} bench shows {bench.proves}.")
    for reason in dict.fromkeys(u for r in run.begun for u in r.record.expectation.unproven):
        terminalreporter.write_line(f"  not shown here: {reason}")
    if run.trouble:
        terminalreporter.write_line(run.trouble, red=True)
    if config.option.keep and run.records and run.records[-1].record.verdict is not Verdict.BLOCKED:
        last = run.records[-1].record
        terminalreporter.write_line(
            f"left up: {last.variant.name} at http://127.0.0.1:{last.bench.port} → stop it with: python -m harness down"
        )


def _variant(item: pytest.Item) -> Variant | None:
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    return next((params[fixture] for fixture in PARAMETERS if isinstance(params.get(fixture), Variant)), None)
