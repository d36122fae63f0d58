"""Requests made up from the served OpenAPI schema. The only importer of schemathesis and hypothesis.

Hypothesis draws them, without a random seed: the same schema gives the same requests. What would cost minutes or
change the server is cut down or left out; everything else is sent as drawn.
"""

from __future__ import annotations

import re
import shlex
import time
import warnings
from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from schemathesis import GenerationMode

from harness.api import Api
from harness.dialects import SERVED
from harness.types import Answer, Dialect, Noun

LEFT_OUT = re.compile(
    r"scal(?:e|ing)_elastic|sleep|wake_up|pause|resume|lora|profile|reset_|abort|cancel|collective_rpc|weight"
    r"|server_info|shutdown|/docs|/redoc|/openapi"
)
"""Endpoints with side effects, and pages."""
SHORT = {"max_tokens": 4, "max_completion_tokens": 4, "max_output_tokens": 16, "n": 2, "best_of": 2}
"""Fields of a body → the most that is sent of them: an answer is wanted, not a long one."""
EXAMPLES, EXAMPLES_S = 25, 60.0
"""Requests of one kind, right or wrong, to one endpoint at most, in so many seconds; more time draws more."""
UNCHECKED = ("min_tokens", "prompt_embeds")
"""Fields that versions which do not check tokens use unseen: the first makes them look up the tokens to stop at, the
second they read as a tensor although that is switched off (to 0.10.2), and fail with whatever that says."""
SLOW_S = 60.0
"""Seconds after which a request hangs."""
BARE = ("", "Internal Server Error")
"""What an internal error says that nobody caught."""
NOT_IMPLEMENTED = 501
"""A documented refusal: this model has no such endpoint."""


class Fuzzed(Noun):
    """What was tried, and what went wrong: each problem with the command that repeats it."""

    requests: int
    endpoints: tuple[str, ...]
    problems: tuple[str, ...]
    noted: tuple[str, ...]
    """Internal errors that every deployment of this version has, and those of endpoints that nobody was promised."""


def fuzz(api: Api, seconds: float, dialect: Dialect) -> Fuzzed:
    """Send requests for `seconds`, valid ones and wrong ones, to every endpoint in turn, SERVED first: the time may not
    suffice for all.

    No answer is a problem, and so is a 5xx of SERVED endpoints, unless the version is known for it. An endpoint that
    has had one is left alone from then on.
    """
    spec = api.get("/openapi.json").body
    # Hypothesis mixes constants of the imported sources into its draws (no setting turns that off), and a verdict must
    # not change with a line of this project.
    providers._get_local_constants = Constants  # noqa: SLF001
    most = max(EXAMPLES, int(EXAMPLES * seconds / EXAMPLES_S))
    sent, tried = 0, list[str]()
    problems, noted = list[str](), list[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_dict(spec)
        operations: list[Any] = [result.ok() for result in schema.get_all_operations() if hasattr(result, "ok")]
        named = {operation.label: operation for operation in operations}
        order = [label for label in sorted(named, key=_weight) if not LEFT_OUT.search(label)]
        rounds = [(label, mode) for label in order for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
        broken, begun = set[str](), time.monotonic()
        for at, (label, mode) in enumerate(rounds):
            left = begun + seconds - time.monotonic()
            if left <= 0 or label in broken:
                continue
            until = time.monotonic() + 2 * left / (len(rounds) - at)
            count, answer, repeat = _try(api, named[label], mode, until, most, harmless=not dialect.checks_tokens)
            sent += count
            tried += [label] if count and label not in tried else []
            if answer is not None:
                broken.add(label)
                beside = answer.status is not None and label not in SERVED
                told = noted if beside or is_known(answer, label, dialect) else problems
                told.append(f"{answer}\n  repeat it: {repeat}")
    return Fuzzed(requests=sent, endpoints=tuple(tried), problems=tuple(problems), noted=tuple(noted))


def is_known(answer: Answer, label: str, dialect: Dialect) -> bool:
    """Whether every deployment of this version has such a bad answer, or a connection that ends so, to endpoint `label`
    (`POST /tokenize`)."""
    if any(text in answer.text for text in dialect.known_500.get(label, ())):
        return True
    return dialect.bare_500 and answer.status == 500 and answer.text in BARE and label in SERVED


def _weight(label: str) -> tuple[int, str]:
    return (SERVED.index(label) if label in SERVED else len(SERVED), label)


class _Over(BaseException):
    """The time is over, or a problem was found: hypothesis is to stop at once, and not to look for a smaller one."""


def _try(
    api: Api, operation: Any, mode: GenerationMode, until: float, most: int, *, harmless: bool
) -> tuple[int, Answer | None, str]:
    """How many requests, `most` at most, were sent to one endpoint, its first bad answer, and what repeats it; only
    `harmless` ones where the version does not check tokens."""
    sent, bad, repeat = 0, None, ""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def one(case: Any) -> None:
        nonlocal sent, bad, repeat
        if isinstance(case.body, dict):
            case.body = _harmless(_shortened(case.body)) if harmless else _shortened(case.body)
        drawn = case.as_transport_kwargs(base_url=api.base_url)
        sending = {name: value for name, value in drawn.items() if value is not None and name != "cookies"}
        # a server may close a connection after an answer, unannounced: what is sent on it then is nobody's fault
        sending["headers"] = {**(sending.get("headers") or {}), "Connection": "close"}
        sent += 1
        answer = api.call(sending["method"], sending["url"], **_rest(sending), timeout=SLOW_S)
        if answer.status is None or (answer.status >= 500 and answer.status != NOT_IMPLEMENTED):
            bad, repeat = answer, _curl(api, sending)
        if bad or time.monotonic() > until:
            raise _Over

    with suppress(Unsatisfiable, _Over):  # nothing can be drawn, e.g. no wrong request to GET /health
        one()
    return sent, bad, repeat


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


def _harmless(body: dict[str, Any]) -> dict[str, Any]:
    """The body without what ends an engine that checks no tokens: those of a prompt below 0, and UNCHECKED."""
    kept = {name: value for name, value in body.items() if name not in UNCHECKED}
    return kept | ({"prompt": _from_0(kept["prompt"])} if "prompt" in kept else {})


def _from_0(tokens: Any) -> Any:
    """The tokens of a prompt, or of several, without their signs; whatever else stands there as it is."""
    if isinstance(tokens, list):
        return [_from_0(token) for token in tokens]
    return abs(tokens) if isinstance(tokens, int | float) and not isinstance(tokens, bool) else tokens


def _shortened(body: dict[str, Any]) -> dict[str, Any]:
    """The body, asking for a short answer where it asks for a long one or says nothing."""
    cut = {name: most for name, most in SHORT.items() if isinstance(body.get(name), int) and body[name] > most}
    if not any(body.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")):
        cut |= {"max_tokens": 4, "max_output_tokens": 16}
    return body | cut
