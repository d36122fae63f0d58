"""The verbs for machines that work while nobody looks: nightly, matrix.

A night is preflight → prepare → qualify → compare → publish → notify → prune. It leaves one small JSON file, written
as it goes on, so that a night that was cut off, refused or missed can be seen the next day.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness import options
from harness.bench import BenchUnavailableError, choose, environment, prepare
from harness.cpu_bench import BenchError
from harness.difference import outcome, sentence
from harness.failures import FAILURES
from harness.history import NIGHTS, directories, listing, missed, nights, quiet, since_last_accepted, superfluous
from harness.host import read_host
from harness.judgement import BOOTS
from harness.lease import BusyError, lease
from harness.progress import Progress, progress
from harness.record import (
    NIGHT_HALF,
    NIGHT_UNDER_WAY,
    ROOT,
    Night,
    NightRecord,
    Record,
    RecordError,
    read,
    write_atomically,
)
from harness.records_cli import Verb, discard
from harness.redact import Redactor, from_environment
from harness.report.markdown import night as summary
from harness.report.views import write_index
from harness.types import Bench, Judgement, Variant, Verdict
from harness.variants import IMAGE, VARIANTS

WEBHOOK = "GB10_NIGHTLY_WEBHOOK"
"""Environment variable with the webhook's address; the address may be a secret, and arguments are seen by everybody."""
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
FUZZ_S, SOAK_MIN = 600, 10
"""How long requests are made up and the load lasts at night: there is time."""
SHOWN = 20
"""Sentences about what got worse that a night keeps of each record."""


def add_verbs(verb: Verb) -> None:
    """All of this module's verbs with their options."""
    reports = options.RUN
    made = verb(
        "nightly",
        nightly,
        "qualify everything, compare with the last accepted records, publish, notify, prune: exit 0 accepted, "
        "3 accepted but worse than before, 1 anything else, 130 interrupted",
        options.BENCH,
        reports,
    )
    made.add_argument("-m", dest="marks", metavar="MARKS", help="only these, as for pytest: gpt_oss, failure …")
    made.add_argument("-k", dest="words", metavar="WORDS", help="only tests with these words, as for pytest")
    made.add_argument("--fuzz", type=options.positive, default=FUZZ_S, metavar="SECONDS", help="default: %(default)s")
    made.add_argument("--soak", type=options.positive, default=SOAK_MIN, metavar="MINUTES", help="default: %(default)s")
    made.add_argument("--sign-key", type=Path, metavar="FILE", help="sign each record with this private key (PEM)")
    made.add_argument(
        "--webhook",
        type=webhook,
        metavar="URL",
        help=f"POST a small JSON there at the end; better in ${WEBHOOK}: others on this machine see arguments",
    )
    made.add_argument(
        "--keep-nights",
        type=_nights,
        metavar="N",
        help="delete all but the newest N records of each variant on each bench, never the last accepted one, and all "
        "but the newest N nights (default: delete nothing)",
    )
    made.add_argument(
        "--every", type=options.positive, default=1, metavar="DAYS", help="how often nights are due (default: 1)"
    )

    made = verb("matrix", matrix, "print what a CI system can spread over machines, one job an entry")
    made.add_argument("--format", choices=("github", "json"), default="json", help="default: %(default)s")
    made.add_argument("--image", action="append", metavar="REF", help="the image to judge; may be given several times")


def webhook(text: str) -> str:
    """The address of a webhook. What is refused is not shown: it may hold a secret."""
    try:
        good = urlsplit(text).scheme in ("http", "https") and bool(urlsplit(text).hostname)
    except ValueError:
        good = False
    if not good:
        raise ArgumentTypeError("no address of a webhook: it must be like https://host/path (not shown here)")
    return text


def _nights(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise ArgumentTypeError(f"{value!r} is no number of nights: it must be 1 or more")
    return int(value)


class Book:
    """One night's file; every change is on disk before the call returns, without secrets."""

    def __init__(self, reports: Path, night: Night, redactor: Redactor) -> None:
        self._redactor, self.night = redactor, night
        self.path = reports / NIGHTS / f"{night.night_id}.json"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordError(
                f"no night can be written to {self.path.parent} ({error.strerror}) → mend its permissions or name "
                "another directory with --reports"
            ) from error
        self.update()

    def update(self, **changes: Any) -> Night:
        """Change fields of the night and write it. Raises RecordError when it can't be written."""
        changed = (dict(self.night) | changes).items()
        values = {k: v.model_dump(mode="json") if isinstance(v, NightRecord) else v for k, v in changed}
        self.night = Night.model_validate(self._redactor.value(Night.model_validate(values).model_dump(mode="json")))
        write_atomically(self.path, self.night.model_dump_json(indent=2) + "\n")
        return self.night

    def note(self, text: str) -> None:
        """Add what the operator must know."""
        self.update(notes=(*self.night.notes, text))


def nightly(given: argparse.Namespace) -> int:
    """The verb `nightly`."""
    shown, started = progress(), datetime.now(UTC)
    url = _address(given.webhook)
    redactor = from_environment({**os.environ, "WEBHOOK_SECRET": url})
    begun = Night(
        night_id=f"{started:%Y%m%dT%H%M%S.%fZ}", host=platform.node(), started=started, every_days=given.every
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(lease(f"nights of {given.reports.resolve()}", shown.say if given.wait else None))
        except BusyError as error:
            book = Book(given.reports, begun, redactor)
            book.update(
                ended=datetime.now(UTC),
                verdict=Verdict.BLOCKED,
                reason=f"overlapping: another night runs here: {error}",
            )
        else:
            earlier, _ = nights(given.reports)
            book = Book(given.reports, begun, redactor)
            for note in _look_back(given.reports, earlier, started, given.every):
                shown.say(note)
                book.note(note)
            _judge(given, book, shown)
        _publish(given.reports, book)
        _notify(book, url, shown)
        if given.keep_nights and book.night.verdict is not Verdict.INTERRUPTED:
            _prune(given.reports, given.keep_nights, book, shown)
        book.update(phase="done")
        write_index(given.reports)
    return code_of(book.night)


def code_of(night: Night) -> int:
    """The exit code that a finished night ends with."""
    codes = {Verdict.ACCEPTED: 3 if night.regressed else 0, Verdict.INTERRUPTED: 130}
    return codes.get(night.verdict, 1)


def _address(given: str | None) -> str:
    """The webhook's address, or an empty text."""
    if given or not os.environ.get(WEBHOOK):
        return given or ""
    try:
        return webhook(os.environ[WEBHOOK])
    except ArgumentTypeError as error:
        raise BenchUnavailableError(f"${WEBHOOK} is {error} → mend it where it is set") from None


def _look_back(reports: Path, earlier: Sequence[Night], started: datetime, every_days: float) -> list[str]:
    """What the nights before this one did not do, in sentences; those that were cut off become half-finished."""
    told = []
    for one in earlier:
        if one.ended is None and one.reason == NIGHT_UNDER_WAY:  # we hold the lease: nobody works on it any more
            half = one.model_copy(update={"reason": NIGHT_HALF})
            write_atomically(reports / NIGHTS / f"{one.night_id}.json", half.model_dump_json(indent=2) + "\n")
            told.append(f"the night of {one.started:%Y-%m-%d %H:%M} UTC is half-finished: it got as far as {one.phase}")
    if earlier and (count := missed(earlier[-1].started, started, every_days)):
        told.append(
            f"{count} {'night' if count == 1 else 'nights'} missed since {earlier[-1].started:%Y-%m-%d %H:%M} UTC"
        )
    for begun, until in quiet(listing(reports), started)[-1:]:
        if until == started:
            told.append(f"no record for {(until - begun).days} days: the last one is of {begun:%Y-%m-%d %H:%M} UTC")
    return told


def _judge(given: argparse.Namespace, book: Book, shown: Progress) -> None:
    """From preflight to the comparison; the night then has its verdict, whatever happened on the way."""
    from harness.engine import EngineError, RefusedError

    before, code, blocked = {*directories(given.reports)}, 0, ""
    try:
        ready = _prepare(given, book, shown)
        book.update(phase="qualify")
        code = _run(command(given, ready))
        for _ in range(BOOTS - 1):
            waiting = unconfirmed(_new(given.reports, before))
            if not waiting:
                break
            book.note(f"{', '.join(one.name for one in waiting)}: a speed outside the noise, deployed again to confirm")
            marks = " or ".join(f"({one.selection})" for one in waiting)
            again = argparse.Namespace(**vars(given) | {"marks": f"perf and ({marks})", "words": None})
            code = _run(command(again, ready)) if code in (0, 1) else code
    except KeyboardInterrupt:
        code = 130
    except (BenchError, BenchUnavailableError, BusyError, EngineError, RefusedError) as error:
        blocked = str(error)
    book.update(phase="compare")
    new = _new(given.reports, before)
    judged = [compared(directory) for directory in new if directory not in confirmed(new)]
    verdict, reason = (Verdict.BLOCKED, blocked) if blocked else judge(judged, code)
    book.update(ended=datetime.now(UTC), judged=tuple(judged), verdict=verdict, reason=reason)


def _new(reports: Path, before: Collection[Path]) -> list[Path]:
    """The records of this night, from old to new."""
    found = [directory for directory in directories(reports) if directory not in before]
    return sorted(found, key=lambda directory: read(directory).started)


def unconfirmed(new: Sequence[Path]) -> list[Variant]:
    """Variants whose newest record waits for another deployment to confirm its speed."""
    newest = {record.variant.name: record for record in map(read, new)}
    return [record.variant for record in newest.values() if _waits(record)]


def confirmed(new: Sequence[Path]) -> set[Path]:
    """Records that waited for another deployment and got it: what that one says is their verdict too."""
    records = {directory: read(directory) for directory in new}
    newest = {record.variant.name: directory for directory, record in records.items()}
    return {path for path, record in records.items() if _waits(record) and newest[record.variant.name] != path}


def _waits(record: Record) -> bool:
    """Whether nothing is wrong but a speed outside the noise."""
    open_ = any(one.verdict is Judgement.UNCONFIRMED for one in record.judgements)
    return open_ and record.verdict is Verdict.INCONCLUSIVE


def _prepare(given: argparse.Namespace, book: Book, shown: Progress) -> Bench:
    """Say what is in the way, make the bench ready, fetch what can be fetched. Raises what a bench raises."""
    from harness.engine import Engine, EngineError
    from harness.preflight import blocked, preflight, provide

    choice = options.choice(given)
    chosen = choose(choice, read_host())
    shown.say(f"bench {chosen.name}: {chosen.chosen}")
    with lease(chosen.docker_host, shown.say if given.wait else None):
        try:
            with Engine(chosen.docker_host) as engine:
                seen, environ = engine.seen(chosen.image), environment(chosen)
                for variant in VARIANTS:
                    told = blocked(preflight(variant, chosen, read_host(), seen, environ))
                    shown.say(f"{variant.name}: {told or 'preflight finds nothing in the way'}")
        except EngineError as error:
            if chosen.name == "gb10":
                raise
            shown.say(f"the CPU bench's engine does not run yet: {error}")
        book.update(phase="prepare")
        ready = prepare(chosen, choice, shown)
        with Engine(ready.docker_host) as engine:
            for variant in VARIANTS:
                for name, why in provide(variant, ready, engine, shown).items():
                    book.note(f"{variant.name}: {name} could not be fetched: {why}")
    return ready


def command(given: argparse.Namespace, ready: Bench) -> list[str]:
    """The local command that judges: the same that people type."""
    words: list[Any] = [sys.executable, "-m", "pytest", "suites/", "--bench", ready.name, "--port", given.port]
    for flag, value in (
        ("--image", given.image),
        ("--vllm-home", given.vllm_home),
        ("--reports", given.reports.resolve()),
        ("--fuzz", given.fuzz),
        ("--soak", given.soak),
        ("--sign-key", given.sign_key and given.sign_key.resolve()),
        ("-m", given.marks),
        ("-k", given.words),
    ):
        words += [flag, value] if value else []
    for flag, on in (("--require-gb10", given.require_gb10), ("--replace", given.replace), ("--wait", given.wait)):
        words += [flag] if on else []
    return [str(word) for word in words]


def _run(words: Sequence[str]) -> int:
    """The exit code of the local command. An interruption is passed on once: its own way of ending is waited for.

    As SIGTERM: whoever starts a night in the background of a shell has SIGINT ignored, here and in every child.
    """
    environ = {name: value for name, value in os.environ.items() if name != WEBHOOK}
    with subprocess.Popen(words, cwd=ROOT, env=environ, start_new_session=True) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.send_signal(signal.SIGTERM)
            child.wait()
            raise


def compared(directory: Path) -> NightRecord:
    """A record of this night beside the last accepted one of its variant and bench."""
    record = read(directory)
    changes = record.since or since_last_accepted(directory.parent, record)
    return NightRecord(
        directory=directory.name,
        variant=record.variant.name,
        bench=record.bench.name,
        verdict=record.verdict,
        reason=record.reason,
        since=outcome(changes) if changes else "first",
        worse=tuple(sentence(one) for one in changes.changes if one.worse)[:SHOWN] if changes else (),
    )


def judge(judged: Sequence[NightRecord], code: int) -> tuple[Verdict, str]:
    """The verdict of a night and its reason, from its records and the exit code of the local command. Pure."""
    if code == 130:
        return Verdict.INTERRUPTED, f"interrupted after {len(judged)} records"
    for verdict in (Verdict.REJECTED, Verdict.INTERRUPTED, Verdict.BLOCKED, Verdict.INCONCLUSIVE):
        bad = [one for one in judged if one.verdict is verdict]
        if bad:
            first = f"{bad[0].variant}: {bad[0].reason}"
            return verdict, f"{len(bad)} of {len(judged)} {verdict.value}, first {first}"
    if not judged:
        said = f"no record was written; pytest ended with exit code {code} → its output says why"
        return (Verdict.BLOCKED if code == 1 else Verdict.INCONCLUSIVE), said
    if code:
        said = f"every record is accepted, yet pytest ended with exit code {code} → its output says why"
        return (Verdict.INTERRUPTED if code == 2 else Verdict.INCONCLUSIVE), said
    worse = [one.variant for one in judged if one.since == "regressed"]
    told = f"{len(judged)} of {len(judged)} accepted"
    return Verdict.ACCEPTED, f"{told}; worse than the last accepted record: {', '.join(worse)}" if worse else told


def _publish(reports: Path, book: Book) -> None:
    """The list of all records with this night, the night's page in Markdown, and the step summary of a CI system."""
    book.update(phase="publish")
    write_index(reports)
    page = summary(book.night)
    write_atomically(book.path.with_suffix(".md"), page)
    print(page, flush=True)
    if place := os.environ.get(STEP_SUMMARY):
        try:
            with Path(place).open("a", encoding="utf-8") as file:
                file.write(page)
        except OSError as error:
            book.note(f"the step summary {place} can't be written ({error.strerror}) → the page is {book.path.stem}.md")


def message(night: Night) -> dict[str, Any]:
    """What a webhook is told; `text` is what chat systems show."""
    records = [one.model_dump(mode="json", exclude={"worse"}) for one in night.judged]
    told = night.model_dump(mode="json", include={"night_id", "host", "started", "ended", "verdict", "reason", "notes"})
    text = " · ".join((f"{night.verdict.value} on {night.host}: {night.reason}", *night.notes))
    return {"text": text, "schema_name": "gb10-night-message", **told, "regressed": night.regressed, "records": records}


def _notify(book: Book, url: str, shown: Progress) -> None:
    """Tell the webhook. That it can't be told is said, and changes no verdict."""
    from harness.api import announce

    book.update(phase="notify")
    if not url:
        return
    failed = announce(url, message(book.night))
    book.update(webhook="failed" if failed else "sent")
    said = f"FAILED ({failed}) → check its address and that this machine reaches it; the verdict stands"
    shown.say(f"webhook: {said if failed else 'told'}")


def _prune(reports: Path, keep: int, book: Book, shown: Progress) -> None:
    """Delete old records and nights. What can't be deleted is said, and changes no verdict."""
    book.update(phase="prune")
    plan = superfluous(listing(reports), keep=keep, reports=reports)
    failed = discard(reports, plan.doomed)
    for path in sorted((reports / NIGHTS).glob("*.json"))[:-keep]:
        try:
            path.with_suffix(".md").unlink(missing_ok=True)
            path.unlink()
        except OSError as error:
            failed.append(f"{path.name} can't be deleted ({error.strerror})")
    for told in failed:
        book.note(told)
    book.update(deleted=len(plan.doomed) - len(failed))
    shown.say(f"pruned: {len(plan.doomed)} old records, the newest {keep} of each variant stay")


def matrix(given: argparse.Namespace) -> int:
    """The verb `matrix`."""
    jobs = [
        {"name": name, "marks": marks, "image": image}
        for image in given.image or [IMAGE]
        for name, marks in (
            *((variant.name, variant.selection) for variant in VARIANTS),
            ("failures", FAILURES[0].selection),
        )
    ]
    if given.format == "github":
        print(f"matrix={json.dumps({'include': jobs}, ensure_ascii=False)}")
    else:
        print(json.dumps(jobs, ensure_ascii=False, indent=2))
    return 0
