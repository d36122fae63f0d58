"""Log, exit state and daemon error → `Diagnosis | None`. Pure: no docker, no files, no clock.

How an answer is found:

1. *Lines.* Bytes in any encoding or wrapping become lines without what others put in front of them (`harness.lines`).
2. *Hits.* Only lines with the rare words of a pattern are read, and the pattern confirms (`harness.patterns`). White
   space does not count, and a wrapped message is put together again.
3. *Decision.* Start-up hits are dropped when the engine got ready after all; while it serves, a hit counts only when
   the engine died of it or the rule says so. Of what is left, consequences yield to causes and the first cause wins.
   Without a hit the exit state speaks, then the place where something was raised, then a hint of what a start may
   survive; a failure nobody knows is `unexplained`.

What is known of failures stands in `harness.rules`, of the course of a log in `harness.landmarks`; nothing here
names one.
"""

from __future__ import annotations

import builtins
import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from harness.landmarks import (
    AGAIN,
    BY_HAND,
    CAME_UP,
    CLIENTS,
    COMPLAINTS,
    DEATH,
    ENDED,
    FACTS,
    HARMLESS,
    HINTS,
    HOST_SOURCES,
    KILLED,
    MARKERS,
    NOISE,
    READY,
    REQUESTS,
    SERVES,
    STOPPING,
    VERSION,
)
from harness.lines import (
    MAX_LINE,
    QUIET,
    WINDOW,
    Line,
    Wrapping,
    around,
    as_one,
    broken_words,
    clean,
    end_of,
    line_at,
    lines_with,
    out_of_json,
    search_across,
    window_at,
)
from harness.patterns import DIGITS, SPACED, Sign, compiled, keys, table_of
from harness.redact import shapes
from harness.rules import DEATH_RULE, PLACES, RULES, UNEXPLAINED
from harness.types import Diagnosis, Evidence, Rule, Stage, Text

SEEK_LINES = 400
"""Lines of one traceback that are read to find its end."""
FRAME_LINES = 4
"""Lines of one frame of a traceback: the place, which a terminal may have broken, the source, what is wrong in it."""
CHAIN_LINES = 4
"""Lines from the end of a traceback to the head of the one it is chained to."""
SERVING_LINES = 50
"""Lines of one block that are read to see whether the engine serves."""
WRITERS_LINES = 200
"""Lines of one block that are read to see who writes."""
WRITERS_KNOWN = 20_000
"""Lines after which nobody is looked for any more; vLLM's phases still tell who it is."""
MAX_PHASES = 1000
"""Announced phases that are kept; a restart loop announces the same ones again and again."""
TAIL_LINES = 12
"""Last lines that are shown where the exit state is all there is, or nothing is known."""
ROOM = 0.05
"""Share that a computed share stays below what was free: free memory moves between two starts."""
HITS_PER_RULE = 20
"""Hits of one rule that are kept between two starts; a log that repeats itself costs no more than that."""
NEAR = 40
"""Lines after a hit in which its rule may say the rest: the name that the first line did not have."""
LONGEST = 240
"""Characters of a value that a sentence takes from the log."""
INCIDENT_LINES = 400
"""Lines before the end of an engine that served in which the cause is looked for."""
NEWEST = "$(docker ps -lq)"
"""What to type for a container whose name nobody said: the one that was made last."""
SIGKILLED = 137
STOPPED_BY_HAND = (0, 130, 143)
"""Exit codes of a deployment that somebody stopped: clean, SIGINT, SIGTERM."""

_EXCEPTION = re.compile(r"(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit)(?:_\w+)?(?::|$)")


@cache
def _known(rules: tuple[Rule, ...]) -> dict[bytes, tuple[bytes, ...]]:
    """Every word worth finding, as it is without digits → as it is written."""
    known: dict[bytes, tuple[bytes, ...]] = {}
    for key in sorted({*table_of(rules), *_TELLING, *_STARTING, *_SERVING}):
        bare = key.translate(None, DIGITS)
        known[bare] = (*known.get(bare, ()), key)
    return known


_NOISE = re.compile("|".join(f"(?:{pattern})" for pattern in NOISE))
_DEATH = re.compile("|".join(DEATH))
_BY_HAND = re.compile(BY_HAND)
_CAME_UP = re.compile(CAME_UP)
_COMPLAINTS = re.compile("|".join(COMPLAINTS))
_KILLED = re.compile("|".join(KILLED))
_SERVES = re.compile("|".join(SERVES))
_REQUESTS = re.compile("|".join(REQUESTS))
_CLIENTS = re.compile(CLIENTS)
_PLACES = tuple((re.compile(pattern), rule) for pattern, rule in PLACES)
_FACTS = {name: (keys(pattern)[0].decode(), re.compile(pattern)) for name, pattern in FACTS.items()}
_HINTS = tuple((re.compile(pattern), rule) for pattern, rule in HINTS)
_VERSION = re.compile("|".join(VERSION))
_TELLING = frozenset(
    key
    for pattern in (
        *FACTS.values(),
        *VERSION,
        *DEATH,
        *KILLED,
        *dict(HINTS),
        *map(re.escape, (*dict(MARKERS), *READY, *STOPPING, ENDED, AGAIN, "Traceback")),
    )
    for key in keys(pattern)[:1]
)
_TRACEBACK = b"Traceback"
_RAISED = frozenset(
    name.encode() for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)
) | {b"AcceleratorError", b"ActorDiedError", b"CalledProcessError", b"RayActorError", b"RayTaskError", b"ZMQError"}
"""Exceptions that end a start although the traceback's head is missing: a log that was cut or picked from."""
_HARMLESS = re.compile("|".join(map(re.escape, HARMLESS)).encode())
_STEP = b"File"
"""The word every frame of a traceback has: a log that was cut may begin with one, and without the head."""
_STARTING = _RAISED | {_TRACEBACK, _STEP}
_SERVING = frozenset(key for pattern in SERVES for key in keys(pattern)[:1])
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_CACHED = re.compile(r"/models--([^/]+?)--([^/]+)")
_NOWHERE = re.compile(r"KeyboardInterrupt|SystemExit|ImportError|ModuleNotFoundError|\S*Error: (?:CUDA|HIP) ")
"""Exceptions that say nothing about the place where they were raised."""
_ENDING = re.compile(rb"Error|Exception|Interrupt|Exit")
_FRAME = re.compile(rb'File "([^"\n]+)", line \d+, in (<?\w+>?)')
"""A frame of a Python traceback: the file and the function."""
_UNFINISHED = re.compile(rb"Traceback \(most recent|" + _FRAME.pattern)
"""What the last lines of a log have that stops in the midst of a traceback."""
_CHAINED = re.compile(rb"During handling of the above exception|was the direct cause of the following exception")
"""Stands between two tracebacks of one error."""
_REFUSED = re.compile(r"\b(?:vllm(?: \w+)?|\w+\.py): error: ")
"""How Python's argument parser refuses a command line."""
_NATIVE = re.compile(rb"\bframe #\d+: ")
"""A frame of a native stack, as PyTorch prints it."""


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
    frame: str = ""
    """Where it was raised: the innermost frame, as `file:function`."""
    death: Line | None = None
    """The engine, or the whole start, gave up here."""
    hint: tuple[str, Line] | None = None
    """What may have broken the start, unless something says more."""
    killed: Line | None = None
    """A shell said that the process ended by SIGKILL."""


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
        self._ready_at = 0
        self._serves = False
        """Nobody saw the start, but the engine serves: a traceback is one request's."""
        self.lines = 0
        """Complete lines read."""
        self._table, self._known = table_of(rules), _known(rules)
        self._rules = rules
        self._start, self._serve, self._previous = _State(), _State(), _State()
        self._stopping = 0
        self._pending = b""
        self._tail: list[tuple[int, bytes]] = []
        self._context = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._json = False
        self._begun = False
        self._sources: set[str] = set()
        """Who announced phases of a start: the deployment."""
        self._servers: set[str] = set()
        """Who answers requests, be it the deployment or another service: a traceback of theirs is one request's."""
        self._writers: set[str] = set()
        """Everybody who wrote before that was known."""
        self._fatal: Evidence | None = None
        self._told = False
        self._seeking = False
        self._raiser = ""
        """Who writes the traceback that is read."""
        self._head = 0
        self._sought = 0
        self._spared = 0
        """Where a traceback ended that ended nothing else."""
        self._harmless = False
        self._frame = ""
        self._wrapping = Wrapping()

    @property
    def phase(self) -> str | None:
        """The phase the start is in, or None before the first announced one."""
        return self.phases[-1].name if self.phases else None

    @property
    def settled(self) -> bool:
        """Whether a start has failed of a cause that no later line can change."""
        root = None if self.ready or self._fatal is None else _root(self._start.hits)
        return root is not None and not root.rule.consequence_of

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
        """The log ended: read its last line although it has no end."""
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
            data = b"\n".join(out_of_json(raw) for raw in data.split(b"\n"))
        if b"\0" in data:
            data = data.replace(b"\0", b"")
        fresh = len(self._context)  # before this offset, lines were read already, without what follows them
        first = self.lines + 1 - self._context.count(b"\n")
        self.lines += data.count(b"\n")
        data = self._context + data
        self._wrapping.measure(data[fresh:])
        if not self._sources and first < WRITERS_KNOWN:
            self._writers |= {clean(raw).source for raw in data[fresh:].split(b"\n", WRITERS_LINES)[:WRITERS_LINES]}
        broken = dict(broken_words(data))
        words = set(shapes(data).translate(SPACED).split())
        words.update(word.translate(None, DIGITS) for word in broken.values())
        wanted: dict[int, set[Sign | None]] = {}
        for start in islice(lines_with(data, b"^C"), SERVING_LINES):
            wanted.setdefault(start, set()).add(None)
        for key, signs in self._of_interest(words):
            for start in islice(lines_with(data, key), SERVING_LINES if key in _SERVING else None):
                wanted.setdefault(start, set()).update(signs)
            for start in (start for start, word in broken.items() if word == key):
                wanted.setdefault(start, set()).update(signs)
        if self._seeking:
            self._seek(data, fresh, self.lines + 1 - data.count(b"\n", fresh))
        number, offset = first, 0
        for start in sorted(wanted):
            number += data.count(b"\n", offset, start)
            offset = start
            self._read(data, start, number, wanted[start], start >= fresh)
        self._keep(data)

    def _of_interest(self, words: set[bytes]) -> Iterator[tuple[bytes, list[Sign | None]]]:
        """The words in a block that may mean something, with the patterns all of whose words are there.

        `words` are without digits. None stands for a line that tells about the course of things.
        """
        seeing = not (self.ready or self._serves)
        starting = seeing and not self._start.crash
        for word in words & self._known.keys():
            for key in self._known[word]:
                signs: list[Sign | None] = [
                    sign for sign in self._table.get(key, ()) if words.issuperset(sign.bare) and self._open(sign.rule)
                ]
                begins = starting and key in _STARTING and not (key == _STEP and self._sought)
                if key in _TELLING or begins or (seeing and key in _SERVING):
                    signs.append(None)
                if signs:
                    yield key, signs

    def _read(self, data: bytes, start: int, number: int, found: set[Sign | None], new: bool) -> None:
        """One line that carries words of interest."""
        line = line_at(data, start, number) if new and None in found else None
        whole = self._wrapping.whole(data, start, number)
        if line is not None or (whole and None in found):
            self._tell(as_one(whole) if len(whole) > 1 else line or whole[0])
        signs = sorted((sign for sign in found if sign is not None), key=lambda sign: sign.order)
        raw = around(data, start) if signs else b""
        window: list[Line] = []
        for sign in signs:
            if self._open(sign.rule) and all(word in raw for word in sign.words):
                window = window or window_at(data, start, line or line_at(data, start, number))
                self._confirm(sign, window, number, as_one(whole) if len(whole) > 1 else None)
        if self._serve.death and self._serve.death.number == number >= self._sought and not self._seeking:
            self._seek(data, start, number)  # what the engine died of follows
        starting = not (self.ready or self._serves or self._stopping or self._start.crash or self._seeking)
        if line is not None and starting and number >= self._sought:
            end = end_of(data, start)
            if data.find(_TRACEBACK, start, end) >= 0 or _FRAME.search(data, start, end):
                if self._ours(line.source):
                    self._seek(data, start, number)
            else:
                self._crash(as_one(whole) if len(whole) > 1 else line)

    def _seek(self, data: bytes, start: int, number: int) -> None:
        """Find the line that ends a traceback, here or in the next block."""
        if not self._seeking:
            self._seeking, self._raiser = True, line_at(data, start, number).source
        for _ in range(SEEK_LINES):
            end = data.find(b"\n", start) + 1 or len(data)
            if start >= len(data):
                return
            if data.find(_TRACEBACK, start, end) >= 0:
                self._harmless = self._is_harmless(data, start, number)
            if frame := _FRAME.search(data, start, end):
                self._frame = b":".join(frame.groups()).decode("utf-8", "replace")
            elif data.find(b'File "', start, end) >= 0:  # a terminal broke the innermost frame so far
                self._frame = ""
            if _ENDING.search(data, start, end):
                whole = self._wrapping.whole(data, start, number)
                if self._crash(as_one(whole) if len(whole) > 1 else line_at(data, start, number)):
                    number += 1
                    break
            start, number = end, number + 1
        self._seeking, self._harmless, self._sought = False, False, number

    def _is_harmless(self, data: bytes, start: int, number: int) -> bool:
        """Whether the traceback at `start` is one of those that ended nothing, or goes on from one."""
        above = start
        for _ in range(CHAIN_LINES):
            above = data.rfind(b"\n", 0, max(above - 1, 0)) + 1
        chained = number - self._spared <= CHAIN_LINES and _CHAINED.search(data, above, start)
        return bool(chained or _HARMLESS.search(data, data.rfind(b"\n", 0, max(start - 1, 0)) + 1, start))

    def _crash(self, line: Line) -> bool:
        """Whether a line ends a traceback; keep it when it says more than that there was one."""
        if not _EXCEPTION.match(line.message) or line.level in QUIET or not self._ours(line.source):
            return False
        if self._seeking and line.source not in (self._raiser, ""):
            return False
        known = any(pattern.search(line.message) for pattern in (_NOISE, _DEATH)) or _REQUESTS.search(line.text)
        stopped = any(text in line.message for text in STOPPING)
        foreign = self._harmless or _CLIENTS.search(self._frame)
        served = self._serves or line.source in self._servers
        if not (known or stopped or foreign or (_dead(line.message) if self.ready else served)):
            self._state.crash, self._state.frame = line, self._frame
        self._spared = line.number if self._harmless else self._spared
        self._frame, self._harmless = "", False
        return True

    def _keep(self, data: bytes) -> None:
        """What the next block and the end need: the last lines."""
        lines = data[-MAX_LINE:].splitlines()[-TAIL_LINES:]
        self._tail = [(self.lines - len(lines) + 1 + i, raw) for i, raw in enumerate(lines)]
        at = len(data) - 1
        for _ in range(sum(WINDOW)):
            at = data.rfind(b"\n", 0, max(at, 0))
        self._context = data[max(at + 1, len(data) - MAX_LINE) :]

    def _open(self, rule: Rule) -> bool:
        """Whether more hits of a rule are of use: of a start the first ones, while serving the last ones."""
        return self.ready or self._state.counts.get(rule.id, 0) < HITS_PER_RULE

    @property
    def _state(self) -> _State:
        return self._serve if self.ready else self._start

    def _tell(self, line: Line) -> None:
        """Phases, version, facts: what a line tells about the course of things."""
        message = line.message
        if message.startswith("Traceback"):
            self._head = line.number
        again = bool(self._stopping) and AGAIN in message and self._itself(line.source)
        started = again
        if found := _VERSION.search(line.text):
            self.vllm_version = next((group for group in found.groups() if group), None)
            started = started or "engine" not in found[0]
        phase = MARKERS[0][1] if started else next((name for text, name in MARKERS if text in message), None)
        listens = any(text in message for text in READY)
        if listens or phase is None or again:  # others have the same server: what it says tells nobody's name
            if not self._ours(line.source):
                return
            if listens and not self._itself(line.source):
                phase, listens = None, False
        else:
            self._sources.add(line.source)
        if phase is not None:
            if phase == MARKERS[0][1] and (self._start.death or self._start.hits or self.ready or self._stopping):
                self._previous = self._start if self._start.hits or self._start.death else self._previous
                self._start, self._serve, self.ready, self._stopping = _State(), _State(), False, 0
            elif phase != MARKERS[0][1]:
                self._start.hint = None
            self._serves = self._serves and phase != MARKERS[0][1]
            if self.phase != phase and len(self.phases) < MAX_PHASES:
                self.phases.append(Phase(name=phase, line=line.number, text=line.text))
        for name, (word, pattern) in _FACTS.items():
            if word in message and (found := pattern.search(message)):
                self.facts[name] = found[1]
        serves = _SERVES.search(message) is not None
        if serves:
            self._servers.add(line.source)
        if serves and self._itself(line.source):
            self._serves = True
            self._start.crash = self._start.crash if self.phases else None
        if listens:
            self.ready, self._ready_at = True, line.number
            self._start, self._serve, self._previous = _State(), _State(), _State()
        if not self._stopping and _DEATH.search(message) and not _NOISE.search(message):
            self._state.death = self._state.death or line
            self._fatal = self._fatal or Evidence(line=line.number, text=line.text)
        if _KILLED.search(message):
            self._state.killed = line
        if hint := next((rule for pattern, rule in _HINTS if pattern.search(message)), None):
            self._state.hint = self._state.hint or (hint, line)
        stopped = any(text in line.text for text in STOPPING)
        if self.ready or self._serves:
            stopped = stopped or ENDED in line.text or _BY_HAND.match(line.text) is not None
        if stopped and message.startswith("KeyboardInterrupt"):
            self._retract()
        if stopped and not self._state.death:
            self._stopping = self._stopping or line.number

    def _retract(self) -> None:
        """The traceback that ends here went through the engine, but a stop raised it: nothing has died of that."""
        state = self._state
        state.hits = [h for h in state.hits if h.rule.id != DEATH_RULE or h.groups or h.number < self._head]
        if state.death and state.death.number > self._head:
            state.death = None

    def _confirm(self, sign: Sign, window: list[Line], number: int, whole: Line | None) -> None:
        """Does the pattern match line `number`, or the wrapped message it is part of? `whole` is that message."""
        expression = compiled(sign.pattern)
        lines = [line for line in window if line.number == number]
        found = expression.search(lines[0].message)
        if found is None:
            lines, found = search_across(expression, window)
        if found is None:
            return
        said = whole or lines[0]
        if (said.level in QUIET and not sign.rule.quiet) or any(_NOISE.search(part.message) for part in (said, *lines)):
            return
        if number == self._spared or (self._stopping and sign.rule.stage is not Stage.DAEMON):
            return
        if self.ready and number <= self._ready_at:  # read again for what follows it: a try that succeeded after all
            return
        state = self._state
        if any(hit.rule.id == sign.rule.id and hit.number == lines[0].number for hit in state.hits):
            return
        state.counts[sign.rule.id] = state.counts.get(sign.rule.id, 0) + 1
        groups = {name: _short(value) for name, value in found.groupdict().items() if value}
        hit = Hit(rule=sign.rule, lines=tuple(lines), groups=groups)
        state.hits.append(hit)
        if state.counts[sign.rule.id] > HITS_PER_RULE:
            state.hits.remove(next(old for old in state.hits if old.rule.id == sign.rule.id))
        if sign.rule.id == DEATH_RULE and self.ready:
            state.death = state.death or lines[0]
        if (sign.rule.fatal and (not self.ready or sign.rule.serving)) or sign.rule.id == DEATH_RULE:
            self._fatal = self._fatal or Evidence(line=lines[0].number, text=lines[0].text)

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
        killed = self._state.killed
        if killed and exit_code is None:
            exit_code = SIGKILLED
        hits = list(self._hits(exit_code, oom_killed))
        if daemon_error:
            daemon = Reader(rules=self._rules)
            daemon.feed(daemon_error.encode())
            daemon.close()
            hits = daemon._start.hits + hits
        values = {
            "container": self.container or NEWEST,
            "phase": self.phase or ("listening" if self._serves else "start"),
        }
        if words := self._last_words():
            values["tail"] = words
        if exit_code is not None:
            values["exit_code"] = str(exit_code)
        if timed_out_s is not None:
            values["waited"] = f"{timed_out_s:.0f}"
        crash = None if self.ready else self._failed.crash
        if crash and (hit := _root(hits)) and hit.rule.timeout and crash.number < hit.number:
            hits = []  # others waited for what had failed by then
        if hit := _root(hits):
            groups, shown = _said(hit, hits), [*hit.lines]
            if crash and crash.number < hit.number:
                values["first"] = _short(crash.message.split("\n")[0])
            if hit.rule.id == DEATH_RULE and "what" not in groups and self._serve.crash:
                groups["what"] = _short(self._serve.crash.message.split("\n")[0])
                shown.append(self._serve.crash)
            return self._answer(hit.rule, values | self._model(groups.get("model")) | groups, shown)
        shown = self._unknown()
        rule = self._by_state(exit_code, oom_killed, timed_out=timed_out_s is not None)
        if rule and (oom_killed or not shown):
            return self._answer(rule, values, [killed] if killed else self._last_lines())
        if daemon_error:
            shown = [*shown, clean(daemon_error.encode(), 1)]
        ended_early = exit_code == 0 and not self.ready and not self._stopping
        if place := self._place():
            rule, said = place
            answer = self._answer(rule, values | {"what": said, "why": said}, shown[:1])
            if said in answer.cause.en:
                return answer
            cause = Text(en=f"{answer.cause.en} ({said})", zh_tw=f"{answer.cause.zh_tw}（{said}）")
            return answer.model_copy(update={"cause": cause})
        if hint := self._hint():
            return self._answer(hint[0], values | self._model(None), [hint[1]])
        if shown or ended_early or self._crashed(exit_code):
            if first := next((line.message for line in shown if not _DEATH.search(line.message)), ""):
                values["first"] = _short(first.split("\n")[0])
                values.pop("tail", None)
            return self._answer(UNEXPLAINED, values, [*shown, *self._last_lines()])
        return None

    def _hint(self) -> tuple[Rule, Line] | None:
        """The rule that a start points to which came no further, and says no more."""
        hint = self._failed.hint or self._start.hint
        if hint is None or self.ready or self._serves or self._stopping:
            return None
        return next(((rule, hint[1]) for rule in self._rules if rule.id == hint[0]), None)

    def _model(self, named: str | None) -> dict[str, str]:
        """What remedies say of a model, `named` by the failure or else by the log: `repo` and `directory` are its name
        on the hub and where it is cached, `path` is the directory it was read from instead."""
        named = named or self.facts.get("model") or self.facts.get("checkpoint", "")
        if cached := _CACHED.search(named):
            named = f"{cached[1]}/{cached[2]}"
        if _HUB_NAME.fullmatch(named):
            return {"repo": named, "directory": f"~/vllm/huggingface/hub/models--{named.replace('/', '--')}"}
        return {"path": named} if named.startswith("/") else {}

    def _crashed(self, exit_code: int | None) -> bool:
        """Whether the exit code is that of a process nobody stopped: `docker stop` that lost patience ends in 137."""
        return exit_code not in (None, *STOPPED_BY_HAND) and not (self._stopping and exit_code == SIGKILLED)

    def _by_state(self, exit_code: int | None, oom_killed: bool, *, timed_out: bool) -> Rule | None:
        """The rule the exit state alone points to."""
        for rule in self._rules:
            if (oom_killed and rule.oom_killed) or (exit_code in rule.exit_codes and self._crashed(exit_code)):
                return rule
        return next((rule for rule in self._rules if timed_out and rule.timeout), None)

    @property
    def _failed(self) -> _State:
        """The start that failed: the last one, unless it shows nothing."""
        return self._start if self._start.death or self._start.crash else self._previous

    def _unknown(self) -> list[Line]:
        """The lines that show a failed start no rule knows."""
        told = self.phases or self.ready or self._serves or self.vllm_version or self._state.killed
        said = None if told else _complaint(self._last_lines())
        lines = () if self.ready else (self._raised[0], self._failed.death or said)
        return [line for line in lines if line is not None and self._ours(line.source)]

    @property
    def _raised(self) -> tuple[Line | None, str]:
        """What was raised, and the frame where; a log may end in the midst of its traceback."""
        if (
            self._failed.crash is None
            and self._seeking
            and not (self._harmless or self._serves)
            and _UNFINISHED.search(b"".join([raw for _, raw in self._tail if raw.strip()][-FRAME_LINES:]))
        ):
            last = next(reversed(self._last_lines()), None)
            told = last and last.level not in QUIET and not _REQUESTS.search(last.text)
            return last if told else None, self._frame
        return self._failed.crash, self._failed.frame

    def _place(self) -> tuple[Rule, str] | None:
        """The rule for the place where an exception was raised whose words nobody knows, and what it said."""
        crash, frame = self._raised
        if self.ready or crash is None or not self._ours(crash.source) or _NOWHERE.match(crash.message):
            return None
        name = next((name for pattern, name in _PLACES if pattern.search(f"{frame}\n{crash.message}")), None)
        return next(((rule, crash.message.split("\n")[0]) for rule in self._rules if rule.id == name), None)

    def _hits(self, exit_code: int | None, oom_killed: bool) -> Iterator[Hit]:
        """Hits that count: of the start that failed, or of the engine that died while it served."""
        if self.ready:
            hits = [hit for hit in self._serve.hits if self._counts(hit, self._crashed(exit_code) or oom_killed)]
        else:
            hits = self._start.hits or ([] if self._start.crash else self._previous.hits)
            if self._start.death and not self._serves:
                # it never served: that it is dead is no news, unless the line says why
                hits = [hit for hit in hits if hit.rule.id != DEATH_RULE or hit.groups]
            ended = self._start.death or self._cut or self._crashed(exit_code) or oom_killed
            if self._serves and not ended and all(hit.rule.id != DEATH_RULE for hit in hits):
                hits = [hit for hit in hits if hit.rule.serving or hit.rule.stage is not Stage.START or _usage(hit)]
        yield from (hit for hit in hits if self._ours(hit.source) or hit.source in HOST_SOURCES)

    def _ours(self, source: str) -> bool:
        """Whether a writer is the deployment, where several write into one log."""
        return not self._sources or source in self._sources or not source or "vllm" in source.lower()

    def _itself(self, source: str) -> bool:
        """Whether a writer is the very one: it announced a start, has vLLM in its name, or is the only one."""
        if self._sources - {""}:
            return source in self._sources
        if any("vllm" in writer.lower() for writer in self._writers):
            return "vllm" in source.lower()
        return not source or not self._writers - {source, ""}

    def _counts(self, hit: Hit, crashed: bool) -> bool:
        """Whether what was seen while serving is the deployment's failure, not one request's."""
        if hit.rule.serving:
            return True
        if self._serve.death is not None:
            return hit.number >= self._serve.death.number - INCIDENT_LINES
        ended = self.lines if crashed or self._cut else self._stopping
        return hit.number >= ended - INCIDENT_LINES if ended else False

    @property
    def _cut(self) -> bool:
        """Whether the log ends in the midst of a native stack: what was running did not live on."""
        return bool(self._tail) and _NATIVE.search(self._tail[-1][1]) is not None

    def _last_lines(self) -> list[Line]:
        return [clean(raw, number) for number, raw in self._tail if raw.strip()]

    def _last_words(self) -> str:
        return next((line.message for line in reversed(self._last_lines())), "")

    def _answer(self, rule: Rule, values: Mapping[str, str], lines: Iterable[Line]) -> Diagnosis:
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


def _complaint(lines: list[Line]) -> Line | None:
    """The first line in which a command complains, of those after which nothing came up."""
    first = next((at + 1 for at in reversed(range(len(lines))) if _CAME_UP.search(lines[at].text)), 0)
    return next((line for line in lines[first:] if line.level not in QUIET and _COMPLAINTS.search(line.text)), None)


def _usage(hit: Hit) -> bool:
    """Whether a command refused its arguments: no request does that."""
    return _REFUSED.search(hit.lines[0].text) is not None


def _dead(message: str) -> bool:
    """Whether it says that the engine is dead, and perhaps no more than that."""
    return any(
        compiled(pattern).search(message) for rule in RULES if rule.id == DEATH_RULE for pattern in rule.patterns
    )


def _root(hits: list[Hit]) -> Hit | None:
    """The first hit whose rule is not a consequence of another rule that hit too.

    That the engine is dead is everything's consequence; only what it died of can be a cause of something else.
    """
    ids = {hit.rule.id for hit in hits if hit.rule.id != DEATH_RULE or hit.groups}
    of_death = {hit.rule.id for hit in hits if DEATH_RULE in hit.rule.consequence_of}
    for hit in sorted(hits, key=lambda hit: hit.number):
        others = ids - {hit.rule.id}
        if hit.rule.id == DEATH_RULE and hit.groups:
            others -= of_death
        if not ("*" in hit.rule.consequence_of and others) and not others & set(hit.rule.consequence_of):
            return hit
    return hits[0] if hits else None


def _said(hit: Hit, hits: list[Hit]) -> dict[str, str]:
    """What a failure says about itself: its first line, and what that left out from the lines soon after it."""
    groups: dict[str, str] = {}
    for other in hits:
        if other.rule.id == hit.rule.id and 0 <= other.number - hit.number <= NEAR:
            groups = dict(other.groups) | groups
    return groups | dict(hit.groups)


def _short(value: str) -> str:
    """A value as a sentence takes it: without the marks around it, and not too long."""
    value = value.strip().rstrip(".:,;")
    if value[:1] in "'`" and value[:1] == value[-1:]:
        value = value[1:-1]
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}…"


def render(text: Text, values: Mapping[str, str], rule: Rule | None = None) -> Text:
    """Fill a template. `[[ … ]]` is left out when a value inside is not known, and of `[[ … || … ]]` the second part is
    taken then; other unknown values become `?`."""
    known = dict(values)
    for name, numerator, denominator in rule.ratios if rule else ():
        try:
            share = float(known[numerator]) / float(known[denominator]) - ROOM
            known[name] = f"{max(0.01, int(share * 100) / 100):.2f}"
        except (KeyError, ValueError, ZeroDivisionError):
            continue

    def fill(template: str) -> str:
        def optional(found: re.Match[str]) -> str:
            wanted, _, otherwise = found[1].partition("||")
            return wanted if all(name in known for name in re.findall(r"{(\w+)}", wanted)) else otherwise

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
