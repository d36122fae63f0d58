"""A record → the same deployment again: its variant, and the place for it on this machine, with every difference
between the two named before anything is started.

What the caller says on the command line counts more than the record, and is a difference like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from harness.bench import Choice, choose
from harness.failures import FAILURES
from harness.progress import Progress
from harness.record import Record, Weights
from harness.redact import MARK, NAMES
from harness.types import Bench, Fault, Host, Image, Noun, Variant
from harness.variants import PORT
from harness.weights import weights

FLAG_FIELDS = {"serve": (), "model": "", "program": (), "without_mounts": (), "mounts": (), "env": {}}
"""What of a fault the record's variant already has in its flags."""


class ReplayError(Exception):
    """A record that can't be started again: why, and what to do."""


class Unlike(Noun):
    """One difference between a record and this machine. With a remedy it makes the replay impossible."""

    what: str
    recorded: str
    here: str
    remedy: str = ""

    def __str__(self) -> str:
        told = f"{self.what}: recorded {self.recorded}, here {self.here}"
        return f"{told} → {self.remedy}" if self.remedy else told


def recorded_variant(record: Record) -> Variant:
    """The variant as it was started, fault included.

    Raises ReplayError for a record that asks for more than a variant may: a record is other people's data.
    """
    variant = record.variant
    flags = record.declared
    outside = [m.source for m in variant.docker.mounts if m.source.startswith(("/", "~")) or ".." in _parts(m.source)]
    by_name = [n for d in (variant.docker.env, record.bench.env) for n, v in d.items() if v is None and n not in NAMES]
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", variant.name):
        raise ReplayError(f"the record's variant is called {variant.name!r}, which is no name → take another record")
    if outside:
        raise ReplayError(
            f"the record mounts {', '.join(outside)}, outside the vLLM home → start it by hand if you trust it: "
            "python -m harness export"
        )
    if by_name:
        raise ReplayError(
            f"the record passes {', '.join(by_name)} of your environment into the container, which no variant does → "
            "start it by hand if you trust it: python -m harness export"
        )
    if any(MARK in word for word in (*flags.command, *filter(None, flags.env.values()))):
        raise ReplayError(
            f"the record's flags held a secret, which was not written ({MARK}) → start the line it gives by hand, with "
            "the secret put in again"
        )
    fault = record.expectation.fault
    if fault is None:
        return variant.model_copy(update={"benches": variant.benches | {record.bench.name: record.expectation}})
    entry = next((e for e in FAILURES if e.name == variant.name), None)
    today = entry.benches[record.bench.name].fault if entry and record.bench.name in entry.benches else None
    if today is None or today.staging != fault.staging:
        raise ReplayError(
            f"the record is of the provoked failure {variant.name}, which this harness stages otherwise or not at all "
            f"→ replay it with the one that wrote it: git checkout {record.harness.commit or record.harness.version}"
        )
    rest = record.expectation.model_copy(update={"fault": Fault.model_validate(dict(fault) | FLAG_FIELDS)})
    return variant.model_copy(update={"benches": variant.benches | {record.bench.name: rest}})


def _parts(source: str) -> tuple[str, ...]:
    return PurePosixPath(source).parts


def asked(record: Record, given: Choice) -> Choice:
    """The choice of a bench that replays `record`: what is given, else what is recorded."""
    bench = record.bench.name if given.bench == "auto" else given.bench
    same, fault, home = bench == record.bench.name, record.expectation.fault, record.bench.vllm_home
    has_home = same and fault is None and Path(home).is_dir()
    has_image = same and record.image is not None and not (fault and fault.image)
    return given.model_copy(
        update={
            "bench": bench,
            "port": record.bench.port if given.port == PORT else given.port,
            "vllm_home": given.vllm_home or (home if has_home else None),
            "image": given.image or (pin(record) if has_image else None),
        }
    )


def pin(record: Record) -> str:
    """The image that ran: by the registry's digest, or by its id where it was made on the machine."""
    assert record.image is not None
    return record.image.digest or record.image.id


def place(record: Record, bench: Bench) -> Bench:
    """The bench with the environment that the record's had; another bench than the record's keeps its own."""
    return bench.model_copy(update={"env": record.bench.env}) if bench.name == record.bench.name else bench


def unlike_machine(record: Record, bench: Bench, host: Host, held: Weights | None) -> tuple[Unlike, ...]:
    """Differences that can be told without an engine. `held` are the weights in the bench's vLLM home now."""
    same = bench.name == record.bench.name
    then = record.host
    here = "judge the same flags here with --bench cpu"
    if bench.name == "cpu":
        here = f"start its variant here with an image made here: python -m harness up {record.variant.name}"
    other = f"replay it on {then.architecture}, or {here}" if same else ""
    found = [
        ("bench", record.bench.name, bench.name, ""),
        ("architecture", then.architecture, host.architecture, other),
        ("GPU", then.gpu, host.gpu, other if bench.name == "gb10" and not host.is_gb10 else ""),
        ("driver", then.driver, host.driver, ""),
        ("unit", then.serial_sha256, host.serial_sha256, ""),
        ("operating system", then.os, host.os, ""),
        ("kernel", then.kernel, host.kernel, ""),
        ("vLLM home", record.bench.vllm_home, bench.vllm_home, ""),
        ("port", str(record.bench.port), str(bench.port), ""),
    ]
    if record.expectation.fault is not None:
        found = [row for row in found if row[0] != "vLLM home"]  # a provoked failure has one of its own
    elif record.weights is not None:
        now = held or Weights(revision="none in the cache", files=0, bytes=0, sha256=None)
        found += [
            ("model revision", record.weights.revision, now.revision, ""),
            (
                "weights",
                record.weights.sha256 or f"{record.weights.bytes} bytes",
                now.sha256 or f"{now.bytes} bytes",
                "",
            ),
        ]
    return tuple(
        Unlike(what=what, recorded=was or "unknown", here=now or "unknown", remedy=remedy)
        for what, was, now, remedy in found
        if was != now
    )


def unlike_image(record: Record, bench: Bench, lookup: Callable[[str], Image | None]) -> tuple[Unlike, ...]:
    """Differences of the image, as `lookup` finds it in the bench's engine."""
    fault, wanted = record.expectation.fault, record.image
    if fault is not None and fault.image:
        return ()
    if wanted is None:
        return (Unlike(what="image", recorded="unknown: none was there", here=bench.image),)
    here = lookup(bench.image)
    if here is not None:
        if here.id == wanted.id:
            return ()
        return (Unlike(what="image", recorded=f"{wanted.ref} ({wanted.id})", here=f"{bench.image} ({here.id})"),)
    if bench.image == wanted.digest:
        return (Unlike(what="image", recorded=wanted.digest, here="not there; it will be pulled by this digest"),)
    named = lookup(wanted.ref)
    gone = f"{wanted.ref} is another image ({named.id})" if named else "gone"
    return (
        Unlike(
            what="image",
            recorded=f"{wanted.ref} ({wanted.id})",
            here=gone,
            remedy=f"it was made on its machine: load it from there (docker save {wanted.ref} | docker load), make it "
            f"again (git checkout {record.harness.commit or record.harness.version} && python -m harness bench "
            "--prepare), or judge another with --image",
        ),
    )


def choose_again(record: Record, given: Choice, host: Host, progress: Progress) -> tuple[Choice, Bench]:
    """The choice and the bench that replay `record`, with nothing prepared; every difference of the machine is said.

    Raises ReplayError when one makes it impossible, BenchUnavailableError like `choose`.
    """
    choice = asked(record, given)
    bench = place(record, choose(choice, host))
    found = unlike_machine(record, bench, host, weights(Path(bench.vllm_home), record.variant.model))
    _say(found, progress)
    return choice, bench


def compare_image(record: Record, bench: Bench, lookup: Callable[[str], Image | None], progress: Progress) -> None:
    """Say how the image differs, as `lookup` finds it in the bench's engine. Raises ReplayError when it is gone."""
    _say(unlike_image(record, bench, lookup), progress)


def _say(found: tuple[Unlike, ...], progress: Progress) -> None:
    for one in found:
        progress.say(f"replay: {one}")
    refuse(found)


def refuse(found: tuple[Unlike, ...]) -> None:
    """Raise ReplayError when one of the differences makes the replay impossible."""
    if impossible := [str(one) for one in found if one.remedy]:
        raise ReplayError(f"this record can't be replayed here: {'; '.join(impossible)}")
