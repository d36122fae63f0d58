"""The verbs about records that are there: diff, verify, sign, keygen, prune, export."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness import options
from harness.bench import choose
from harness.difference import compare, outcome, text
from harness.exports import FORMATS, export
from harness.flags import resolve
from harness.history import Listing, listing, past, superfluous
from harness.host import read_host
from harness.record import FILE, Record, RecordError, Summary, read, under_way
from harness.release import FILE as RELEASE
from harness.release import Release
from harness.replay import pin
from harness.report.views import LOG, views, write_index
from harness.seal import FILE as SEAL
from harness.seal import UNFIT, SealError, generate, seal, verify
from harness.types import DockerFlags
from harness.variants import VARIANTS, find

DIFFERS = {"same": 0, "changed": 1, "regressed": 3}
"""Exit codes of `diff`; 2 is wrong usage or an unreadable record, as for every verb."""


class Verb(Protocol):
    """Adds a verb to the command line."""

    def __call__(
        self, name: str, run: Callable[[argparse.Namespace], int], about: str, *groups: Any
    ) -> argparse.ArgumentParser: ...


def add_verbs(verb: Verb) -> None:
    """All of this module's verbs with their options."""
    machine: dict[str, Any] = {"action": "store_true", "help": "one JSON value on standard output"}
    place: dict[str, Any] = {"type": Path, "metavar": "RECORD", "help": "a record.json or its directory"}

    made = verb(
        "diff", diff, "say what changed between two records, most suspicious first: exit 0 same, 1 changed, 3 regressed"
    )
    made.add_argument("before", **place)
    made.add_argument("after", **place)
    form = made.add_mutually_exclusive_group()
    form.add_argument("--json", **machine)
    form.add_argument("--html", action="store_true", help="a page on standard output")

    made = verb("verify", check, "say whether a record is as it was sealed, by whom, and where it is not")
    made.add_argument("record", **place)
    made.add_argument("--key", type=Path, metavar="PUB", help="the public key (PEM) that must have signed it")
    made.add_argument("--json", **machine)

    made = verb("sign", sign, "sign a record and everything beside it")
    made.add_argument("record", **place)
    made.add_argument("--key", type=Path, required=True, metavar="FILE", help="a private key (PEM, e.g. of keygen)")

    made = verb("keygen", keygen, "make an ed25519 key to sign with: FILE, and FILE.pub for those who verify")
    made.add_argument("file", type=Path, metavar="FILE")

    made = verb("prune", prune, "delete old records, never the last accepted one of a variant on a bench")
    much = made.add_mutually_exclusive_group(required=True)
    much.add_argument("--keep", type=_count, metavar="N", help="keep the newest N of each variant on each bench")
    much.add_argument("--keep-days", type=_days, metavar="N", help="keep those of the last N days")
    made.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    made.add_argument("--reports", type=Path, default=options.REPORTS, metavar="DIR", help="default: reports/")

    made = verb("export", write_out, "print a start for use without this harness", options.BENCH)
    made.add_argument(
        "what", metavar="RECORD|VARIANT", help=f"a record, or one of: {', '.join(v.name for v in VARIANTS)}"
    )
    made.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="default: %(default)s")


def _count(value: str) -> int:
    if not value.isdecimal():
        raise argparse.ArgumentTypeError(f"{value!r} is no number of records")
    return int(value)


def _days(value: str) -> float:
    try:
        days = float(value)
    except ValueError:
        days = -1
    if not 0 <= days <= 36500:
        raise argparse.ArgumentTypeError(f"{value!r} is no number of days from 0 to 36500")
    return days


def _directory(place: Path) -> Path:
    return place if place.is_dir() else place.parent


def diff(given: argparse.Namespace) -> int:
    """The verb `diff`."""
    before, after = read(given.before), read(given.after)
    for place, record in ((given.before, before), (given.after, after)):
        if record.ended is None:
            state = "is under way" if under_way(_directory(place)) else "was killed before its end"
            print(f"note: the run of {place} {state}: what it has not measured looks like a change", file=sys.stderr)
    reports = _directory(given.after).resolve().parent
    listed = listing(reports) if reports.is_dir() else Listing((), ())
    changes = compare(before, after, past(listed, after))
    if given.json:
        print(json.dumps({"outcome": outcome(changes), **changes.model_dump()}, ensure_ascii=False, indent=2))
    elif given.html:
        from harness.report.html import difference

        print(difference(changes), end="")
    else:
        print(text(changes))
    return DIFFERS[outcome(changes)]


def check(given: argparse.Namespace) -> int:
    """The verb `verify`."""
    directory = _directory(given.record)
    found = verify(directory, given.key, _rendered(directory))
    record = found.record
    if given.json:
        told = found.model_dump(exclude={"record"}) | {"ok": not found.mismatches, **_identity(record)}
        print(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        if record is not None:
            ended = f"{record.ended:%Y-%m-%d %H:%M:%S} UTC" if record.ended else "never"
            print(
                f"what: {record.variant.name} on the {record.bench.name} bench: {record.verdict.value}, {record.reason}"
            )
            print(f"when: started {record.started:%Y-%m-%d %H:%M:%S} UTC, ended {ended}")
        elif (release := _release(directory)) is not None:
            print(f"what: release of {release.new} against {release.old}: {release.verdict.value}")
            print(f"when: {release.made:%Y-%m-%d %H:%M:%S} UTC")
        key_only = all(one.file == SEAL and one.byte is None and UNFIT not in one.what for one in found.mismatches)
        if found.mismatches and key_only:
            print("who:  not the one whose key this is")
        elif found.mismatches:
            print("who:  nobody can be held to it: it is not as it was sealed")
        elif found.signer is None:
            print("who:  unsigned: whoever could write this directory could have made the seal")
        else:
            known = "the given key" if found.trusted else "a key that lies beside it; --key says whose it must be"
            print(f"who:  signed with key {found.signer}, {known}")
        for mismatch in found.mismatches:
            print(f"{'SIGNATURE' if key_only else 'CHANGED'} {mismatch}")
        if found.mismatches and key_only:
            print("as it was sealed, but not signed as asked")
        else:
            print("NOT as it was sealed" if found.mismatches else "as it was sealed")
    return 1 if found.mismatches else 0


def _release(directory: Path) -> Release | None:
    """The release in a bundle; None when there is none that can be read."""
    try:
        return Release.model_validate_json((directory / RELEASE).read_bytes())
    except (OSError, ValueError):
        return None


def _identity(record: Record | None) -> dict[str, Any]:
    if record is None:
        return {}
    held = record.model_dump(mode="json", include={"record_id", "verdict", "reason", "started", "ended"})
    return held | {"variant": record.variant.name, "bench": record.bench.name}


def _rendered(directory: Path) -> dict[str, str]:
    """The views as they follow from the record, to compare with; none when the record can't be read."""
    try:
        return views(read(directory), directory / LOG)
    except RecordError:
        return {}


def sign(given: argparse.Namespace) -> int:
    """The verb `sign`."""
    directory = _directory(given.record)
    record = read(directory)
    if record.ended is None and under_way(directory):
        raise SealError(f"the run of {directory} is under way → it can be signed at its end")
    if (directory / SEAL).exists() and (bad := verify(directory).mismatches):
        raise SealError(
            f"{directory} is not as it was sealed ({bad[0]}) → take an untouched copy; what was changed is not signed"
        )
    print(f"signed: {seal(directory, record, given.key)}")
    return 0


def keygen(given: argparse.Namespace) -> int:
    """The verb `keygen`."""
    public = generate(given.file)
    print(f"private key, to sign with: {given.file}\npublic key, to verify with: {public}")
    return 0


def prune(given: argparse.Namespace) -> int:
    """The verb `prune`."""
    if not given.reports.is_dir():
        raise RecordError(f"{given.reports} is no directory → name the one that holds the records with --reports")
    listed = listing(given.reports)
    plan = superfluous(listed, keep=given.keep, keep_days=given.keep_days, reports=given.reports)
    for one, why in plan.spared:
        print(f"kept: {one.directory}: {why}")
    for bad in listed.unreadable:
        print(f"kept: {bad.directory}: unreadable, delete it by hand if you are sure: {bad.reason}")
    for one in plan.doomed:
        print(f"{'would delete' if given.dry_run else 'delete'}: {one.directory} ({one.verdict.value})")
    failed = [] if given.dry_run else discard(given.reports, plan.doomed)
    for told in failed:
        print(f"error: {told}", file=sys.stderr)
    print(
        f"{len(plan.doomed) - len(failed)} of {len(listed.records)} {'would be' if given.dry_run else 'were'} deleted"
    )
    return 1 if failed else 0


def discard(reports: Path, doomed: Sequence[Summary]) -> list[str]:
    """Delete records and write the list of what is left; returns a sentence for each that can't be deleted."""
    failed = []
    for one in doomed:
        try:
            shutil.rmtree(reports / one.directory)
        except OSError as error:
            failed.append(f"{one.directory} can't be deleted ({error.strerror})")
    if doomed:
        write_index(reports)
    return failed


def write_out(given: argparse.Namespace) -> int:
    """The verb `export`."""
    flags, docker_host = _flags(given)
    print(export(flags, given.format, docker_host), end="")
    return 0


def _flags(given: argparse.Namespace) -> tuple[DockerFlags, str]:
    """The flags of a variant as it would be started here, or of a record with the very image that it judged."""
    if given.what in {v.name for v in VARIANTS}:
        bench = choose(options.choice(given), read_host())
        return resolve(find(given.what), bench), bench.docker_host if bench.name == "cpu" else ""
    place = Path(given.what)
    if not place.exists():
        names = ", ".join(v.name for v in VARIANTS)
        raise RecordError(f"{given.what} is neither a record nor a variant → name a {FILE}, or one of: {names}")
    record = read(place)
    image = pin(record) if record.image else record.declared.image
    flags = record.declared.model_copy(update={"image": image})
    return flags, record.bench.docker_host if record.bench.name == "cpu" else ""
