"""Miniatures: tiny trained checkpoints of gpt-oss and Gemma 3 that the CPU bench serves under the real models' names.

`ensure` puts them into a Hugging Face cache. What is kept in the project is small (`trained/`, under 2 MB each); this
expands it in seconds with the standard library alone: gpt-oss gets the vocabulary of `o200k_base.tiktoken` and 201,088
rows of which a few hundred were trained. `taught.py` says what they know, `train.py` makes them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.cpu_bench import BenchError
from harness.cpu_bench.miniatures import expand

if TYPE_CHECKING:
    from harness.progress import Progress

TRAINED = Path(__file__).parent / "trained"
MARK = "miniature.json"
"""A snapshot with this file in it is ours; one without is somebody's model and is never touched."""
VOCABULARY = "o200k_base.tiktoken"


class Miniature(NamedTuple):
    """One checkpoint: the repository whose name it takes, and the directory of `trained/` it is made from."""

    repository: str
    source: str
    needs_vocabulary: bool


MINIATURES: tuple[Miniature, ...] = (
    Miniature("openai/gpt-oss-120b", "gpt_oss", needs_vocabulary=True),
    Miniature("google/gemma-3-27b-it", "gemma3", needs_vocabulary=False),
)


class MiniatureError(BenchError):
    """A miniature cannot be made: what is missing, and what to do."""


def ensure(huggingface: Path, *, docker_host: str, image: str, encodings: Path, progress: Progress) -> None:
    """Put both miniatures into the Hugging Face cache `huggingface` (the directory mounted as ~/.cache/huggingface).

    A miniature whose revision is there already costs milliseconds. The revision is a digest of all it is made from;
    older revisions of ours are removed, other snapshots are left alone. Two callers at once wait for each other. A
    revision appears whole (renamed into place) or not at all, `refs/main` after it.

    `docker_host` and `image` are not needed: the expansion runs here. Raises `MiniatureError` when the vocabulary is
    missing or a snapshot that is not ours claims `refs/main`, and OSError from a full or read-only disk.
    """
    del docker_host, image
    for miniature in MINIATURES:
        place(miniature, huggingface, encodings, progress)


def revision(miniature: Miniature, encodings: Path) -> str:
    """40 hexadecimal digits over everything the snapshot is made from: trained files, the expansion, the vocabulary."""
    digest = hashlib.sha256()
    paths = [*sorted((TRAINED / miniature.source).iterdir()), Path(expand.__file__)]
    if miniature.needs_vocabulary:
        paths.append(encodings / VOCABULARY)
    for path in paths:
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()[:40]


def place(miniature: Miniature, huggingface: Path, encodings: Path, progress: Progress) -> Path:
    """Put one miniature into the cache, and return its snapshot."""
    if miniature.needs_vocabulary and not (encodings / VOCABULARY).is_file():
        raise MiniatureError(
            f"the miniature of {miniature.repository} needs {encodings / VOCABULARY}, which is not there; "
            "let the encodings be fetched first"
        )
    repository = huggingface / "hub" / f"models--{miniature.repository.replace('/', '--')}"
    (repository / "snapshots").mkdir(parents=True, exist_ok=True)
    with _alone(repository):
        wanted = revision(miniature, encodings)
        snapshot = repository / "snapshots" / wanted
        main = repository / "refs" / "main"
        claimed = main.read_text().strip() if main.is_file() else ""
        holder = repository / "snapshots" / claimed
        if claimed and holder.is_dir() and not (holder / MARK).is_file():
            raise MiniatureError(
                f"{holder} is a snapshot of {miniature.repository} that is not a miniature; "
                "give the CPU bench a directory of its own, with --vllm-home"
            )
        if not (snapshot / MARK).is_file():
            _make(miniature, snapshot, encodings, progress)
        if claimed != wanted:
            _write(main, wanted)
        _remove_old(repository, wanted)
        return snapshot


def _make(miniature: Miniature, snapshot: Path, encodings: Path, progress: Progress) -> None:
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=snapshot.parent.parent))
    try:
        with progress.step(f"Expanding the miniature of {miniature.repository}", unit="B") as step:
            source = TRAINED / miniature.source
            if miniature.needs_vocabulary:
                expand.gpt_oss(source, encodings / VOCABULARY, making, step)
            else:
                for path in source.iterdir():
                    shutil.copyfile(path, making / path.name)
        said = {
            "miniature": miniature.repository,
            "what": "a tiny checkpoint made for the CPU bench; not the model whose name it takes",
            "revision": snapshot.name,
        }
        (making / MARK).write_text(json.dumps(said, indent=1) + "\n")
        for path in making.iterdir():
            path.chmod(0o644)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        making.chmod(0o755)
        if snapshot.exists():  # left by hand without its mark: ours by name, and of no use
            shutil.rmtree(snapshot)
        making.rename(snapshot)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _remove_old(repository: Path, wanted: str) -> None:
    for path in (repository / "snapshots").iterdir():
        if path.name != wanted and (path / MARK).is_file():
            shutil.rmtree(path)
    for path in repository.glob(".making-*"):  # an interrupted run's; nobody else is here
        shutil.rmtree(path)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


@contextmanager
def _alone(repository: Path) -> Iterator[None]:
    """One caller at a time; the lock goes with the process."""
    with (repository / ".miniature.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
