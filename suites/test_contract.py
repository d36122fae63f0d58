"""The served API keeps vLLM's and OpenAI's contract: with and without streaming, in every script, for every client."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from harness.streams import (
    SPOKEN,
    apart,
    closing,
    counted,
    drip_problems,
    finish_of,
    pieces,
    spoken_choices,
    stream_problems,
)
from harness.types import Deployment
from harness.verification import (
    ANSWER_TOKENS,
    CAPITAL,
    SHOUTED,
    Question,
    chat_problems,
    content_of,
    cut_problems,
    envelope_problems,
    error_problems,
    logprob_problems,
    reasoning_of,
    served_name,
    text_problems,
    usage_problems,
)

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt

BEGINNING = "The capital of France is"
"""A prompt that every model goes on from in the same way."""
COUNT = ({"role": "user", "content": "Count from 1 to 100, separated by commas."},)
ABOUT = 0.2
"""By so much the log probability of a token may differ between two answers to the same prompt: other kernels may take
a prompt that is cached."""
HELD_S = 5.0
"""Seconds that an answer may be on its way beside the time that the engine says it worked on it."""
LATENCY = "vllm:e2e_request_latency_seconds_sum"
WORLD = "台北的天氣, café, привет, שלום, مرحبا, 👩🏽‍🚀🚀"
"""繁體中文, combining and joined emoji, two scripts from right to left."""


def test_metrics_have_the_names_of_this_version(api: Api, attempt: Attempt, deployment: Deployment) -> None:
    """`GET /metrics` offers the metric families that this vLLM version documents, of the served model alone."""
    answer = api.get("/metrics")
    assert answer.status == 200, answer
    offered = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE ")}
    offered |= {f"{name}_total" for name in offered}
    assert set(attempt.dialect.metrics) <= offered
    about = set(re.findall(r'^vllm:\w+\{(?:.*,)?model_name="([^"]*)"', answer.text, re.MULTILINE))
    assert about == {served_name(deployment.variant)}


def test_metrics_count_what_was_served(api: Api, deployment: Deployment) -> None:
    """One more chat is one more request, and its tokens are counted as its usage says: no fewer, and no more when
    nobody else has asked; then it also took about as long as the engine says."""
    before = api.metrics()
    answer = api.chat(served_name(deployment.variant), CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    usage = answer.body["usage"]
    after = api.metrics()
    alone = after["vllm:request_success_total"] - before["vllm:request_success_total"] == 1
    for name, least in (
        ("vllm:request_success_total", 1),
        ("vllm:prompt_tokens_total", usage["prompt_tokens"]),
        ("vllm:generation_tokens_total", usage["completion_tokens"]),
    ):
        assert after[name] - before[name] >= least > 0, name
        assert after[name] - before[name] == least or not alone, f"{name}: {after[name] - before[name]}, not {least}"
    worked_s = after.get(LATENCY, 0) - before.get(LATENCY, 0)
    assert answer.seconds - worked_s < HELD_S or not alone, (
        f"{answer.seconds:.1f} s, the engine worked {worked_s:.1f} s"
    )


@pytest.mark.parametrize("text", ["Hello", WORLD, "a\x00b"], ids=["plain", "many scripts", "NUL"])
def test_tokens_turn_back_into_the_same_text(api: Api, deployment: Deployment, text: str) -> None:
    """`/tokenize` and `/detokenize` are each other's inverse, in every script; the count is that of the tokens, and
    the length the declared one."""
    served = served_name(deployment.variant)
    body = api.tokenize(served, prompt=text, add_special_tokens=False).body
    assert body["count"] == len(body["tokens"]) > 0
    assert str(body["max_model_len"]) == deployment.variant.argument("--max-model-len")
    assert api.post("/detokenize", {"model": served, "tokens": body["tokens"]}).body["prompt"] == text


def test_usage_counts_the_tokens_of_the_prompt(api: Api, deployment: Deployment) -> None:
    """A completion's `prompt_tokens` is what `/tokenize` counts, and `completion_tokens` is no more than asked for."""
    served = served_name(deployment.variant)
    answer = api.complete(served, BEGINNING, max_tokens=2)
    assert not envelope_problems(answer, "text_completion")
    assert answer.body["model"] == served
    assert answer.body["choices"][0]["finish_reason"] in ("stop", "length")
    usage = answer.body["usage"]
    assert not usage_problems(usage)
    assert usage["prompt_tokens"] == api.tokenize(served, prompt=BEGINNING).body["count"]
    assert usage["completion_tokens"] <= 2


def test_a_chat_stream_is_whole_and_in_order(api: Api, deployment: Deployment) -> None:
    """Role first, text, one finish_reason, the usage, `[DONE]`; no error hidden inside the 200, and the same answer,
    in about the time, and the same count of its tokens as without streaming."""
    served = served_name(deployment.variant)
    stream = api.chat_stream(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    assert not stream_problems(stream, served)
    assert "Paris" in stream.joined("content")
    assert not text_problems(stream.joined("content"))
    whole = api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    assert stream.joined("content") == content_of(whole)
    assert not drip_problems(stream, whole)
    assert counted(stream)["prompt"] == counted(whole)["prompt"]
    alike = stream.joined("reasoning", "reasoning_content") == (reasoning_of(whole) or "")  # thought may differ a bit
    assert not alike or counted(stream) == counted(whole)


def test_a_completion_stream_is_whole_and_in_order(api: Api, deployment: Deployment) -> None:
    """The same of `/v1/completions`."""
    served = served_name(deployment.variant)
    stream = api.complete_stream(served, BEGINNING, max_tokens=8)
    assert not stream_problems(stream, served, chat=False)
    whole = api.complete(served, BEGINNING, max_tokens=8)
    assert stream.joined("text") == content_of(whole) != ""
    assert not drip_problems(stream, whole)
    assert counted(stream) == counted(whole)
    assert finish_of(stream) == whole.body["choices"][0]["finish_reason"]


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
    """`n: 3` gives three choices with their own indexes, each with something said, and one usage."""
    served = served_name(deployment.variant)
    body = api.chat(served, CAPITAL.messages(), n=3, temperature=1, seed=1, max_tokens=ANSWER_TOKENS).body
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    said = [choice["message"] for choice in body["choices"]]
    assert all(message["role"] == "assistant" for message in said)
    assert all(any(message.get(field) for field in SPOKEN) for message in said)
    assert not usage_problems(body["usage"])


def test_choices_are_streamed_apart(api: Api, deployment: Deployment) -> None:
    """`n: 3` in a stream gives three whole streams, each in order under its own index, each right; one usage counts the
    tokens of all."""
    served = served_name(deployment.variant)
    stream = api.chat_stream(served, CAPITAL.messages(), n=3, temperature=0.1, seed=1, max_tokens=ANSWER_TOKENS)
    streams = apart(stream, 3)
    assert not [problem for one in streams for problem in stream_problems(one, served)]
    assert all("Paris" in one.joined("content") for one in streams)
    assert counted(stream)["completion"] >= sum(map(pieces, streams))


def test_logprobs_belong_to_the_tokens(api: Api, deployment: Deployment) -> None:
    """Of a completion and of a chat: as many as tokens, none above zero, the chosen token the best and
    among the best, and together they are the text, to its end."""
    served = served_name(deployment.variant)
    choice = api.complete(served, BEGINNING, max_tokens=3, logprobs=2).body["choices"][0]
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]).startswith(choice["text"])  # a closing token is no text
    each = list(zip(logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True))
    assert all(token in best for token, _, best in each)
    assert not [problem for token, value, best in each for problem in logprob_problems(token, value, [*best.values()])]
    chat = api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS, logprobs=True, top_logprobs=2).body
    entries = chat["choices"][0]["logprobs"]["content"]
    assert 0 <= chat["usage"]["completion_tokens"] - len(entries) <= 1  # the end of turn may have none
    assert all(len(entry["top_logprobs"]) >= 2 for entry in entries)
    assert all(entry["token"] in {best["token"] for best in entry["top_logprobs"]} for entry in entries)
    for entry in entries:
        best = [other["logprob"] for other in entry["top_logprobs"]]
        assert not logprob_problems(entry["token"], entry["logprob"], best)
    assert not cut_problems([entry["token"] for entry in entries], chat["choices"][0]["message"]["content"])


def test_logprobs_are_streamed_with_their_tokens(api: Api, deployment: Deployment) -> None:
    """Of a completion: the same tokens and about the same values as without streaming. Of a chat: they make the
    text that is streamed, none above zero, each the best."""
    served = served_name(deployment.variant)
    asked = {"max_tokens": 3, "logprobs": 2}
    whole = api.complete(served, BEGINNING, **asked).body["choices"][0]["logprobs"]
    stream = api.complete_stream(served, BEGINNING, **asked)
    assert not stream_problems(stream, served, chat=False)
    told = [choice["logprobs"] for choice in spoken_choices(stream) if choice.get("logprobs")]
    tokens, values = ([one for part in told for one in part[of]] for of in ("tokens", "token_logprobs"))
    assert tokens == whole["tokens"]
    assert values == pytest.approx(whole["token_logprobs"], abs=ABOUT)
    stream = api.chat_stream(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS, logprobs=True, top_logprobs=2)
    assert not stream_problems(stream, served)
    told = [choice["logprobs"]["content"] for choice in spoken_choices(stream) if choice.get("logprobs")]
    entries = [entry for part in told for entry in part]
    assert not cut_problems([entry["token"] for entry in entries], stream.joined("content"))
    assert all(len(entry["top_logprobs"]) >= 2 for entry in entries)
    for entry in entries:
        best = [other["logprob"] for other in entry["top_logprobs"]]
        assert not logprob_problems(entry["token"], entry["logprob"], best)


def test_max_tokens_ends_the_answer(api: Api, deployment: Deployment) -> None:
    """`max_tokens: 3` ends after three tokens with finish_reason `length`, streamed or not, and both count alike."""
    served = served_name(deployment.variant)
    whole = api.chat(served, CAPITAL.messages(), max_tokens=3)
    assert counted(whole)["completion"] == 3
    assert whole.body["choices"][0]["finish_reason"] == "length"
    stream = api.chat_stream(served, CAPITAL.messages(), max_tokens=3)
    assert not stream_problems(stream, served)
    assert finish_of(stream) == "length"
    assert counted(stream) == counted(whole)


def test_a_stop_text_ends_the_answer(api: Api, deployment: Deployment) -> None:
    """A completion ends before the stop text, a chat no later than at it, and both say which it was. (Harmony's text
    is made from tokens: there the stop text itself stays.)"""
    served = served_name(deployment.variant)
    choice = api.complete(served, BEGINNING, max_tokens=8, stop=["ris"]).body["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "ris")
    assert choice["text"].strip() == "Pa"
    choice = api.chat(served, COUNT, max_tokens=ANSWER_TOKENS, stop=["17"]).body["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "17")
    assert "18" not in str(choice["message"])
    if "gpt_oss" not in deployment.variant.marks:
        assert "17" not in choice["message"]["content"]


def test_a_stop_text_ends_a_stream(api: Api, deployment: Deployment) -> None:
    """The same in streams, where the text may come in pieces that cut the stop text: nothing of it, nor what follows,
    is sent before it is known."""
    served = served_name(deployment.variant)
    stream = api.complete_stream(served, BEGINNING, max_tokens=8, stop=["ris"])
    assert not stream_problems(stream, served, chat=False)
    assert (closing(stream)["finish_reason"], closing(stream)["stop_reason"]) == ("stop", "ris")
    assert stream.joined("text").strip() == "Pa"
    stream = api.chat_stream(served, COUNT, max_tokens=ANSWER_TOKENS, stop=["17"])
    assert not stream_problems(stream, served)
    assert (closing(stream)["finish_reason"], closing(stream)["stop_reason"]) == ("stop", "17")
    assert not any("18" in stream.joined(field) for field in SPOKEN)
    if "gpt_oss" not in deployment.variant.marks:
        assert "17" not in stream.joined("content")


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
    assert content_of(answer) != turns[1]["content"], "the first turn was answered again"


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
