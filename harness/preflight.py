"""(Variant, Bench, Host) → Checks: what must hold before anything is started. Each names its remedy."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.encodings import EncodingsError
from harness.encodings import check as check_encodings
from harness.encodings import ensure as ensure_encodings
from harness.progress import Progress
from harness.types import Bench, Check, EngineSeen, Expectation, Holder, Host, Image, Variant

if TYPE_CHECKING:
    from harness.engine import Engine

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Kernel's name → Docker's."""
TESTCONTAINERS_PREFIX = "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX"
GIB = 2**30


def provide(variant: Variant, bench: Bench, engine: Engine, progress: Progress) -> dict[str, str]:
    """Fetch what is missing and can be fetched: the encodings, the image.

    Returns the name of the check → why, for what could not be fetched.
    """
    from harness.engine import RefusedError

    failed = {}
    directory = Path(bench.vllm_home).expanduser() / "encodings"
    if not all(check.ok for check in check_encodings(directory, variant.encodings)):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            ensure_encodings(directory, variant.encodings, progress)
        except (EncodingsError, OSError) as error:
            failed["encodings"] = str(error)
    if engine.image(bench.image) is None:
        try:
            engine.pull(bench.image, progress)
        except RefusedError as error:
            failed["image"] = str(error)
    return failed


def preflight(
    variant: Variant,
    bench: Bench,
    host: Host,
    engine: EngineSeen,
    environ: Mapping[str, str],
    failed: Mapping[str, str] | None = None,
) -> tuple[Check, ...]:
    """Every check of `variant` on this machine, in the order an operator would mend them. Starts nothing.

    `failed` is what `provide` returned: the reasons are added to what was found.
    """
    expectation = variant.benches[bench.name]
    home = Path(bench.vllm_home).expanduser()
    image, holders = engine.image, engine.holders
    checks = [
        _hardware(bench, host),
        _engine(engine, environ),
        _huggingface(home / "huggingface"),
        _token(bench, environ),
        _image(bench, image),
    ]
    if image is not None:
        checks.append(_architecture(image, host))
    if variant.encodings:
        checks.append(_encodings(home / "encodings", variant.encodings))
    checks += [
        _name(variant, holders),
        _port(bench.port, holders),
        _disk(variant, expectation, home),
        _memory(variant, expectation, host),
    ]
    reasons = failed or {}
    return tuple(
        check if check.ok or check.name not in reasons else _because(check, reasons[check.name]) for check in checks
    )


def _because(check: Check, reason: str) -> Check:
    return check.model_copy(update={"found": f"{check.found}; fetching it failed: {reason}"})


def blocked(checks: Sequence[Check]) -> str:
    """The failing checks as one readable block, or an empty text."""
    return "\n".join(f"preflight {c.name}: found {c.found}; wanted {c.wanted} → {c.remedy}" for c in checks if not c.ok)


def _hardware(bench: Bench, host: Host) -> Check:
    found = f"{host.gpu or 'no NVIDIA GPU'} on {host.architecture}"
    if bench.name == "cpu":
        return Check(name="hardware", ok=True, found=found, wanted="any Linux machine (CPU bench)")
    return Check(
        name="hardware",
        ok=host.is_gb10,
        found=found,
        wanted="NVIDIA GB10 on aarch64",
        remedy="run this on the GB10, or take --bench cpu",
    )


def _engine(engine: EngineSeen, environ: Mapping[str, str]) -> Check:
    prefix = environ.get(TESTCONTAINERS_PREFIX)
    return Check(
        name="docker",
        ok=not prefix,
        found=f"{TESTCONTAINERS_PREFIX}={prefix}" if prefix else f"Docker Engine {engine.version}",
        wanted="an engine that is asked for the image by its own name",
        remedy=f"unset {TESTCONTAINERS_PREFIX}" if prefix else "",
    )


def _huggingface(directory: Path) -> Check:
    if not directory.exists():
        found = f"no directory {directory}"
    elif not directory.is_dir():
        found = f"{directory} is not a directory"
    elif not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        found = f"{directory} is not readable and writable by this user"
    else:
        return Check(name="huggingface", ok=True, found=str(directory), wanted="a directory")
    return Check(
        name="huggingface",
        ok=False,
        found=found,
        wanted="a readable and writable directory for the weights",
        remedy=f"mkdir -p {directory} && sudo chown $USER {directory}, or name another with --vllm-home",
    )


def _token(bench: Bench, environ: Mapping[str, str]) -> Check:
    given = bool(environ.get("HF_TOKEN", "").strip())
    return Check(
        name="hf-token",
        ok=given,
        found="set" if given else ("empty" if "HF_TOKEN" in environ else "not set"),
        wanted="HF_TOKEN in the environment"
        if bench.name == "gb10"
        else "HF_TOKEN (this bench supplies a placeholder)",
        remedy="" if given else "export HF_TOKEN=… (a read token of a Hugging Face account that may read the model)",
    )


def _image(bench: Bench, image: Image | None) -> Check:
    made_here = bench.name == "cpu" and bench.image.startswith("gb10-acceptance/")
    remedy = "python -m harness bench --prepare" if made_here else f"docker pull {bench.image}"
    return Check(
        name="image",
        ok=image is not None,
        found=(image.digests[0] if image.digests else image.id) if image else f"no local image {bench.image}",
        wanted=bench.image,
        remedy="" if image else remedy,
    )


def _architecture(image: Image, host: Host) -> Check:
    wanted = ARCHITECTURES.get(host.architecture, host.architecture)
    return Check(
        name="image-architecture",
        ok=image.architecture == wanted,
        found=image.architecture,
        wanted=wanted,
        remedy=f"docker pull --platform linux/{wanted} {image.ref}",
    )


def _encodings(directory: Path, names: Sequence[str]) -> Check:
    files = check_encodings(directory, names)
    bad = [file for file in files if not file.ok]
    if bad:
        return Check(
            name="encodings",
            ok=False,
            found="; ".join(f"{file.name}: {file.found}" for file in bad),
            wanted="the vocabulary files with their published sha256",
            remedy=f"a start with a network downloads them; without one, copy them into {directory} by hand",
        )
    return Check(
        name="encodings", ok=True, found=f"{', '.join(names)} in {directory}", wanted="the published sha256 of each"
    )


def describe(holder: Holder) -> str:
    """A foreign container with its age, for a person."""
    age = time.time() - float(holder.created)
    hours, minutes = divmod(int(age) // 60, 60)
    since = datetime.fromtimestamp(float(holder.created), UTC)
    return f"container {holder.name} ({holder.state}, {hours} h {minutes} min old, since {since:%Y-%m-%d %H:%M} UTC)"


def _name(variant: Variant, holders: Sequence[Holder]) -> Check:
    holder = next((h for h in holders if h.name == variant.container), None)
    return Check(
        name="container-name",
        ok=holder is None,
        found="free" if holder is None else describe(holder),
        wanted=f"{variant.container} free",
        remedy="" if holder is None else f"docker rm -f {variant.container}, or run again with --replace",
    )


def _port(port: int, holders: Sequence[Holder]) -> Check:
    from harness.launch import port_free

    holder = next((h for h in holders if port in h.ports), None)
    if holder is not None:
        found, remedy = describe(holder), f"docker rm -f {holder.name}, or run again with --replace"
    elif port_free(port):
        return Check(name="port", ok=True, found="free", wanted=f"port {port} free")
    else:
        found = "taken by a process outside Docker"
        remedy = f"sudo ss -ltnp 'sport = :{port}' names it: stop it, or take another with --port"
    return Check(name="port", ok=False, found=found, wanted=f"port {port} free", remedy=remedy)


def _disk(variant: Variant, expectation: Expectation, home: Path) -> Check:
    there = next((path for path in (home, *home.parents) if path.exists()), Path("/"))
    cache = home / "huggingface" / "hub" / f"models--{variant.model.replace('/', '--')}" / "snapshots"
    free = shutil.disk_usage(there).free / GIB
    if cache.is_dir() and any(cache.iterdir()):
        return Check(
            name="disk", ok=True, found=f"weights in place, {free:.0f} GiB free", wanted="room for the weights"
        )
    return Check(
        name="disk",
        ok=free >= expectation.disk_gib,
        found=f"{free:.0f} GiB free under {there}",
        wanted=f"{expectation.disk_gib:.0f} GiB for the weights of {variant.model}",
        remedy=f"free {max(0.0, expectation.disk_gib - free):.0f} GiB, or name a larger disk with --vllm-home",
    )


def _memory(variant: Variant, expectation: Expectation, host: Host) -> Check:
    share = variant.argument("--gpu-memory-utilization")
    total, available = host.memory_total_gib, host.memory_available_gib
    if expectation.memory_gib is not None:
        needed: float | None = expectation.memory_gib
        why = f"{needed:.0f} GiB for a miniature"
    else:
        needed = float(share or 0) * total if total is not None else None
        why = f"{share} × {total:.1f} GiB in total" if total is not None else "unknown total"
    if needed is None or available is None:
        return Check(
            name="memory", ok=False, found="unknown", wanted=why, remedy="check that /proc/meminfo can be read"
        )
    return Check(
        name="memory",
        ok=available >= needed,
        found=f"{available:.1f} GiB available",
        wanted=f"{needed:.1f} GiB available ({why})",
        remedy="stop what uses memory (free -h; nvidia-smi), drop the page cache "
        "(sync; echo 3 | sudo tee /proc/sys/vm/drop_caches), or lower --gpu-memory-utilization",
    )
