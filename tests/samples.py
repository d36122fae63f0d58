"""Values that several tests need."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from harness.flags import resolve, shell_line
from harness.record import Record, this_harness
from harness.types import Bench, Host, Verdict
from harness.variants import find

CPU = Bench(
    name="cpu",
    chosen="found no NVIDIA GPU on x86_64",
    docker_host="unix:///run/example.sock",
    image="gb10-acceptance/cpu-bench:test",
    vllm_home="/srv/vllm",
    port=8000,
    env={"HF_HUB_OFFLINE": "1"},
    proves="the procedure, not the hardware",
)
HOST = Host(
    architecture="x86_64",
    os="Debian GNU/Linux 12 (bookworm)",
    kernel="6.1",
    cpus=2,
    memory_total_gib=24.0,
    memory_available_gib=20.0,
)


def record(**changes: Any) -> Record:
    """A record of a run that has just begun, with changes."""
    variant = find("gpt-oss-120b")
    flags = resolve(variant, CPU)
    begun = Record(
        record_id="20260101T000000Z-00000000",
        harness=this_harness(),
        verdict=Verdict.INTERRUPTED,
        reason="the run did not reach its end",
        started=datetime(2026, 1, 1, tzinfo=UTC),
        bench=CPU,
        host=HOST,
        variant=variant,
        expectation=variant.benches["cpu"],
        declared=flags,
        replay=shell_line(flags, CPU.docker_host),
        tests_available=2,
    )
    return Record.model_validate(dict(begun) | changes)
