"""A record and its log → every view beside it. Writing them again gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.history import Listing, Unreadable, listing, nights
from harness.record import FILE, Record, RecordError, read, under_way, write_atomically
from harness.report import ctrf, html, junit, markdown
from harness.report.log import excerpt

LOG = "container.log"
INDEX = "index.html"


def views(record: Record, log: Path) -> dict[str, str]:
    """File name → text of each view. Pure, but for reading what is shown of `log`."""
    evidence = [line.line for line in record.diagnosis.evidence] if record.diagnosis else []
    return {
        INDEX: html.page(record, excerpt(log, evidence)),
        "record.md": markdown.render(record),
        "junit.xml": junit.render(record),
        "ctrf.json": ctrf.render(record),
    }


def write(record: Record, directory: Path) -> None:
    """Write the views of `record` into its directory. Raises RecordError when one can't be written."""
    for name, text in views(record, directory / LOG).items():
        write_atomically(directory / name, text)


def write_index(reports: Path) -> None:
    """Write `index.html`, the list of all records directly under `reports`, and the pages that killed runs lack."""
    _write_index(reports, lambda directory: (directory / INDEX).exists())


def _write_index(reports: Path, done: Callable[[Path], bool]) -> list[Path]:
    """Write the views of every record whose directory is not `done`, and the list; returns the pages written.

    A record whose run is under way has no page yet; one that turns out to be unreadable is listed as that.
    """
    listed, written, bad = listing(reports), [], []
    for directory in (reports / one.directory for one in listed.records if not one.running):
        if not done(directory):
            try:
                write(read(directory), directory)
            except RecordError as error:
                bad.append(Unreadable(directory.name, str(error).replace(f"{directory}/", "")))
            else:
                written.append(directory / INDEX)
    told, broken = nights(reports)
    left_out = {one.directory for one in bad}
    listed = Listing(
        tuple(one for one in listed.records if one.directory not in left_out),
        (*listed.unreadable, *bad, *broken),
    )
    write_atomically(reports / INDEX, html.index(listed, told))
    return [*written, reports / INDEX]


def render_again(place: Path) -> list[Path]:
    """Write the views of the record in `place`, or of every readable record under it and their list.

    Returns what was written. Raises RecordError when `place` holds no record, or its one record can't be read or is of
    a run that is under way.
    """
    if place.is_file() or (place / FILE).exists() or not place.is_dir():
        directory = place.parent if place.is_file() else place
        record = read(place)
        if record.ended is None and under_way(directory):
            raise RecordError(f"{directory} is of a run that is under way → its pages come with its end")
        write(record, directory)
        return [directory / INDEX]
    return _write_index(place, lambda _directory: False)
