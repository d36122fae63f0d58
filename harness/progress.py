"""What a long step shows: a live bar on a terminal, plain dated lines everywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import IO, Protocol

QUIET_S = 10.0
"""Without a terminal, seconds between two lines of the same step."""


class Step(Protocol):
    """One long step under way."""

    def at(self, done: float, total: float | None = None, note: str = "") -> None:
        """Report the absolute position, in the unit the step was opened with."""


class Progress(Protocol):
    """Where long steps report to."""

    def say(self, text: str) -> None:
        """Print one line."""

    def step(self, what: str, total: float | None = None, unit: str = "s") -> AbstractContextManager[Step]:
        """Open a step. `unit` is `s`, `B` (shown as MB) or a word such as `steps`; no total means open-ended.

        Leaving it prints how long it took, or that it was stopped.
        """


def progress(stream: IO[str] | None = None) -> Progress:
    """The right progress for `stream` (default: standard error)."""
    out = stream or sys.stderr
    return _Terminal(out) if out.isatty() else _Lines(out)


Row = tuple[str, ...]
"""The cells of one row of a table; the first says what the row is about, the last is what changes all the time."""


@contextmanager
def table(head: Row, stream: IO[str] | None = None) -> Iterator[Callable[[Sequence[Row]], None]]:
    """A table that is shown again whenever what is yielded is called with its rows: in place on a terminal.

    Elsewhere the rows that have changed are lines; a change of the last cell alone is one every QUIET_S seconds.
    """
    out = stream or sys.stderr
    if not out.isatty():
        lines, seen, spoke = _Lines(out), dict[str, Row](), dict[str, float]()

        def tell(rows: Sequence[Row]) -> None:
            for row in rows:
                before, now = seen.get(row[0], ()), time.monotonic()
                if row[:-1] != before[:-1] or (row != before and now - spoke[row[0]] >= QUIET_S):
                    seen[row[0]], spoke[row[0]] = row, now
                    lines.say(" | ".join(filter(None, row)))

        yield tell
        return
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    with Live(console=Console(file=out), auto_refresh=False) as live:

        def draw(rows: Sequence[Row]) -> None:
            drawn = Table(*head)
            for row in rows:
                drawn.add_row(*map(Text, row))
            live.update(drawn, refresh=True)

        yield draw


def _amount(value: float, unit: str) -> str:
    return f"{value / 1e6:.1f} MB" if unit == "B" else f"{value:.0f} {unit}".rstrip()


def _position(done: float, total: float | None, unit: str, note: str) -> str:
    where = _amount(done, unit) if total is None else f"{_amount(done, unit)} of {_amount(total, unit)}"
    return f"{where}, {note}" if note else where


class _Lines:
    """Dated lines, at most one every QUIET_S seconds a step."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def say(self, text: str) -> None:
        print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}", file=self._out, flush=True)

    @contextmanager
    def step(self, what: str, total: float | None = None, unit: str = "s") -> Iterator[Step]:
        self.say(f"{what} …")
        step = _LineStep(self, what, total, unit)
        try:
            yield step
        except BaseException as error:
            self.say(f"{what}: stopped after {step.elapsed():.0f} s ({type(error).__name__})")
            raise
        self.say(f"{what}: done in {step.elapsed():.0f} s")


class _LineStep:
    def __init__(self, lines: _Lines, what: str, total: float | None, unit: str) -> None:
        self._lines, self._what, self._total, self._unit = lines, what, total, unit
        self._begun = self._spoke = time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self._begun

    def at(self, done: float, total: float | None = None, note: str = "") -> None:
        if time.monotonic() - self._spoke >= QUIET_S:
            self._spoke = time.monotonic()
            self._lines.say(f"{self._what}: {_position(done, total or self._total, self._unit, note)}")


class _Terminal:
    """rich's live display."""

    def __init__(self, out: IO[str]) -> None:
        from rich.console import Console

        self._console = Console(file=out)

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)

    @contextmanager
    def step(self, what: str, total: float | None = None, unit: str = "s") -> Iterator[Step]:
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[where]}"))
        begun = time.monotonic()
        with Bars(*columns, TimeElapsedColumn(), console=self._console, transient=True) as bars:
            task = bars.add_task(what, total=total, where="")

            class Live:
                def at(self, done: float, total: float | None = None, note: str = "") -> None:
                    known = total or bars.tasks[0].total
                    bars.update(task, completed=done, total=known, where=_position(done, known, unit, note))

            try:
                yield Live()
            except BaseException as error:
                self.say(f"✗ {what}: stopped after {time.monotonic() - begun:.0f} s ({type(error).__name__})")
                raise
        self.say(f"✓ {what}: {time.monotonic() - begun:.0f} s")
