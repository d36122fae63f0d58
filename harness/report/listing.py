"""The records under a directory, each in the few fields that a list and its trends need."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from harness.record import FILE, RecordError, Summary, read, summary


class Unreadable(NamedTuple):
    """A directory whose record can't be read, and why."""

    directory: str
    reason: str


class Listing(NamedTuple):
    """What there is: records, and what calls itself one and can't be read. Nothing is left out or changed."""

    records: tuple[Summary, ...]
    unreadable: tuple[Unreadable, ...]


def directories(reports: Path) -> list[Path]:
    """The directories under `reports` that hold a record, by name."""
    return sorted(path.parent for path in reports.glob(f"*/{FILE}"))


def listing(reports: Path) -> Listing:
    """Every record directly under `reports`."""
    records, unreadable = [], []
    for directory in directories(reports):
        try:
            record = read(directory)
        except RecordError as error:
            unreadable.append(Unreadable(directory.name, str(error).replace(f"{directory}/", "")))
        else:
            records.append(summary(record, directory.name))
    return Listing(tuple(records), tuple(unreadable))
