"""The deployment is the variant that its flags claim: decided by what the engine did, never by the flag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.resolved import resolved
from harness.truth import (
    argument_problems,
    quantisation_problems,
    served_revision,
    setting_problems,
    weights_problems,
)
from harness.types import Deployment
from harness.verification import haystack, served_name

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt

pytestmark = pytest.mark.usefixtures("deployment")


def test_the_weights_are_quantised_as_the_variant_says(attempt: Attempt, deployment: Deployment) -> None:
    """MXFP4 where the variant asks for it, and not where it does not: by the memory that the weights took, the kernels
    that the log names, and the modules that it inspects. A flag that the engine echoes proves nothing."""
    facts = attempt.recorder.record.engine_facts
    assert not quantisation_problems(deployment.variant, deployment.bench, facts, attempt.dialect)


def test_the_engine_computes_in_bfloat16(attempt: Attempt) -> None:
    """The dtype in the engine's log is bfloat16: float16 garbles Gemma 3 and is refused for MXFP4."""
    assert attempt.recorder.record.engine_facts.get("dtype") == "bfloat16"


def test_the_engine_runs_as_declared(attempt: Attempt, deployment: Deployment) -> None:
    """The arguments that the server names in its log, and the settings that the engine resolved from them, are the
    declared ones: model and its architecture, name, length, quantisation; no other that changes what is served, how
    fast, or to whom. Any more are findings in the record."""
    log = Path(deployment.log)
    wrong, seen = argument_problems(deployment.variant, log.read_text(encoding="utf-8", errors="replace"))
    attempt.recorder.add(*seen)
    assert not wrong
    facts = attempt.recorder.record.engine_facts
    assert not setting_problems(deployment.variant, deployment.bench, facts, resolved(log))


@pytest.mark.only("gpt_oss")
def test_the_expert_kernel_is_known(attempt: Attempt) -> None:
    """The log names the backend of the MXFP4 experts, in the versions that name it: it is in the record."""
    facts = attempt.recorder.record.engine_facts
    named = facts.get("moe_backend") or facts.get("moe_backend_old")
    assert named or not attempt.dialect.names_moe_backend


def test_the_context_is_as_long_as_declared(attempt: Attempt, api: Api, deployment: Deployment) -> None:
    """`max_model_len` in the engine's log and in `/v1/models` is the declared one."""
    declared = deployment.variant.argument("--max-model-len")
    assert attempt.recorder.record.engine_facts.get("max_model_len") == declared
    assert str(api.models().body["data"][0]["max_model_len"]) == declared


def test_the_declared_context_can_be_used(api: Api, deployment: Deployment) -> None:
    """A prompt of nine tenths of `max_model_len` is read to its end: answered, and every token of it counted."""
    served = served_name(deployment.variant)
    wanted = int(0.9 * int(deployment.variant.argument("--max-model-len") or 0))
    tokens_a_word = api.tokenize(served, prompt=haystack(1000, {})).body["count"] / 1000
    hay = haystack(int(wanted / tokens_a_word), {})
    answer = api.complete(served, hay, max_tokens=1)
    assert answer.status == 200, answer
    assert answer.body["usage"]["prompt_tokens"] == api.tokenize(served, prompt=hay).body["count"] > 0.9 * wanted


def test_revision_and_weights_are_the_ones_on_disk(attempt: Attempt, deployment: Deployment) -> None:
    """The snapshot that the engine loaded is the one that the cache's `refs/main` names, its weight files are whole,
    and, where the variant declares them, revision and digest are those."""
    revision = served_revision(deployment)
    assert not weights_problems(deployment, revision, attempt.recorder.record.engine_facts)


def test_the_served_version_is_the_one_in_the_log(api: Api, deployment: Deployment) -> None:
    """`/version` names the version that the engine's log names."""
    assert f"version {api.version()}" in Path(deployment.log).read_text(encoding="utf-8", errors="replace")
