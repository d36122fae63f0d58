"""What is wrong is refused: with the documented 4xx, in the documented shape, never a 5xx, and the server lives on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.types import Answer, Deployment
from harness.verification import CAPITAL, chat_problems, content_of, error_problems, served_name

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt

WRONG: dict[str, dict[str, Any]] = {
    "max_tokens 0": {"max_tokens": 0},
    "max_tokens negative": {"max_tokens": -1},
    "max_tokens no number": {"max_tokens": "many"},
    "temperature negative": {"temperature": -1},
    "top_p above 1": {"top_p": 2},
    "top_k below -1": {"top_k": -5},
    "seed beyond 64 bits": {"seed": 2**70},
    "messages no list": {"messages": "hi"},
    "messages of numbers": {"messages": [1, 2]},
    "a message without role": {"messages": [{"content": "hi"}]},
    "n above 1 when greedy": {"n": 2, "temperature": 0},
    "stream options without stream": {"stream_options": {"include_usage": True}},
    "a response format of no kind": {"response_format": {"type": "no-such-format"}},
    "a schema that is none": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "no-such-type"}}}
    },
    "logprobs beyond the limit": {"logprobs": True, "top_logprobs": 100000},
    "penalty out of range": {"frequency_penalty": 1e9},
}
"""Case → what is wrong in the request of a chat."""
COMPLETION_WRONG: dict[str, dict[str, Any]] = {
    **{case: wrong for case, wrong in WRONG.items() if not {*wrong} & {"messages", "top_logprobs", "max_tokens"}},
    "max_tokens negative": {"max_tokens": -1},
    "max_tokens no number": {"max_tokens": "many"},
    "no prompt": {"prompt": None},
    "a prompt of nothing": {"prompt": []},
    "a prompt that is an object": {"prompt": {"text": "hi"}},
    "tokens that no vocabulary has": {"prompt": [2**31 - 1]},
    "logprobs beyond the limit": {"logprobs": 100000},
    "logprobs no number": {"logprobs": "many"},
    "stop no text": {"stop": {"text": "hi"}},
}
"""Case → what is wrong in the request of a completion."""


def refusal_problems(answer: Answer, attempt: Attempt, case: str) -> list[str]:
    """What is wrong with a refusal; a finding instead where this version is known to answer this case, or to fail."""
    found = error_problems(answer)
    if not found or case not in attempt.dialect.not_refused or answer.status not in (200, 500):
        return found
    attempt.note("not-refused", "a wrong request is not refused", case)
    return []


def still_answers(api: Api, deployment: Deployment) -> list[str]:
    """What is wrong with the health and with the next token, now."""
    token = api.complete(served_name(deployment.variant), "The capital of France is", max_tokens=1)
    alive = token.status == 200 and api.health().status == 200 and content_of(token)
    alive = alive and token.body["choices"][0]["finish_reason"] == "length"  # one token was asked for
    return [] if alive else [f"the next request must be answered: {token}"]


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_refused_as_documented(api: Api, deployment: Deployment, case: str) -> None:
    """400 with error.message, .type, .param and .code; afterwards the server answers as before."""
    body = {"model": served_name(deployment.variant), "messages": list(CAPITAL.messages()), "max_tokens": 4}
    assert not error_problems(api.post("/v1/chat/completions", body | WRONG[case]))
    assert not still_answers(api, deployment)


@pytest.mark.parametrize("case", COMPLETION_WRONG)
def test_a_completions_wrong_value_is_refused_as_documented(
    api: Api, attempt: Attempt, deployment: Deployment, case: str
) -> None:
    """The same of `/v1/completions`, where a prompt may also be tokens."""
    body = {"model": served_name(deployment.variant), "prompt": "The capital of France is", "max_tokens": 4}
    answer = api.post("/v1/completions", body | COMPLETION_WRONG[case])
    assert not refusal_problems(answer, attempt, f"completion: {case}")
    assert not still_answers(api, deployment)


@pytest.mark.parametrize("content", ['{"model": ', "", "[]", "null", '{"messages": ['], ids=repr)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_malformed_json_is_refused_as_documented(
    api: Api, attempt: Attempt, deployment: Deployment, path: str, content: str
) -> None:
    """What is no JSON, or no JSON object, is 400 in the documented shape, never a 200."""
    sent = {"content": content.encode(), "headers": {"content-type": "application/json"}}
    assert not refusal_problems(api.call("POST", path, **sent), attempt, content)
    assert not still_answers(api, deployment)


def test_another_content_type_is_refused(api: Api) -> None:
    """A body that does not call itself JSON is 400."""
    sent = {"content": b"hello", "headers": {"content-type": "text/plain"}}
    assert not error_problems(api.call("POST", "/v1/chat/completions", **sent), (400, 415))


def test_a_prompt_beyond_the_context_is_refused(api: Api, deployment: Deployment) -> None:
    """A prompt longer than `max_model_len` is 400 that names a length, as a chat, a stream and a completion: never cut
    in silence, never a 500."""
    served = served_name(deployment.variant)
    longest = int(deployment.variant.argument("--max-model-len") or 0)
    text = "word " * (longest + 100)
    asked = ({"role": "user", "content": text},)
    for answer in (
        api.chat(served, asked, max_tokens=4),
        api.chat_stream(served, asked, max_tokens=4),
        api.complete(served, text, max_tokens=4),
    ):
        assert not error_problems(answer)
        message = answer.body["error"]["message"]
        assert str(longest) in message or "max_tokens must be at least 1" in message
    assert not still_answers(api, deployment)


def test_an_answer_beyond_the_context_is_refused_or_cut(api: Api, deployment: Deployment) -> None:
    """`max_tokens` beyond the context is 400 in the documented shape, or cut down to a right answer: never a 500."""
    answer = api.chat(served_name(deployment.variant), CAPITAL.messages(), max_tokens=10**9)
    assert not (chat_problems(answer, CAPITAL, deployment.variant) if answer.status == 200 else error_problems(answer))


def test_a_huge_n_is_refused(api: Api, attempt: Attempt, deployment: Deployment) -> None:
    """A million choices are 400 in the versions that have a cap; where there is none it is not tried, and the record
    says so."""
    if attempt.dialect.caps_n:
        answer = api.chat(served_name(deployment.variant), CAPITAL.messages(), n=10**6, temperature=1, max_tokens=1)
        assert not error_problems(answer)
    else:
        attempt.note("n-without-cap", "no limit on `n`", "this vLLM version")
    assert not still_answers(api, deployment)


def test_a_token_below_0_is_refused(api: Api, attempt: Attempt, deployment: Deployment) -> None:
    """A prompt of tokens with one below 0 is 400 in the versions that look; where nobody looks it is not tried, because
    it ends the engine, and the record says so."""
    if attempt.dialect.checks_tokens:
        body = {"model": served_name(deployment.variant), "prompt": [-5, 3], "max_tokens": 4}
        assert not error_problems(api.post("/v1/completions", body))
    else:
        attempt.note("negative-token", "no look at tokens", "this vLLM version")
    assert not still_answers(api, deployment)


def test_what_is_not_there_is_404_and_405(api: Api) -> None:
    """An unknown route is 404, a wrong method 405, each with a JSON object, not with a page."""
    missing, wrong = api.get("/v1/no-such-route"), api.get("/v1/chat/completions")
    assert (missing.status, wrong.status) == (404, 405)
    assert isinstance(missing.body, dict), missing
    assert isinstance(wrong.body, dict), wrong


def test_no_request_made_up_from_the_schema_breaks_the_server(
    api: Api, attempt: Attempt, deployment: Deployment, fuzz_s: float
) -> None:
    """Requests drawn from the served `/openapi.json`, right ones and wrong ones, for `--fuzz SECONDS`: never a broken
    connection, never a 5xx where clients ask, and afterwards the server answers. A failure carries the curl line that
    repeats it; what every deployment of this version does wrong, or an endpoint beside, is a finding in the record."""
    from harness.fuzz import fuzz

    seen = fuzz(api, fuzz_s, attempt.dialect)
    for problem in seen.noted:
        attempt.note("known-500", "an internal error of this vLLM version", problem)
    assert not seen.problems, "\n".join(seen.problems)
    assert "POST /v1/chat/completions" in seen.endpoints
    assert not still_answers(api, deployment)
