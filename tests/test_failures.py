"""The failure entries: complete, consistent with the rules, and their remedies can be read off a diagnosis."""

from __future__ import annotations

import pytest

from harness.diagnosis import diagnose
from harness.failures import FAILURES
from harness.flags import resolve
from harness.rules import RULES
from harness.staging import SCENES, faulty, named_command, named_flags
from harness.types import Mend, Variant
from harness.variants import VARIANTS
from tests import samples

REQUIRED = {
    *(
        "gpu-memory-startup",
        "kv-cache-too-small",
        "harmony-vocab",
        "container-name-conflict",
        "port-in-use",
        "bad-flag",
    ),
    *("max-model-len-invalid", "hf-missing", "corrupt-weights", "tokenizer-or-template", "unsupported-model"),
    *("unsupported-quantization", "host-oom-killed", "engine-dead", "entrypoint-missing", "image-pull"),
    *("bind-mount-missing", "docker-daemon-down", "unexplained"),
}


def test_every_failure_that_this_bench_can_show_is_an_entry() -> None:
    """The failures that a real engine or daemon can be made to show without a GPU."""
    assert {entry.benches["cpu"].expects for entry in FAILURES} == REQUIRED


@pytest.mark.parametrize("entry", FAILURES, ids=lambda e: e.name)
def test_an_entry_is_complete(entry: Variant) -> None:
    """A rule that exists, a fault that changes something, a scene that exists, the same on both benches."""
    known = {rule.id for rule in RULES} | {"unexplained"}
    assert entry.benches.keys() == {"cpu", "gb10"}
    for name, expectation in entry.benches.items():
        assert expectation.expects in known
        assert expectation.fault is not None
        assert not expectation.fault.staging or expectation.fault.staging in SCENES
        bench = samples.CPU.model_copy(update={"name": name})
        wrong, place = faulty(entry, bench)
        changed = resolve(wrong, place) != resolve(entry, bench) or place != bench
        assert changed or expectation.fault.staging


def test_a_variant_without_a_fault_is_left_as_it_is() -> None:
    """`faulty` changes nothing of a variant that must be healthy."""
    for variant in VARIANTS:
        assert faulty(variant, samples.CPU) == (variant, samples.CPU)


@pytest.mark.parametrize(
    ("log", "rule", "flags"),
    [
        (
            "ValueError: Free memory on device cuda:0 (80.20/121.69 GiB) on startup is less than desired GPU memory "
            "utilization (0.9, 109.52 GiB).",
            "gpu-memory-startup",
            ("--gpu-memory-utilization", "0.60"),
        ),
        (
            "ValueError: To serve at least one request with the model's max seq len (8192), (0.50 GiB KV cache is "
            "needed, which is larger than the available KV cache memory (0.10 GiB). Based on the available memory, the "
            "estimated maximum model length is 1600.",
            "kv-cache-too-small",
            ("--max-model-len", "1600"),
        ),
        (
            "User-specified max_model_len (9999999) is greater than the derived max_model_len "
            "(max_position_embeddings=131072 or model_max_length=None in model's config.json).",
            "max-model-len-invalid",
            ("--max-model-len", "131072"),
        ),
    ],
)
def test_a_remedy_names_the_flag_and_its_value(log: str, rule: str, flags: tuple[str, ...]) -> None:
    """The value is computed from the numbers of the log, and can be typed as it stands."""
    found = diagnose(log, exit_code=1)
    assert found is not None
    assert found.rule == rule
    assert named_flags(found.remedy.en)[:2] == flags
    assert flags[1] in found.remedy.zh_tw


def test_a_remedy_names_the_command() -> None:
    """The first command in backticks."""
    told = 'Conflict. The container name "/vllm-gemma3" is already in use by container "0123". You have to remove it.'
    found = diagnose(b"", daemon_error=told)
    assert found is not None
    assert named_command(found.remedy.en) == "docker rm -f vllm-gemma3"


def test_only_failures_with_a_remedy_that_can_be_applied_are_mendable() -> None:
    """Each way of mending is used, and never on a failure without one."""
    used = {entry.benches["cpu"].mend for entry in FAILURES}
    assert used == set(Mend)
