"""Log, exit state and daemon error → `Diagnosis | None`. Pure: no docker, no files, no clock.

How an answer is found:

1. *Lines.* Bytes in any encoding or wrapping (UTF-16, Docker json-file, journald JSON) become lines; every line is
   stripped of ANSI codes and of whatever Docker Compose, syslog, Kubernetes and vLLM's processes put in front of it.
2. *Hits.* A handful of words that every failure has (`rules.GATES`) select the few lines worth a look, the longest
   plain run of characters of every pattern (its anchor) selects the rule, the pattern confirms. White space is ignored
   on the way, so that a message wrapped in the middle of a word is still found.
3. *Decision.* Start-up hits are dropped when the engine got ready after all; while it serves, a hit counts only when
   the engine died of it or the rule says so. Of what is left, consequences yield to causes and the first cause wins.
   Without a hit the exit state speaks; a failure nobody knows is `unexplained`.

Everything that is knowledge about a failure stands in `harness.rules`; nothing here names one.
"""

from __future__ import annotations

import bisect
import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from harness.rules import (
    DEATH_RULE,
    FACTS,
    GATES,
    HOST_SOURCES,
    MARKERS,
    NOISE,
    READY,
    RULES,
    STOPPING,
    UNEXPLAINED,
    VERSION,
)
from harness.types import Diagnosis, Evidence, Rule, Stage, Text

TAIL_LINES = 12
"""Last lines that an unexplained failure shows."""
HITS_PER_RULE = 20
"""Hits of one rule that are kept between two starts; a log that repeats itself costs no more than that."""
MAX_LINE = 1 << 20
"""Bytes after which a line without an end is cut, so that memory stays flat on binary input."""
WINDOW = (1, 4)
"""Physical lines before and after a hit in which a wrapped message is looked for."""
INCIDENT_LINES = 600
"""Lines before the engine's death in which its cause is looked for while serving."""
STOPPED_BY_HAND = (0, 130, 143)
"""Exit codes of a deployment that somebody stopped: clean, SIGINT, SIGTERM."""

_BLANK = b" \t\r\n\v\f"
_ANSI = re.compile(
    r"(?:\x1b|\\u001b|\\x1b|\\033|#033|\^\[)\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\[[0-9;]{1,8}m"
)
_STAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?\s?(?:Z|UTC|[+-]\d\d:?\d\d)?"
_PREFIX = re.compile(
    rf"""
      (?P<compose>[A-Za-z0-9][\w.-]*)\s+\|\s?(?!\d)
    | \[pod/(?P<pod>[^\]]+)\]\s
    | (?:<\d+>\d?\s?)?[A-Z][a-z]{{2}}\s+\d{{1,2}}\s\d\d:\d\d:\d\d(?:\.\d+)?\s[\w.-]+\s(?P<syslog>[\w./@-]+)(?:\[\d+\])?:\s
    | (?:<\d+>\d?\s?)?{_STAMP}\s[\w.-]+\s(?P<journal>kernel(?=:)|[\w.@-]+(?=\[\d+\]:))(?:\[\d+\])?:\s
    | \[?{_STAMP}\]?\s+
    | (?:stdout|stderr)\s[FP]\s
    | \[\s*\d+\.\d+\]\s(?P<kernel>)
    | >\s
    | \[rank\d+\]:\s?
    | \((?:[A-Z]\w*)(?:[^()]*)\bpid=\d+[^()]*\)\s?
    """,
    re.VERBOSE,
)
_LEVEL = re.compile(
    r"\s*(?:\[?(?P<level>DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)\]?(?::|\s)\s*"
    r"(?:\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\s+)?(?:\[?[\w./-]+\.py:\d+\]\s?)?)"
)
_QUIET = frozenset({"DEBUG", "INFO", "WARNING", "WARN"})
_EXCEPTION = re.compile(r"(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b(?::|$)")
_DEATH = re.compile(
    r"Engine core initialization failed|EngineCore failed to start|EngineCore encountered a fatal error"
)


# --- lines ----------------------------------------------------------------------------------------------------------


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
    text = _ANSI.sub("", raw.decode("utf-8", "replace").replace("\0", "")).rstrip()
    if "\r" in text:  # a progress bar that overwrote itself: what was left standing
        text = next((part for part in reversed(text.split("\r")) if part.strip()), "")
    message, source = text.lstrip(), ""
    while found := _PREFIX.match(message):
        source = source or found["compose"] or found["pod"] or found["syslog"] or found["journal"] or ""
        if found["kernel"] is not None:
            source = source or "kernel"
        message = message[found.end() :]
    level = ""
    if found := _LEVEL.match(message):
        level, message = found["level"], message[found.end() :]
    return Line(number=number, text=text, message=message, source=source, level=level)


def _unwrap(raw: bytes) -> bytes:
    """The message inside a JSON log line (Docker json-file, journald -o json, structured loggers); else the line."""
    if not raw.lstrip().startswith(b"{"):
        return raw
    try:
        entry = json.loads(raw)
    except ValueError:
        return raw
    for key in ("log", "MESSAGE", "message", "msg"):
        value = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(value, list):  # journald writes a message with control characters as a list of bytes
            value = bytes(byte for byte in value if isinstance(byte, int) and 0 <= byte < 256).decode(
                "utf-8", "replace"
            )
        if isinstance(value, str):
            level = str(entry.get("levelname") or entry.get("level") or "").upper()
            return (f"{level}: {value}" if level in _QUIET else value).rstrip("\n").replace("\n", " ").encode()
    return raw


# --- patterns -------------------------------------------------------------------------------------------------------


def anchor(pattern: str) -> bytes:
    """The longest run of plain characters that every match of `pattern` contains, without white space.

    The text is searched for anchors (fast), and for a pattern only where its anchor stands.
    """
    runs = [""]

    def walk(tree: Iterable[tuple[object, Any]]) -> None:
        for operation, argument in tree:
            if operation is _parser.LITERAL:
                runs[-1] += chr(argument).strip()
            elif operation is _parser.SUBPATTERN:
                walk(argument[-1])
            elif operation is not _parser.AT:
                runs.append("")

    walk(_parser.parse(pattern))
    return max(runs, key=len).encode()


def _compile(pattern: str) -> re.Pattern[str]:
    """A space in a pattern stands for any white space, or none: a wrapped line may have lost it."""
    return re.compile(re.sub(r"(?<!\\) ", r"\\s*", pattern))


@dataclass(frozen=True, slots=True)
class _Sign:
    rule: Rule
    anchor: bytes
    pattern: re.Pattern[str]


@cache
def _signs(rules: tuple[Rule, ...]) -> tuple[tuple[_Sign, ...], re.Pattern[bytes]]:
    """Every pattern of every rule, and one expression that finds any anchor."""
    signs = tuple(_Sign(rule, anchor(pattern), _compile(pattern)) for rule in rules for pattern in rule.patterns)
    anchors = sorted({sign.anchor for sign in signs})
    return signs, re.compile(b"|".join(re.escape(literal) for literal in anchors))


_NOISE = re.compile("|".join(f"(?:{pattern})" for pattern in NOISE))
_MARKERS = tuple((literal.encode(), phase) for literal, phase in MARKERS)
_FACTS = tuple((name, literal.encode(), re.compile(pattern)) for name, (literal, pattern) in FACTS.items())
_VERSION = re.compile("|".join(VERSION))
_TELLING = frozenset(
    [literal for literal, _ in _MARKERS]
    + [literal for _, literal, _ in _FACTS]
    + [literal.encode() for literal in (*READY, *STOPPING)]
)
_LITERALS = tuple(dict.fromkeys([gate.encode() for gate in GATES] + sorted(_TELLING)))


# --- reading --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Phase:
    """A start-up phase that the log announced."""

    name: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A line on which a rule was confirmed."""

    rule: Rule
    lines: tuple[Line, ...]
    groups: Mapping[str, str]

    @property
    def number(self) -> int:
        return self.lines[0].number

    @property
    def source(self) -> str:
        return self.lines[0].source


@dataclass
class _State:
    """What is known between two starts of the engine."""

    hits: list[Hit] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    crash: Line | None = None
    """The last line of the first traceback nobody knows."""
    death: Line | None = None
    """The engine, or the whole start, gave up here."""


class Reader:
    """Reads a log as it comes and knows at any moment what happened.

    Memory is flat (the unfinished line, some hits, the last lines); time is linear in the bytes.
    `feed` returns the evidence of the first fatal line once, when it is seen: a wait can end there.
    """

    def __init__(self, *, container: str | None = None, rules: tuple[Rule, ...] = RULES) -> None:
        self.container = container
        self.phases: list[Phase] = []
        """Every phase the log announced, in order; a restart begins again with `starting`."""
        self.vllm_version: str | None = None
        self.facts: dict[str, str] = {}
        """Numbers and names the engine logs about itself, keys of `rules.FACTS`; the last value wins."""
        self.ready = False
        """The engine listened (and has not been started again since)."""
        self.lines = 0
        """Complete lines read."""
        self._signs, self._anchors = _signs(rules)
        self._rules = rules
        self._start, self._serve, self._previous = _State(), _State(), _State()
        self._stopping = False
        self._pending = b""
        self._tail: list[tuple[int, bytes]] = []
        self._context = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._json = False
        self._begun = False
        self._sources: set[str] = set()
        self._fatal: Evidence | None = None
        self._told = False

    @property
    def phase(self) -> str | None:
        """The phase the start is in, or None before the first announced one."""
        return self.phases[-1].name if self.phases else None

    def feed(self, chunk: bytes) -> Evidence | None:
        """Read the next bytes. Returns the evidence of the first fatal line, once; otherwise None."""
        if not self._begun and chunk:
            self._begin(chunk)
        if self._decoder is not None:
            chunk = self._decoder.decode(chunk).encode()
        data = self._pending + chunk
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) > MAX_LINE:
            cut = len(data)
        self._pending = data[cut:]
        if cut:
            self._scan(data[:cut])
        if self._fatal is not None and not self._told:
            self._told = True
            return self._fatal
        return None

    def close(self) -> None:
        """Read the last line although it has no end. Further calls change nothing."""
        if self._pending:
            data, self._pending = self._pending, b""
            self._scan(data if data.endswith(b"\n") else data + b"\n")

    def _begin(self, chunk: bytes) -> None:
        """Recognise the container of the text by its first bytes."""
        self._begun = True
        if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        elif chunk.lstrip().startswith(b"{"):
            self._json = True

    def _scan(self, data: bytes) -> None:
        """Complete lines: find those worth a look, with their surroundings, and read these."""
        if self._json:
            data = b"\n".join(_unwrap(raw) for raw in data.split(b"\n"))
        if b"\0" in data:
            data = data.replace(b"\0", b"")
        fresh = len(self._context)
        first = self.lines + 1 - self._context.count(b"\n")
        self.lines += data.count(b"\n")
        data = self._context + data
        starts: dict[int, bool] = {}
        for literal in _LITERALS:
            told = literal in _TELLING
            at = data.find(literal)
            while at >= 0:
                start = data.rfind(b"\n", 0, at) + 1
                starts[start] = starts.get(start, False) or told
                end = data.find(b"\n", at)
                at = data.find(literal, end) if end >= 0 else -1
        number, offset = first, 0
        for begin, end in _surroundings(data, sorted(starts)):
            number += data.count(b"\n", offset, begin)
            offset = begin
            self._region(data, begin, end, number, starts, fresh)
        last = data.rstrip(b"\n").split(b"\n") if len(data) < 4096 else data[-65536:].rstrip(b"\n").split(b"\n")
        last = last[-TAIL_LINES:]
        blank = len(data) - len(data.rstrip(b"\n")) - 1
        top = self.lines - max(blank, 0) - len(last) + 1
        self._tail = [(top + i, raw) for i, raw in enumerate(last) if top + i > 0]
        keep = sum(WINDOW)
        at = len(data) - 1
        for _ in range(keep):
            at = data.rfind(b"\n", 0, max(at, 0))
        self._context = data[at + 1 :][-MAX_LINE:] if at >= 0 else data[-MAX_LINE:]

    def _region(self, data: bytes, begin: int, end: int, number: int, starts: dict[int, bool], fresh: int) -> None:
        """Read some lines that stand together. Offsets below `fresh` were read before, without what follows them."""
        raws = data[begin:end].split(b"\n")
        squeezed = [raw.translate(None, _BLANK) for raw in raws]
        edges, total = [], 0
        for raw in squeezed:
            total += len(raw)
            edges.append(total)
        anchored = {bisect.bisect_right(edges, found.start()) for found in self._anchors.finditer(b"".join(squeezed))}
        cleaned: dict[int, Line] = {}

        def line(index: int) -> Line:
            if index not in cleaned:
                cleaned[index] = clean(raws[index], number + index)
            return cleaned[index]

        offset = begin
        for index, raw in enumerate(raws):
            new = offset >= fresh
            if new and starts.get(offset):
                self._tell(line(index))
            if index in anchored:
                low, high = max(0, index - WINDOW[0]), min(len(raws), index + WINDOW[1] + 1)
                window = b"".join(squeezed[low:high])
                for sign in self._signs:
                    if sign.anchor in window and self._open(sign.rule):
                        self._confirm(sign, [line(i) for i in range(low, high)], index - low)
            if new and offset in starts and not self.ready and not self._stopping:
                self._notice(line(index))
            offset += len(raw) + 1

    def _open(self, rule: Rule) -> bool:
        return self._state.counts.get(rule.id, 0) < HITS_PER_RULE

    @property
    def _state(self) -> _State:
        return self._serve if self.ready else self._start

    def _tell(self, line: Line) -> None:
        """Phases, version, facts: what a line tells about the course of things."""
        raw = line.message
        if found := _VERSION.search(line.text):
            self.vllm_version = next((group for group in found.groups() if group), None)
            self._sources.add(line.source)
        for literal, phase in MARKERS:
            if literal in raw:
                self._sources.add(line.source)
                if phase == MARKERS[0][1] and (self._start.death or self._start.hits or self.ready or self._stopping):
                    self._previous = self._start if self._start.hits or self._start.death else self._previous
                    self._start, self._serve, self.ready, self._stopping = _State(), _State(), False, False
                if self.phase != phase and len(self.phases) < 1000:
                    self.phases.append(Phase(name=phase, line=line.number, text=line.text))
                break
        for name, _, pattern in _FACTS:
            if found := pattern.search(raw):
                self.facts[name] = found[1]
        if any(literal in raw for literal in READY) and (not self._sources - {""} or line.source in self._sources):
            self.ready = True
            self._start, self._serve, self._previous = _State(), _State(), _State()
        if any(literal in raw for literal in STOPPING) and not self._state.death:
            self._stopping = True

    def _notice(self, line: Line) -> None:
        """Remember the first sign that the start failed for a reason no rule may know."""
        state = self._start
        if state.death is None and _DEATH.search(line.message):
            state.death = line
            self._fatal = self._fatal or Evidence(line=line.number, text=line.text)
        if state.crash is None and line.level not in _QUIET and _EXCEPTION.match(line.message):
            if not _NOISE.search(line.message) and not _DEATH.search(line.message):
                state.crash = line

    def _confirm(self, sign: _Sign, window: list[Line], at: int) -> None:
        """Does the pattern match the line, or the wrapped message the line is part of?"""
        lines = [window[at]]
        found = sign.pattern.search(window[at].message)
        if found is None:
            low = high = at
            while low > 0 and _continues(window[low - 1], window[low]):
                low -= 1
            while high + 1 < len(window) and _continues(window[high], window[high + 1]):
                high += 1
            if low == high:
                return
            found = sign.pattern.search("".join(line.message for line in window[low : high + 1]))
            if found is None:
                return
            lines, total = [], 0
            for line in window[low : high + 1]:
                if total < found.end() and total + len(line.message) > found.start():
                    lines.append(line)
                total += len(line.message)
        level = lines[0].level
        if (level in _QUIET and not sign.rule.quiet) or _NOISE.search(lines[0].message):
            return
        if self._stopping and sign.rule.stage is not Stage.DAEMON:
            return
        state = self._state
        if any(hit.rule.id == sign.rule.id and hit.number == lines[0].number for hit in state.hits):
            return
        state.counts[sign.rule.id] = state.counts.get(sign.rule.id, 0) + 1
        groups = {name: value for name, value in found.groupdict().items() if value}
        hit = Hit(rule=sign.rule, lines=tuple(lines), groups=groups)
        state.hits.append(hit)
        if sign.rule.id == DEATH_RULE and self.ready:
            state.death = state.death or lines[0]
        if self._fatal is None and sign.rule.fatal and (not self.ready or sign.rule.serving):
            self._fatal = Evidence(line=lines[0].number, text=lines[0].text)
        elif self._fatal is None and sign.rule.id == DEATH_RULE:
            self._fatal = Evidence(line=lines[0].number, text=lines[0].text)

    # --- deciding ---------------------------------------------------------------------------------------------------

    def diagnosis(
        self,
        exit_code: int | None = None,
        oom_killed: bool = False,
        *,
        daemon_error: str | None = None,
        timed_out_s: float | None = None,
    ) -> Diagnosis | None:
        """What happened, from all that was read and the exit state; None: no failure seen.

        `timed_out_s`: seconds after which the caller gave up waiting. The answer may change while the log grows.
        """
        self.close()
        hits = list(self._hits(exit_code, oom_killed))
        if daemon_error:
            daemon = Reader(rules=self._rules)
            daemon.feed(daemon_error.encode())
            daemon.close()
            hits = daemon._start.hits + hits
        values = {
            "exit_code": "?" if exit_code is None else str(exit_code),
            "container": self.container or "CONTAINER",
            "phase": self.phase or "start",
            "tail": self._last_words(),
        }
        if hit := _root(hits):
            return self._answer(hit.rule, values | dict(hit.groups), hit.lines, hits)
        by_exit = next((rule for rule in self._rules if oom_killed and rule.oom_killed), None)
        if by_exit is None and exit_code is not None and not (self._stopping and exit_code == 137):
            by_exit = next((rule for rule in self._rules if exit_code in rule.exit_codes), None)
        if by_exit is None and timed_out_s is not None:
            values["waited"] = f"{timed_out_s:.0f}"
            by_exit = next((rule for rule in self._rules if rule.timeout), None)
        if by_exit is not None:
            return self._answer(by_exit, values, self._last_lines()[-1:], [])
        state = self._start if self._start.death or self._start.crash else self._previous
        shown = [line for line in (state.crash, state.death) if line is not None]
        failed = exit_code not in (None, *STOPPED_BY_HAND) or (exit_code == 0 and not self.ready and not self._stopping)
        if not (failed or (shown and not self.ready) or daemon_error):
            return None
        if daemon_error and not shown:
            shown = [clean(daemon_error.encode(), 1)]
        return self._answer(UNEXPLAINED, values, [*shown, *self._last_lines()], [])

    def _hits(self, exit_code: int | None, oom_killed: bool) -> Iterator[Hit]:
        """Hits that count: of the start that failed, or of the engine that died while it served."""
        if not self.ready:
            hits = self._start.hits or ([] if self._start.crash else self._previous.hits)
        else:
            died = self._serve.death or (exit_code not in (None, *STOPPED_BY_HAND) and not self._stopping) or oom_killed
            since = (self._serve.death.number if self._serve.death else self.lines) - INCIDENT_LINES
            hits = [hit for hit in self._serve.hits if hit.rule.serving or (died and hit.number >= since)]
        writers = {hit.source for hit in hits if hit.source in self._sources or "vllm" in hit.source.lower()}
        for hit in hits:
            if not self._sources or hit.source in (self._sources | writers | HOST_SOURCES):
                yield hit

    def _last_lines(self) -> list[Line]:
        return [clean(raw, number) for number, raw in self._tail if raw.strip()]

    def _last_words(self) -> str:
        return next((line.message for line in reversed(self._last_lines())), "")

    def _answer(self, rule: Rule, values: Mapping[str, str], lines: Iterable[Line], hits: list[Hit]) -> Diagnosis:
        return Diagnosis(
            rule=rule.id,
            stage=Stage.SERVE if self.ready and rule.stage is not Stage.DAEMON else rule.stage,
            cause=render(rule.cause, values, rule),
            remedy=render(rule.remedy, values, rule),
            evidence=tuple(Evidence(line=line.number, text=line.text) for line in _once(lines)),
            vllm_version=self.vllm_version,
        )


def _once(lines: Iterable[Line]) -> list[Line]:
    return list({line.number: line for line in lines}.values())


def _continues(line: Line, following: Line) -> bool:
    """Whether `following` can be the rest of a message that a terminal or a pager wrapped."""
    return len(line.text) >= 60 and not following.level and following.message == following.text.lstrip()


def _surroundings(data: bytes, starts: list[int]) -> Iterator[tuple[int, int]]:
    """Offsets of the regions around line starts: `WINDOW` lines before and after, overlapping ones merged."""
    begin = end = -1
    for start in starts:
        low = start
        for _ in range(WINDOW[0]):
            low = data.rfind(b"\n", 0, max(low - 1, 0)) + 1
        high = start
        for _ in range(WINDOW[1] + 1):
            high = data.find(b"\n", high) + 1 or len(data)
        if low >= end or end - begin > 1 << 16:
            if begin >= 0:
                yield begin, end
            begin = max(low, end)
        end = max(high, end)
    if begin >= 0 and end > begin:
        yield begin, end


def _root(hits: list[Hit]) -> Hit | None:
    """The first hit whose rule is not a consequence of another rule that hit too."""
    ids = {hit.rule.id for hit in hits}
    for hit in sorted(hits, key=lambda hit: hit.number):
        others = ids - {hit.rule.id}
        if not ("*" in hit.rule.consequence_of and others) and not others & set(hit.rule.consequence_of):
            return hit
    return hits[0] if hits else None


def render(text: Text, values: Mapping[str, str], rule: Rule | None = None) -> Text:
    """Fill a template. `[[ … ]]` is left out when a value inside is not known; other unknown values become `?`."""
    known = dict(values)
    for name, numerator, denominator in rule.ratios if rule else ():
        try:  # two decimals, rounded down: the largest value that still fits
            known[name] = f"{int(float(known[numerator]) / float(known[denominator]) * 100) / 100:.2f}"
        except (KeyError, ValueError, ZeroDivisionError):
            continue

    def fill(template: str) -> str:
        def optional(found: re.Match[str]) -> str:
            return found[1] if all(name in known for name in re.findall(r"{(\w+)}", found[1])) else ""

        kept = re.sub(r"\[\[(.*?)\]\]", optional, template)
        return re.sub(r"{(\w+)}", lambda found: known.get(found[1], "?"), kept)

    return Text(en=fill(text.en), zh_tw=fill(text.zh_tw))


def diagnose(
    log: Iterable[str | bytes] | bytes | str,
    *,
    exit_code: int | None = None,
    oom_killed: bool = False,
    daemon_error: str | None = None,
    container: str | None = None,
    timed_out_s: float | None = None,
) -> Diagnosis | None:
    """Why a deployment failed, from its log and exit state; None: no failure seen.

    `log`: text, bytes, or an iterable of either (pieces of any size, not necessarily lines). `exit_code` and
    `oom_killed` are the container's State; `daemon_error` is what the Docker daemon or CLI answered; `container` is
    the name that remedies mention; `timed_out_s` the seconds after which the caller gave up waiting.
    Total and deterministic: any bytes give an answer.
    """
    reader = Reader(container=container)
    for chunk in [log] if isinstance(log, (str, bytes)) else log:
        reader.feed(chunk.encode("utf-8", "surrogatepass") if isinstance(chunk, str) else chunk)
    return reader.diagnosis(exit_code, oom_killed, daemon_error=daemon_error, timed_out_s=timed_out_s)
