"""A deployment answers sensibly: again and again, at any length of context, in every field that this version has.

On the CPU bench's miniatures this proves the procedure: they answer what they were taught, with the same requests.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from harness.streams import response_said, response_stream_problems, stream_problems
from harness.types import Deployment
from harness.verification import (
    ANSWER_TOKENS,
    CAPITAL,
    QUESTIONS,
    Question,
    call_problems,
    chat_problems,
    content_of,
    error_problems,
    haystack,
    knows_all,
    output_text,
    reasoning_of,
    reasoning_problems,
    response_usage_problems,
    served_name,
    text_problems,
    undeclared,
)

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt

TIMES = 3
"""How often each known answer must be right."""
WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
CITY = "What is the weather in Paris?"
ANSWER_SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "maxLength": 80}},
    "required": ["answer"],
    "additionalProperties": False,
}


def test_known_answers_are_right_again_and_again(api: Api, deployment: Deployment) -> None:
    """Every known question is answered rightly three times over, each answer language and nothing else: no `!!!!!`,
    no endless repetition, no mixed scripts, no null, no control tokens, no answer that would do for every question.
    Every answer has an id of its own."""
    served = served_name(deployment.variant)

    def ask(question: Question) -> tuple[str, list[str]]:
        answer = api.chat(served, question.messages(), max_tokens=ANSWER_TOKENS)
        problems = chat_problems(answer, question, deployment.variant) + knows_all(content_of(answer))
        return "" if problems else answer.body["id"], problems

    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        answers = list(pool.map(ask, QUESTIONS * TIMES))
    assert not [problem for _, found in answers for problem in found]
    assert len({name for name, _ in answers}) == len(answers), "two answers have the same id"


def test_a_long_answer_stays_sensible(api: Api, deployment: Deployment) -> None:
    """Counting to a hundred arrives there, every number once and in order."""
    asked = ({"role": "user", "content": "Count from 1 to 100, separated by commas."},)
    text = content_of(api.chat(served_name(deployment.variant), asked, max_tokens=4096))
    assert not text_problems(text)
    numbers = [int(part) for part in text.replace(".", " ").replace(",", " ").split() if part.isdigit()]
    assert [n for n in numbers if n <= 100][-100:] == list(range(1, 101))


@pytest.mark.parametrize(
    ("depth", "word"), [(0.1, "tiger"), (0.9, "silver")], ids=["near the beginning", "near the end"]
)
def test_a_needle_is_found_in_a_long_prompt(
    api: Api, attempt: Attempt, deployment: Deployment, depth: float, word: str
) -> None:
    """In a prompt of nine tenths of `max_model_len`, or of what the bench declares, one sentence is found."""
    served = served_name(deployment.variant)
    longest = int(deployment.variant.argument("--max-model-len") or 0)
    wanted = attempt.recorder.record.expectation.needle_tokens or int(0.9 * longest)
    sample = haystack(1000, {})
    tokens_a_word = api.tokenize(served, prompt=sample).body["count"] / len(sample.split())
    hay = haystack(int(wanted / tokens_a_word), {depth: f"The code word is {word}."})
    question = Question(ask=f"{hay}\n\nWhat is the code word?", wanted=(word,))
    answer = api.chat(served, question.messages(), max_tokens=min(ANSWER_TOKENS, longest // 16))
    assert answer.status == 200, answer
    assert answer.body["usage"]["prompt_tokens"] > 0.9 * wanted
    assert not chat_problems(answer, question, deployment.variant)


@pytest.mark.only("gpt_oss")
def test_reasoning_is_in_the_fields_of_this_version(api: Api, attempt: Attempt, deployment: Deployment) -> None:
    """The reasoning is text, apart from the answer and no part of it, in `reasoning_content` or `reasoning` as this
    version has it, streamed or not."""
    served = served_name(deployment.variant)
    answer = api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    assert not reasoning_problems(answer, attempt.dialect)
    assert (reasoning_of(answer) or "").strip() not in content_of(answer)
    stream = api.chat_stream(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    assert not stream_problems(stream, served)
    for field in attempt.dialect.reasoning:
        assert stream.joined(field).strip(), f"no delta carries {field}"
        assert not text_problems(stream.joined(field))
        assert stream.joined(field).strip() not in stream.joined("content")


@pytest.mark.only("gpt_oss")
def test_more_effort_is_more_reasoning(api: Api, deployment: Deployment) -> None:
    """`reasoning_effort` reaches the model: `high` thinks something else than `low`, no shorter, and both answer."""
    served = served_name(deployment.variant)
    asked = Question(ask="What is 12 * 17?", wanted=("204",))
    low, high = (
        api.chat(served, asked.messages(), max_tokens=4096, reasoning_effort=effort) for effort in ("low", "high")
    )
    assert not chat_problems(low, asked, deployment.variant)
    assert not chat_problems(high, asked, deployment.variant)
    assert len(reasoning_of(high) or "") >= len(reasoning_of(low) or "")
    assert reasoning_of(high) != reasoning_of(low), "both efforts think the same: it does not reach the model"


def test_responses_answers_like_chat(api: Api, attempt: Attempt, deployment: Deployment) -> None:
    """`/v1/responses` answers a known question, completed, in the served model's name, with its tokens accounted
    for (of gpt-oss not in every version)."""
    served = served_name(deployment.variant)
    answer = api.respond(served, CAPITAL.ask, max_output_tokens=ANSWER_TOKENS)
    assert answer.status == 200, answer
    assert [answer.body[field] for field in ("status", "object", "model")] == ["completed", "response", served]
    assert "Paris" in output_text(answer.body)
    assert not text_problems(output_text(answer.body))
    counted = attempt.dialect.counts_responses or "gpt_oss" not in deployment.variant.marks
    if not counted:
        attempt.note("responses-uncounted", "tokens that nobody counts", "/v1/responses")
    assert not response_usage_problems(answer.body["usage"], counted=counted)


@pytest.mark.only("gpt_oss")
def test_responses_are_streamed_whole(api: Api, attempt: Attempt, deployment: Deployment) -> None:
    """A stream of `/v1/responses` goes from `response.created` to `response.completed`, numbered without a gap, and its
    pieces make the same text as without streaming. (Every version streams this of gpt-oss; of other models only newer
    ones do.)"""
    served = served_name(deployment.variant)
    stream = api.respond_stream(served, CAPITAL.ask, max_output_tokens=ANSWER_TOKENS)
    assert not response_stream_problems(stream, served, attempt.dialect)
    whole = api.respond(served, CAPITAL.ask, max_output_tokens=ANSWER_TOKENS)
    assert response_said(stream) == output_text(whole.body)
    assert "Paris" in response_said(stream)
    assert not text_problems(response_said(stream))


@pytest.mark.only("gpt_oss")
def test_a_tool_is_called_and_its_result_used(api: Api, deployment: Deployment) -> None:
    """Through `/v1/responses`, in every version: the question calls the tool with arguments that fit its schema, and
    the tool's result is in the final answer."""
    served = served_name(deployment.variant)
    tools = [{"type": "function", **WEATHER}]
    more = {"tools": tools, "max_output_tokens": ANSWER_TOKENS}
    called = api.respond(served, CITY, **more)
    assert called.status == 200, called
    calls = [item for item in called.body["output"] if item["type"] == "function_call"]
    assert [call["name"] for call in calls] == ["get_weather"], called
    arguments = json.loads(calls[0]["arguments"])
    assert list(arguments) == ["city"]
    assert "Paris" in arguments["city"]
    history = [
        {"role": "user", "content": CITY},
        *calls,
        {"type": "function_call_output", "call_id": calls[0]["call_id"], "output": "18 degrees and sunny"},
    ]
    answer = api.respond(served, history, **more)
    assert answer.status == 200, answer
    assert "18" in output_text(answer.body)
    assert not text_problems(output_text(answer.body))


def test_a_chat_with_tools_is_never_a_500(api: Api, deployment: Deployment) -> None:
    """A chat that offers tools is answered, or refused with the documented 400 where the server was started without
    a tool parser; a call in the answer is one of the tool that was offered, with arguments that are JSON; the next
    chat is answered."""
    served = served_name(deployment.variant)
    asked = ({"role": "user", "content": CITY},)
    answer = api.chat(served, asked, tools=[{"type": "function", "function": WEATHER}], max_tokens=ANSWER_TOKENS)
    assert answer.status == 200 or not error_problems(answer)
    if answer.status == 200:
        said = answer.body["choices"][0]["message"]
        assert not text_problems(said.get("content") or "")
        assert not call_problems(said.get("tool_calls") or (), "get_weather")
    after = api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    assert not chat_problems(after, CAPITAL, deployment.variant)


def test_structured_output_validates(api: Api, deployment: Deployment) -> None:
    """`response_format` with a JSON schema gives an object of exactly that schema, and the right answer in it."""
    question = Question(ask='What is the capital of France? Answer as JSON with the single key "answer".', wanted=("",))
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": ANSWER_SCHEMA, "strict": True}}
    answer = api.chat(
        served_name(deployment.variant), question.messages(), max_tokens=ANSWER_TOKENS, response_format=form
    )
    assert not chat_problems(answer, question, deployment.variant)
    given = json.loads(content_of(answer))
    assert list(given) == ["answer"]
    assert "paris" in given["answer"].lower()


@pytest.mark.only("gemma3")
def test_the_chat_template_is_the_models_own(api: Api, deployment: Deployment) -> None:
    """A chat becomes Gemma's turns: one beginning of text, the user's turn closed, the model's turn opened. So many
    tokens the usage of the chat counts."""
    served = served_name(deployment.variant)
    tokens = api.tokenize(served, messages=CAPITAL.messages()).body["tokens"]
    usage = api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS).body["usage"]
    assert usage["prompt_tokens"] == len(tokens)
    text = api.post("/detokenize", {"model": served, "tokens": tokens}).body["prompt"]
    assert text.count("<bos>") == 1
    assert text.endswith(f"<start_of_turn>user\n{CAPITAL.ask}<end_of_turn>\n<start_of_turn>model\n")


@pytest.mark.only("gemma3")
def test_an_image_by_data_url_is_seen(api: Api, attempt: Attempt, deployment: Deployment) -> None:
    """Where the served model has vision, the colour of an image given as a data URL is named; where it has none, as a
    miniature, the image is refused in the documented way and the bench says that this is not shown."""
    parts = [
        {"type": "text", "text": "What color is this image? Answer in one word."},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{RED}"}},
    ]
    answer = api.chat(served_name(deployment.variant), ({"role": "user", "content": parts},), max_tokens=64)
    if answer.status == 200:
        assert "red" in content_of(answer).lower()
    else:
        assert not error_problems(answer)
        assert not undeclared(attempt.recorder.record.expectation, "image input")


RED = (
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAS0lEQVR42u3PQQkAAAgAsetfWiP4FgYrsKZeS0BAQEBAQEBAQEBA"
    "QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEDgsqnc8OJg6Ln3AAAAAElFTkSuQmCC"
)
"""A PNG of 64 x 64 red points."""
