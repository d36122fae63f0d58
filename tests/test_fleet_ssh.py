"""From an inventory to workers on a box and back, by the real `ssh`, `rsync` and a real systemd user manager.

The box is this machine behind an sshd of the test's own, with a home of the test's own. There is no logind: `loginctl`
is a stand-in that does nothing. What this can't show is a second machine, and a boot.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from harness.fleet import boxes, inventory
from harness.record import ROOT
from tests.test_fleet import until

TOOLS = ("sshd", "ssh", "ssh-keygen", "rsync", "systemctl", "unshare", "nsenter", "setpriv", "openssl")
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/lib/systemd"
MANAGER = """
set -eu
for groups in /sys/fs/cgroup/systemd /sys/fs/cgroup; do
    if mkdir "$groups/$TAG" 2>/dev/null; then echo $$ >"$groups/$TAG/cgroup.procs" && break; fi
done
mkdir -p /run/systemd /run/sshd
mount -t tmpfs tmpfs /run/systemd
mkdir /run/systemd/system  # what says that systemd runs here
"$SSHD" -D -e -f "$HOME/sshd_config" &
exec systemd --user
"""
CONFIG = """
Host spark-a
    HostName 127.0.0.1
    Port {port}
    IdentityFile {home}/key
    UserKnownHostsFile {home}/known
    StrictHostKeyChecking yes
"""
SSHD = """
ListenAddress 127.0.0.1
Port {port}
HostKey {home}/host
AuthorizedKeysFile {home}/key.pub
PidFile none
StrictModes no
UsePAM no
SetEnv HOME={home} XDG_RUNTIME_DIR={home}/run PATH={home}/bin:{path}
"""


class Site:
    """A controller and one box."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home = home
        self.checkout = home / "gb10-acceptance"
        for name in ("harness", "tests"):
            shutil.copytree(ROOT / name, self.checkout / name, ignore=shutil.ignore_patterns("__pycache__", "logs"))
        for name in (".git", ".venv"):
            (self.checkout / name).symlink_to((ROOT / name).resolve())
        for name in ("bin", "run"):
            (home / name).mkdir(mode=0o700)
        ports = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as probe:
                ports.append(probe.getsockname()[1])
        ssh, path = shutil.which("ssh"), os.environ["PATH"]
        for name, script in (("ssh", f'exec {ssh} -F {home}/ssh_config "$@"'), ("loginctl", "exit 0")):
            (home / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (home / "bin" / name).chmod(0o755)
        for name in ("key", "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)], check=True)
        (home / "known").write_text(f"[127.0.0.1]:{ports[0]} {(home / 'host.pub').read_text()}")
        (home / "ssh_config").write_text(CONFIG.format(home=home, port=ports[0]))
        (home / "sshd_config").write_text(SSHD.format(home=home, port=ports[0], path=path))
        self.file = home / "fleet.toml"
        self.file.write_text(
            f'[scheduler]\naddress = "127.0.0.1:{ports[1]}"\n[boxes.spark-a]\naddress = "127.0.0.1"\nssh = "spark-a"\n'
            f'directory = "{self.checkout}"\nenvironment = {{ DOCKER_HOST = "unix:///nowhere/docker.sock" }}\n'
        )
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "PATH": f"{home}/bin:{SBIN}",
            "TAG": f"gbs{os.getpid()}",
            "SSHD": str(shutil.which("sshd", path=SBIN)),
            "SYSTEMD_LOG_TARGET": "console",
        }
        with (home / "manager.log").open("wb") as log:
            argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", MANAGER]
            self.manager = subprocess.Popen(
                argv, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        stack.callback(self._end)
        try:
            until((home / "run" / "systemd" / "private").exists, 15, "a manager")
        except AssertionError:
            pytest.skip(f"no user manager of systemd can be started here: {self.log()}")

    def log(self) -> str:
        """What the manager and sshd said."""
        return (self.home / "manager.log").read_text()[-2000:]

    def _end(self) -> None:
        self.manager.terminate()
        self.manager.wait(timeout=30)
        with suppress(ProcessLookupError):
            os.killpg(self.manager.pid, 15)
        for groups in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup"):
            made = Path(groups) / self.environment["TAG"]
            if made.is_dir():
                until(lambda made=made: not (made / "cgroup.procs").read_text(), 10, "an empty group")  # type: ignore[misc]
                for path in sorted((path for path in made.rglob("*") if path.is_dir()), reverse=True):
                    path.rmdir()
                made.rmdir()

    def fleet(self, *verb: str, code: int = 0) -> str:
        """What a verb of the fleet says; it runs where the manager's systemd is this machine's."""
        argv = [sys.executable, "-m", "harness", "fleet", *verb, "--inventory", str(self.file)]
        done = subprocess.run(
            ["nsenter", f"--mount=/proc/{self.manager.pid}/ns/mnt", f"--wdns={self.checkout}", *argv],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said + self.log()
        return said


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Skipped where it can't be, or failed under --require-engine."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=SBIN) is None]
    reason = "it mounts, and needs root" if os.geteuid() else ""
    reason = f"there is no {', '.join(missing)} → apt-get install openssh-server rsync systemd" if missing else reason
    if reason and request.config.option.require_engine:
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


@pytest.mark.engine
def test_a_box_is_prepared_brought_up_and_taken_down_by_ssh(site: Site) -> None:
    """Certificates, workers as systemd units, weights by rsync: each verb does what it says, and says what failed."""
    assert "spark-a.pem" in site.fleet("certificates")
    assert "FAILED" not in site.fleet("up")
    there = site.checkout / "fleet" / "certificates"
    assert {(file.name, file.stat().st_mode & 0o77) for file in there.iterdir()} == {
        ("ca.pem", 0),
        ("spark-a.pem", 0),
        ("spark-a.key", 0),
    }, "neither the authority's key nor the controller's leaves the controller"
    until(lambda: "free" in site.fleet("status"), 30, f"a worker: {site.log()}")
    weights = site.home / "weights"
    (weights / "huggingface").mkdir(parents=True)
    (weights / "huggingface" / "model.safetensors").write_bytes(b"w" * 1_000_000)
    target = site.home / "vllm"
    said = site.fleet("prepare", "--weights", str(weights), "--target", str(target), "--image", "nowhere:1", code=1)
    assert "spark-a: docker pull nowhere:1: exit code 1" in said, "its engine is nowhere, and rsync came first"
    assert (target / "huggingface" / "model.safetensors").stat().st_size == 1_000_000
    assert "FAILED" not in site.fleet("down")
    assert "no scheduler answers" in site.fleet("status", code=2)
    site.file.write_text(site.file.read_text().replace('ssh = "spark-a"', 'ssh = "spark-b"'))
    assert "Could not resolve hostname spark-b" in site.fleet("up", code=1)


def test_systemd_takes_the_units_of_the_manual(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say of the scheduler's unit and of the workers'."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on PATH → apt-get install systemd")
    (tmp_path / "fleet.toml").write_text(
        (ROOT / "docs" / "fleet.md").read_text().partition("```toml\n")[2].partition("```")[0]
    )
    known = inventory.read(tmp_path / "fleet.toml")
    files = [tmp_path / boxes.unit_name(unit) for unit in (inventory.CONTROLLER, *known.units)]
    for file, unit in zip(files, (inventory.CONTROLLER, *known.units), strict=True):
        file.write_text(boxes.unit_file(known, unit, str(ROOT)))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", "--man=no", *map(str, files)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
