"""The matrix of controls: every fault against the suites, with a real vLLM behind it; writes docs/controls.md.

One deployment a model serves. Faults of the wire stand in a proxy before it, faults of the log and of Docker's flags
between the harness and the engine. A fault runs only the tests whose requests it is about, seen in a run without fault.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest

from harness.api import Api
from harness.bench import environment
from harness.engine import Container, Engine
from harness.flags import resolve
from harness.types import Bench, DockerFlags, Variant
from tests.saboteurs.faults import FAULTS
from tests.saboteurs.image import build
from tests.saboteurs.planted import PLANTED, Planted, planted
from tests.saboteurs.proxy import Exchange, Fault, Proxy

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "controls.md"
ENOUGH = 3
"""So many tests that caught a fault are enough: the rest of that run is left out."""
ANYWAY = "suites/test_start.py"
"""Its tests judge what was asked before the first test."""
LIFE, SPEED = "suites/test_lifecycle.py", "suites/test_perf.py"
QUIET = 2
"""Tests with no more questions than this are run against faults of the log and of the flags."""
PATIENCE_S, TEST_S = 10.0, 40
"""Against faults that cost patience, the longest silence in a call and the longest test, instead of 120 and 300 s."""
HEALTHY: tuple[Fault | None, ...] = (
    None,
    *(
        Fault(
            f"seed-{seed}",
            f"the engine's seed is {seed}",
            "nothing: a healthy deployment",
            on=lambda x: x.method == "POST" and x.asked.get("seed") is None and "/v1/" in x.path,
            request=lambda x, seed=seed: x.ask(seed=seed),  # type: ignore[misc]
        )
        for seed in (1, 20260101, 987654321)
    ),
)
"""Deployments that must pass: no fault, and three seeds."""
SAMPLE = ("canned", "done-missing", "usage-lies", "wrong-max-model-len", "stop-ignored", "no-ipc-host")
"""Faults of a run that must be short."""
SAMPLE_FILES = ("suites/test_health.py", "suites/test_contract.py", "suites/test_flags.py")
"""The suites that such a run asks."""


@dataclass
class Seen:
    """A pytest plugin: what came of each test, and which requests it made."""

    proxy: Proxy
    outcomes: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    traffic: dict[str, list[Exchange]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Requests belong to this test from now on."""
        self.proxy.log = self.traffic.setdefault(item.nodeid, [])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The worst of a test's phases, and how long it took."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if report.when == "call" or not report.passed:
            if self.outcomes.get(report.nodeid) != "failed":
                self.outcomes[report.nodeid] = report.outcome
            if report.failed:
                self.messages[report.nodeid] = report.longreprtext

    @property
    def failed(self) -> list[str]:
        """Node ids of the tests that failed, in the order they ran."""
        return [name for name, outcome in self.outcomes.items() if outcome == "failed"]


@dataclass
class Matrix:
    """What the faults of one variant met."""

    variant: Variant
    bench: Bench
    proxy: Proxy
    work: Path
    say: Callable[[str], None]
    healthy: Seen | None = None
    rejected: dict[str, list[str]] = field(default_factory=dict)
    """Healthy deployment → tests that rejected it."""
    caught: dict[str, list[str]] = field(default_factory=dict)
    """Fault → tests that caught it."""
    judged: dict[str, int] = field(default_factory=dict)
    """Healthy deployment → how many tests judged it."""
    missed: dict[str, int] = field(default_factory=dict)
    """Fault nobody caught → how many tests looked."""
    ran: list[str] = field(default_factory=list)
    """Tests of a healthy deployment."""

    @property
    def kept(self) -> Path:
        """Where results are kept, so that a run that was interrupted goes on."""
        return self.work / f"{self.variant.name}.json"

    def keep(self) -> None:
        """Write what is known."""
        told = {name: getattr(self, name) for name in ("rejected", "caught", "judged", "missed", "ran")}
        self.kept.write_text(json.dumps(told, indent=1) + "\n")

    def recall(self) -> None:
        """Take up what an earlier run has kept."""
        if self.kept.exists():
            vars(self).update(json.loads(self.kept.read_text()))

    def judge(
        self, fault: Fault | None, tests: Sequence[str], *more: str, deployed: bool = True, image: str = ""
    ) -> Seen:
        """One run of the suites: through the proxy, or on an image that they start themselves."""
        self.proxy.plant(fault)
        seen = Seen(self.proxy)
        told = self.work / f"{self.variant.name}-{fault.name if fault else 'none'}.log"
        with told.open("a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            code = pytest.main(
                [
                    *(tests or ["suites", "-m", " and ".join(self.variant.marks)]),
                    *(("--deployed", f"http://127.0.0.1:{self.proxy.port}") if deployed else ()),
                    *("--bench", self.bench.name, "--image", image or self.bench.image, "--port", str(self.bench.port)),
                    *("--reports", str(self.work / "reports"), "--soak", "0.05"),
                    *("-q", "--no-header", "-p", "no:cacheprovider", "--rootdir", str(ROOT)),
                    *("-W", "ignore::pytest.PytestAssertRewriteWarning", *more),
                ],
                plugins=[seen],
            )
        if code == pytest.ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        if code == pytest.ExitCode.INTERNAL_ERROR:  # what it did not judge, nobody has missed
            raise RuntimeError(f"pytest itself failed → read {told}, then go on with --work {self.work}")
        self.proxy.plant(None)
        return seen

    def baseline(self, deployments: Sequence[Fault | None], files: Sequence[str]) -> None:
        """The healthy ones; `files` of suites/, or all of them."""
        chosen = [*files, "-m", " and ".join(self.variant.marks)] if files else []
        for nth, fault in enumerate(deployments):
            if fault and self.rejected.get(fault.name) == []:
                continue  # an earlier run has seen it pass
            # a seed changes what is said, not how fast
            seen = self.judge(fault, chosen, *(("--ignore", SPEED) if fault else ()))
            name = fault.name if fault else "without a fault"
            self.healthy = self.healthy or seen
            self.rejected[name], self.judged[name] = seen.failed, len(seen.outcomes)
            self.ran = self.ran if fault else list(seen.outcomes)
            self.say(
                f"{self.variant.name}, healthy {nth + 1}, {name}: {len(seen.outcomes)} tests, failed: {seen.failed}"
            )
            for test in seen.failed:
                self.say(f"    {test}: {seen.messages[test][-1500:]}")

    def sound(self) -> list[str]:
        """Tests that pass every healthy deployment, the quickest first: the others prove nothing.

        Those of the speed are left out: their load runs in the container, where no proxy stands, and takes minutes.
        """
        seen = self.healthy
        assert seen is not None
        wrong = {test for tests in self.rejected.values() for test in tests}
        good = [t for t, outcome in seen.outcomes.items() if outcome == "passed" and t not in wrong and SPEED not in t]
        return sorted(good, key=lambda test: seen.seconds[test])

    def wire(self, fault: Fault) -> None:
        """A fault of the proxy, or of the log."""
        assert self.healthy is not None
        if fault.log:
            tests = self.quiet()
        else:
            tests = [t for t in self.sound() if t.startswith(ANYWAY) or any(map(about(fault), self.healthy.traffic[t]))]
        if fault.slow:
            tests = [t for t in tests if self.healthy.seconds[t] < TEST_S / 2]
        more = ["--maxfail", "1", "--timeout", str(TEST_S)] if fault.slow else ["--maxfail", str(ENOUGH)]
        with ExitStack() as stack:
            if fault.log:
                stack.enter_context(planted_log(fault))
            if fault.slow:
                stack.enter_context(patch.dict(Api.__init__.__kwdefaults__ or {}, timeout_s=PATIENCE_S))
            self.note(fault.name, tests, self.judge(fault, tests, *more))

    def flags(self, fault: Planted, flags: DockerFlags) -> None:
        """A fault of Docker's flags."""
        environ = environment(self.bench)
        tests = [t for t in self.quiet() if t.startswith(("suites/test_flags.py", "suites/test_exposure.py"))]
        with ExitStack() as stack:
            inspect = stack.enter_context(planted(fault, flags, self.bench.docker_host, environ))
            stack.enter_context(patch.object(Container, "inspect", lambda container: inspect))
            self.note(fault.name, tests, self.judge(None, tests, "--maxfail", str(ENOUGH)))

    def live(self, fault: Fault) -> None:
        """A fault of the container's life: an image of its own, started by the suites; minutes."""
        tag = build(self.bench.docker_host, self.bench.image, fault.name)
        seen = self.judge(None, [LIFE, "-m", " and ".join(self.variant.marks)], deployed=False, image=tag)
        self.note(fault.name, list(seen.outcomes), seen)

    def quiet(self) -> list[str]:
        """Tests that look rather at the engine than at answers."""
        assert self.healthy is not None
        return [t for t in self.sound() if len(self.healthy.traffic[t]) <= QUIET or "truth" in t or "exposure" in t]

    def wanted(self, name: str, only: Sequence[str]) -> bool:
        """Whether a fault is to be run."""
        return name not in self.caught and (not only or name in only)

    def note(self, name: str, tests: Sequence[str], seen: Seen) -> None:
        """Remember who caught it."""
        caught = [test for test in seen.failed if test in tests]
        if caught:
            self.caught[name] = caught
        else:
            self.missed[name] = len(tests)
        self.keep()
        self.say(f"{self.variant.name}, {name}: {', '.join(map(short, caught)) or f'NOBODY of {len(tests)} tests'}")


def about(fault: Fault) -> Callable[[Exchange], bool]:
    """Whether the fault is about a request that was seen."""

    def asked(exchange: Exchange) -> bool:
        try:
            return fault.on(exchange)
        except (TypeError, AttributeError, KeyError):
            return False

    return asked


@contextmanager
def planted_log(fault: Fault) -> Iterator[None]:
    """The engine's logs as the fault has them."""
    real = Engine.logs

    def logs(engine: Engine, container: Container) -> Iterator[bytes]:
        assert fault.log is not None
        lines = b"".join(real(engine, container)).decode("utf-8", "replace").splitlines(keepends=True)
        yield "".join(map(fault.log, lines)).encode()

    with patch.object(Engine, "logs", logs):
        yield


def short(nodeid: str) -> str:
    """The test's name without its file and variant."""
    return nodeid.rpartition("::")[2].partition("[")[0]


def run(
    matrix: Matrix, only: Sequence[str], files: Sequence[str], healthy: Sequence[Fault | None], before: Sequence[Matrix]
) -> None:
    """Every fault (or those in `only`) against the suites (or those in `files`), for the variant that is up.

    What an earlier run with the same directory has caught is not run again, nor what the suites caught on one of the
    variants `before`. Flags are planted in the first variant.
    """
    known = {name for other in before for name in other.caught}
    begun = time.monotonic()
    matrix.recall()
    matrix.baseline(healthy, files)
    marks = {*matrix.variant.marks}
    for fault in FAULTS:
        fits = not fault.models or marks & {*fault.models}
        if not fault.life and fits and fault.name not in known and matrix.wanted(fault.name, only):
            matrix.wire(fault)
    flags = resolve(matrix.variant, matrix.bench, {"run": "0", "started": "0"})
    for planted_ in () if before else PLANTED:
        if not planted_.elsewhere and matrix.wanted(planted_.name, only):
            matrix.flags(planted_, flags)
    matrix.say(f"{matrix.variant.name}: {time.monotonic() - begun:.0f} s")


def lives(matrix: Matrix) -> None:
    """Every fault of a container's life, each in a container of its own; nothing may be up."""
    for fault in FAULTS:
        if fault.life and matrix.wanted(fault.name, ()):
            matrix.live(fault)


def page(matrices: Sequence[Matrix]) -> str:
    """docs/controls.md."""
    told = [(f.name, f.does, f.breaks, "not run") for f in FAULTS]
    told += [(p.name, p.does, p.breaks, p.elsewhere or "not run") for p in PLANTED]
    lines = [
        "# Controls",
        "",
        "Generated by `make controls`; not written by hand. Each fault was planted in front of a real vLLM of the CPU",
        f"bench and the suites were run: the first {ENOUGH} tests that failed then are named. Healthy ones: see below.",
        "",
        "| fault | what it does | breaks | caught by |",
        "|---|---|---|---|",
    ]
    catches: dict[str, list[str]] = {}
    for name, does, breaks, otherwise in told:
        by = list(dict.fromkeys(short(t) for m in matrices for t in m.caught.get(name, ())))
        if by:
            lines.append(f"| `{name}` | {does} | {breaks} | {', '.join(f'`{test}`' for test in by)} |")
        elif any(name in m.missed for m in matrices):
            lines.append(f"| `{name}` | {does} | {breaks} | **nobody** |")
        else:
            lines.append(f"| `{name}` | {does} | {breaks} | {otherwise} |")
        for test in by:
            catches.setdefault(test, []).append(name)
    known = controlled()
    every = dict.fromkeys(short(t) for m in matrices for t in m.ran)
    lines += ["", "## Tests", "", "| test | faults it caught | in tests/test_controls*.py |", "|---|---|---|"]
    for test in sorted({*every, *catches, *known}):
        by_ = ", ".join(f"`{name}`" for name in catches.get(test, ()))
        lines.append(f"| `{test}` | {by_ or '—'} | {f'{known[test]} faults' if known.get(test) else '—'} |")
    lines += [
        "",
        "## Healthy deployments",
        "",
        "| variant | deployment | tests passed | rejected by |",
        "|---|---|---|---|",
    ]
    for m in matrices:
        for name, failed in m.rejected.items():
            count = m.judged[name] - len(failed)
            lines.append(f"| {m.variant.name} | {name} | {count} | {', '.join(map(short, failed)) or 'nobody'} |")
    return "\n".join(lines) + "\n"


def controlled() -> dict[str, int]:
    """Test → how many faults tests/test_controls*.py plant for it, in a captured world."""
    from tests.test_controls import CONTROLS
    from tests.test_controls_api import API_CONTROLS

    return {name: len(faults) for name, faults in (CONTROLS | API_CONTROLS).items()}


def problems(matrices: Sequence[Matrix], whole: bool) -> list[str]:
    """Why the build fails."""
    found = []
    for m in matrices:
        for name, failed in m.rejected.items():
            found += [f"{m.variant.name}, healthy ({name}), was rejected by {test}" for test in failed]
    caught = {name for m in matrices for name in m.caught}
    found += [
        f"{name} was caught by nobody, on {m.variant.name}: {looked} tests looked → mend the suites or drop it"
        for m in matrices
        for name, looked in m.missed.items()
        if name not in caught
    ]
    if whole:
        useful = {short(t) for m in matrices for tests in m.caught.values() for t in tests} | {*controlled()}
        ran = {short(t) for m in matrices for t in m.ran}
        found += [f"{test} caught nothing → give it a control, or delete it" for test in sorted(ran - useful)]
    return found
