"""Numbers → the geometry of charts, in percent of their width and height. The templates draw it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.comparison import Compared
from harness.record import Record
from harness.types import Diagnosis, Judged, Measurement


class Bar(NamedTuple):
    """One phase of the start-up: where it lies in the whole, in percent, and in seconds."""

    name: str
    begin: float
    width: float
    at_s: float
    lasts_s: float
    deadline_s: float | None
    mark: float | None
    """Where the deadline lies, when it lies within the chart."""
    state: str
    """ok, over (it outlived its deadline), or failed (the start ended in it)."""


def timeline(record: Record) -> tuple[Bar, ...]:
    """The start-up phases in order; each lasts until the next one, the last until the start's outcome."""
    start = next((m.value for m in record.measurements if m.name == "start"), None)
    if start is None:
        return ()
    steps = [
        ("container", 0.0, record.expectation.start_budget_s),
        *((p.name, p.at_s, p.deadline_s) for p in record.phases),
    ]
    steps = [step for step in steps if step[1] <= start]
    whole = max(start, 0.001)
    failed = isinstance(record.diagnosis, Diagnosis) and not any(m.name == "first_answer" for m in record.measurements)
    bars = []
    for i, (name, at_s, deadline_s) in enumerate(steps):
        last = i + 1 == len(steps)
        lasts = max(0.0, (start if last else steps[i + 1][1]) - at_s)
        over = deadline_s is not None and lasts > deadline_s
        mark = None if deadline_s is None else (at_s + deadline_s) / whole * 100
        bars.append(
            Bar(
                name=name,
                begin=_percent(at_s, whole),
                width=max(0.4, _percent(lasts, whole)),
                at_s=at_s,
                lasts_s=lasts,
                deadline_s=deadline_s,
                mark=round(mark, 2) if mark is not None and mark <= 100 else None,
                state="failed" if failed and last else "over" if over else "ok",
            )
        )
    return tuple(bars)


class Limit(NamedTuple):
    """A value beside its limit, in percent of the bar."""

    value: float
    limit: float


def against_limit(measurement: Measurement) -> Limit | None:
    """Where value and limit lie on a bar that has room for both; None without a limit."""
    if measurement.limit is None:
        return None
    whole = max(abs(measurement.value), abs(measurement.limit)) * 1.08 or 1.0
    return Limit(_percent(measurement.value, whole), _percent(measurement.limit, whole))


class Curve(NamedTuple):
    """A line: `points` for a polyline, `top` the value at its upper edge, `floor` in percent from above."""

    points: str
    area: str
    top: float
    right_s: float
    floor: float | None
    marks: tuple[float, ...]


def memory(record: Record) -> Curve | None:
    """Available host memory over the seconds from the container's start; None without a curve."""
    seen = record.memory
    if not seen:
        return None
    top = max([record.host.memory_total_gib or 0, *(p.available_gib for p in seen)]) or 1.0
    right = max(p.at_s for p in seen) or 1.0
    points = " ".join(f"{_percent(p.at_s, right)},{round(100 - _percent(p.available_gib, top), 2)}" for p in seen)
    first, last = _percent(seen[0].at_s, right), _percent(seen[-1].at_s, right)
    floor = record.memory_floor_gib
    return Curve(
        points=points,
        area=f"{first},100 {points} {last},100",
        top=top,
        right_s=right,
        floor=None if floor is None else round(100 - _percent(floor, top), 2),
        marks=tuple(_percent(p.at_s, right) for p in record.phases if p.at_s <= right),
    )


def judged(one: Judged) -> Trend | None:
    """The baseline's deployments and the one that was judged, from old to new; None where there is no baseline."""
    verdict = {"failed": "rejected", "passed": "accepted"}.get(one.verdict.value, "inconclusive")
    past = [(value, "") for value in one.past]
    return trend([*past, (one.value, verdict)], one.limit, ()) if one.past else None


def spread(compared: Compared) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Where the deployments of both images lie on one line, the least at 3 and the greatest at 97."""
    every = (*compared.before, *compared.after)
    low, width = min(every), max(every) - min(every) or 1.0
    before, after = (
        tuple(round(3 + (value - low) / width * 94, 2) for value in side) for side in (compared.before, compared.after)
    )
    return before, after


class Trend(NamedTuple):
    """One measurement over runs: dots (x, y from above, verdict), their line, and where something changed."""

    line: str
    dots: tuple[tuple[float, float, str], ...]
    limit: float | None
    changes: tuple[float, ...]
    low: float
    high: float
    latest: float


def trend(values: Sequence[tuple[float, str]], limit: float | None, changed: Sequence[int]) -> Trend:
    """`values` are (value, verdict) from old to new; `changed` are indices of runs before which something changed."""
    numbers = [value for value, _ in values]
    top = max([*numbers, limit or 0.0]) * 1.1 or 1.0
    step = 100 / max(1, len(values) - 1) if len(values) > 1 else 0.0
    xs = [round(i * step, 2) if len(values) > 1 else 50.0 for i in range(len(values))]
    dots = tuple(
        (x, round(100 - _percent(value, top), 2), verdict) for x, (value, verdict) in zip(xs, values, strict=True)
    )
    return Trend(
        line=" ".join(f"{x},{y}" for x, y, _ in dots),
        dots=dots,
        limit=None if limit is None else round(100 - _percent(limit, top), 2),
        changes=tuple(round(xs[i] - step / 2, 2) for i in changed if i),
        low=min(numbers),
        high=max(numbers),
        latest=numbers[-1],
    )


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, max(0.0, part / whole * 100)), 2)
