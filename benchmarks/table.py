"""What a row of the benchmarks found, and how it is shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contestant in one discipline. `ratio` is to the harness's own value of the same run; None: not comparable."""

    what: str
    who: str
    value: str
    ratio: str = ""
    target: str = ""
    ok: bool | None = None
    """Whether the target was reached; None where there is none."""


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, 99th percentile and largest; of fewer than a hundred values the last two are the same."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], ordered[-1]


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    words = {True: "reached", False: "**missed**", None: ""}
    head = ("what", "who", "value", "to ours", "target", "")
    lines = [(row.what, row.who, row.value, row.ratio, row.target, words[row.ok]) for row in rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (head, *lines)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(head))]
    told = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([told[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *told[1:]]) + "\n"
