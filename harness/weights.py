"""The weights in the Hugging Face cache → what the record says of them. Real weights are told by their blobs' names."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from harness.record import Weights

SUFFIXES = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
SMALL = 1 << 30
"""Bytes up to which files without a digest in their name are read: a miniature has a hundred million."""


def weights(vllm_home: Path, model: str) -> Weights | None:
    """The weights of `model` as the cache under `vllm_home` offers them now; None when there are none to be read.

    A file of the hub's cache is a link to a blob that is named by its SHA-256.
    """
    cache = vllm_home.expanduser() / "huggingface" / "hub" / f"models--{model.replace('/', '--')}"
    try:
        revision = (cache / "refs" / "main").read_text().strip()
        snapshot = cache / "snapshots" / revision
        if not re.fullmatch(r"[\w.-]+", revision) or not snapshot.is_dir():
            return None
        files = sorted(path for path in snapshot.rglob("*") if path.suffix in SUFFIXES and path.is_file())
        total = sum(path.stat().st_size for path in files)
        digests = [_digest(path, total) for path in files]
        named = "".join(f"{p.relative_to(snapshot)} {d}\n" for p, d in zip(files, digests, strict=True))
    except (OSError, UnicodeDecodeError):
        return None
    whole = bool(files) and all(digests)
    return Weights(
        revision=revision,
        files=len(files),
        bytes=total,
        sha256=hashlib.sha256(named.encode()).hexdigest() if whole else None,
    )


def _digest(path: Path, total: int) -> str | None:
    """SHA-256 of one file: from its blob's name, or by reading when all of them are small."""
    blob = path.resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", blob):
        return blob
    if total > SMALL:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
