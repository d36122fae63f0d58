"""Exports: what is started from one is the container that was judged, as `docker inspect` shows it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import cpu_bench
from harness.exports import FORMATS, export
from harness.flags import differences, resolve
from harness.types import DockerFlags
from harness.variants import VARIANTS, find
from tests import samples

if TYPE_CHECKING:
    from harness.engine import Engine

SECRET = "planted-secret-0123456789"
AWKWARD = 'it\'s 100 % "$HOME" and \\n a `tick`; $(no) {{x}}'


@pytest.fixture
def flags(request: pytest.FixtureRequest, tmp_path: Path) -> DockerFlags:
    """A probe with all the flags of gpt-oss, and arguments and values that every quoting must survive."""
    for directory in ("huggingface", "encodings"):
        (tmp_path / "vllm home" / directory).mkdir(parents=True)
    with socket.create_server(("", 0)) as probe:
        port = probe.getsockname()[1]
    image = request.config.option.image or cpu_bench.locate().image
    bench = samples.CPU.model_copy(
        update={"image": image, "vllm_home": str(tmp_path / "vllm home"), "port": port, "env": {"AWKWARD": AWKWARD}}
    )
    wait = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up', flush=True); "
    command = ("python3", "-c", f"{wait}signal.pause()", AWKWARD)
    update = {"name": f"vllm-export-{os.getpid()}", "command": command, "labels": {}}
    return resolve(find("gpt-oss-120b"), bench).model_copy(update=update)


@pytest.fixture
def environ(engine_or_skip: Engine, flags: DockerFlags) -> Iterator[dict[str, str]]:
    """The reader's environment, with the token; whatever happened, the container is gone after the test."""
    yield os.environ | {"DOCKER_HOST": engine_or_skip.docker_host, "HF_TOKEN": SECRET}
    if (left := engine_or_skip.find(flags.name)) is not None:
        engine_or_skip.remove(left.id, gracefully=False)


def inspected(engine: Engine, flags: DockerFlags) -> list[str]:
    """What differs from the flags in the container that runs under their name; Compose's own labels apart."""
    container = engine.find(flags.name)
    assert container is not None
    seen: dict[str, Any] = container.inspect()
    assert seen["State"]["Running"]
    assert f"HF_TOKEN={SECRET}" in seen["Config"]["Env"]
    seen["Config"]["Labels"] = {
        k: v for k, v in seen["Config"]["Labels"].items() if not k.startswith("com.docker.compose")
    }
    image = engine.image(flags.image)
    assert image is not None
    return differences(flags, seen, image.raw)


@pytest.mark.engine
def test_the_harness_s_own_start_differs_in_nothing(
    engine_or_skip: Engine, flags: DockerFlags, environ: dict[str, str]
) -> None:
    """The original, to compare with."""
    with engine_or_skip.run(flags, environ):
        assert inspected(engine_or_skip, flags) == []


@pytest.mark.engine
def test_the_shell_line_starts_the_same_container(
    engine_or_skip: Engine, flags: DockerFlags, environ: dict[str, str]
) -> None:
    """Executed by sh, as pasted."""
    line = export(flags, "docker-run")
    subprocess.run(["sh", "-euc", line], env=environ, check=True, capture_output=True, timeout=60)
    assert inspected(engine_or_skip, flags) == []


@pytest.mark.engine
def test_the_compose_file_starts_the_same_container(
    engine_or_skip: Engine, flags: DockerFlags, environ: dict[str, str], tmp_path: Path
) -> None:
    """By docker-compose or the plugin, whichever is here."""
    compose = _compose()
    (tmp_path / "compose.yaml").write_text(export(flags, "compose"))
    more = ["-f", str(tmp_path / "compose.yaml"), "-p", flags.name]
    up = subprocess.run(
        [*compose, *more, "up", "--detach"], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert up.returncode == 0, up.stdout + up.stderr
    assert inspected(engine_or_skip, flags) == []


def _compose() -> list[str]:
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("neither `docker compose` nor docker-compose is installed → apt-get install docker-compose")


@pytest.mark.engine
def test_the_systemd_unit_starts_the_same_container(
    engine_or_skip: Engine, flags: DockerFlags, environ: dict[str, str]
) -> None:
    """Its ExecStart, run as systemd would: words, `%%` and `$$` as systemd.service(5) says. It ends with its stop."""
    unit = export(flags, "systemd", engine_or_skip.docker_host)
    commands = dict(re.findall(r"^(Exec\w+)=-?(.*)$", unit, re.M))
    with subprocess.Popen(as_systemd(commands["ExecStart"]), env=environ, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        assert inspected(engine_or_skip, flags) == []
        subprocess.run(as_systemd(commands["ExecStop"]), env=environ, check=True, capture_output=True, timeout=60)
        assert running.wait(timeout=60) == 0
    assert engine_or_skip.find(flags.name) is not None  # for `docker logs`
    subprocess.run(as_systemd(commands["ExecStartPre"]), env=environ, check=True, capture_output=True, timeout=60)
    assert engine_or_skip.find(flags.name) is None


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(flags: DockerFlags, tmp_path: Path) -> None:
    """systemd-analyze verify says nothing."""
    unit = tmp_path / "vllm.service"
    unit.write_text(export(flags, "systemd", "unix:///run/x.sock"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    own = [line for line in (done.stdout + done.stderr).splitlines() if "vllm.service" in line]
    assert own == []


def as_systemd(line: str) -> list[str]:
    """A command line of a unit, read as systemd does: quotes and backslashes as in C, then `%%` and `$$`."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|([^ \t\n]+)', line)
    escapes = {"\\\\": "\\", '\\"': '"', "\\n": "\n", "\\t": "\t"}
    plain = (re.sub(r"\\.", lambda m: escapes[m[0]], quoted) if quoted else bare for quoted, bare in words)
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
def test_any_argument_survives_every_form(word: str) -> None:
    """What the shell, Compose and systemd read is the argument that was written."""
    flags = resolve(find("gpt-oss-120b"), samples.CPU)
    flags = flags.model_copy(update={"command": ("python3", word)})
    assert shlex.split(export(flags, "docker-run"))[-1] == word
    (command,) = re.findall(r"^    command: (.*)$", export(flags, "compose"), re.M)
    assert json.loads(command.replace("$$", "$")) == ["python3", word]
    (line,) = re.findall(r"^ExecStart=(.*)$", export(flags, "systemd"), re.M)
    assert as_systemd(line)[-1] == word


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_the_token_is_passed_by_name_only(variant: Any, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No form holds its value, and each says the name."""
    monkeypatch.setenv("HF_TOKEN", SECRET)
    told = export(resolve(variant, samples.CPU), form)
    assert SECRET not in told
    assert "HF_TOKEN" in told
