"""A record and its log → every view beside it. Writing them again gives the same bytes."""

from __future__ import annotations

from pathlib import Path

from harness.history import Listing, directories, listing, nights
from harness.record import FILE, Record, read, write_atomically
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
    listed = listing(reports)
    for directory in (reports / one.directory for one in listed.records):
        if not (directory / INDEX).exists():
            write(read(directory), directory)
    write_atomically(reports / INDEX, _index(reports, listed))


def _index(reports: Path, listed: Listing) -> str:
    found, bad = nights(reports)
    return html.index(listed._replace(unreadable=listed.unreadable + bad), found)


def render_again(place: Path) -> list[Path]:
    """Write the views of the record in `place`, or of every readable record under it and their list.

    Returns what was written. Raises RecordError when `place` holds no record, or its one record can't be read.
    """
    if place.is_file() or (place / FILE).exists() or not place.is_dir():
        directory = place.parent if place.is_file() else place
        write(read(place), directory)
        return [directory / INDEX]
    listed = listing(place)
    bad = {one.directory for one in listed.unreadable}
    good = [directory for directory in directories(place) if directory.name not in bad]
    for directory in good:
        write(read(directory), directory)
    write_atomically(place / INDEX, _index(place, listed))
    return [*(directory / INDEX for directory in good), place / INDEX]
