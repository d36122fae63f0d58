"""Replay: the recorded variant, flags and image again; every difference is named, an impossible one refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.bench import Choice
from harness.cli import main
from harness.failures import FAILURES
from harness.flags import resolve
from harness.record import ImageFacts, Record, Weights, write_atomically
from harness.replay import ReplayError, asked, place, recorded_variant, refuse, unlike_image, unlike_machine
from harness.staging import faulty
from harness.types import Fault, Image, Mount
from tests import samples

ROOT = Path(__file__).resolve().parent.parent
RAN = ImageFacts(ref="gb10-acceptance/cpu-bench:test", id="sha256:aa", digest=None, architecture="amd64", labels={})
PULLED = RAN.model_copy(update={"digest": "nvcr.io/nvidia/vllm@sha256:bb"})


def image(ref: str, id: str) -> Image:  # noqa: A002 (the noun's own word)
    """A local image."""
    return Image(ref=ref, id=id, digests=(), architecture="amd64", labels={}, raw={})


def test_the_flags_are_the_record_s(tmp_path: Path) -> None:
    """Resolved on the bench that is chosen for it, they are those that were declared, image by id."""
    record = samples.record(image=RAN, bench=samples.CPU.model_copy(update={"vllm_home": str(tmp_path)}))
    record = record.model_copy(update={"declared": resolve(record.variant, record.bench)})
    choice = asked(record, Choice())
    assert (choice.bench, choice.port, choice.image, choice.vllm_home) == ("cpu", 8000, "sha256:aa", str(tmp_path))
    bench = record.bench.model_copy(update={"image": choice.image, "env": {"TODAY": "another"}})
    flags = resolve(recorded_variant(record), place(record, bench))
    assert flags == record.declared.model_copy(update={"image": "sha256:aa"})
    assert asked(samples.record(image=PULLED), Choice()).image == PULLED.digest


def test_a_provoked_failure_has_its_fault_once() -> None:
    """What the fault changed is in the recorded variant already; staging and memory are still to be done."""
    for entry in FAILURES:
        wrong, where = faulty(entry, samples.CPU)
        expectation = wrong.benches["cpu"]
        record = samples.record(variant=wrong, bench=where, expectation=expectation, declared=resolve(wrong, where))
        again, there = faulty(recorded_variant(record), place(record, samples.CPU))
        if expectation.fault:
            assert resolve(again, there) == record.declared
            assert there.docker_host == where.docker_host


def test_every_difference_of_the_machine_is_named() -> None:
    """GPU, driver, kernel, home, port, weights; none of them stops a replay."""
    record = samples.record(weights=Weights(revision="r1", files=1, bytes=1, sha256="d1"))
    host = samples.HOST.model_copy(update={"kernel": "6.2", "driver": "580", "boot_id": "x"})
    bench = samples.CPU.model_copy(update={"vllm_home": "/elsewhere", "port": 9000})
    found = unlike_machine(record, bench, host, Weights(revision="r2", files=1, bytes=1, sha256="d2"))
    assert [one.what for one in found] == ["driver", "kernel", "vLLM home", "port", "model revision", "weights"]
    assert str(found[1]) == "kernel: recorded 6.1, here 6.2"
    refuse(found)
    assert unlike_machine(record, samples.CPU, samples.HOST, record.weights) == ()


def test_another_architecture_refuses_with_the_remedy() -> None:
    """An image runs on the architecture it was made for."""
    found = unlike_machine(
        samples.record(), samples.CPU, samples.HOST.model_copy(update={"architecture": "aarch64"}), None
    )
    with pytest.raises(ReplayError, match=r"architecture: recorded x86_64, here aarch64 → replay it on x86_64"):
        refuse(found)


def test_the_image_is_found_by_digest_or_id_or_refused() -> None:
    """The same id under any name is the same image; a digest can be pulled; what was made elsewhere is gone."""
    bench = samples.CPU.model_copy(update={"image": RAN.id})
    record = samples.record(image=RAN)
    assert unlike_image(record, bench, lambda ref: image(ref, RAN.id)) == ()
    gone = unlike_image(record, bench, lambda ref: image(ref, "sha256:new") if ref == RAN.ref else None)
    with pytest.raises(ReplayError, match=r"is another image \(sha256:new\) → .*docker save.*--image"):
        refuse(gone)
    assert PULLED.digest is not None
    pulled = unlike_image(
        samples.record(image=PULLED), samples.CPU.model_copy(update={"image": PULLED.digest}), lambda _: None
    )
    assert "will be pulled" in str(pulled[0])
    refuse(pulled)


def hostile(**changes: Any) -> Record:
    """A record whose variant asks for more than a variant may."""
    record = samples.record()
    docker = {k: v for k, v in changes.items() if k in ("mounts", "env")}
    variant = record.variant.model_copy(
        update={"docker": record.variant.docker.model_copy(update=docker)}
        | {k: v for k, v in changes.items() if k not in docker}
    )
    return record.model_copy(update={"variant": variant})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "../../etc/cron.d/x"}, "no name"),
        ({"mounts": (Mount(source="/", target="/host"),)}, "outside the vLLM home"),
        ({"mounts": (Mount(source="huggingface/../../../etc", target="/x"),)}, "outside the vLLM home"),
        ({"env": {"AWS_SESSION": None}}, "AWS_SESSION of your environment"),
    ],
)
def test_a_hostile_record_is_not_started(changes: dict[str, Any], said: str) -> None:
    """A record is other people's data: it mounts nothing outside the home and takes no variable of the caller's."""
    with pytest.raises(ReplayError, match=said):
        recorded_variant(hostile(**changes))


def test_a_redacted_secret_is_not_started_with() -> None:
    """`--api-key ***` would be another deployment."""
    record = samples.record()
    flags = record.declared.model_copy(update={"command": ("vllm", "serve", "--api-key", "***")})
    with pytest.raises(ReplayError, match="held a secret"):
        recorded_variant(record.model_copy(update={"declared": flags}))


def test_a_failure_that_is_no_longer_staged_is_refused() -> None:
    """With the harness that can: its commit."""
    record = samples.record()
    expectation = record.expectation.model_copy(update={"fault": Fault(staging="gone")})
    with pytest.raises(ReplayError, match="git checkout"):
        recorded_variant(record.model_copy(update={"expectation": expectation}))


@pytest.mark.parametrize(
    "arguments", [["up"], ["up", "gpt-oss-120b", "--record", "x"], ["switch", "--record", "nowhere"]]
)
def test_wrong_usage_is_refused(arguments: list[str], tmp_path: Path) -> None:
    """A variant or a record, and one that is there."""
    write_atomically(tmp_path / "x", samples.record().model_dump_json())
    assert main([str(tmp_path / "x") if a == "x" else a for a in arguments]) == 2


def test_pytest_judges_the_recorded_variant_and_nothing_else(tmp_path: Path) -> None:
    """Selection is the record's: a variant that this checkout doesn't know is judged; a bad record is a usage error."""
    record = samples.record()
    named = record.variant.model_copy(update={"name": "of-another-day"})
    write_atomically(tmp_path / "record.json", record.model_copy(update={"variant": named}).model_dump_json())

    def collect(path: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "no:cacheprovider",
                "-q",
                "--collect-only",
                "suites/",
                "--record",
                path,
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    done = collect(tmp_path)
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    assert done.returncode == 0, done.stdout
    assert any("test_start" in line for line in tests)
    assert all("of-another-day" in line for line in tests)
    refused = collect(tmp_path / "nowhere")
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--record: " in refused.stderr
