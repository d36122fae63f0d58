"""Requests made up from the served OpenAPI schema. The only importer of schemathesis and hypothesis.

Hypothesis draws them, without a random seed: the same schema gives the same requests. What would cost minutes or
change the server is cut down or left out; everything else is sent as drawn.
"""

from __future__ import annotations

import re
import shlex
import time
import warnings
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from harness.api import Api
from harness.types import Noun

LEFT_OUT = re.compile(
    r"scal(?:e|ing)_elastic|sleep|wake_up|pause|resume|lora|profile|reset_|abort|cancel|collective_rpc|weight"
    r"|server_info|shutdown|/docs|/redoc|/openapi"
)
"""Endpoints with side effects, and pages."""
SHORT = {"max_tokens": 4, "max_completion_tokens": 4, "max_output_tokens": 16, "n": 2, "best_of": 2}
"""Fields of a body → the most that is sent of them: an answer is wanted, not a long one."""
EXAMPLES = 25
"""Requests to one endpoint in one round; rounds go on until the time is over."""
SLOW_S = 60.0
"""Seconds after which a request hangs."""


class Fuzzed(Noun):
    """What was tried, and what went wrong: each problem with the command that repeats it."""

    requests: int
    endpoints: tuple[str, ...]
    problems: tuple[str, ...]
    known: tuple[str, ...]
    """Problems that every deployment of this version has."""


def fuzz(api: Api, seconds: float, known_500: Collection[str] = ()) -> Fuzzed:
    """Send requests for `seconds`, valid ones and wrong ones, to every endpoint in turn.

    A 5xx, a broken connection or no answer is a problem; an endpoint that has one is left alone from then on.
    """
    spec = api.get("/openapi.json").body
    begun, sent, tried = time.monotonic(), 0, list[str]()
    problems, known = list[str](), list[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_dict(spec)
        operations: list[Any] = [result.ok() for result in schema.get_all_operations() if hasattr(result, "ok")]
        named = {operation.label: operation for operation in operations}
        order = [label for label in sorted(named, key=_weight) if not LEFT_OUT.search(label)]
        rounds = [(label, mode) for label in order for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
        broken = set[str]()
        for at, (label, mode) in enumerate(rounds):
            left = begun + seconds - time.monotonic()
            if left <= 0 or label in broken:
                continue
            count, problem = _try(api, named[label], mode, time.monotonic() + 2 * left / (len(rounds) - at))
            sent += count
            tried += [label] if count and label not in tried else []
            if problem:
                broken.add(label)
                (known if any(text in problem for text in known_500) else problems).append(problem)
    return Fuzzed(requests=sent, endpoints=tuple(tried), problems=tuple(problems), known=tuple(known))


def _weight(label: str) -> tuple[int, str]:
    """What clients use most comes first: the time may not suffice for all."""
    first = ("POST /v1/chat/completions", "POST /v1/completions", "POST /v1/responses", "POST /tokenize")
    return (first.index(label) if label in first else len(first), label)


class _Over(BaseException):
    """The time is over, or a problem was found: hypothesis is to stop at once, and not to look for a smaller one."""


def _try(api: Api, operation: Any, mode: GenerationMode, until: float) -> tuple[int, str]:
    """How many requests were sent to one endpoint, and its first problem."""
    sent, problem = 0, ""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def one(case: Any) -> None:
        nonlocal sent, problem
        if isinstance(case.body, dict):
            case.body = _shortened(case.body)
        drawn = case.as_transport_kwargs(base_url=api.base_url)
        sending = {name: value for name, value in drawn.items() if value is not None and name != "cookies"}
        sent += 1
        answer = api.call(sending["method"], sending["url"], **_rest(sending), timeout=SLOW_S)
        if answer.status is None or answer.status >= 500:
            problem = f"{answer}\n  repeat it: {_curl(api, sending)}"
        if problem or time.monotonic() > until:
            raise _Over

    with suppress(Unsatisfiable, _Over):  # nothing can be drawn, e.g. no wrong request to GET /health
        one()
    return sent, problem


def _rest(sending: dict[str, Any]) -> dict[str, Any]:
    """What is neither method nor address."""
    return {name: value for name, value in sending.items() if name not in ("method", "url")}


def _curl(api: Api, sending: dict[str, Any]) -> str:
    """The command that sends the same bytes."""
    request = api.http.build_request(sending["method"], sending["url"], **_rest(sending))
    said = {name: value for name, value in request.headers.items() if name in ("content-type", "accept")}
    headers = [part for name, value in said.items() for part in ("-H", f"{name}: {value}")]
    data = ["--data-binary", request.content.decode("utf-8", "replace")] if request.content else []
    return shlex.join(["curl", "-X", request.method, *headers, *data, str(request.url)])


def _shortened(body: dict[str, Any]) -> dict[str, Any]:
    """The body, asking for a short answer where it asks for a long one or says nothing."""
    cut = {name: most for name, most in SHORT.items() if isinstance(body.get(name), int) and body[name] > most}
    if not any(body.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")):
        cut |= {"max_tokens": 4, "max_output_tokens": 16}
    return body | cut
