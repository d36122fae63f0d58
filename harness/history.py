"""The records under a directory: listed, the last accepted one found, the superfluous ones named.

The records are the truth. What a listing needs of them is kept beside them in an SQLite file, so that only new and
changed ones are read again; the file may be deleted at any time, and is made again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from harness import __version__
from harness.difference import WINDOW, compare
from harness.record import FILE, SCHEMA_VERSION, Night, Record, RecordError, Summary, read, read_summary, under_way
from harness.types import Changes, Host, Verdict

INDEX = ".listing.sqlite"
HORIZON = 90
"""Records that a speed is compared with at most: enough to see it creep, and read in a third of a second."""
NIGHTS = "nights"
"""The directory under the reports in which each night leaves one JSON file."""
QUIET = timedelta(days=7)
"""Without a record for longer than this is worth a word."""


class Unreadable(NamedTuple):
    """A directory whose record can't be read, and why."""

    directory: str
    reason: str


class Listing(NamedTuple):
    """What there is: records, and what calls itself one and can't be read. Nothing is left out or changed."""

    records: tuple[Summary, ...]
    unreadable: tuple[Unreadable, ...]


class Pruned(NamedTuple):
    """What a retention keeps, with the reason for what it would otherwise not, and what it gives up."""

    doomed: tuple[Summary, ...]
    spared: tuple[tuple[Summary, str], ...]


def directories(reports: Path) -> list[Path]:
    """The directories under `reports` that hold a record, by name."""
    return sorted(path.parent for path in reports.glob(f"*/{FILE}"))


def listing(reports: Path) -> Listing:
    """Every record directly under `reports`. The first time each is read, after that only what is new or changed.

    Of a record that this version wrote only what a list needs is read: what else is wrong with it shows when it is
    read as a whole.
    """
    known, stamps = _known(reports / INDEX), dict(_stamps(reports))
    lines = {name: _parsed(known[name][1]) for name, stamp in stamps.items() if known.get(name, ("",))[0] == stamp}
    fresh = {name: (stamp, _line(reports / name)) for name, stamp in stamps.items() if lines.get(name) is None}
    if fresh or known.keys() - stamps.keys():
        _keep(reports / INDEX, fresh, known.keys() - stamps.keys())
    records, unreadable = [], []
    for name in sorted(stamps):
        one = _parsed(fresh[name][1]) if name in fresh else lines[name]
        if isinstance(one, Summary):
            alive = one.ended is None and under_way(reports / name)
            records.append(one.model_copy(update={"running": alive}) if alive else one)
        else:
            unreadable.append(Unreadable(name, one or ""))
    return Listing(tuple(records), tuple(unreadable))


def _stamps(reports: Path) -> list[tuple[str, str]]:
    """Directory name → what changes whenever its record does, and with the harness that reads it."""
    found = []
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(reports) as entries:
        for entry in entries:
            with suppress(FileNotFoundError, NotADirectoryError):
                seen = os.stat(os.path.join(entry.path, FILE))  # noqa: PTH116, PTH118 (ten thousand of them)
                found.append(
                    (entry.name, f"{__version__}/{SCHEMA_VERSION}/{seen.st_mtime_ns}/{seen.st_size}/{seen.st_ino}")
                )
    return found


def _line(directory: Path) -> str:
    """A summary as JSON, or why there is none as a JSON text."""
    try:
        return read_summary(directory).model_dump_json()
    except RecordError as error:
        return json.dumps(str(error).replace(f"{directory}/", ""))


def _parsed(line: str) -> Summary | str | None:
    """What `_line` made, or why there is no summary; None for what another state of this checkout kept."""
    try:
        return Summary.model_validate_json(line) if line.startswith("{") else str(json.loads(line))
    except ValueError:
        return None


def _known(index: Path) -> dict[str, tuple[str, str]]:
    """What the index holds; nothing when it is missing, or is no index of ours."""
    if not index.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True, timeout=5)) as opened:
            return {name: (stamp, line) for name, stamp, line in opened.execute("SELECT name, stamp, line FROM line")}
    except sqlite3.Error:
        with suppress(OSError):
            index.unlink()  # only ever a copy: it is made again
        return {}


def _keep(index: Path, fresh: Mapping[str, tuple[str, str]], gone: Sequence[str] | set[str]) -> None:
    # without it the next listing reads every record again: slower, and as right
    with suppress(sqlite3.Error, OSError), closing(sqlite3.connect(index, timeout=5)) as opened, opened:
        opened.execute("CREATE TABLE IF NOT EXISTS line (name TEXT PRIMARY KEY, stamp TEXT, line TEXT)")
        opened.executemany("DELETE FROM line WHERE name = ?", ((name,) for name in gone))
        opened.executemany(
            "INSERT OR REPLACE INTO line VALUES (?, ?, ?)", ((name, *held) for name, held in fresh.items())
        )


def lost(reports: Path, host: Host) -> tuple[tuple[Path, Record], ...]:
    """Records under `reports` that never ended, of runs on this very `host` whose process is gone: killed, or the host
    was restarted. Directory and record each; those of another box are not this run's to end.
    """
    unended = (one for one in listing(reports).records if one.ended is None and not one.running)
    return tuple(
        (directory, record) for directory, record in _read_again(reports, unended) if _same_box(record.host, host)
    )


def _same_box(one: Host, other: Host) -> bool:
    """Whether nothing that is known of both says otherwise: only root can read a serial number."""
    pairs = ((one.name, other.name), (one.serial_sha256, other.serial_sha256))
    return all(left is None or right is None or left == right for left, right in pairs)


def _read_again(reports: Path, listed: Iterable[Summary]) -> Iterator[tuple[Path, Record]]:
    """Listed records as a whole. One that can't be read is passed over: its page in the list says why."""
    for one in listed:
        with suppress(RecordError):
            yield reports / one.directory, read(reports / one.directory)


def accepted_before(listed: Listing, record: Record) -> tuple[Summary, ...]:
    """The accepted records of the same variant and bench that were started before `record`, the newest last."""
    same = (
        one
        for one in listed.records
        if (one.variant, one.bench) == (record.variant.name, record.bench.name)
        and one.verdict is Verdict.ACCEPTED
        and one.started < record.started
    )
    return tuple(sorted(same, key=lambda one: one.started))


def past(listed: Listing, record: Record) -> tuple[dict[str, float], ...]:
    """The measurements of the accepted records before `record`: what says how much of a change is noise."""
    return tuple({name: m.value for name, m in one.values.items()} for one in accepted_before(listed, record)[-WINDOW:])


def measured_before(reports: Path, record: Record) -> tuple[Record, ...]:
    """The finished records of the same variant and bench before `record` whose speed was measured, the newest last.

    Accepted ones make a baseline, inconclusive ones may wait for a redeployment, a rejected one ended their waiting.
    """
    same = sorted(
        (
            one
            for one in listing(reports).records
            if (one.variant, one.bench) == (record.variant.name, record.bench.name)
            and one.verdict in (Verdict.ACCEPTED, Verdict.INCONCLUSIVE, Verdict.REJECTED)
            and one.started < record.started
            and any(name.startswith("perf.") for name in one.values)
        ),
        key=lambda one: one.started,
    )
    return tuple(record for _, record in _read_again(reports, same[-HORIZON:]))


def since_last_accepted(reports: Path, record: Record) -> Changes | None:
    """What changed since the last accepted record of the same variant and bench; None when there is none before."""
    listed = listing(reports)
    earlier = next(_read_again(reports, reversed(accepted_before(listed, record))), None)
    return compare(earlier[1], record, past(listed, record)) if earlier else None


def superfluous(
    listed: Listing,
    now: datetime | None = None,
    *,
    keep: int | None = None,
    keep_days: float | None = None,
    reports: Path | None = None,
) -> Pruned:
    """What a retention gives up: all but the newest `keep` of each variant and bench, or what is older in days.

    The last accepted record of a variant on a bench is never among it, nor one whose run is under way. With `reports`,
    where they lie, one that can't be read as a whole is not taken for the last accepted one.
    """

    def whole(one: Summary) -> bool:
        return reports is None or any(_read_again(reports, [one]))

    now = now or datetime.now(UTC)
    doomed: list[Summary] = []
    spared: list[tuple[Summary, str]] = []
    groups: dict[tuple[str, str], list[Summary]] = {}
    for one in sorted(listed.records, key=lambda one: one.started, reverse=True):
        groups.setdefault((one.variant, one.bench), []).append(one)
    for group in groups.values():
        last = next((one for one in group if one.verdict is Verdict.ACCEPTED and whole(one)), None)
        for place, one in enumerate(group):
            wanted = keep is not None and place < keep
            young = keep_days is not None and now - one.started <= timedelta(days=keep_days)
            if wanted or young:
                continue
            if one is last:
                spared.append((one, f"the last accepted record of {one.variant} on {one.bench}"))
            elif one.running:
                spared.append((one, "its run is under way"))
            else:
                doomed.append(one)
    return Pruned(tuple(doomed), tuple(spared))


def nights(reports: Path) -> tuple[tuple[Night, ...], tuple[Unreadable, ...]]:
    """The nights under `reports`, the newest last, and the files that call themselves one and can't be read."""
    found, bad = [], []
    for path in sorted((reports / NIGHTS).glob("*.json")):
        try:
            found.append(Night.model_validate_json(path.read_bytes()))
        except (OSError, ValueError) as error:  # pydantic's errors are ValueErrors
            bad.append(Unreadable(f"{NIGHTS}/{path.name}", f"{path.name} is no night: {error}"))
    return tuple(sorted(found, key=lambda one: one.started)), tuple(bad)


def missed(before: datetime, after: datetime, every_days: float) -> int:
    """How many nights should have begun between two that did, with half a period's grace."""
    return max(0, round((after - before) / timedelta(days=every_days)) - 1)


def quiet(listed: Listing, until: datetime | None = None) -> tuple[tuple[datetime, datetime], ...]:
    """The times of more than a week without a record, the newest last; after the last record up to `until`."""
    times = sorted(one.started for one in listed.records) + ([until] if until and listed.records else [])
    return tuple((one, other) for one, other in pairwise(times) if other - one > QUIET)
