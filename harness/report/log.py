"""A container's log → the part of it that a page shows. Memory stays flat whatever the log's size."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, NamedTuple

HEAD, TAIL, AROUND = 1000, 1000, 20
"""Lines shown from the beginning, from the end, and on either side of a piece of evidence."""
LONGEST = 1000
"""Characters of a line that are shown."""
_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_LEVEL = re.compile(r"\b(ERROR|CRITICAL|FATAL|WARNING|Traceback)\b")


class Line(NamedTuple):
    """One line; `cut` is how many bytes of it are not in `text`."""

    number: int
    text: str
    cut: int
    level: str


class Excerpt(NamedTuple):
    """What is shown of a log. A gap is a number of lines that are left out at that place."""

    total: int
    parts: tuple[Line | int, ...]


def excerpt(log: Path, evidence: Collection[int] = ()) -> Excerpt | None:
    """The head, the tail, and the lines around `evidence` (line numbers from 1); None when there is no log."""
    near = {n for line in evidence for n in range(line - AROUND, line + AROUND + 1)}
    kept: list[Line] = []
    tail: deque[Line] = deque(maxlen=TAIL)
    total = 0
    try:
        with log.open("rb") as file:
            for line in _lines(file):
                total = line.number
                if line.number <= HEAD or line.number in near:
                    kept.append(line)
                else:
                    tail.append(line)
    except OSError:
        return None
    parts: list[Line | int] = []
    before = 0
    for line in sorted((*kept, *tail)):
        if line.number > before + 1:
            parts.append(line.number - before - 1)
        parts.append(line)
        before = line.number
    return Excerpt(total, tuple(parts))


def _lines(file: IO[bytes]) -> Iterator[Line]:
    number = 0
    limit = LONGEST * 4
    while piece := file.readline(limit):
        number += 1
        rest = 0
        if not piece.endswith(b"\n"):
            while more := file.readline(1 << 20):
                rest += len(more)
                if more.endswith(b"\n"):
                    rest -= 1
                    break
        text = _ANSI.sub("", piece.decode("utf-8", "replace")).rstrip("\r\n").replace("\r", " ")
        found = _LEVEL.search(text[:200])
        level = {"WARNING": "warning", None: ""}.get(found[1] if found else None, "error")
        yield Line(number, text[:LONGEST], rest + max(0, len(text) - LONGEST), level)
