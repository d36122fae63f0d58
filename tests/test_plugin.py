"""What a pytest user meets: selection, marks, refusal to be green about nothing, and no daemon at collection."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.lease import BusyError, lease
from harness.variants import MARKS, VARIANTS
from tests.test_preflight import free_port

ROOT = Path(__file__).resolve().parent.parent
NOWHERE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
HEAVY = ("docker", "testcontainers", "httpx", "jinja2", "requests")

__all__ = ["free_port"]

ONE_MODEL = {
    name
    for path in (ROOT / "suites").glob("test_*.py")
    for name in re.findall(r"mark\.only\(.*\)\n(?:@.*\n)*def (test_\w+)", path.read_text())
}
"""Tests that carry `only(mark)`."""


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """pytest on the suites, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env={**os.environ, **NOWHERE, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def collected(*arguments: str) -> list[str]:
    """The node ids that a selection collects."""
    done = run("--collect-only", "-q", "suites/", *arguments)
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_collection_touches_no_daemon_and_imports_nothing_heavy() -> None:
    """`pytest --collect-only suites/` works without an engine, and none of the heavy libraries is imported."""
    watch = (
        "import sys, pytest\n"
        "code = pytest.main(['-q', '--collect-only', '-p', 'no:cacheprovider', 'suites/'])\n"
        f"print('heavy:', [m for m in {HEAVY!r} if m in sys.modules])\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", watch], cwd=ROOT, env=os.environ | NOWHERE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "heavy: []" in done.stdout


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("gpt_oss", {"gpt-oss-120b"}),
        ("gemma3 and bf16", {"gemma-3-27b-bf16"}),
        ("gemma3 and mxfp4", {"gemma-3-27b-mxfp4"}),
        ("gemma3", {"gemma-3-27b-bf16", "gemma-3-27b-mxfp4"}),
    ],
)
def test_a_mark_selects_its_variants(expression: str, expected: set[str]) -> None:
    """`-m` takes the marks of the data, alone and combined."""
    chosen = collected("-m", expression)
    assert chosen
    assert {v.name for v in VARIANTS if any(f"[{v.name}" in nodeid for nodeid in chosen)} == expected


def test_every_requirement_is_asked_of_every_variant() -> None:
    """Without a selection each variant is judged by the same number of tests, those about one model apart."""
    chosen = [nodeid for nodeid in collected() if not ONE_MODEL & {nodeid.partition("[")[0].rpartition("::")[2]}]
    counts = {v.name: sum(f"[{v.name}" in nodeid for nodeid in chosen) for v in VARIANTS}
    assert len(set(counts.values())) == 1
    assert all(counts.values())


def test_tests_of_one_variant_stay_together_in_any_order() -> None:
    """However the tests are named on the command line, a variant is loaded once."""
    mixed = ["suites/test_start.py", "suites/test_health.py", "suites/test_flags.py", "suites/test_health.py"]
    done = run("--collect-only", "-q", *mixed)
    order = [v.name for line in done.stdout.splitlines() for v in VARIANTS if f"[{v.name}" in line]
    assert len(order) > len(VARIANTS)
    assert [name for name, _ in itertools.groupby(order)] == [v.name for v in VARIANTS]


def test_markers_are_listed_from_the_data() -> None:
    """`pytest --markers` explains each mark of the variants."""
    done = run("--markers")
    assert all(f"@pytest.mark.{mark}: {sentence}" in done.stdout for mark, sentence in MARKS.items())
    assert {mark for variant in VARIANTS for mark in variant.marks} <= MARKS.keys()


def test_where_nothing_can_be_judged_the_run_says_so_once_and_last(tmp_path: Path) -> None:
    """One error, exit code 1, and the reason with what to do below pytest's list of single tests."""
    done = run("suites/", "--bench", "cpu", "--require-gb10", "--reports", str(tmp_path))
    assert done.returncode == 1
    assert "1 error" in done.stdout.splitlines()[-1]
    verdict = done.stdout.rpartition("short test summary")[2]
    assert "blocked: --require-gb10" in verdict
    assert "→ run this on the GB10" in verdict


def told_of_items(statement: str, *arguments: str) -> set[str]:
    """The lines, each from `told` on, that a statement prints of every `item` that is collected in suites/."""
    code = f"""
import pytest
class Seen:
    def pytest_collection_finish(self, session):
        for item in session.items:
            {statement}
pytest.main(["-q", "--collect-only", "-p", "no:cacheprovider", *{arguments!r}, "suites/"], plugins=[Seen()])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {line for line in done.stdout.splitlines() if line.startswith("told")}


def test_what_is_asked_to_last_longer_has_the_time() -> None:
    """`--soak` and `--fuzz` come on top of a test's own time-out: a night loads for longer than that."""
    said = 'if {"soak_s", "fuzz_s"} & {*item.fixturenames}: print("told", *item.get_closest_marker("timeout").args)'
    assert told_of_items(said, "--soak", "10", "--fuzz", "400", "-m", "gpt_oss") == {"told 900.0", "told 700.0"}


def test_every_test_of_the_suites_needs_what_it_judges() -> None:
    """A healthy deployment or a failed attempt: where there is none the first test says why, and the others are not
    run, so that one failure is one line."""
    said = 'print("told", "needs" if {"deployment", "failed"} & {*item.fixturenames} else item.nodeid)'
    assert told_of_items(said) == {"told needs"}


def test_a_mistyped_mark_on_a_test_is_an_error(pytester: pytest.Pytester) -> None:
    """An unregistered mark fails the collection (strict)."""
    done = run(
        "-c", str(ROOT / "pytest.ini"), str(pytester.makepyfile("import pytest\n@pytest.mark.gpt_os\ndef test(): pass"))
    )
    assert done.returncode != 0
    assert "'gpt_os' not found in `markers`" in done.stdout


def test_a_mistyped_mark_in_a_selection_is_not_green() -> None:
    """`-m gpt_os` names no mark: a usage error that says which, and where the marks are listed."""
    done = run("suites/", "-m", "gpt_os")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "gpt_os. Use 'pytest --markers'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bench", "tpu"), "invalid choice: 'tpu'"),
        (("--port", "70000"), "70000"),
        (("-n", "2"), "-n"),
    ],
)
def test_wrong_usage_is_refused(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 4, before anything is collected or started."""
    done = run("suites/", *arguments)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in done.stderr


def test_require_gb10_fails_where_there_is_none(free_port: int) -> None:
    """On any other machine nothing is skipped into green: exit code 1 and one line that says why."""
    done = run("suites/", "--require-gb10", "--port", str(free_port), "-k", "health")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "blocked: --require-gb10: found" in done.stdout
    assert " passed" not in done.stdout


def test_a_gb10_run_without_a_daemon_is_blocked(free_port: int, tmp_path: Path) -> None:
    """No engine: exit code 1, the address, and what to do; nothing is written."""
    arguments = ("--bench", "gb10", "--port", str(free_port), "--reports", str(tmp_path), "-k", "health and bf16")
    done = run("suites/", *arguments)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Cannot connect to the Docker daemon at unix:///nowhere/docker.sock" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def engine_address(free_port: int) -> str:
    """The address of an engine that nobody else names."""
    return f"unix:///nowhere/{free_port}/docker.sock"


def test_two_runs_on_one_machine_do_not_collide(engine_address: str, free_port: int) -> None:
    """The second is refused with the first one's process, also when it asks for another port."""
    with lease(engine_address):
        with pytest.raises(BusyError, match=f"process {os.getpid()}"), lease(engine_address):
            pass
        arguments = ("--bench", "gb10", "--port", str(free_port), "-k", "health and bf16")
        done = run("suites/", *arguments, DOCKER_HOST=engine_address)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert f"this machine is busy: process {os.getpid()}" in done.stdout


def test_preflight_says_whose_container_stands_in_the_way(engine_address: str) -> None:
    """While another run has the machine its container is no leftover: who it is comes before any `docker rm -f`."""
    words = [sys.executable, "-m", "harness", "preflight", "--bench", "gb10"]
    environ = {**os.environ, "DOCKER_HOST": engine_address}
    with lease(engine_address):
        done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert f"another run has this machine: process {os.getpid()}" in done.stderr


@pytest.mark.engine
@pytest.mark.usefixtures("engine_or_skip")
def test_an_attempt_interrupted_at_its_start_is_in_the_closing_list(tmp_path: Path, free_port: int) -> None:
    """Ctrl-C while vLLM starts in a real container: verdict, the path of the record, and no container left."""
    where = ("--bench", "cpu", "--port", str(free_port), "--reports", str(tmp_path))
    words = [sys.executable, "-u", "-m", "pytest", "suites/", "-m", "gpt_oss", "-k", "health", "--wait", *where]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        said = ""
        for line in running.stdout:
            said += line
            if "start gpt-oss-120b: 10 s" in line:
                running.send_signal(signal.SIGINT)
    assert running.returncode == pytest.ExitCode.INTERRUPTED, said
    ((verdict, path),) = re.findall(r"\n(\w+) +gpt-oss-120b on the cpu bench: .*\n +(/\S+)", said)
    assert (verdict, Path(path).parent.parent) == ("INTERRUPTED", tmp_path)
    assert "INTERRUPTED" in Path(path).read_text().upper()


@contextmanager
def holder_of(engine_address: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease until it reads a line."""
    hold = f"from harness.lease import lease\nwith lease({engine_address!r}): print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_a_lease_dies_with_its_holder(engine_address: str) -> None:
    """kill -9 of the holder frees it at once."""
    with holder_of(engine_address) as holder:
        with pytest.raises(BusyError, match=f"process {holder.pid}"), lease(engine_address):
            pass
        holder.kill()
        holder.wait()
        with lease(engine_address):
            pass


def test_a_waiting_run_takes_the_lease_when_its_holder_ends(engine_address: str) -> None:
    """`--wait` says who holds it, and goes on as soon as that run is over."""
    told: list[str] = []
    with holder_of(engine_address) as holder:

        def waiting(text: str) -> None:
            told.append(text)
            assert holder.stdin is not None
            holder.stdin.write("end\n")
            holder.stdin.flush()

        with lease(engine_address, waiting):
            pass
    assert told == [t for t in told if f"process {holder.pid}" in t]
    assert len(told) == 1
