"""The verbs about two images: compare (one variant's speed) and release (everything, with a signed bundle)."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness import options
from harness.comparison import BOOTS, Comparison, compare_speed, interleaved
from harness.history import directories
from harness.record import FILE, ROOT, Record, read, this_harness, write_atomically
from harness.records_cli import Verb
from harness.release import FILE as RELEASE
from harness.release import MATRIX, Release, gate, of_image
from harness.report.html import comparison as comparison_page
from harness.report.html import release as release_page
from harness.report.views import INDEX
from harness.seal import FILE as SEAL
from harness.seal import SealError, Subject, private_key, seal_as, verify
from harness.types import Judgement, Verdict
from harness.variants import find

BENCH = tuple(option for option in options.BENCH if option[0] != "--image")
ENDED = (0, 1)
"""Exit codes of a pytest run whose record holds what came of it."""
STOP_S = 600
"""Seconds that an interrupted run may take to remove what it started."""


class ReleaseError(Exception):
    """Two images that can't be compared: what is wrong, what to do."""


def add_verbs(verb: Verb) -> None:
    """All of this module's verbs with their options."""
    made = verb(
        "compare",
        compare,
        "compare the speed of one variant under two images, deployed in turn: exit 0 no slower, 1 slower, 3 not known",
        BENCH,
    )
    made.add_argument("variant", metavar="VARIANT", choices=MATRIX, help=f"one of: {', '.join(MATRIX)}")
    made.add_argument(
        "--image", action="append", required=True, metavar="REF", help="given twice: the old one, then the new one"
    )
    _shared(made)

    made = verb(
        "release",
        release,
        "say whether an image may take another's place, from everything this harness judges: exit 0 accepted, "
        "1 rejected, 3 inconclusive",
        BENCH,
    )
    made.add_argument("--image", required=True, metavar="NEW", help="the new image")
    made.add_argument("--against", required=True, metavar="OLD", help="the image it is held to")
    made.add_argument("--sign-key", type=Path, metavar="FILE", help="sign the bundle with this private key (PEM)")
    _shared(made)


def _shared(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--boots", type=_boots, default=BOOTS, metavar="N", help="deployments of each image (default: %(default)s)"
    )
    made.add_argument(
        "--records", type=Path, metavar="DIR", help="start nothing: take the records that lie in this directory"
    )
    made.add_argument("--out", type=Path, metavar="DIR", help="a new directory for the result (default: in reports/)")
    made.add_argument("--json", action="store_true", help="one JSON value on standard output")


def _boots(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of deployments from 1 to 100")
    return int(text)


def compare(given: argparse.Namespace) -> int:
    """The verb `compare`."""
    if len(given.image) != 2 or given.image[0] == given.image[1]:
        raise ReleaseError(
            f"--image was given {len(given.image)} times ({', '.join(given.image)}); two different names are compared "
            "→ --image OLD --image NEW VARIANT (docker tag gives one image a second name)"
        )
    before, after = given.image
    out = _out(given, "comparisons", given.variant)
    records = _there(given.records) if given.records else _boot_in_turn(given, (given.variant,), before, after, out)
    mine = [one for one in records if one.variant.name == given.variant]
    found = compare_speed(given.variant, (before, after), of_image(mine, before), of_image(mine, after))
    write_atomically(out / "comparison.json", found.model_dump_json(indent=2) + "\n")
    write_atomically(out / INDEX, comparison_page(found))
    if given.json:
        print(found.model_dump_json(indent=2))
    else:
        _tell(found)
        print(f"page: {out / INDEX}")
    return {Judgement.FAILED: 1, Judgement.WARNED: 1, Judgement.INCONCLUSIVE: 3}.get(found.verdict, 0)


def release(given: argparse.Namespace) -> int:
    """The verb `release`."""
    new, old = given.image, given.against
    if new == old:
        raise ReleaseError(f"--image and --against are both {new} → name the image it is held to with --against")
    if given.sign_key:
        private_key(given.sign_key)  # refuse before hours of deployments
    out = _out(given, "releases", new.rpartition("/")[2].replace(":", "-"))
    if given.records:
        records = _there(given.records)
    else:
        records = [one for image in (old, new) for one in _run(given, image, out / "runs", ())]
        records += _boot_in_turn(given, MATRIX, old, new, out, more=given.boots - 1)
    place = given.records or out / "runs"
    after, before = of_image(records, new), of_image(records, old)
    found = gate(new, old, after, before, made=datetime.now(UTC), harness=this_harness())
    _bundle(found, {one.record_id for one in (*after, *before)}, place, out)
    if not given.records:
        shutil.rmtree(place)  # all of it is in the bundle now
    images = {one.image.ref: one.image.id for one in (*after, *before) if one.image}
    weighed = [(one, one.after_verdict is Verdict.ACCEPTED) for one in found.variants]
    subject = Subject(
        images=tuple(images.items()),
        verdict=found.verdict,
        passed=tuple(one.variant for one, good in weighed if good),
        failed=tuple(one.variant for one, good in weighed if not good),
    )
    seal_as(out, subject, given.sign_key)
    if given.json:
        print(found.model_dump_json(indent=2))
    else:
        print(f"{found.verdict.value.upper()} {new} against {old}")
        for one in found.reasons:
            print(f"  because {one.en}")
        for one in found.warnings:
            print(f"  warning: {one.en}")
        print(f"bundle: {out} → python -m harness verify {out}")
    return {Verdict.ACCEPTED: 0, Verdict.REJECTED: 1}.get(found.verdict, 3)


def _tell(found: Comparison) -> None:
    print(f"{found.variant} on the {found.bench} bench, {found.boots[0]} and {found.boots[1]} deployments")
    for value in found.values:
        print(f"  {value.verdict.value:<12} {value.reason.en}")
    for left_out in found.left_out:
        print(f"  left out: {left_out.en}")
    print(f"{found.verdict.value.upper()}: {found.reason.en}")


def _out(given: argparse.Namespace, kind: str, name: str) -> Path:
    out: Path = given.out or options.REPORTS / kind / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}"
    try:
        out.mkdir(parents=True)
    except OSError as error:
        raise ReleaseError(f"{out} can't be made ({error.strerror}) → name a new directory with --out") from error
    return out


def _there(place: Path) -> list[Record]:
    """Every record in a directory. Raises ReleaseError when there is none, RecordError for one that can't be read."""
    found = [read(directory) for directory in directories(place)]
    if not found:
        raise ReleaseError(f"{place} holds no record (*/{FILE}) → name the directory that runs wrote with --records")
    return found


def _boot_in_turn(
    given: argparse.Namespace, variants: Sequence[str], before: str, after: str, out: Path, more: int | None = None
) -> list[Record]:
    """Deploy both images in turn and measure their speed, a variant after the other; each start is a run of its own."""
    boots: int = given.boots if more is None else more
    return [
        record
        for variant in variants
        for image in interleaved(before, after, boots)
        for record in _run(given, image, out / "runs", ("-m", f"perf and {find(variant).selection}"))
    ]


def _run(given: argparse.Namespace, image: str, reports: Path, selection: Sequence[str]) -> list[Record]:
    """The same local command that a person would type; returns the records it left."""
    told = [("--bench", given.bench), ("--port", str(given.port)), ("--vllm-home", given.vllm_home)]
    command = [sys.executable, "-m", "pytest", "suites/", *selection, "--image", image, "--reports", str(reports)]
    command += [word for flag, value in told if value for word in (flag, value)]
    command += ["--require-gb10"] if given.require_gb10 else []
    there = set(directories(reports))
    print(f"run: {shlex.join(command)}", file=sys.stderr)
    running = subprocess.Popen(command, cwd=ROOT, stdout=sys.stderr, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        code = running.wait()
    except KeyboardInterrupt:
        running.send_signal(signal.SIGTERM)  # it takes its container down
        running.wait(STOP_S)
        raise
    fresh = [path for path in directories(reports) if path not in there]
    if code not in ENDED or not fresh:
        raise ReleaseError(
            f"pytest ended with {code} and left {len(fresh)} records; 0 or 1 and at least one were wanted → read what "
            f"it says above; what was measured before lies in {reports}, and --records {reports} takes it"
        )
    return [read(path) for path in fresh]


def _bundle(found: Release, ids: set[str], place: Path, out: Path) -> None:
    """Copy the records that were weighed, each as its run sealed it, and write the page and the verdict over them."""
    for directory in directories(place):
        record = read(directory)
        if record.record_id not in ids:
            continue
        if (directory / SEAL).exists() and (bad := verify(directory).mismatches):
            raise SealError(
                f"{directory} is not as it was sealed ({bad[0]}) → take an untouched copy; nothing is released on it"
            )
        shutil.copytree(directory, out / "records" / record.record_id)
    write_atomically(out / RELEASE, found.model_dump_json(indent=2) + "\n")
    write_atomically(out / INDEX, release_page(found))
