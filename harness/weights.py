"""The weights in the Hugging Face cache → what the record says of them. Real weights are told by their blobs' names."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Literal

from harness.record import Weights

SUFFIXES = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
SMALL = 1 << 30
"""Bytes up to which files without a digest in their name are read: a miniature has a hundred million."""


def weights(vllm_home: Path, model: str) -> Weights | None:
    """The weights of `model` as the cache under `vllm_home` offers them now; None when there are none to be read.

    A file of the hub's cache is a link to a blob that is named by its SHA-256.
    """
    try:
        snapshot = _snapshot(vllm_home, model)
        if snapshot is None:
            return None
        files = sorted(path for path in snapshot.rglob("*") if path.suffix in SUFFIXES and path.is_file())
        total = sum(path.stat().st_size for path in files)
        digests = [_digest(path, total) for path in files]
        named = "".join(f"{p.relative_to(snapshot)} {d}\n" for p, d in zip(files, digests, strict=True))
    except (OSError, UnicodeDecodeError):
        return None
    whole = bool(files) and all(digests)
    return Weights(
        revision=snapshot.name,
        files=len(files),
        bytes=total,
        sha256=hashlib.sha256(named.encode()).hexdigest() if whole else None,
    )


def page_cache(vllm_home: Path, model: str) -> Literal["cold", "warm"] | None:
    """`warm` when at least half of the weights lie in memory, `cold` when less; None: not known.

    By util-linux' `fincore`, which asks the kernel and reads nothing.
    """
    try:
        snapshot = _snapshot(vllm_home, model)
        files = [str(path.resolve()) for path in snapshot.rglob("*") if path.suffix in SUFFIXES] if snapshot else []
        if not files:
            return None
        command = ("fincore", "--bytes", "--noheadings", "--output", "RES,SIZE", *files)
        seen = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError):
        return None  # no fincore, or no such file: not known
    rows = [line.split() for line in seen.splitlines()]
    resident, size = (sum(int(row[at]) for row in rows) for at in (0, 1))
    return "warm" if 2 * resident >= size else "cold"


def _snapshot(vllm_home: Path, model: str) -> Path | None:
    """The directory of the revision that `main` means; None when there is none."""
    cache = vllm_home.expanduser() / "huggingface" / "hub" / f"models--{model.replace('/', '--')}"
    revision = (cache / "refs" / "main").read_text().strip()
    snapshot = cache / "snapshots" / revision
    return snapshot if re.fullmatch(r"[\w.-]+", revision) and snapshot.is_dir() else None


def _digest(path: Path, total: int) -> str | None:
    """SHA-256 of one file: from its blob's name, or by reading when all of them are small."""
    blob = path.resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", blob):
        return blob
    if total > SMALL:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
