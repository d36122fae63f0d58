"""The bench choice: options and this machine → Bench. Nothing else imports `harness.cpu_bench`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from harness import cpu_bench
from harness.progress import Progress
from harness.types import Bench, Host, Noun
from harness.variants import IMAGE, PORT

PLACEHOLDER_TOKEN = "placeholder-the-miniatures-need-none"
"""The CPU bench's HF_TOKEN: it never leaves the machine (HF_HUB_OFFLINE=1)."""
PROVES = {
    "gb10": "this deployment on this hardware",
    "cpu": "the procedure, not the hardware: real Docker, real vLLM, exact flags, but miniature checkpoints on a CPU",
}


class BenchUnavailableError(Exception):
    """The asked-for bench is not to be had here: what, and what to do."""


class Choice(Noun):
    """What the user asked for; the same options in pytest and on the command line."""

    bench: Literal["auto", "gb10", "cpu"] = "auto"
    image: str | None = None
    port: int = PORT
    vllm_home: str | None = None
    require_gb10: bool = False


def choose(choice: Choice, host: Host) -> Bench:
    """The bench that a run here would use, with nothing prepared or started.

    Raises BenchUnavailableError when `require_gb10` is set and this is no GB10.
    """
    seen = f"{host.gpu or 'no NVIDIA GPU'} on {host.architecture}"
    if choice.require_gb10 and (choice.bench == "cpu" or not host.is_gb10):
        raise BenchUnavailableError(
            f"--require-gb10: found {seen}, bench {choice.bench}; wanted NVIDIA GB10 on aarch64 → run this on the GB10"
        )
    name: Literal["gb10", "cpu"] = ("gb10" if host.is_gb10 else "cpu") if choice.bench == "auto" else choice.bench
    chosen = f"found {seen}" if choice.bench == "auto" else f"--bench {choice.bench}"
    if name == "cpu":
        where = cpu_bench.locate()
        docker_host, image, home = where.docker_host, where.image, str(where.vllm_home)
        env: dict[str, str | None] = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    else:
        from harness.engine import default_docker_host

        docker_host, image, home, env = default_docker_host(), IMAGE, "~/vllm", {}
    return Bench(
        name=name,
        chosen=chosen,
        docker_host=docker_host,
        image=choice.image or image,
        vllm_home=str(Path(choice.vllm_home or home).expanduser()),
        port=choice.port,
        env=env,
        proves=PROVES[name],
    )


def prepare(bench: Bench, choice: Choice, progress: Progress) -> Bench:
    """Make the bench ready: on the CPU bench the engine, the image and the miniatures, where they are missing.

    Raises cpu_bench.BenchError with what, and what to do.
    """
    if bench.name == "gb10":
        return bench
    made = cpu_bench.prepare(progress)
    return bench.model_copy(
        update={
            "docker_host": made.docker_host,
            "image": choice.image or made.image,
            "vllm_home": choice.vllm_home or str(made.vllm_home),
        }
    )


def miniature_home(progress: Progress) -> Path:
    """A vLLM home with miniature checkpoints and encodings, for starts that must fail: on any bench."""
    return cpu_bench.miniature_home(progress)


def environment(bench: Bench, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What variables passed by name take their values from."""
    return {**environ, "HF_TOKEN": PLACEHOLDER_TOKEN} if bench.name == "cpu" else dict(environ)
