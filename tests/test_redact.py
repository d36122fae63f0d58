"""No secret gets into anything that is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.redact import SHORTEST, Redactor, from_environment

SHAPED = [
    "hf_abcdefghijklmnopqrstuvwx",
    "nvapi-abcdefghijklmnopqrstuv",
    "sk-abcdefghijklmnopqrstuvwx",
]


@given(secret=st.text(min_size=SHORTEST), before=st.text(), after=st.text())
def test_a_known_secret_is_nowhere(secret: str, before: str, after: str) -> None:
    """Wherever it stands, a secret of this run does not survive; only the mark itself may look like a piece of it."""
    cleaned = Redactor([secret]).text(f"{before}{secret}{after}")
    assert secret in "***" or secret not in cleaned or secret in f"{before}***{after}"


@pytest.mark.parametrize("secret", SHAPED)
@pytest.mark.parametrize(
    "around", ["{}", "token {} end", "'hf_token': '{}'", "Authorization: Bearer {}", "--api-key {}"]
)
def test_a_secret_s_shape_is_enough(secret: str, around: str) -> None:
    """Tokens of other people, unknown to this run, go too."""
    assert secret not in Redactor().text(around.format(secret))


def test_vllm_s_own_arguments_line_is_cleaned() -> None:
    """vLLM up to 0.28 prints keys in clear in its first lines."""
    line = "non-default args: {'model_tag': 'x', 'api_key': ['top-secret-key'], 'hf_token': 'anything at all'}"
    cleaned = Redactor().text(line)
    assert "top-secret-key" not in cleaned
    assert "anything at all" not in cleaned
    assert "'model_tag': 'x'" in cleaned


def test_the_environment_s_secrets_are_known() -> None:
    """HF_TOKEN and the API keys of the environment are secrets; other variables are not."""
    redactor = from_environment({"HF_TOKEN": "not-token-shaped", "VLLM_API_KEY": "another-one", "PATH": "/usr/bin"})
    assert redactor.text("not-token-shaped another-one /usr/bin") == "*** *** /usr/bin"


@given(st.binary())
def test_any_bytes_pass(data: bytes) -> None:
    """Redaction never fails, and text without secrets is left as it is."""
    Redactor(["something-secret"]).data(data)
