"""The CPU bench: a real Docker Engine and real vLLM (CPU build) on any Debian or Ubuntu machine without a GB10.

It replaces the hardware and the weights, nothing else: `engine` gives a Docker Engine that accepts the flags of a
GB10's `docker run` line, `image` gives an image in which `vllm serve …` runs as on the GB10's, `miniatures` gives
tiny checkpoints under the same repository names. Only the choice of a bench imports this package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.progress import Progress

STATE = Path(
    os.environ.get("GB10_ACCEPTANCE_STATE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gb10-acceptance"
).absolute()
"""Everything the CPU bench keeps, shared by every checkout of this user; GB10_ACCEPTANCE_STATE moves it."""

ENCODINGS = ("o200k_base.tiktoken", "cl100k_base.tiktoken")
"""Vocabulary files that gpt-oss needs in the vLLM home."""


class BenchError(Exception):
    """The CPU bench cannot be had: what happened, against what limit, what to do now, in one paragraph."""


@dataclass(frozen=True, kw_only=True)
class CpuBench:
    """What a run on the CPU bench uses."""

    docker_host: str
    """`unix://` address of the engine."""
    image: str
    """Tag of the image with vLLM; its suffix is the hash of what it is made from."""
    vllm_home: Path
    """Holds `huggingface` (the miniatures, as a Hugging Face cache) and `encodings`."""


def locate() -> CpuBench:
    """What a run here would use, whether or not it is there yet: starts nothing, changes nothing, asks no daemon.

    Before the first `prepare()` that is the private engine; afterwards the engine that `prepare()` settled on.
    """
    from harness.cpu_bench import engine, image

    return CpuBench(docker_host=engine.expected(STATE), image=image.tag(), vllm_home=STATE / "vllm-home")


def prepare(progress: Progress) -> CpuBench:
    """Bring everything that is missing: engine, image, encodings, miniatures. What is there is not touched.

    Two at once: the second waits for the first, saying so. May be interrupted at any moment; the next call goes on
    from the last finished stage. Raises BenchError.
    """
    from harness.cpu_bench import engine, image
    from harness.cpu_bench.child import exclusive

    with _told(), exclusive(STATE / "lock", progress):
        host = engine.ensure(STATE, progress)
        tag = image.ensure(host, STATE, progress)
    return CpuBench(docker_host=host, image=tag, vllm_home=miniature_home(progress))


def miniature_home(progress: Progress) -> Path:
    """A vLLM home with the encodings and both miniatures, which are brought where they are missing.

    Also for starts that must fail on another bench. Raises BenchError.
    """
    from harness.cpu_bench.child import exclusive
    from harness.cpu_bench.miniatures import ensure as ensure_miniatures
    from harness.encodings import ensure as ensure_encodings

    home = STATE / "vllm-home"
    with _told(), exclusive(STATE / "lock", progress):
        ensure_encodings(home / "encodings", ENCODINGS, progress)
        ensure_miniatures(
            home / "huggingface", docker_host="", image="", encodings=home / "encodings", progress=progress
        )
    return home


@contextmanager
def _told() -> Iterator[None]:
    """Whatever goes wrong below is a BenchError that says what to do."""
    from harness.cpu_bench.miniatures import MiniatureError
    from harness.encodings import EncodingsError

    try:
        yield
    except (EncodingsError, MiniatureError) as error:
        raise BenchError(str(error)) from error
    except OSError as error:
        raise BenchError(
            f"{error}. The CPU bench keeps everything below {STATE}: make room or make it writable, or name another "
            "directory with GB10_ACCEPTANCE_STATE, then run the same command again."
        ) from error


def running() -> bool:
    """Whether the private engine runs and answers."""
    from harness.cpu_bench import engine

    return engine.running(STATE)


def stop() -> bool:
    """End the private engine and every container it runs; what it has built stays. True if there was one.

    Waits for a `prepare` under way. Raises BenchError.
    """
    from harness.cpu_bench import engine
    from harness.cpu_bench.child import exclusive
    from harness.progress import progress

    if engine.daemon(engine.places(STATE)) is None:
        return False
    with exclusive(STATE / "lock", progress()):
        return engine.stop(STATE)
