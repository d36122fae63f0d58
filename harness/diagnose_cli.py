"""The verb `diagnose`: logs in, one answer each out.

Answers for inputs that say nothing: an empty or binary input has no failure in it (`rule` null) unless the exit code
says otherwise; then it is what the exit code means, or `unexplained`. A gzipped log is read through. A file that
grows is read to the end it had when it was reached.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from harness.diagnosis import Reader
from harness.types import Diagnosis

CHUNK = 1 << 18
"""Bytes read at once."""

ContainerLog = Callable[[str], tuple[Iterable[bytes], int | None, bool]]
"""A container's name → its log in pieces, its exit code (None: it runs), OOMKilled. Raises LookupError when unknown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE",
        help="a log, or what the Docker CLI printed; `-` is standard input; a container's name works too",
    )
    parser.add_argument("--exit-code", type=int, metavar="N", help="the container's exit code, where it is known")
    parser.add_argument("--oom-killed", action="store_true", help="`docker inspect` says State.OOMKilled")
    parser.add_argument("--json", action="store_true", help="one JSON object per input, one per line, in order")
    parser.add_argument("--lang", choices=("en", "zh-TW"), default="en", help="language of cause and remedy")


def run(args: argparse.Namespace, container_log: ContainerLog | None = None) -> int:
    """Answer every input. Returns 0, or 2 when an input could not be read (the others are answered nevertheless)."""
    status = 0
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal that cannot show Chinese is no reason for a traceback
        sys.stdout.reconfigure(errors="backslashreplace")
    for name in args.inputs:
        reader = Reader()
        exit_code, oom_killed = args.exit_code, args.oom_killed
        try:
            if name != "-" and not Path(name).exists() and container_log is not None:
                chunks, code, oom = container_log(name)
                reader.container = name
                exit_code, oom_killed = code if exit_code is None else exit_code, oom_killed or oom
            else:
                chunks = _read(name)
            for chunk in chunks:
                reader.feed(chunk)
        except LookupError:
            print(f"diagnose: {name}: neither a file nor a container (`docker ps -a` lists them)", file=sys.stderr)
            status = 2
            continue
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            print(f"diagnose: {name}: {reason}", file=sys.stderr)
            status = 2
            continue
        found = reader.diagnosis(exit_code, oom_killed)
        answer = _as_json(name, found, reader, args.lang) if args.json else _as_text(name, found, args.lang)
        try:
            print(answer, flush=True)
        except BrokenPipeError:  # `diagnose … | head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return status
    return status


def _read(name: str) -> Iterator[bytes]:
    """A file, or standard input, in pieces; gzip is taken off."""
    if name == "-":
        yield from _pieces(sys.stdin.buffer, None)
        return
    with Path(name).open("rb") as stream:
        size = Path(name).stat().st_size
        yield from _pieces(stream, size or None)


def _pieces(stream: BinaryIO, limit: int | None) -> Iterator[bytes]:
    """Up to `limit` bytes of a stream (None: to its end)."""
    unzip = None
    left = limit
    first = True
    while left is None or left > 0:
        chunk = stream.read(CHUNK if left is None else min(CHUNK, left))
        if not chunk:
            break
        left = None if left is None else left - len(chunk)
        if first and chunk.startswith(b"\x1f\x8b"):
            unzip = zlib.decompressobj(wbits=31)
        first = False
        if unzip is None:
            yield chunk
            continue
        try:
            while chunk:
                yield unzip.decompress(chunk, CHUNK)
                chunk = unzip.unconsumed_tail
        except zlib.error:  # damaged: what came out so far is the log
            return


def _as_json(name: str, found: Diagnosis | None, reader: Reader, lang: str) -> str:
    answer = {
        "input": name,
        "rule": found.rule if found else None,
        "stage": found.stage.value if found else None,
        "cause": None if found is None else found.cause.zh_tw if lang == "zh-TW" else found.cause.en,
        "evidence": [{"line": line.line, "text": line.text} for line in found.evidence] if found else [],
        "remedy": None if found is None else found.remedy.zh_tw if lang == "zh-TW" else found.remedy.en,
        "vllm_version": reader.vllm_version,
    }
    return json.dumps(answer, ensure_ascii=False)


def _as_text(name: str, found: Diagnosis | None, lang: str) -> str:
    chinese = lang == "zh-TW"
    if found is None:
        return f"{name}: {'沒有看到失敗' if chinese else 'no failure seen'}"
    cause = found.cause.zh_tw if chinese else found.cause.en
    remedy = found.remedy.zh_tw if chinese else found.remedy.en
    labels = ("原因", "處置", "證據") if chinese else ("cause", "remedy", "evidence")
    version = f", vLLM {found.vllm_version}" if found.vllm_version else ""
    lines = [
        f"{name}: {found.rule} ({found.stage.value}{version})",
        f"  {labels[0]}:  {cause}",
        f"  {labels[1]}: {remedy}",
    ]
    lines += [f"  {labels[2]} {line.line}: {line.text}" for line in found.evidence]
    return "\n".join(lines)
