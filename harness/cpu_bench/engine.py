"""A Docker Engine that accepts the flags of a GB10's `docker run` line, on a machine that is none.

The user's own engine when it accepts them, tried with a real start of a tiny image; otherwise a *private* one: own
socket, data, bridge and containerd namespace. The private engine sets no iptables rule and no sysctl: published ports
go through docker-proxy, containers reach nothing outside, and an engine of the user's beside it is not disturbed.
Its life is independent of the process that started it; `stop` ends it.
"""

from __future__ import annotations

import hashlib
import io
import ipaddress
import json
import os
import platform
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cpu_bench import BenchError, clamp, share
from harness.cpu_bench.child import run, tail

if TYPE_CHECKING:
    from harness.progress import Progress

FLAGS = ("--gpus", "all", "--ipc=host", "--ulimit", "memlock=-1", "--ulimit", "stack=67108864", "-p", "127.0.0.1::8000")
"""What an engine must accept: the mission's flags, and a published port."""

START_S = 60.0
"""Seconds the private engine may take until it answers; measured 2 to 4 s."""
STOP_S = 30.0
"""Seconds the private engine may take to end before it is killed; measured 1 to 3 s."""
BRIDGE_MTU = 1500
SUBNETS = tuple(f"172.{second}.{third}.1/24" for second in (30, 29, 28) for third in (208, 209, 210))
"""Addresses for the private bridge, the first whose network is not in use."""
KEPT_ENV = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""All of the caller's environment that the private engine gets (proxies in either case): no secret."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the private engine lives: `state` on disk, `run` for sockets (107 bytes is all a socket path may have)."""

    state: Path
    run: Path
    bridge: str

    @property
    def socket(self) -> Path:
        """The engine's API."""
        return self.run / "docker.sock"

    @property
    def docker_host(self) -> str:
        """The value for DOCKER_HOST."""
        return f"unix://{self.socket}"

    @property
    def pid_file(self) -> Path:
        """Written by dockerd, holds its process id."""
        return self.run / "docker.pid"

    @property
    def data(self) -> Path:
        """Images and containers; must lie on a file system that overlay2 works on."""
        return self.state / "engine" / "data"

    @property
    def bin(self) -> Path:
        """First on the engine's PATH."""
        return self.state / "engine" / "bin"

    @property
    def log(self) -> Path:
        """The engine's output since its last start."""
        return self.state / "engine" / "dockerd.log"

    @property
    def choice(self) -> Path:
        """Remembers which engine was settled on, and the user's engine that accepted the flags."""
        return self.state / "engine" / "choice.json"

    @property
    def setup_log(self) -> Path:
        """The output of package installs."""
        return self.state / "logs" / "engine.log"


def places(state: Path) -> Places:
    """The private engine's places for a state directory; each directory has an engine of its own."""
    ordinary = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gb10-acceptance"
    suffix = "" if state == ordinary else "-" + hashlib.sha256(bytes(state)).hexdigest()[:6]
    return Places(state=state, run=Path(f"/run/gb10-acceptance{suffix}"), bridge=f"gb10acc{suffix.replace('-', '')}")


# --- what there is ---------------------------------------------------------------------------------------------------


def answers(docker_host: str) -> bool:
    """Whether an engine answers at a `unix://` address, within 2 s."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(2)
            s.connect(docker_host.removeprefix("unix://"))
            s.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in s.recv(64)
    except OSError:
        return False


def daemon(where: Places) -> int | None:
    """Process id of the private dockerd, or None. A pid file left by a kill or a reboot is no engine: its number may
    belong to another process by now, so the command line decides."""
    return _process(where.pid_file, "dockerd", str(where.data))


def _process(pid_file: Path, program: str, below: str) -> int | None:
    """The process id in `pid_file`, if that process runs `program` with an argument that starts with `below`."""
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (OSError, ValueError):
        return None
    return pid if program in words[0] and any(word.startswith(below) for word in words[1:]) else None


def running(state: Path) -> bool:
    """Whether the private engine runs and answers."""
    where = places(state)
    return daemon(where) is not None and answers(where.docker_host)


def user_host() -> str | None:
    """Address of the user's own engine: DOCKER_HOST, the Docker context, or the usual socket. None if there is none.

    Only `unix://` addresses count: mounts and ports of an engine elsewhere would not be those of this machine.
    """
    address = os.environ.get("DOCKER_HOST") or _context_host() or "unix:///var/run/docker.sock"
    path = address.removeprefix("unix://")
    return address if path != address and Path(path).is_socket() else None


def _context_host() -> str | None:
    """Address of the Docker context in use, None for the default one."""
    home = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    name = os.environ.get("DOCKER_CONTEXT")
    if not name:
        try:
            name = json.loads((home / "config.json").read_text()).get("currentContext")
        except (OSError, ValueError, AttributeError):
            return None
    if not name or name == "default":
        return None
    # Where the CLI keeps it: contexts/meta/<sha256 of the name>/meta.json
    meta = home / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    try:
        address = json.loads(meta.read_text())["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(address)


def expected(state: Path) -> str:
    """Address of the engine that a run here would use, without asking any: see `harness.cpu_bench.locate`."""
    where = places(state)
    own = user_host()
    if daemon(where) is None and own and _choice(where).get("docker_host") == own:
        return own
    return where.docker_host


def _choice(where: Places) -> dict[str, str]:
    try:
        found = json.loads(where.choice.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _choose(where: Places, docker_host: str, identity: str) -> None:
    """Remember the engine, replacing the file in one step."""
    wanted = {"docker_host": docker_host, "identity": identity}
    if _choice(where) != wanted:
        where.choice.parent.mkdir(parents=True, exist_ok=True)
        fresh = where.choice.with_suffix(".new")
        fresh.write_text(json.dumps(wanted))
        fresh.replace(where.choice)


# --- the docker command ----------------------------------------------------------------------------------------------


def docker_env(docker_host: str) -> dict[str, str]:
    """The caller's environment with the engine's address and nothing that leads to another engine."""
    foreign = ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_DEFAULT_PLATFORM")
    return {k: v for k, v in os.environ.items() if k not in foreign} | {"DOCKER_HOST": docker_host}


def docker(
    docker_host: str, *args: str, stdin: bytes | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[bytes]:
    """One short docker command; its exit code is the caller's to judge. Raises BenchError after `timeout` s."""
    try:
        return subprocess.run(
            ["docker", *args], input=stdin or b"", capture_output=True, env=docker_env(docker_host), timeout=timeout
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(
            f"`docker {' '.join(args[:3])} …` gave no answer from the engine at {docker_host} within {timeout:.0f} s. "
            f"The engine hangs: restart it, then run the same command again."
        ) from error
    except FileNotFoundError as error:
        raise BenchError(
            "There is no `docker` command on the PATH. Install it: sudo apt-get install docker.io"
        ) from error


# --- the probe -------------------------------------------------------------------------------------------------------

EXIT_0 = {
    "x86_64": (62, bytes.fromhex("b83c000000 31ff 0f05")),  # mov eax, 60 (exit); xor edi, edi; syscall
    "aarch64": (183, bytes.fromhex("000080d2 a80b80d2 010000d4")),  # mov x0, #0; mov x8, #93 (exit); svc #0
}
"""Architecture → ELF machine number and the code of a program that exits with 0."""


def elf(machine: str) -> bytes:
    """The smallest static program for `machine`: ELF header, one loadable segment, code. It exits with 0."""
    number, code = EXIT_0[machine]
    base, headers = 0x400000, 64 + 56
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)  # 64-bit, little-endian
    header = struct.pack("<HHIQQQIHHHHHH", 2, number, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = headers + len(code)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)  # load, read + execute
    return ident + header + segment + code


def probe_tar(machine: str) -> bytes:
    """A root file system with nothing but that program, as `/ok`."""
    program, out = elf(machine), io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("ok")
        member.size, member.mode = len(program), 0o755
        tar.addfile(member, io.BytesIO(program))
    return out.getvalue()


def refusal(docker_host: str) -> str | None:
    """Why the engine does not take the flags, or None: one real start of a tiny image, removed afterwards."""
    machine = platform.machine()
    if machine not in EXIT_0:
        return f"this machine is {machine}; vLLM's CPU build exists for {' and '.join(EXIT_0)}"
    name = f"gb10-acceptance-probe-{uuid.uuid4().hex[:8]}"
    made = docker(docker_host, "import", "--change", 'CMD ["/ok"]', "-", f"{name}:probe", stdin=probe_tar(machine))
    if made.returncode:
        return _reason(made)
    try:
        ran = docker(docker_host, "run", "--rm", "--name", name, *FLAGS, f"{name}:probe")
        return _reason(ran) if ran.returncode else None
    finally:
        docker(docker_host, "rm", "--force", name)
        docker(docker_host, "rmi", "--force", f"{name}:probe")


def _reason(process: subprocess.CompletedProcess[bytes]) -> str:
    """The daemon's words, on one line."""
    lines = [line for line in process.stderr.decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if "rror" in line] or lines or [f"exit code {process.returncode}"]
    return told[0].removeprefix("docker: ").strip()


# --- an engine, whatever it takes ------------------------------------------------------------------------------------


def ensure(state: Path, progress: Progress) -> str:
    """Address of an engine that accepts the flags; starts the private one if it takes that. Raises BenchError."""
    where = places(state)
    if daemon(where) is not None and answers(where.docker_host):
        _choose(where, where.docker_host, "private")
        return where.docker_host
    if (own := user_host()) and shutil.which("docker"):
        asked = docker(own, "version", "--format", "{{.Server.Version}}")
        if asked.returncode:
            progress.say(f"your Docker engine at {own} is not usable here: {_reason(asked)}; using a private one")
        else:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            identity = f"{asked.stdout.decode().strip()} {boot}"
            if _choice(where) == {"docker_host": own, "identity": identity}:
                return own
            with progress.step(f"try the required flags on your Docker engine at {own}"):
                reason = refusal(own)
            if reason is None:
                _choose(where, own, identity)
                return own
            progress.say(f"your Docker engine does not take the required flags ({reason}); using a private one")
    _start(where, progress)
    if reason := refusal(where.docker_host):
        raise BenchError(
            f"The private Docker engine runs, but refuses the required flags ({' '.join(FLAGS)}): {reason}. "
            f"Its log is {where.log}; last lines:\n{tail(where.log)}\n"
            "If this machine is itself a container, it needs --privileged; a virtual machine works as it is."
        )
    _choose(where, where.docker_host, "private")
    return where.docker_host


def _start(where: Places, progress: Progress) -> None:
    """Start the private engine and wait until it answers."""
    wanted = {"dockerd": "docker.io", "docker": "docker.io", "ip": "iproute2", "setpriv": "util-linux"}
    if _reads("/sys/module/apparmor/parameters/enabled") == "Y":
        wanted["apparmor_parser"] = "apparmor"  # the engine loads a profile into each container then
    need_root("start a private Docker engine")
    install(wanted, where.setup_log, progress)
    _sweep(where)
    _bridge(where)
    runtime = _tools(where)
    argv = [
        _which("dockerd") or "dockerd",
        *("--host", where.docker_host),
        *("--data-root", str(where.data)),
        *("--exec-root", str(where.run / "exec")),
        *("--pidfile", str(where.pid_file)),
        *("--config-file", str(where.bin / "daemon.json")),  # not the user's /etc/docker/daemon.json
        *("--bridge", where.bridge, "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
        *("--storage-driver", "overlay2"),
        # A containerd of the system is shared when there is one; names in it are not.
        *("--containerd-namespace", where.run.name, "--containerd-plugins-namespace", f"{where.run.name}-plugins"),
        *runtime,
        *share.lowered(where.run.name, progress.say),
    ]
    with progress.step("start a private Docker engine") as step:
        with where.log.open("wb") as log:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=_env(where), start_new_session=True
            )
        begun = time.monotonic()
        try:
            while not answers(where.docker_host):
                if child.poll() is not None:
                    raise BenchError(
                        f"The private Docker engine ended at once with exit code {child.returncode}. "
                        f"{_advice(where)} Last lines of {where.log}:\n{tail(where.log)}"
                    )
                if time.monotonic() - begun > START_S:
                    raise BenchError(
                        f"The private Docker engine did not answer within {START_S:.0f} s. "
                        f"Last lines of {where.log}:\n{tail(where.log)}"
                    )
                step.at(time.monotonic() - begun)
                time.sleep(0.1)
        except BaseException:
            child.terminate()
            raise
        child.returncode = 0  # it outlives this process, which will not wait for it: no ResourceWarning about that


def _advice(where: Places) -> str:
    """What usually helps when dockerd does not start."""
    text = tail(where.log, 40)
    if "overlay" in text and "not supported" in text:
        return (
            f"{where.data} lies on a file system that overlay2 does not work on: name a directory on ext4 or xfs "
            "with GB10_ACCEPTANCE_STATE."
        )
    return "If this machine is itself a container, it needs --privileged."


def _reads(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _which(name: str) -> str | None:
    """A command as root finds it: sbin is often not on a user's PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def _env(where: Places) -> dict[str, str]:
    """The private engine's environment."""
    kept = {k: v for k, v in os.environ.items() if k in KEPT_ENV or k.lower() in KEPT_ENV[:4]}
    return kept | {"PATH": f"{where.bin}:{SYSTEM_PATH}", "HOME": "/root"}


def _sweep(where: Places) -> None:
    """Clear what a killed engine or an earlier boot left; ends a dockerd of ours that does not answer.

    A containerd.pid of the past too: dockerd takes any process of that number, even a zombie, for its containerd, and
    waits for it in vain ("timeout waiting for containerd to start").
    """
    if pid := daemon(where):
        _end(pid)
    containerd = where.run / "exec" / "containerd" / "containerd.pid"
    if pid := _process(containerd, "containerd", str(where.run)):
        _end(pid)
    for stale in (where.pid_file, where.socket, containerd):
        stale.unlink(missing_ok=True)
    for directory in (where.run, where.data, where.bin):
        directory.mkdir(parents=True, exist_ok=True, mode=0o711)


def _tools(where: Places) -> list[str]:
    """Write what stands first on the engine's PATH; the arguments that make it use the clamping runtime, if needed.

    Docker takes `--gpus` when it finds an executable of this name, and calls it before each container with a GPU
    request; on a GB10 it comes with NVIDIA's toolkit and puts the driver into the container.
    """
    _script(where.bin / "nvidia-container-runtime-hook", "#!/bin/sh\nexit 0\n")
    (where.bin / "daemon.json").write_text("{}\n")
    if limits_can_be_raised():
        return []
    program = where.bin / "clamp.py"
    program.write_bytes(Path(clamp.__file__).read_bytes())
    python = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else os.path.realpath(sys.executable)
    runc = next((found for name in ("runc", "docker-runc") if (found := _which(name))), "runc")
    _script(where.bin / "runc-clamped", f'#!/bin/sh\nexec {python} -I -S {program} {runc} "$@"\n')
    return ["--add-runtime", f"clamped={where.bin / 'runc-clamped'}", "--default-runtime", "clamped"]


def _script(path: Path, text: str) -> None:
    """Write an executable, replacing it in one step: the engine may be running the old one."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(0o755)
    fresh.replace(path)


def limits_can_be_raised() -> bool:
    """Whether a process started here may set its limits to unlimited (CAP_SYS_RESOURCE)."""
    attempt = "import resource as r; r.setrlimit(r.RLIMIT_MEMLOCK, (r.RLIM_INFINITY, r.RLIM_INFINITY))"
    return subprocess.run([sys.executable, "-I", "-S", "-c", attempt], capture_output=True).returncode == 0


# --- the private bridge ----------------------------------------------------------------------------------------------


def free_subnet(routes: Sequence[str]) -> str:
    """The first of SUBNETS that overlaps none of the networks in `routes` (CIDR or `default`). Raises BenchError."""
    used = [ipaddress.ip_network(route, strict=False) for route in routes if route[0].isdigit()]
    for address in SUBNETS:
        network = ipaddress.ip_network(address, strict=False)
        if not any(network.overlaps(other) for other in used if other.version == 4):
            return address
    raise BenchError(
        f"No free network for the private Docker engine's bridge: all of {', '.join(SUBNETS)} are in use on this "
        "machine (`ip route`). Free one of them, or use a Docker engine of your own that accepts the flags."
    )


def _ip(*args: str) -> str:
    done = subprocess.run([_which("ip") or "ip", *args], capture_output=True, text=True)
    if done.returncode:
        raise BenchError(
            f"`ip {' '.join(args)}` failed: {done.stderr.strip()}. The private Docker engine needs a bridge of its "
            "own; if this machine is itself a container, it needs --privileged."
        )
    return done.stdout


def _bridge(where: Places) -> None:
    """A bridge that nobody else's engine uses. One that is there, with its address, is kept."""
    links = {link["ifname"]: link for link in json.loads(_ip("-json", "-4", "address", "show"))}
    if where.bridge not in links:
        _delete_bridge(where)  # present but without an address: half-made
        address = free_subnet(
            [route["dst"] for route in json.loads(_ip("-json", "-4", "route", "show", "table", "all"))]
        )
        _ip("link", "add", "name", where.bridge, "mtu", str(BRIDGE_MTU), "type", "bridge")
        _ip("address", "add", address, "dev", where.bridge)
    _ip("link", "set", where.bridge, "up")


def _delete_bridge(where: Places) -> None:
    subprocess.run([_which("ip") or "ip", "link", "delete", where.bridge], capture_output=True)


# --- the end ---------------------------------------------------------------------------------------------------------


def stop(state: Path) -> bool:
    """End the private engine and every container it runs. True if there was one. Images stay."""
    where = places(state)
    pid = daemon(where)
    if pid is None:
        return False
    need_root("stop the private Docker engine")
    if answers(where.docker_host) and shutil.which("docker"):
        with suppress(BenchError):  # a hanging engine is ended all the same
            if alive := docker(where.docker_host, "ps", "--quiet").stdout.decode().split():
                docker(where.docker_host, "kill", *alive)
    _end(pid)
    if where.data.is_mount():  # dockerd mounts it on itself; an earlier kill leaves that behind
        subprocess.run(["umount", str(where.data)], capture_output=True)
    _delete_bridge(where)
    for stale in (where.pid_file, where.socket):
        stale.unlink(missing_ok=True)
    return True


def _end(pid: int) -> None:
    """End a process that is no child of ours: asked, then killed after STOP_S; returns when it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], STOP_S)[0]:
                return
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


# --- packages --------------------------------------------------------------------------------------------------------


def need_root(what: str) -> None:
    """Raise BenchError unless this is root."""
    if os.geteuid() != 0:
        words = " ".join(sys.orig_argv)
        raise BenchError(
            f"Only root may {what}, and there is no Docker engine of yours here that accepts the required flags "
            f"({' '.join(FLAGS[:7])}). Run this once as root: sudo --preserve-env=HOME,PATH {words}"
        )


def missing(wanted: dict[str, str]) -> dict[str, str]:
    """Of `wanted` (command → Debian package), those whose command is not there."""
    return {command: package for command, package in wanted.items() if not _which(command)}


def install(wanted: dict[str, str], log: Path, progress: Progress) -> None:
    """Install the packages whose commands are missing, starting no daemon. Raises BenchError.

    `wanted` maps a command to the Debian package that brings it.
    """
    lacking = missing(wanted)
    if not lacking:
        return
    packages = sorted(set(lacking.values()))
    command = f"sudo apt-get update && sudo apt-get install --no-install-recommends {' '.join(packages)}"
    if not _which("apt-get"):
        raise BenchError(
            f"{', '.join(sorted(lacking))}: not on this machine, and there is no apt-get to install "
            f"{' '.join(packages)} with. The CPU bench is built with Debian's tools: run it on Debian 12 or newer or "
            "Ubuntu 22.04 or newer."
        )
    if os.geteuid() != 0:
        raise BenchError(
            f"{', '.join(sorted(lacking))}: not on this machine, and only root may install packages. Run: {command}"
        )
    env = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
    with no_daemon_starts():
        run([*apt, "update"], "read the package lists", log, progress, env=env)
        if "docker" in lacking and "docker-cli" in _known("docker-cli"):
            packages.append("docker-cli")  # Debian 13 has the command in a package of its own
        run(
            [*apt, "install", "--yes", "--no-install-recommends", *packages],
            f"install {' '.join(packages)}",
            log,
            progress,
            env=env,
        )
    if still := missing(wanted):
        raise BenchError(
            f"{', '.join(sorted(still))}: still not on the PATH after `{command}`. Its output is in {log}."
        )


def _known(package: str) -> str:
    return subprocess.run(["apt-cache", "pkgnames", package], capture_output=True, text=True).stdout


POLICY = "#!/bin/sh\n# gb10-acceptance: starts nothing while it installs packages\nexit 101\n"


@contextmanager
def no_daemon_starts(policy: Path = Path("/usr/sbin/policy-rc.d")) -> Iterator[None]:
    """While inside, packages that are installed start nothing (Debian's policy-rc.d). The machine is left as found:
    a file of the user's is kept; one of ours that a killed run left is taken away."""
    try:
        ours = policy.read_text() == POLICY
    except FileNotFoundError:
        ours = True
    if ours:
        _script(policy, POLICY)
    try:
        yield
    finally:
        if ours:
            policy.unlink(missing_ok=True)
