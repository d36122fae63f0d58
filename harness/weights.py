"""The weights in the Hugging Face cache → what the record says of them. Real weights are told by their blobs' names."""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import re
from pathlib import Path
from typing import Literal

from harness.record import Weights

SUFFIXES = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
SMALL = 1 << 30
"""Bytes up to which files without a digest in their name are read: a miniature has a hundred million."""
MAPPED = 1 << 28
"""Bytes of a file that are asked about at once."""
LOWEST_BIT = bytes(byte & 1 for byte in range(256))
"""Of what the kernel says of a page, only this bit has a meaning."""


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

    The kernel is asked (mincore), and nothing is read. It tells only who may write to a file, and calls all of it
    resident to anybody else.
    """
    try:
        snapshot = _snapshot(vllm_home, model)
        files = [path.resolve() for path in snapshot.rglob("*") if path.suffix in SUFFIXES] if snapshot else []
        if not files or not all(file.stat().st_uid == os.geteuid() or os.access(file, os.W_OK) for file in files):
            return None
        inside = sum(_resident(file) for file in files)
        return "warm" if 2 * inside >= sum(file.stat().st_size for file in files) else "cold"
    except (OSError, UnicodeDecodeError):
        return None


def _resident(path: Path) -> int:
    """Bytes of a file's pages that lie in memory. Raises OSError."""
    mincore = ctypes.CDLL(None, use_errno=True).mincore
    inside = 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for at in range(0, size, MAPPED):
            length = min(MAPPED, size - at)
            pages = (ctypes.c_ubyte * -(-length // mmap.PAGESIZE))()
            with mmap.mmap(
                file.fileno(), length, access=mmap.ACCESS_COPY, offset=at
            ) as mapped:  # ctypes wants to write
                first = ctypes.c_char.from_buffer(mapped)  # which asks for a writable one
                failed = mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(length), pages)
                del first  # or the mapping could not be closed
            if failed:
                raise OSError(ctypes.get_errno(), f"mincore: {os.strerror(ctypes.get_errno())}")
            inside += bytes(pages).translate(LOWEST_BIT).count(1) * mmap.PAGESIZE
    return inside


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
