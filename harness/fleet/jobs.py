"""What travels between the controller and the boxes, and which job runs next. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from harness import __version__
from harness.record import Attachment, Harness
from harness.types import Bench, Check, Host, Noun, Verdict

LARGEST_SKEW_S = 5.0
"""Seconds by which a box's clock may be off: certificates and the order of records depend on it."""


class Job(Noun):
    """One command line for one box: a variant with an image."""

    id: str
    campaign: str
    variant: str
    image: str | None
    """None: the one the bench has by itself."""
    bench: Literal["auto", "gb10", "cpu"] = "auto"
    unit: str = ""
    """The unit it must run on; empty: any."""
    arguments: tuple[str, ...]
    """What the box's Python is told; `--reports DIR` is added there."""
    port: int = 8000
    wait: bool = False
    """Whether it waits for another run on the box to end."""
    budget_s: float = 0
    """How long it may be expected to take: the longest go first."""
    turn: int = 1
    lost_on: str = ""
    """The unit that was lost while it ran for the first time."""


class Outcome(Noun):
    """What came of a job on its box."""

    job: Job
    unit: str
    verdict: Verdict
    reason: str
    exit_code: int | None = None
    """Of the command; None: it was not started, or nobody saw its end."""
    started: datetime
    ended: datetime
    record: str = ""
    """Name of the record's directory; empty: there is none."""
    files: tuple[Attachment, ...] = ()
    """Everything in it."""


class Seen(Noun):
    """What a box says of itself, before a job."""

    unit: str
    harness: Harness
    clock: float
    """Its time, in seconds since 1970."""
    host: Host
    bench: Bench
    engine: str = ""
    """Why its Docker Engine can't be used; empty: it answers."""
    images: dict[str, str]
    """Image asked for → its ID there; empty: it is not there."""
    disk_gib: float
    holder: str | None
    """Who holds the box's lease now."""
    finished: tuple[str, ...] = ()
    """Jobs whose outcome lies there."""


class Result(Noun):
    """Where a job of a campaign is, or how it ended."""

    job: Job
    unit: str
    """Where it ran or is to run; empty: not known yet."""
    verdict: Verdict | None = None
    """None: not yet."""
    reason: str = ""
    record: str = ""
    """Name of the record's directory under the reports."""
    started: datetime | None = None
    ended: datetime | None = None


class Campaign(Noun):
    """One `fleet run`."""

    id: str
    started: datetime
    harness: Harness
    units: tuple[str, ...]
    results: tuple[Result, ...]


def arranged(jobs: Sequence[Job]) -> list[Job]:
    """In the order in which they are given out: the longest first, so that none is left for the end."""
    return sorted(jobs, key=lambda job: -job.budget_s)


def next_for(unit: str, waiting: Sequence[Job]) -> Job | None:
    """The job that `unit`, which is free, gets now: of those that must run there, then of those that may.

    A job that was lost on it does not come back to it.
    """
    own = (job for job in waiting if job.unit == unit)
    free = (job for job in waiting if not job.unit and job.lost_on != unit)
    return next(own, None) or next(free, None)


def checks(
    seen: Seen, *, unit: str, harness: Harness, skew_s: float, least_disk_gib: float, serial_sha256: str = ""
) -> tuple[Check, ...]:
    """What must hold on a box before a job starts there."""
    commit = (seen.harness.commit or "")[:12]
    wanted = (harness.commit or "")[:12]
    missing = [ref for ref, image in seen.images.items() if not image]
    return (
        Check(
            name="unit",
            ok=seen.unit == unit and serial_sha256 in ("", seen.host.serial_sha256),
            found=f"it calls itself {seen.unit}, serial {(seen.host.serial_sha256 or 'unknown')[:12]}",
            wanted=f"{unit}" + (f", serial {serial_sha256[:12]}" if serial_sha256 else ""),
            remedy="see which machine answers there, and mend the inventory or its unit file",
        ),
        Check(
            name="harness",
            ok=(seen.harness.version, seen.harness.commit) == (harness.version, harness.commit),
            found=f"{seen.harness.version} at commit {commit or 'unknown'}",
            wanted=f"{harness.version} at commit {wanted or 'unknown'}",
            remedy="check the same commit out on the box, then python -m harness fleet up",
        ),
        Check(
            name="clock",
            ok=abs(skew_s) <= LARGEST_SKEW_S,
            found=f"{skew_s:+.1f} s off",
            wanted=f"at most {LARGEST_SKEW_S:g} s",
            remedy="timedatectl set-ntp true on the box",
        ),
        Check(
            name="docker",
            ok=not seen.engine,
            found=seen.engine.partition(" →")[0] or "an engine that answers",
            wanted="an engine that answers",
            remedy="start it there: sudo systemctl start docker",
        ),
        Check(
            name="image",
            ok=not missing or bool(seen.engine),
            found=f"no {', '.join(missing)}" if missing else "there",
            wanted=", ".join(seen.images) or "none asked for",
            remedy=f"python -m harness fleet prepare {' '.join(f'--image {ref}' for ref in missing)}",
        ),
        Check(
            name="disk",
            ok=seen.disk_gib >= least_disk_gib,
            found=f"{seen.disk_gib:.1f} GiB free",
            wanted=f"{least_disk_gib:g} GiB",
            remedy="free space there, or lower least_disk_gib in the inventory",
        ),
    )


def different_images(seen: Mapping[str, Seen]) -> list[str]:
    """Images that are not the same on all boxes: the reference may be a tag that has moved."""
    refs = dict.fromkeys(ref for one in seen.values() for ref in one.images)
    told = []
    for ref in refs:
        ids = {unit: one.images[ref].rpartition(":")[2][:12] for unit, one in seen.items() if one.images.get(ref)}
        if len(set(ids.values())) > 1:
            told.append(f"{ref} is {', '.join(f'{image} on {unit}' for unit, image in ids.items())}")
    return told


def blocked(found: Sequence[Check]) -> str:
    """The failed checks in one sentence, or an empty text."""
    return "; ".join(f"{c.name}: {c.found}, wanted {c.wanted} → {c.remedy}" for c in found if not c.ok)


def says(worker: Mapping[str, Any]) -> tuple[str, str]:
    """(version of the harness, running job) as a worker told the scheduler of itself; the version may be empty."""
    told = worker.get("metrics", {}).get("gb10", {})
    return str(worker.get("gb10_harness", "")), str(told.get("job", ""))


def same_version(worker: Mapping[str, Any]) -> bool:
    """Whether a worker can be asked at all: another version may not know the question."""
    return says(worker)[0] == __version__
