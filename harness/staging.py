"""Faults made real: what a failure entry changes in a start, the scenes around it, and the remedy applied."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.bench import miniature_home
from harness.engine import Engine
from harness.flags import resolve, shell_line
from harness.progress import Progress
from harness.types import Bench, Diagnosis, DockerFlags, Fault, Mend, Variant

CPU_UTILIZATION = "0.20"
KILL_ENGINE = """
import os, pathlib, signal
for process in pathlib.Path('/proc').glob('[0-9]*'):
    try: title = (process / 'cmdline').read_bytes()
    except OSError: continue
    if b'EngineCore' in title and int(process.name) != os.getpid(): os.kill(int(process.name), signal.SIGKILL)
"""


def faulty(variant: Variant, bench: Bench) -> tuple[Variant, Bench]:
    """The variant and the bench with the variant's fault; pure, and the same values when there is none."""
    fault = variant.benches[bench.name].fault
    if fault is None:
        return variant, bench
    docker = variant.docker.model_copy(
        update={
            "mounts": tuple(m for m in variant.docker.mounts if m.target not in fault.without_mounts) + fault.mounts,
            "env": variant.docker.env | fault.env,
            "memory": fault.memory,
        }
    )
    changes = {"docker": docker, "serve": variant.serve + fault.serve}
    changes |= {"program": fault.program} if fault.program else {}
    changes |= {"model": fault.model} if fault.model else {}
    env = {name: value for name, value in bench.env.items() if name not in fault.without_env}
    moved = {"env": env, "image": fault.image or bench.image, "docker_host": fault.docker_host or bench.docker_host}
    return variant.model_copy(update=changes), bench.model_copy(update=moved)


@dataclass
class Scene:
    """What surrounds a start. `end` undoes it, as the remedy asks."""

    home: Path
    after_start: Callable[[Engine, str], None] | None = None
    """Called with the engine and the container's id once it serves."""
    stack: ExitStack = field(default_factory=ExitStack)

    def end(self) -> None:
        """Undo everything that was staged."""
        self.stack.close()


@contextmanager
def staged(variant: Variant, bench: Bench, engine: Engine, progress: Progress) -> Iterator[Scene]:
    """Set the scene of the variant's fault: miniatures in a vLLM home, and whatever the fault names."""
    home = miniature_home(progress)
    fault = variant.benches[bench.name].fault or Fault()
    scene = Scene(home=home)
    with scene.stack:
        if fault.staging:
            SCENES[fault.staging](scene, variant, bench, engine)
        yield scene


def _name_taken(scene: Scene, variant: Variant, bench: Bench, engine: Engine) -> None:
    with socket.create_server(("", 0)) as probe:
        port = probe.getsockname()[1]
    flags = resolve(variant, bench.model_copy(update={"port": port}))
    holder = flags.model_copy(update={"command": ("sleep", "600"), "labels": {}})
    scene.stack.enter_context(engine.run(holder, {}))


def _port_taken(scene: Scene, variant: Variant, bench: Bench, engine: Engine) -> None:  # noqa: ARG001
    scene.stack.enter_context(socket.create_server(("", bench.port)))


def _engine_killed(scene: Scene, variant: Variant, bench: Bench, engine: Engine) -> None:  # noqa: ARG001
    scene.after_start = lambda engine, container_id: engine.execute(container_id, ["python3", "-c", KILL_ENGINE])


def _file_in_the_way(scene: Scene, variant: Variant, bench: Bench, engine: Engine) -> None:  # noqa: ARG001
    (scene.home / "not-a-directory").write_text("a mount below this file can't be made\n")


def _checkpoint(break_it: Callable[[Path], None]) -> Callable[[Scene, Variant, Bench, Engine], None]:
    """A scene with a copy of the model's miniature, broken by `break_it` (which gets the snapshot's directory)."""

    def scene_of(scene: Scene, variant: Variant, bench: Bench, engine: Engine) -> None:  # noqa: ARG001
        whole, repository = scene.home, f"huggingface/hub/models--{variant.model.replace('/', '--')}"
        scene.home = whole.with_name(f"{whole.name}-broken")
        shutil.rmtree(scene.home, ignore_errors=True)
        shutil.copytree(whole / repository, scene.home / repository, symlinks=True)
        (snapshot,) = (scene.home / repository / "snapshots").iterdir()
        break_it(snapshot)

        def mend() -> None:
            shutil.rmtree(scene.home / repository)
            shutil.copytree(whole / repository, scene.home / repository, symlinks=True)

        scene.stack.callback(mend)

    return scene_of


def _cut_weights(snapshot: Path) -> None:
    for weights in snapshot.glob("*.safetensors"):
        data = weights.read_bytes()
        weights.unlink()
        weights.write_bytes(data[: len(data) // 2])


def _damage_tokenizer(snapshot: Path) -> None:
    file = snapshot / "tokenizer.json"
    described = json.loads(file.read_text())
    described["model"]["type"] = "NoSuchModel"
    file.unlink()
    file.write_text(json.dumps(described))


def _unknown_architecture(snapshot: Path) -> None:
    file = snapshot / "config.json"
    described = json.loads(file.read_text())
    file.unlink()
    file.write_text(json.dumps(described | {"architectures": ["NoSuchModelForCausalLM"]}))


SCENES: dict[str, Callable[[Scene, Variant, Bench, Engine], None]] = {
    "name-taken": _name_taken,
    "port-taken": _port_taken,
    "engine-killed": _engine_killed,
    "file-in-the-way": _file_in_the_way,
    "weights-cut-short": _checkpoint(_cut_weights),
    "tokenizer-damaged": _checkpoint(_damage_tokenizer),
    "architecture-unknown": _checkpoint(_unknown_architecture),
}


def named_flags(remedy: str) -> tuple[str, ...]:
    """The flags with a number that a remedy names, e.g. `--max-model-len 4096`, as arguments."""
    found = re.findall(r"(--[a-z-]+)(?: to| )\s*(\d[\d.]*)", remedy)
    return tuple(part for flag, value in found for part in (flag, value.rstrip(".")))


def _modest(flag: str, value: str) -> str:
    """The value of a flag that the CPU bench applies: of a utilization "or less" is taken, because the CPU build
    really touches that share of the host's memory."""
    return min(value, CPU_UTILIZATION) if flag == "--gpu-memory-utilization" else value


def named_command(remedy: str) -> str:
    """The first command in backticks that a remedy names; an empty text when it names none."""
    found = re.search(r"`(docker [^`]+)`", remedy)
    return found.group(1) if found else ""


def apply_remedy(
    variant: Variant, bench: Bench, engine: Engine, scene: Scene, diagnosis: Diagnosis
) -> tuple[str, DockerFlags]:
    """Do what the remedy says, short of the start: returns what was applied, and the flags to start with.

    `variant` is the entry as declared, `bench` has the vLLM home of its scene. Raises ValueError when the remedy names
    nothing that could be applied: an operator could not type it either.
    """
    expectation = variant.benches[bench.name]
    wrong, place = faulty(variant, bench)
    flags = resolve(wrong, place)
    if expectation.mend is Mend.FLAGS:
        named = named_flags(diagnosis.remedy.en)
        if not named:
            raise ValueError(f"the remedy names no flag with a value: {diagnosis.remedy.en}")
        if bench.name == "cpu":
            named = tuple(_modest(flag, value) for flag, value in zip(("", *named), named, strict=False))
        return " ".join(named), resolve(wrong.model_copy(update={"serve": wrong.serve + named}), place)
    if expectation.mend is Mend.UNDO:
        fault = expectation.fault or Fault()
        flags = resolve(variant.model_copy(update={"serve": variant.serve + fault.serve}), bench)
        return shell_line(flags), flags
    if expectation.mend is Mend.COMMAND:
        command = named_command(diagnosis.remedy.en)
        if not command:
            raise ValueError(f"the remedy names no command: {diagnosis.remedy.en}")
        words = shlex.split(command)
        subprocess.run([words[0], "--host", engine.docker_host, *words[1:]], check=True, capture_output=True)
        return command, flags
    scene.end()
    return "what was in the way is gone", flags
