"""One line of a log, whoever wrote it and wherever it was broken. Pure: no docker, no files, no clock.

Bytes in any encoding become a `Line`: without ANSI codes and without what Docker Compose, syslog, Kubernetes and vLLM's
processes put in front of it. A message that a terminal wrapped is put together again (`Wrapping`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

WRAPPED = 60
"""Characters of the shortest line that may have been wrapped."""
MAX_LINE = 1 << 20
"""Bytes after which a line without an end is cut, so that memory stays flat on binary input."""
WIDEST = 260
"""Characters of the widest terminal that breaks lines: a log with a longer line was not wrapped."""
FULL = 3
"""Lines as wide as the widest one that a wrapped log has at least."""
SLACK = 8
"""Characters that a full line may lack of the width, because a terminal broke it between two words."""
MESSAGE_LINES = 100
"""Physical lines of one wrapped message that are put together."""
WINDOW = (2, 4)
"""Physical lines before and after a hit in which a wrapped message is looked for."""

_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_REMAINS = re.compile(r"(?:\\u001b|\\x1b|\\033|#033|\^\[)?\[(?:[0-9]{1,2};?){1,4}m")
"""What is left of ANSI codes where the escape character was lost or spelt out."""
_STAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?\s?(?:Z|UTC|[+-]\d\d:?\d\d)?"
_SYSLOG = r"[A-Z][a-z]{2}\s+\d{1,2}\s\d\d:\d\d:\d\d(?:\.\d+)?\s[\w.-]+\s"
_PREFIX = re.compile(
    rf"""
      (?P<compose>[A-Za-z][\w.-]*)\s+\|\s?
    | \[pod/(?P<pod>[^\]]+)\]\s
    | (?:<\d+>\d?\s?)?{_SYSLOG}(?P<syslog>[\w./@-]+)(?:\[\d+\])?:\s
    | (?:<\d+>\d?\s?)?{_STAMP}\s[\w.-]+\s(?P<journal>kernel(?=:)|[\w.@-]+(?=\[\d+\]:))(?:\[\d+\])?:\s
    | \[?{_STAMP}\]?\s+(?:\|\s)?
    | (?:stdout|stderr)\s[FP]\s
    | \[\s*\d+\.\d+\]\s(?P<kernel>)
    | >+\s
    | \[(?:MainThread|[a-z_]+(?:\.[a-z_0-9]+)+)\]\s
    | \[rank\d+\]:\s?
    | (?P<inner>\((?:[A-Z]\w*)(?:[^()]*)\bpid=\d+[^()]*\)\s?|\[resource\.labels\.[\w.]+:\s[^\]]*\]\s)
    """,
    re.VERBOSE,
)
_LEVEL = re.compile(
    r"\s*(?:\[?(?P<level>DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)\]?(?::|\s)\s*"
    r"(?:\d\d-\d\d \d\d:\d\d(?::\d\d)?(?:\.\d+)?\s+)?(?:\[?[\w./-]+\.py:\d+\]\s?)?)"
)
_USUAL = re.compile(
    r"(?:\([A-Z]\w*[^()]*\bpid=\d+[^()]*\)\s)?(?P<level>DEBUG|INFO|WARNING|ERROR) \d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? "
    r"\[[\w./-]+\.py:\d+\]\s?"
)
QUIET = frozenset({"DEBUG", "INFO", "WARNING", "WARN"})
_WORD_END = re.compile(rb"[A-Za-z_]\w*$")
_WORD_START = re.compile(rb"\w+")
_BEGINS = re.compile(rb"\n(?=[A-Za-z0-9])")
_FRESH = re.compile(r"Traceback|\s\s")
_ERROR = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception): ")
"""A line that begins like one of these is not the rest of another; like the second, unless that one is quite full."""


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line: `text` as read, `message` without what was put in front of it."""

    number: int
    text: str
    message: str
    source: str
    """Compose container, pod or syslog identifier; empty when the log has a single writer."""
    level: str


def clean(raw: bytes, number: int = 0) -> Line:
    """Decode a line and take ANSI codes and prefixes off. Any bytes: undecodable ones become U+FFFD."""
    text = raw.decode("utf-8", "replace").replace("\0", "").rstrip()
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "[0" in text or "[1" in text or "[3" in text:
        text = _REMAINS.sub("", text)
    if "\r" in text:  # a progress bar that overwrote itself: what was left standing
        text = next((part for part in reversed(text.split("\r")) if part.strip()), "")
    message, source, level = text.lstrip(), "", ""
    if usual := _USUAL.match(message):  # what vLLM puts in front of nearly every line, in one go
        message, level = message[usual.end() :], usual["level"]
    while found := _PREFIX.match(message) or (None if level else _LEVEL.match(message)):
        if found.re is _LEVEL:
            level = found["level"]
        else:
            source = source or found["compose"] or found["pod"] or found["syslog"] or found["journal"] or ""
            if found["kernel"] is not None:
                source = source or "kernel"
            if found["inner"]:  # a level in front of it was the collector's own
                level = ""
        message = message[found.end() :]
    return Line(number=number, text=text, message=message, source=source, level=level)


def out_of_json(raw: bytes) -> bytes:
    """The message inside a JSON log line (Docker json-file, journald -o json, structured loggers); else the line."""
    if not raw.lstrip().startswith(b"{"):
        return raw
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    for key in ("log", "MESSAGE", "message", "msg"):
        value = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(value, list):  # journald writes a message with control characters as a list of bytes
            value = bytes(byte for byte in value if isinstance(byte, int) and 0 <= byte < 256).decode(
                "utf-8", "replace"
            )
        if isinstance(value, str):
            level = str(entry.get("levelname") or entry.get("level") or "").upper()
            return (
                (f"{level}: {value}" if level in QUIET else value)
                .rstrip("\n")
                .replace("\n", " ")
                .encode(errors="replace")
            )
    return raw


@dataclass
class Wrapping:
    """How wide a log's lines are, and from that what belongs together where something broke them at one width."""

    widest: int = 0
    """Characters of the widest line so far."""
    full: int = 0
    """Lines about as wide as that."""

    @property
    def happened(self) -> bool:
        """Whether a terminal, or `fold`, broke the log's lines at one width."""
        return WRAPPED <= self.widest <= WIDEST and self.full >= FULL

    def measure(self, data: bytes) -> None:
        """How wide the lines are, and how many are full; costs nothing more once a long line was seen."""
        if self.widest > WIDEST:
            return
        lines = [line.rstrip() for line in data.decode("utf-8", "replace").replace("\r", "\n").split("\n")]
        if (width := max(map(len, lines))) > self.widest:
            self.widest, self.full = width, 0
        self.full += sum(len(line) > self.widest - SLACK for line in lines)

    def whole(self, data: bytes, start: int, number: int) -> list[Line]:
        """The physical lines of the wrapped message that the line at `start` belongs to; none if nothing is wrapped."""
        if not self.happened:
            return []
        lines, end = [line_at(data, start, number)], end_of(data, start)
        begin = start
        while len(lines) < MESSAGE_LINES and end + 1 < len(data):
            following = line_at(data, end + 1, lines[-1].number + 1)
            if not self._continues(data[begin:end], following):
                break
            lines.append(following)
            begin, end = end + 1, end_of(data, end + 1)
        while len(lines) < MESSAGE_LINES and start > 0 and lines[0].number > 1:
            before = data.rfind(b"\n", 0, start - 1) + 1
            if not self._continues(data[before : start - 1], lines[0]):
                break
            lines.insert(0, line_at(data, before, lines[0].number - 1))
            start = before
        return lines

    def _continues(self, before: bytes, line: Line) -> bool:
        """Whether a terminal would have broken `before` where it ends, and `line` can be its rest."""
        word = line.message.split(" ", 1)[0]
        room = self.widest - len(before.decode("utf-8", "replace").rstrip())
        fresh = _FRESH.match(line.text) or (room > 0 and _ERROR.match(line.text))
        return bool(word) and len(word) + 1 > room and is_bare(line) and not fresh


def is_bare(line: Line) -> bool:
    """Whether nothing stands in front of a line: after a long one it can be the rest of a wrapped message."""
    return not line.level and line.message == line.text.lstrip()


def as_one(lines: list[Line]) -> Line:
    """A wrapped message as one line; whether a break swallowed a space is not known, so both ways are there."""
    parts = [line.message for line in lines]
    return replace(lines[0], message=f"{''.join(parts)}\n{' '.join(parts)}", text="".join(line.text for line in lines))


def lines_with(data: bytes, word: bytes) -> Iterator[int]:
    """Offsets of the lines that carry a word."""
    at = data.find(word)
    while at >= 0:
        yield data.rfind(b"\n", 0, at) + 1
        end = data.find(b"\n", at)
        at = data.find(word, end) if end >= 0 else -1


def broken_words(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Words that a terminal broke at the end of a line, with the offset of that line."""
    for found in _BEGINS.finditer(data):
        end = found.start()
        start = data.rfind(b"\n", 0, end) + 1
        if end - start >= WRAPPED and data[end - 1 : end].isalnum():
            head = _WORD_END.search(data, max(start, end - 60), end)
            tail = _WORD_START.match(data, end + 1)
            if head and tail:
                yield start, head[0] + tail[0]


def end_of(data: bytes, start: int) -> int:
    """Offset of the end of the line at `start`."""
    end = data.find(b"\n", start)
    return end if end >= 0 else len(data)


def line_at(data: bytes, start: int, number: int) -> Line:
    """The line at `start`, cut after MAX_LINE bytes."""
    return clean(data[start : end_of(data, start)][:MAX_LINE], number)


def around(data: bytes, start: int) -> bytes:
    """The bytes of the line at `start` and of its neighbours, as if nothing had been wrapped."""
    low = high = start
    for _ in range(WINDOW[0]):
        low = data.rfind(b"\n", 0, max(low - 1, 0)) + 1
    for _ in range(WINDOW[1] + 1):
        high = data.find(b"\n", high) + 1 or len(data)
    return data[low:high].replace(b"\r", b"").replace(b"\n", b"")


def window_at(data: bytes, start: int, line: Line) -> list[Line]:
    """`line`, which begins at `start`, with the lines that may belong to the same wrapped message."""
    lines, number = [line], line.number
    end = data.find(b"\n", start) + 1
    while len(lines) <= WINDOW[1] and 0 < end < len(data) and len(lines[-1].text) >= WRAPPED:
        following = line_at(data, end, lines[-1].number + 1)
        if not is_bare(following):
            break
        lines.append(following)
        end = data.find(b"\n", end) + 1
    first = number - WINDOW[0]
    while lines[0].number > max(first, 1) and start > 0 and is_bare(lines[0]):
        start = data.rfind(b"\n", 0, start - 1) + 1
        before = line_at(data, start, lines[0].number - 1)
        if len(before.text) < WRAPPED:
            break
        lines.insert(0, before)
    return lines


def search_across(expression: re.Pattern[str], window: list[Line]) -> tuple[list[Line], re.Match[str] | None]:
    """Search the lines of a wrapped message as one; the lines the match covers."""
    found = expression.search("".join(line.message for line in window)) if len(window) > 1 else None
    if found is None:
        return [], None
    lines, total = [], 0
    for line in window:
        if total < found.end() and total + len(line.message) > found.start():
            lines.append(line)
        total += len(line.message)
    return lines, found
