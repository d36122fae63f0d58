"""Preflight: each check can fail, says what was found and wanted, and names a remedy."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.preflight import blocked, preflight
from harness.types import Bench, Check, EngineSeen, Holder, Host, Image
from harness.variants import IMAGE, find
from tests import samples

GB10_HOST = Host(
    architecture="aarch64",
    os="DGX OS",
    kernel="6.11",
    cpus=20,
    memory_total_gib=121.7,
    memory_available_gib=118.0,
    gpu="NVIDIA GB10",
    driver="580.95.05",
)
ARM_IMAGE = Image(
    ref=IMAGE, id="sha256:1", digests=("nvcr.io/nvidia/vllm@sha256:2",), architecture="arm64", labels={}, raw={}
)
ENVIRON = {"HF_TOKEN": "hf_anything"}


def holder(name: str, *, ports: tuple[int, ...] = (), variant: str | None = None) -> Holder:
    """A container three hours old."""
    created = str(int(time.time()) - 3 * 3600)
    return Holder(id="0123456789abcdef", name=name, state="running", created=created, variant=variant, ports=ports)


@pytest.fixture
def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def gb10(tmp_path: Path, free_port: int) -> Bench:
    """The hardware bench with a vLLM home of its own, weights in place."""
    (tmp_path / "huggingface/hub/models--google--gemma-3-27b-it/snapshots/1").mkdir(parents=True)
    return samples.CPU.model_copy(
        update={"name": "gb10", "image": IMAGE, "vllm_home": str(tmp_path), "port": free_port, "env": {}}
    )


def checks(bench: Bench, **changes: Any) -> dict[str, Check]:
    """Preflight of Gemma on a good GB10, with changes."""
    given: dict[str, Any] = {"host": GB10_HOST, "image": ARM_IMAGE, "holders": (), "environ": ENVIRON} | changes
    engine = EngineSeen(version="28.0", image=given["image"], holders=given["holders"])
    variant = find(changes.get("variant", "gemma-3-27b-bf16"))
    found = preflight(variant, bench, given["host"], engine, given["environ"], changes.get("failed"))
    return {check.name: check for check in found}


def failing(found: Mapping[str, Check]) -> list[str]:
    """The names of the checks that failed."""
    return [name for name, check in found.items() if not check.ok]


def test_a_good_machine_passes(gb10: Bench) -> None:
    """Nothing is found where nothing is wrong."""
    found = checks(gb10)
    assert failing(found) == []
    assert blocked(list(found.values())) == ""


def test_every_failure_names_what_was_found_wanted_and_to_do(gb10: Bench) -> None:
    """Everything wrong at once: each check fails for itself, with a remedy, and none hides another."""
    home = Path(gb10.vllm_home)
    for path in sorted(home.rglob("*"), reverse=True):
        path.rmdir()
    poor = GB10_HOST.model_copy(update={"gpu": None, "memory_available_gib": 60.0, "architecture": "x86_64"})
    found = checks(
        gb10,
        host=poor,
        image=ARM_IMAGE.model_copy(update={"architecture": "riscv64"}),
        holders=(holder("vllm-gpt-oss", ports=(gb10.port,)),),
        environ={"HF_TOKEN": "  ", "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX": "mirror/"},
        variant="gpt-oss-120b",
    )
    assert set(failing(found)) == {
        "hardware",
        "docker",
        "huggingface",
        "hf-token",
        "image-architecture",
        "encodings",
        "container-name",
        "port",
        "memory",
    } | ({"disk"} if not found["disk"].ok else set())
    assert all(check.remedy for check in found.values() if not check.ok)
    assert all(name in blocked(list(found.values())) for name in failing(found))


@pytest.mark.parametrize(
    ("environ", "said"), [({}, "not set"), ({"HF_TOKEN": ""}, "empty"), ({"HF_TOKEN": " \n"}, "empty")]
)
def test_a_missing_token_blocks(gb10: Bench, environ: Mapping[str, str], said: str) -> None:
    """HF_TOKEN must be set and not empty; its value is never shown."""
    found = checks(gb10, environ=environ)
    assert failing(found) == ["hf-token"]
    assert found["hf-token"].found == said
    assert "hf_anything" not in str(checks(gb10))


def test_a_missing_image_blocks_with_the_pull_command(gb10: Bench) -> None:
    """The remedy is the command, and the daemon's own words say why fetching it failed."""
    found = checks(gb10, image=None, failed={"image": "manifest unknown"})
    assert failing(found) == ["image"]
    assert found["image"].remedy == f"docker pull {IMAGE}"
    assert "manifest unknown" in found["image"].found


def test_someone_else_s_container_blocks_with_name_age_and_remedy(gb10: Bench) -> None:
    """Under the variant's name, or on the port."""
    named = checks(gb10, holders=(holder("vllm-gemma3"),))
    assert failing(named) == ["container-name"]
    assert "vllm-gemma3" in named["container-name"].found
    assert "3 h 0 min old" in named["container-name"].found
    assert "docker rm -f vllm-gemma3" in named["container-name"].remedy
    ported = checks(gb10, holders=(holder("web", ports=(gb10.port,)),))
    assert failing(ported) == ["port"]
    assert "docker rm -f web" in ported["port"].remedy
    assert "--replace" in ported["port"].remedy


def test_a_process_on_the_port_blocks(gb10: Bench) -> None:
    """A listener outside Docker is found by trying, and the command that names it is given."""
    with socket.create_server(("", gb10.port)):
        found = checks(gb10)
    assert failing(found) == ["port"]
    assert f"sport = :{gb10.port}" in found["port"].remedy


@pytest.mark.parametrize(("available", "ok"), [(109.6, True), (109.4, False)])
def test_memory_is_utilisation_times_total(gb10: Bench, available: float, ok: bool) -> None:
    """0.90 × 121.7 GiB must be available for Gemma."""
    found = checks(gb10, host=GB10_HOST.model_copy(update={"memory_available_gib": available}))
    assert found["memory"].ok is ok
    assert "109.5 GiB" in found["memory"].wanted


def test_unknown_memory_is_not_assumed(gb10: Bench) -> None:
    """What can't be read does not pass."""
    assert failing(checks(gb10, host=GB10_HOST.model_copy(update={"memory_total_gib": None}))) == ["memory"]


def test_room_for_weights_is_asked_only_while_they_are_missing(gb10: Bench) -> None:
    """An entry that needs more than any disk has fails on a machine without the weights and passes with them."""
    variant = find("gemma-3-27b-bf16")
    huge = variant.benches["gb10"].model_copy(update={"disk_gib": 1e9})
    greedy = variant.model_copy(update={"benches": variant.benches | {"gb10": huge}})
    engine = EngineSeen(version="28.0", image=ARM_IMAGE, holders=())
    assert failing({c.name: c for c in preflight(greedy, gb10, GB10_HOST, engine, ENVIRON)}) == []
    empty = gb10.model_copy(update={"vllm_home": str(Path(gb10.vllm_home) / "huggingface")})
    (Path(gb10.vllm_home) / "huggingface" / "huggingface").mkdir()
    assert failing({c.name: c for c in preflight(greedy, empty, GB10_HOST, engine, ENVIRON)}) == ["disk"]


def test_a_corrupt_encodings_file_is_named(gb10: Bench) -> None:
    """Which file, and that it is not what was published."""
    directory = Path(gb10.vllm_home) / "encodings"
    directory.mkdir()
    (directory / "o200k_base.tiktoken").write_text("not it")
    found = checks(gb10, variant="gpt-oss-120b")
    assert "encodings" in failing(found)
    assert "o200k_base.tiktoken: corrupt" in found["encodings"].found
    assert "cl100k_base.tiktoken: missing" in found["encodings"].found
