"""The served API keeps vLLM's and OpenAI's contract: with and without streaming, in every script, for every client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.types import Deployment
from harness.verification import (
    ANSWER_TOKENS,
    CAPITAL,
    SHOUTED,
    Question,
    chat_problems,
    content_of,
    envelope_problems,
    error_problems,
    served_name,
    stream_problems,
    text_problems,
    usage_problems,
)

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt

BEGINNING = "The capital of France is"
"""A prompt that every model goes on from in the same way."""
WORLD = "台北的天氣, café, привет, שלום, مرحبا, 👩🏽‍🚀🚀"
"""繁體中文, combining and joined emoji, two scripts from right to left."""


def test_metrics_have_the_names_of_this_version(api: Api, attempt: Attempt) -> None:
    """`GET /metrics` offers the metric families that this vLLM version documents."""
    answer = api.get("/metrics")
    assert answer.status == 200, answer
    offered = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE ")}
    offered |= {f"{name}_total" for name in offered}
    assert set(attempt.dialect.metrics) <= offered


def test_metrics_count_what_was_served(api: Api, deployment: Deployment) -> None:
    """One more chat is one more request, and its tokens are counted as its usage says."""
    before = api.metrics()
    usage = api.chat(served_name(deployment.variant), CAPITAL.messages(), max_tokens=ANSWER_TOKENS).body["usage"]
    after = api.metrics()
    for name, least in (
        ("vllm:request_success_total", 1),
        ("vllm:prompt_tokens_total", usage["prompt_tokens"]),
        ("vllm:generation_tokens_total", usage["completion_tokens"]),
    ):
        assert after[name] - before[name] >= least > 0, name


@pytest.mark.parametrize("text", ["Hello", WORLD, "a\x00b"], ids=["plain", "many scripts", "NUL"])
def test_tokens_turn_back_into_the_same_text(api: Api, deployment: Deployment, text: str) -> None:
    """`/tokenize` and `/detokenize` are each other's inverse, in every script; the count is that of the tokens."""
    served = served_name(deployment.variant)
    body = api.tokenize(served, prompt=text, add_special_tokens=False).body
    assert body["count"] == len(body["tokens"]) > 0
    assert api.post("/detokenize", {"model": served, "tokens": body["tokens"]}).body["prompt"] == text


def test_usage_counts_the_tokens_of_the_prompt(api: Api, deployment: Deployment) -> None:
    """A completion's `prompt_tokens` is what `/tokenize` counts, and `completion_tokens` is no more than asked for."""
    served = served_name(deployment.variant)
    answer = api.complete(served, BEGINNING, max_tokens=2)
    assert not envelope_problems(answer, "text_completion")
    usage = answer.body["usage"]
    assert not usage_problems(usage)
    assert usage["prompt_tokens"] == api.tokenize(served, prompt=BEGINNING).body["count"]
    assert usage["completion_tokens"] <= 2


def test_a_chat_stream_is_whole_and_in_order(api: Api, deployment: Deployment) -> None:
    """Role first, text, one finish_reason, the usage, `[DONE]`; no error hidden inside the 200, and the same answer
    as without streaming."""
    served = served_name(deployment.variant)
    stream = api.chat_stream(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    assert not stream_problems(stream, served)
    assert "Paris" in stream.joined("content")
    assert not text_problems(stream.joined("content"))
    whole = api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    assert stream.joined("content") == content_of(whole)


def test_a_completion_stream_is_whole_and_in_order(api: Api, deployment: Deployment) -> None:
    """The same of `/v1/completions`."""
    served = served_name(deployment.variant)
    stream = api.complete_stream(served, BEGINNING, max_tokens=8)
    assert not stream_problems(stream, served, chat=False)
    assert stream.joined("text") == content_of(api.complete(served, BEGINNING, max_tokens=8)) != ""


def test_temperature_0_gives_the_same_twice(api: Api, deployment: Deployment) -> None:
    """Greedy decoding of the same prompt gives the same text and the same number of tokens."""
    served = served_name(deployment.variant)
    first, second = (api.complete(served, BEGINNING, max_tokens=8) for _ in range(2))
    assert content_of(first) == content_of(second) != ""
    assert first.body["usage"] == second.body["usage"]


def test_a_seed_gives_the_same_twice(api: Api, deployment: Deployment) -> None:
    """At temperature 1 the same seed gives the same text, and other seeds give others."""
    served = served_name(deployment.variant)
    first, second, *others = (
        api.complete(served, "The", max_tokens=12, temperature=1, seed=seed) for seed in (20260101, 20260101, 1, 2, 3)
    )
    assert content_of(first) == content_of(second) != ""
    assert {content_of(other) for other in others} - {content_of(first)}


def test_n_gives_as_many_choices(api: Api, deployment: Deployment) -> None:
    """`n: 3` gives three choices with their own indexes, and one usage."""
    served = served_name(deployment.variant)
    body = api.chat(served, CAPITAL.messages(), n=3, temperature=1, seed=1, max_tokens=ANSWER_TOKENS).body
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert all(choice["message"]["role"] == "assistant" for choice in body["choices"])
    assert not usage_problems(body["usage"])


def test_logprobs_belong_to_the_tokens(api: Api, deployment: Deployment) -> None:
    """Of a completion and of a chat: as many as tokens, none above zero, the chosen token among the best, and
    together they are the text."""
    served = served_name(deployment.variant)
    choice = api.complete(served, BEGINNING, max_tokens=3, logprobs=2).body["choices"][0]
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]).startswith(choice["text"])  # a closing token is no text
    assert all(value <= 0 for value in logprobs["token_logprobs"])
    assert all(token in best for token, best in zip(logprobs["tokens"], logprobs["top_logprobs"], strict=True))
    chat = api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS, logprobs=True, top_logprobs=2).body
    entries = chat["choices"][0]["logprobs"]["content"]
    assert 0 <= chat["usage"]["completion_tokens"] - len(entries) <= 1  # the end of turn may have none
    assert all(entry["logprob"] <= 0 and len(entry["top_logprobs"]) >= 2 for entry in entries)


def test_max_tokens_ends_the_answer(api: Api, deployment: Deployment) -> None:
    """`max_tokens: 3` ends after three tokens with finish_reason `length`, streamed or not."""
    served = served_name(deployment.variant)
    body = api.chat(served, CAPITAL.messages(), max_tokens=3).body
    assert body["usage"]["completion_tokens"] == 3
    assert body["choices"][0]["finish_reason"] == "length"
    stream = api.chat_stream(served, CAPITAL.messages(), max_tokens=3)
    assert not stream_problems(stream, served)
    assert [c["choices"][0]["finish_reason"] for c in stream.chunks if c["choices"]][-1] == "length"


def test_a_stop_text_ends_the_answer(api: Api, deployment: Deployment) -> None:
    """A completion ends before the stop text, a chat no later than at it, and both say which it was. (Harmony's text
    is made from tokens: there the stop text itself stays.)"""
    served = served_name(deployment.variant)
    choice = api.complete(served, BEGINNING, max_tokens=8, stop=["ris"]).body["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "ris")
    assert choice["text"].strip() == "Pa"
    asked = ({"role": "user", "content": "Count from 1 to 100, separated by commas."},)
    choice = api.chat(served, asked, max_tokens=ANSWER_TOKENS, stop=["17"]).body["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "17")
    assert "18" not in str(choice["message"])


def test_a_system_message_is_obeyed(api: Api, deployment: Deployment) -> None:
    """A system message that asks for capital letters changes the answer."""
    answer = api.chat(served_name(deployment.variant), SHOUTED.messages(), max_tokens=ANSWER_TOKENS)
    assert not chat_problems(answer, SHOUTED, deployment.variant)
    assert "SHAKESPEARE" in content_of(answer)


def test_earlier_turns_are_remembered(api: Api, deployment: Deployment) -> None:
    """What was said in the first turn is known in the second."""
    turns = (
        {"role": "user", "content": "My name is Alice."},
        {"role": "assistant", "content": "Hello, Alice!"},
        {"role": "user", "content": "What is my name?"},
    )
    answer = api.chat(served_name(deployment.variant), turns, max_tokens=ANSWER_TOKENS)
    assert not chat_problems(answer, Question(ask="What is my name?", wanted=("Alice",)), deployment.variant)


@pytest.mark.parametrize(
    ("ask", "wanted"),
    [
        ("Reply with a single rocket emoji.", "🚀"),
        ("How do you say hello in Arabic? Reply with the word only.", "مرحبا"),
        ("請從一數到十。", "十"),
    ],
    ids=["emoji", "right to left", "traditional Chinese"],
)
def test_every_script_comes_whole_through_a_stream(api: Api, deployment: Deployment, ask: str, wanted: str) -> None:
    """Characters of several bytes are never cut at the border of two events."""
    served = served_name(deployment.variant)
    stream = api.chat_stream(served, ({"role": "user", "content": ask},), max_tokens=ANSWER_TOKENS)
    assert not stream_problems(stream, served)
    text = stream.joined("content")
    assert wanted in text
    assert not text_problems(text, scripts=3)


def test_a_nul_in_a_prompt_harms_nothing(api: Api, deployment: Deployment) -> None:
    """A NUL character is answered or refused in the documented way, and the next request is answered."""
    served = served_name(deployment.variant)
    answer = api.chat(served, ({"role": "user", "content": "Hello\x00"},), max_tokens=ANSWER_TOKENS)
    assert answer.status == 200 or not error_problems(answer)
    after = api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    assert not chat_problems(after, CAPITAL, deployment.variant)


def test_the_openai_client_agrees(api: Api, deployment: Deployment) -> None:
    """OpenAI's own Python client lists the model, chats, streams and completes with the same results, and turns an
    unknown model into its NotFoundError."""
    from harness.openai_client import ask

    served = served_name(deployment.variant)
    seen = ask(api, served, CAPITAL, BEGINNING, ANSWER_TOKENS)
    assert seen.models == (served,)
    assert seen.chat == content_of(api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS))
    assert seen.streamed == seen.chat != ""
    assert "Paris" in seen.chat
    assert seen.completion == content_of(api.complete(served, BEGINNING, max_tokens=8))
    assert seen.refusal == "NotFoundError"
