"""A run directory under bad conditions: planted secrets are in no byte of it, a full disk keeps the last good state."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.attempt import conclude
from harness.cli import main
from harness.history import listing, lost
from harness.host import read_host
from harness.record import ROOT, Recorder, RecordError, TestOutcome, read
from harness.redact import from_environment
from harness.report.views import render_again
from harness.seal import verify
from harness.types import Diagnosis, Evidence, Stage, Text
from harness.watch import Watch
from tests import samples
from tests.test_record import PASSED

SECRETS = {
    "HF_TOKEN": "unshaped-token-of-this-run",
    "REGISTRY_PASSWORD": "hunter2-of-the-registry",
    "MY_SERVICE_TOKEN": "another-token-of-this-run",
}
SHAPED = {
    "hf": "hf_abcdefghijklmnopqrstuvwx",
    "bearer": "abcdefghijklmnop.bearer",
    "argument": "key-behind-the-argument",
    "second": "second-key-of-the-argument",
    "vllm": "key-in-vllms-own-line",
    "url": "password-in-an-address",
    "auth": "cmVnaXN0cnk6Y3JlZGVudGlhbA==",
    "env": "value-of-a-named-variable",
    "assigned": "assigned-on-a-line",
}


def test_planted_secrets_are_in_no_byte_of_a_run(tmp_path: Path) -> None:
    """In environment, arguments, log, a daemon's error and a test's message: no file of the directory holds one."""
    redactor = from_environment(SECRETS)
    record = samples.record()
    command = ("vllm", "serve", "m", "--api-key", SHAPED["argument"], SHAPED["second"], "--max-model-len", "8")
    env = {"HF_TOKEN": None, "VLLM_API_KEY": SHAPED["env"]}
    flags = record.declared.model_copy(update={"command": command, "env": env})
    docker = record.variant.docker.model_copy(update={"env": env})
    said = "\n".join(
        (
            f"Error response from daemon: https://robot:{SHAPED['url']}@registry.example/v2/: denied",
            f'{{"auths": {{"registry.example": {{"auth": "{SHAPED["auth"]}"}}}}}}',
            f"Authorization: Bearer {SHAPED['bearer']}, token {SHAPED['hf']}, {' '.join(SECRETS.values())}",
            f"non-default args: {{'model': 'm', 'api_key': ['{SHAPED['vllm']}']}} X_API_KEY={SHAPED['assigned']}",
        )
    )
    both = Text(en=said, zh_tw=said)
    told = record.model_copy(
        update={
            "declared": flags,
            "effective": flags,
            "variant": record.variant.model_copy(update={"docker": docker, "serve": command[3:]}),
            "replay": f"docker run -e VLLM_API_KEY={SHAPED['env']} image --api-key {SHAPED['argument']}",
            "engine_facts": {"args": said},
            "tests": (PASSED, TestOutcome(nodeid="t", requirement="r", outcome="failed", seconds=0, message=said)),
            "diagnosis": Diagnosis(
                rule="r", stage=Stage.DAEMON, cause=both, remedy=both, evidence=(Evidence(line=1, text=said),)
            ),
        }
    )
    (tmp_path / "run").mkdir()
    recorder = Recorder(told, tmp_path / "run", redactor)
    watch = Watch("vllm", recorder.log, redactor)
    watch._read([said.encode()[:200], said.encode()[200:], b"\n"])
    recorder.finish()
    conclude(recorder)
    assert "8" in recorder.written.declared.command
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"record.json", "record.md", "index.html", "container.log", "junit.xml"} <= {path.name for path in files}
    planted = [*SECRETS.values(), *SHAPED.values()]
    found = [f"{path.name}: {secret}" for path in files for secret in planted if secret.encode() in path.read_bytes()]
    assert found == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    where = tmp_path / "small"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(where)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system can't be mounted ({mounted.stderr.strip()}) → run as root")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def test_a_full_disk_ends_in_an_error_and_keeps_the_last_good_state(small: Path) -> None:
    """A real full file system: the record before stays whole, the log's loss is said, nothing half is left."""
    run = small / "run"
    run.mkdir()
    recorder = Recorder(samples.record(tests=(PASSED,)), run)
    watch = Watch("vllm", recorder.log, from_environment({}))
    watch._read([b"x" * 1023 + b"\n"] * 1024)
    assert "No space left on device" in watch.unwritten
    with pytest.raises(RecordError, match=r"No space left on device.*free space"):
        recorder.update(reason="x" * 100_000)
    assert read(run).reason == "the run did not reach its end"
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []
    os.truncate(recorder.log, 1000)
    recorder.finish()
    conclude(recorder)
    assert verify(run).mismatches == ()


WRITER = (
    "import sys; from pathlib import Path; from tests import samples; from harness.record import Recorder\n"
    "held = Recorder(samples.record(), Path(sys.argv[1])); print('ready', flush=True); sys.stdin.read()\n"
)


def test_every_reader_tells_a_run_under_way_from_a_killed_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real process writes the record, and is killed with -9: at once it is interrupted, without waiting for a run."""
    run, done = tmp_path / "run", tmp_path / "done"
    for directory in (run, done):
        directory.mkdir()
    recorder = Recorder(samples.record(tests=(PASSED,)), done)
    recorder.finish()
    conclude(recorder)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(run)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        assert [one.running for one in listing(tmp_path).records] == [False, True]
        assert lost(tmp_path, read_host()) == ()
        page = render_again(tmp_path)[-1].read_text()
        assert 'data-state="running"' in page
        assert 'href="run/index.html"' not in page
        assert not (run / "index.html").exists()
        assert main(["prune", "--keep", "0", "--reports", str(tmp_path)]) == 0
        assert main(["diff", str(done), str(run)]) in (1, 3)
        assert [main([verb, str(run)]) for verb in ("report", "verify")] == [2, 2]
        told = capsys.readouterr()
        assert "kept: run: its run is under way" in told.out
        assert told.err.count("under way") == 3
        writer.kill()
    assert [one.running for one in listing(tmp_path).records] == [False, False]
    assert [directory for directory, _ in lost(tmp_path, read_host())] == [run]
    page = render_again(tmp_path)[-1].read_text()
    assert 'data-state="running"' not in page
    assert 'href="run/index.html"' in page
    assert "the run did not reach its end" in (run / "index.html").read_text()
    assert main(["diff", str(done), str(run)]) == 3
    assert main(["verify", str(run)]) == 2
    assert capsys.readouterr().err.count("was killed before its end") == 2
