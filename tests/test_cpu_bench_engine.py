"""The engine of the CPU bench: the probe, the limits, the packages, what a kill leaves."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tarfile
import time
from io import BytesIO
from pathlib import Path

import pytest

from harness.cpu_bench import STATE, BenchError, child, clamp, engine, locate, share
from harness.progress import progress


def test_the_probe_program_runs_on_this_machine_and_exits_0(tmp_path: Path) -> None:
    """The probe must fail only for the engine's reasons."""
    program = tmp_path / "ok"
    program.write_bytes(engine.elf(platform.machine()))
    program.chmod(0o755)
    assert subprocess.run([program]).returncode == 0
    assert program.stat().st_size < 150


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 62), ("aarch64", 183)])
def test_the_probe_exists_for_both_architectures(machine: str, number: int) -> None:
    """A GB10 is aarch64, most developers are not; `readelf` must agree with the header."""
    program = engine.elf(machine)
    assert int.from_bytes(program[18:20], "little") == number
    assert int.from_bytes(program[96:104], "little") == len(program)  # what the segment loads
    with tarfile.open(fileobj=BytesIO(engine.probe_tar(machine))) as tar:
        assert [(m.name, m.mode) for m in tar] == [("ok", 0o755)]


# --- limits ----------------------------------------------------------------------------------------------------------


def test_limits_above_the_hosts_are_lowered_to_it() -> None:
    """memlock=-1 becomes what this host allows; a limit below stays; an unknown one stays."""
    process = {
        "rlimits": [
            {"type": "RLIMIT_MEMLOCK", "hard": clamp.UNLIMITED, "soft": clamp.UNLIMITED},
            {"type": "RLIMIT_STACK", "hard": 67108864, "soft": 67108864},
            {"type": "RLIMIT_NEW", "hard": clamp.UNLIMITED, "soft": 1},
        ]
    }
    most = {"RLIMIT_MEMLOCK": 8388608, "RLIMIT_STACK": clamp.UNLIMITED}
    assert clamp.clamp(process, most.get)
    assert [(r["hard"], r["soft"]) for r in process["rlimits"]] == [
        (8388608, 8388608),
        (67108864, 67108864),
        (clamp.UNLIMITED, 1),
    ]
    assert not clamp.clamp(process, most.get), "a second time there is nothing to lower"


@pytest.mark.parametrize("how", ["create", "exec"])
def test_the_runtime_rewrites_what_runc_will_read(tmp_path: Path, how: str) -> None:
    """`create --bundle DIR` and `exec --process FILE` both carry limits; runc gets the arguments unchanged."""
    unlimited = {"rlimits": [{"type": "RLIMIT_NOFILE", "hard": clamp.UNLIMITED, "soft": clamp.UNLIMITED}]}
    if how == "create":
        file = tmp_path / "config.json"
        file.write_text(json.dumps({"ociVersion": "1.0.2", "process": unlimited}))
        arguments = ["--root", "/run/x", "create", "--bundle", str(tmp_path), "name"]
    else:
        file = tmp_path / "process.json"
        file.write_text(json.dumps(unlimited))
        arguments = ["--root", "/run/x", "exec", f"--process={file}", "name"]
    ran = subprocess.run(
        [sys.executable, "-I", "-S", clamp.__file__, "echo", *arguments], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == arguments
    found = json.loads(file.read_text())
    limit = (found["process"] if how == "create" else found)["rlimits"][0]
    assert limit["hard"] == limit["soft"] == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_the_runtime_leaves_a_bundle_it_cannot_read_to_runc(tmp_path: Path) -> None:
    """A broken bundle is runc's to report."""
    (tmp_path / "config.json").write_text("{")
    subprocess.run(
        [sys.executable, "-I", "-S", clamp.__file__, "true", "create", "-b", str(tmp_path), "x"],
        check=True,
    )


# --- what there is ---------------------------------------------------------------------------------------------------


def test_a_pid_file_left_by_a_kill_is_no_engine(tmp_path: Path) -> None:
    """After kill -9 or a reboot the number may belong to anybody: here, to this test."""
    where = engine.Places(state=tmp_path, run=tmp_path / "run", bridge="none")
    where.run.mkdir()
    where.pid_file.write_text(str(os.getpid()))
    where.socket.touch()
    containerd = where.run / "exec" / "containerd" / "containerd.pid"
    containerd.parent.mkdir(parents=True)
    containerd.write_text(str(os.getpid()))
    assert engine.daemon(where) is None
    engine._sweep(where)
    assert not containerd.exists(), "dockerd would wait for it in vain"
    assert not where.pid_file.exists()
    assert not where.socket.exists()
    where.pid_file.write_text("")  # killed while it wrote
    assert engine.daemon(where) is None


def test_each_state_directory_has_an_engine_of_its_own(tmp_path: Path) -> None:
    """Two engines must share neither socket nor bridge; a socket path has at most 107 bytes, an interface name 15."""
    first, second = engine.places(tmp_path / "a"), engine.places(tmp_path / ("b" * 200))
    assert first.socket != second.socket
    assert first.bridge != second.bridge
    assert len(str(second.socket)) <= 107
    assert len(second.bridge) <= 15


def test_only_an_engine_of_this_machine_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Mounts and ports of an engine elsewhere would not be those of this machine."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert engine.user_host() is None
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    assert engine.user_host() is None


def test_the_docker_context_in_use_is_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Docker Desktop and rootless Docker are found through their context."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"currentContext": "rootless"}')
    meta = tmp_path / "contexts" / "meta" / hashlib.sha256(b"rootless").hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text('{"Endpoints": {"docker": {"Host": "unix:///run/user/1000/docker.sock"}}}')
    assert engine._context_host() == "unix:///run/user/1000/docker.sock"


def test_secrets_do_not_reach_the_private_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It outlives the caller: of the environment it keeps proxies, not tokens."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    env = engine._env(engine.places(tmp_path))
    assert "hf_secret" not in env.values()
    assert env["HTTPS_PROXY"] == "http://proxy:3128"
    assert env["PATH"].startswith(str(tmp_path))


def test_the_bridge_takes_a_network_nobody_uses() -> None:
    """The first free one; none free is an error with the way out."""
    assert engine.free_subnet(["default", "172.17.0.0/16", "10.0.0.5"]) == engine.SUBNETS[0]
    assert engine.free_subnet(["172.30.0.0/16"]) == "172.29.208.1/24"
    with pytest.raises(BenchError, match="are in use"):
        engine.free_subnet(["172.16.0.0/12"])


# --- the share of the processor --------------------------------------------------------------------------------------


def mounted(tmp_path: Path, kind: str, options: str) -> tuple[Path, Path]:
    """A table of mounts with one hierarchy, and its place."""
    root = tmp_path / "root"
    root.mkdir()
    table = tmp_path / "mounts"
    table.write_text(f"proc /proc proc rw 0 0\ncgroup {root} {kind} {options} 0 0\n")
    return table, root


@pytest.fixture
def no_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose groups are not systemd's."""
    monkeypatch.setattr(share, "SYSTEMD", Path("/nowhere"))


@pytest.mark.usefixtures("no_systemd")
@pytest.mark.parametrize(
    ("kind", "options", "file", "weight"),
    [("cgroup", "rw,cpu,cpuacct", "cpu.shares", "256"), ("cgroup2", "rw,nsdelegate", "cpu.weight", "25")],
)
def test_containers_get_a_quarter(tmp_path: Path, kind: str, options: str, file: str, weight: str) -> None:
    """In either version of control groups; the engine puts its containers below that group."""
    table, root = mounted(tmp_path, kind, options)
    said: list[str] = []
    assert share.lowered("ours", said.append, table) == ["--cgroup-parent", "/ours"]
    assert (root / "ours" / file).read_text() == weight
    assert not said


@pytest.mark.usefixtures("no_systemd")
def test_where_the_share_cannot_be_lowered_that_is_said(tmp_path: Path) -> None:
    """The engine starts all the same."""
    said: list[str] = []
    table, root = mounted(tmp_path, "cgroup", "rw,memory")
    assert share.lowered("ours", said.append, table) == []
    table.write_text(f"cgroup {root}/gone cgroup rw,cpu 0 0\n")
    assert share.lowered("ours", said.append, table) == []
    assert ["keep the harness waiting" in sentence for sentence in said] == [True, True]


def test_systemds_groups_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its slices have other names, and it would set the weight back."""
    monkeypatch.setattr(share, "SYSTEMD", tmp_path)
    table, root = mounted(tmp_path, "cgroup2", "rw")
    assert share.lowered("ours", lambda _: None, table) == []
    assert not list(root.iterdir())


# --- packages --------------------------------------------------------------------------------------------------------


def test_not_root_is_told_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What, why, and the exact command."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BenchError, match="only root may install") as told:
        engine.install({"no-such-command": "docker.io"}, tmp_path / "log", progress())
    assert "sudo apt-get update && sudo apt-get install --no-install-recommends docker.io" in str(told.value)
    with pytest.raises(BenchError, match="sudo --preserve-env"):
        engine.need_root("start a private Docker engine")


def test_what_is_there_is_not_installed(tmp_path: Path) -> None:
    """No apt call, no log."""
    engine.install({"sh": "dash"}, tmp_path / "log", progress())
    assert not (tmp_path / "log").exists()


def test_installing_starts_no_daemon_and_leaves_no_trace(tmp_path: Path) -> None:
    """The policy is there meanwhile, and gone after an error too, also one that a killed run had left."""
    policy = tmp_path / "policy-rc.d"
    for _ in range(2):
        with pytest.raises(RuntimeError), engine.no_daemon_starts(policy):
            assert subprocess.run([policy]).returncode == 101
            raise RuntimeError
        assert not policy.exists()
        policy.write_text(engine.POLICY)


def test_a_policy_of_the_users_is_kept(tmp_path: Path) -> None:
    """A container's own policy-rc.d stays as it is."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    with engine.no_daemon_starts(policy):
        pass
    assert policy.read_text() == "#!/bin/sh\nexit 101\n"


# --- children and the lock -------------------------------------------------------------------------------------------


def test_a_failed_command_is_quoted(tmp_path: Path) -> None:
    """The last lines and where the rest is."""
    log = tmp_path / "log"
    with pytest.raises(BenchError, match=r"(?s)try it failed: `sh` ended with exit code 3.*no space left.*log") as told:
        child.run(["sh", "-c", "echo one; echo no space left >&2; exit 3"], "try it", log, progress())
    assert "$ sh" in str(told.value)


def test_a_command_that_stops_reading_is_quoted_too(tmp_path: Path) -> None:
    """A daemon that refuses a stream half-way: its words, not a broken pipe."""
    with pytest.raises(BenchError, match="exit code 4"):
        feed = iter([b"x" * 1_000_000] * 3)
        child.run(["sh", "-c", "exit 4"], "send it", tmp_path / "log", progress(), feed=feed, size=3_000_000)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_children_end_with_the_run(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and kill -9 leave nothing that goes on writing."""
    program = (
        "from pathlib import Path; from harness.cpu_bench import child; from harness.progress import progress\n"
        f"command = 'echo $$ > {tmp_path}/pid; exec sleep 60'\n"
        f"child.run(['sh', '-c', command], 'sleep', Path('{tmp_path}/log'), progress())"
    )
    run = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parent.parent)
    deadline = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    sleeper = int((tmp_path / "pid").read_text())
    run.send_signal(number)
    run.wait(timeout=20)
    while Path(f"/proc/{sleeper}/cmdline").exists() and b"sleep" in Path(f"/proc/{sleeper}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the child outlived its run"
        time.sleep(0.05)


def test_the_second_run_waits_for_the_first_and_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With the process to look at."""
    lock = tmp_path / "lock"
    program = (
        "import sys, fcntl, os, time\n"
        f"f = open('{lock}', 'a+'); fcntl.flock(f, fcntl.LOCK_EX); f.write(str(os.getpid())); f.flush()\n"
        "print('held', flush=True); time.sleep(1)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout and first.stdout.readline() == "held\n"
        with child.exclusive(lock, progress()) as held:
            assert first.wait(timeout=5) == 0
            with lock.open() as other, pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.seek(0)
            assert held.read().strip() == str(os.getpid())
    assert f"wait for process {first.pid}, which is preparing or stopping the CPU bench" in capfd.readouterr().err


def test_the_lock_is_held_until_the_last_child_of_a_killed_run_has_ended(tmp_path: Path) -> None:
    """What the child still writes or cleans away is not in the next run's way."""
    lock = tmp_path / "lock"
    program = (
        "from pathlib import Path; from harness.cpu_bench import child; from harness.progress import progress\n"
        f"with child.exclusive(Path('{lock}'), progress()):\n"
        f"    child.run(['sh', '-c', 'trap \"sleep 1; exit\" TERM; touch {tmp_path}/up; while :; do sleep 0.1; done'],"
        f" 'work', Path('{tmp_path}/log'), progress())"
    )
    run = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parent.parent)
    deadline = time.monotonic() + 20
    while not (tmp_path / "up").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.kill()
    run.wait(timeout=20)
    begun = time.monotonic()
    with child.exclusive(lock, progress()):
        assert time.monotonic() - begun > 0.5


def test_a_state_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """One paragraph with the way out."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BenchError, match="GB10_ACCEPTANCE_STATE"),
        child.exclusive(tmp_path / "file" / "lock", progress()),
    ):
        pass


# --- with an engine --------------------------------------------------------------------------------------------------


@pytest.mark.engine
@pytest.mark.usefixtures("engine_or_skip")
def test_its_containers_give_way() -> None:
    """What the private engine runs is really in the group with the low weight, and `docker inspect` shows none of it:
    the deployment's flags are the declared ones. An engine of the user's, or systemd's groups, are left as they are."""
    where = engine.places(STATE)
    file = share.weight_file(where.run.name)
    if engine.daemon(where) is None or share.SYSTEMD.is_dir() or file is None:
        pytest.skip("no private engine with groups of its own")
    host = where.docker_host
    image = locate().image
    ran = engine.docker(host, "run", "--rm", "--detach", "--entrypoint", "sleep", image, "30")
    container = ran.stdout.decode().strip()
    try:
        told = engine.docker(host, "inspect", "--format", "{{.State.Pid}} {{json .HostConfig}}", container)
        pid, _, config = told.stdout.decode().partition(" ")
        groups = Path(f"/proc/{pid}/cgroup").read_text()
        assert f"/{where.run.name}/{container}" in groups
        assert (json.loads(config)["CgroupParent"], json.loads(config)["CpuShares"]) == ("", 0)
    finally:
        engine.docker(host, "rm", "--force", container)
    assert file.read_text().strip() == str(share.ORDINARY[file.name] // share.PART)


@pytest.mark.engine
@pytest.mark.usefixtures("engine_or_skip")
def test_the_engine_accepts_the_missions_flags() -> None:
    """A real start, and nothing of it left."""
    host = engine.expected(STATE)
    assert engine.answers(host)
    before = engine.docker(host, "image", "ls", "--quiet").stdout
    assert engine.refusal(host) is None
    assert engine.docker(host, "image", "ls", "--quiet").stdout == before


@pytest.mark.engine
@pytest.mark.usefixtures("engine_or_skip")
def test_asking_again_changes_nothing_and_is_quick() -> None:
    """An engine that runs is used as it is."""
    begun = time.monotonic()
    assert engine.ensure(STATE, progress()) == engine.expected(STATE)
    assert time.monotonic() - begun < 1.0
