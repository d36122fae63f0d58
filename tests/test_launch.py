"""Launching, watching and clearing, with real containers in a real engine: a probe stands in for vLLM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import cpu_bench
from harness.flags import LABEL, resolve
from harness.host import memory_available_gib
from harness.progress import progress
from harness.record import Recorder, read
from harness.redact import Redactor
from harness.seal import verify
from harness.types import Bench, Deployment, Diagnosis, DockerFlags, Verdict
from harness.variants import find
from tests import samples

if TYPE_CHECKING:
    from harness.engine import Engine
    from harness.launch import Launched

pytestmark = pytest.mark.engine
ROOT = Path(__file__).resolve().parent.parent
SECRET = "planted-secret-0123456789"
LISTEN = (
    "import http.server as h\n"
    "class H(h.BaseHTTPRequestHandler):\n"
    "    def do_GET(self): self.send_response(200); self.end_headers()\n"
    "h.HTTPServer(('', 8000), H).serve_forever()\n"
)
OBEY = "import os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(0))\n"
"""Process 1 of a container ignores SIGTERM unless it says otherwise."""
VARIANT = find("gemma-3-27b-bf16")


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path, engine_or_skip: Engine) -> Bench:
    """The CPU bench on a free port, with a vLLM home of the test's own."""
    (tmp_path / "vllm" / "huggingface").mkdir(parents=True)
    with socket.create_server(("", 0)) as probe:
        port = probe.getsockname()[1]
    image = request.config.option.image or cpu_bench.locate().image
    home = str(tmp_path / "vllm")
    where = {"docker_host": engine_or_skip.docker_host, "image": image, "vllm_home": home, "port": port, "env": {}}
    return samples.CPU.model_copy(update=where)


@pytest.fixture
def name() -> str:
    """A container name no other run uses."""
    return f"vllm-probe-{os.getpid()}"


def probe(bench: Bench, name: str, script: str, **changes: Any) -> DockerFlags:
    """Flags of the variant, with a Python script in vLLM's place."""
    return resolve(VARIANT, bench).model_copy(
        update={"name": name, "command": ("python3", "-uc", OBEY + script)} | changes
    )


def start(
    engine: Engine,
    bench: Bench,
    log: Path,
    flags: DockerFlags,
    *,
    budget_s: float = 60,
    phases: dict[str, float] | None = None,
    kept: bool = False,
) -> AbstractContextManager[Launched]:
    """Launch the flags as the variant."""
    from harness.launch import launch

    expectation = VARIANT.benches["cpu"].model_copy(
        update={"start_budget_s": budget_s, "phase_budgets_s": phases or {}}
    )
    return launch(
        VARIANT.model_copy(update={"benches": {"cpu": expectation}}),
        bench,
        engine,
        log=log,
        environ={"HF_TOKEN": SECRET},
        redactor=Redactor([SECRET]),
        progress=progress(),
        flags=flags,
        keep=lambda: kept,
    )


@pytest.fixture(autouse=True)
def _nothing_left(engine_or_skip: Engine, name: str) -> Iterator[None]:
    """Whatever happened, the container is gone after the test."""
    yield
    left = [h for h in engine_or_skip.holders() if h.name.startswith(name)]
    for holder in left:
        engine_or_skip.remove(holder.id)
    assert left == []


def test_a_probe_that_answers_is_a_deployment(engine_or_skip: Engine, bench: Bench, name: str, log: Path) -> None:
    """Ready means /health 200; the flags are all there; the token's value is nowhere; leaving removes the container."""
    from harness.flags import differences

    script = "import os; print('my token is', os.environ['HF_TOKEN'])\n" + LISTEN
    with start(engine_or_skip, bench, log, probe(bench, name, script)) as launched:
        assert isinstance(launched.outcome, Deployment)
        assert launched.image is not None
        assert differences(launched.flags, launched.inspect, launched.image.raw) == []
        assert launched.watch is not None
        assert launched.watch.failure() is None
    assert engine_or_skip.find(name) is None
    assert log.read_text().startswith("my token is ***\n")


@pytest.mark.parametrize("code", [0, 1, 3])
def test_an_exit_while_loading_ends_the_wait_at_once(
    engine_or_skip: Engine, bench: Bench, name: str, log: Path, code: int
) -> None:
    """Any exit before /health answers, 0 as well, is a diagnosis with the log's last lines, long before the budget."""
    script = f"print('loading'); raise SystemExit({code})"
    with start(engine_or_skip, bench, log, probe(bench, name, script)) as launched:
        assert isinstance(launched.outcome, Diagnosis)
        assert launched.start_s < 15
        assert launched.exit is not None
        assert launched.exit.code == code
        assert f"docker logs {name}" in launched.outcome.remedy.en
        assert "loading" in " ".join(e.text for e in launched.outcome.evidence)


def test_a_kill_by_the_host_is_seen(engine_or_skip: Engine, bench: Bench, name: str, log: Path) -> None:
    """Exit code 137 without a word in the log is not taken for a clean end."""

    def kill_it() -> None:
        while b"loading" not in (log.read_bytes() if log.exists() else b""):
            time.sleep(0.02)
        holder = engine_or_skip.find(name)
        assert holder is not None
        holder.kill()

    flags = probe(bench, name, "import time; print('loading'); time.sleep(99)")
    with ThreadPoolExecutor() as pool:
        killed = pool.submit(kill_it)
        with start(engine_or_skip, bench, log, flags) as it:
            assert isinstance(it.outcome, Diagnosis)
            assert it.exit is not None
            assert (it.exit.code, it.exit.oom_killed) == (137, False)
        killed.result()


def test_a_silent_hang_ends_at_the_budget(engine_or_skip: Engine, bench: Bench, name: str, log: Path) -> None:
    """Nothing listens, nothing ends: start-timeout, with the budget in its words."""
    script = "import time; print('loading'); time.sleep(600)"
    with start(engine_or_skip, bench, log, probe(bench, name, script), budget_s=3) as launched:
        assert isinstance(launched.outcome, Diagnosis)
        assert launched.outcome.rule == "start-timeout"
        assert "3" in launched.outcome.cause.en
        assert launched.start_s < 10


def test_a_hung_phase_ends_the_wait_and_names_itself(
    engine_or_skip: Engine, bench: Bench, name: str, log: Path
) -> None:
    """A phase past its own budget is the diagnosis, long before the start's budget."""
    script = "import time; print('Starting to load model x...'); time.sleep(600)"
    with start(engine_or_skip, bench, log, probe(bench, name, script), phases={"weights": 2.0}) as launched:
        assert isinstance(launched.outcome, Diagnosis)
        assert launched.outcome.rule == "start-timeout"
        assert "'weights'" in launched.outcome.cause.en
        assert launched.start_s < 20


def test_an_open_port_is_not_readiness(engine_or_skip: Engine, bench: Bench, name: str, log: Path) -> None:
    """Docker's proxy accepts connections from the start; a server that answers 503 first is not ready either."""
    script = (
        "import http.server as h, time\n"
        "until = time.monotonic() + 2\n"
        "class H(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200 if time.monotonic() > until else 503); self.end_headers()\n"
        "h.HTTPServer(('', 8000), H).serve_forever()\n"
    )
    with start(engine_or_skip, bench, log, probe(bench, name, script)) as launched:
        assert isinstance(launched.outcome, Deployment)
        assert launched.outcome.started_s >= 2


def test_a_death_while_serving_is_noticed(engine_or_skip: Engine, bench: Bench, name: str, log: Path) -> None:
    """The watch stays armed: a container that ends, even with code 0, becomes a diagnosis."""
    script = "import threading, time, os\nthreading.Timer(2, lambda: os._exit(0)).start()\n" + LISTEN
    with start(engine_or_skip, bench, log, probe(bench, name, script)) as launched:
        assert isinstance(launched.outcome, Deployment)
        assert launched.watch is not None
        until = time.monotonic() + 20
        while launched.watch.failure() is None and time.monotonic() < until:
            time.sleep(0.05)
        died = launched.watch.failure()
        assert died is not None
        assert launched.watch.exit is not None
        assert launched.watch.exit.code == 0


def test_a_taken_name_is_a_name_conflict(engine_or_skip: Engine, bench: Bench, name: str, log: Path) -> None:
    """The daemon's 409 becomes `container-name-conflict`; the holder is untouched; the stated remedy is its removal."""
    holder = probe(bench, name, "import time; time.sleep(600)")
    with engine_or_skip.run(holder, {}) as owned:
        with start(engine_or_skip, bench, log, probe(bench, name, LISTEN)) as launched:
            assert isinstance(launched.outcome, Diagnosis)
            assert launched.outcome.rule == "container-name-conflict"
            assert f"docker rm -f {name}" in launched.outcome.remedy.en
        assert owned.container is not None
        assert owned.container.inspect()["State"]["Running"]


def test_a_taken_port_is_port_in_use_and_leaves_no_container(
    engine_or_skip: Engine, bench: Bench, name: str, log: Path
) -> None:
    """The daemon refuses at start, after the container was created: it is removed again."""
    flags = probe(bench, name, LISTEN)
    with socket.create_server(("", bench.port)), start(engine_or_skip, bench, log, flags) as launched:
        assert isinstance(launched.outcome, Diagnosis)
        assert launched.outcome.rule == "port-in-use"
    assert engine_or_skip.find(name) is None


def test_a_command_that_is_not_in_the_image_is_entrypoint_missing(
    engine_or_skip: Engine, bench: Bench, name: str, log: Path
) -> None:
    """The daemon's refusal names the command."""
    with start(engine_or_skip, bench, log, probe(bench, name, "", command=("no-such-command",))) as launched:
        assert isinstance(launched.outcome, Diagnosis)
        assert launched.outcome.rule == "entrypoint-missing"


def test_what_a_killed_run_leaves_is_recognised_and_cleared(engine_or_skip: Engine, bench: Bench, name: str) -> None:
    """kill -9 of the harness while the container loads: the next run removes it by its label, and nothing else."""
    from harness.launch import leftovers

    flags = probe(bench, name, "import time; time.sleep(600)")
    hold = (
        "import sys, time; from harness.engine import Engine; from harness.types import DockerFlags\n"
        "flags = DockerFlags.model_validate_json(sys.argv[2])\n"
        "with Engine(sys.argv[1]).run(flags, {}): print('up', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, engine_or_skip.docker_host, flags.model_dump_json()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "up\n"
        killed.send_signal(signal.SIGKILL)
    ours = [holder for holder in leftovers(engine_or_skip) if holder.name == name]
    assert [(h.state, h.variant) for h in ours] == [("running", flags.labels[LABEL])]
    engine_or_skip.remove(ours[0].id)
    assert engine_or_skip.find(name) is None


def test_a_kept_container_stays(engine_or_skip: Engine, bench: Bench, name: str, log: Path) -> None:
    """`keep` leaves it running when the block ends."""
    with start(engine_or_skip, bench, log, probe(bench, name, LISTEN), kept=True) as launched:
        assert isinstance(launched.outcome, Deployment)
    kept = engine_or_skip.find(name)
    assert kept is not None
    assert kept.inspect()["State"]["Running"]
    engine_or_skip.remove(kept.id)


def test_a_container_that_eats_the_host_s_memory_is_killed_first(
    engine_or_skip: Engine, bench: Bench, name: str, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard kills it at the floor, long before the kernel would; the diagnosis carries the numbers."""
    available = memory_available_gib()
    assert available is not None
    floor = available - 1.5
    monkeypatch.setattr("harness.watch.floor_gib", lambda _total: floor)
    eat = "import time\nkept = []\nwhile True: kept.append(b'x' * (64 << 20)); time.sleep(0.02)\n"
    with start(engine_or_skip, bench, log, probe(bench, name, eat)) as launched:
        assert isinstance(launched.outcome, Diagnosis)
        assert launched.outcome.rule == "host-oom-killed"
        assert f"the floor is {floor:.2f} GiB" in launched.outcome.evidence[-1].text
        assert launched.watch is not None
        assert launched.watch.guard is not None
        assert min(point.available_gib for point in launched.watch.guard.curve) < floor
    left = memory_available_gib()
    assert left is not None
    assert left > floor - 1


def test_the_next_run_ends_the_records_that_a_crash_or_a_kill_left_behind(
    engine_or_skip: Engine, bench: Bench, name: str, tmp_path: Path
) -> None:
    """Without an end, of another boot with a dead container as witness, and of this boot: both are interrupted."""
    from harness.attempt import recover
    from harness.host import boot_id

    flags = probe(bench, name, "raise SystemExit(9)", labels={LABEL: VARIANT.name, f"{LABEL}.run": "lost"})
    crashed = samples.record(declared=flags, host=samples.HOST.model_copy(update={"boot_id": "another"}))
    directory = tmp_path / "crashed"
    directory.mkdir()
    Recorder(crashed, directory)
    (tmp_path / "killed").mkdir()
    Recorder(samples.record(host=samples.HOST.model_copy(update={"boot_id": boot_id()})), tmp_path / "killed")
    with engine_or_skip.run(flags, {"HF_TOKEN": SECRET}):
        container = engine_or_skip.find(name)
        assert container is not None
        while container.exited() is None:
            time.sleep(0.05)
        recover(tmp_path, engine_or_skip, progress())
    ended = read(directory)
    assert ended.verdict is Verdict.INTERRUPTED
    assert "the host restarted during this run" in ended.reason
    assert ended.exit is not None
    assert ended.exit.code == 9
    assert ended.ended is not None
    assert (directory / "record.md").exists()
    killed = read(tmp_path / "killed")
    assert (killed.verdict, killed.reason) == (Verdict.INTERRUPTED, "the run did not reach its end")
    assert killed.ended is not None
    assert verify(tmp_path / "killed").mismatches == ()
