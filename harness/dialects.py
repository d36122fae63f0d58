"""What differs between vLLM versions, as data: one row from each version that changed something a check looks at.

Read from the source of the versions in `READ`, 0.10.1.1 and 0.32.0 also seen running.
"""

from __future__ import annotations

import re

from harness.types import Dialect

READ = (
    *("0.10.1.1", "0.10.2", "0.11.0", "0.11.1", "0.11.2", "0.12.0", "0.13.0", "0.14.0", "0.15.0", "0.16.0", "0.17.0"),
    *("0.18.0", "0.19.0", "0.20.0", "0.22.0", "0.24.0", "0.26.0", "0.27.0", "0.28.0", "0.29.0", "0.30.0", "0.32.0"),
)
"""Versions whose source was read, oldest first."""

METRICS = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:request_success_total",
    "vllm:num_preemptions_total",
    "vllm:time_to_first_token_seconds",
    "vllm:e2e_request_latency_seconds",
    "vllm:cache_config_info",
)

COMPLETION_SCHEMA, COMPLETION_LOGPROBS, LIST = (
    "completion: a schema that is none",
    "completion: logprobs no number",
    "[]",
)
"""Wrong requests that some versions do not refuse: the first is answered, the others end in an internal error."""
SERVED = ("POST /v1/chat/completions", "POST /v1/completions", "POST /v1/responses", "POST /tokenize")
"""What clients use, and what a deployment is judged by."""

OLDEST = Dialect(
    since="0.10.1.1",
    reasoning=("reasoning_content",),
    metrics=(*METRICS, "vllm:time_per_output_token_seconds"),
    dead_status=500,
    ends_with_engine=False,
    chat_tools=False,
    dense_mxfp4="refused",
    names_moe_backend=False,
    caps_n=False,
    counts_responses=False,
    streams_output=False,
    reports_aborts=False,
    not_refused=(COMPLETION_SCHEMA, COMPLETION_LOGPROBS, LIST),
    bare_500=True,
)


def _since(since: str, before: Dialect, **changes: object) -> Dialect:
    return Dialect.model_validate(dict(before) | {"since": since} | changes)


V0_10_2 = _since(
    "0.10.2",
    OLDEST,
    metrics=(*METRICS, "vllm:inter_token_latency_seconds"),
    chat_tools=True,
    names_moe_backend=True,
    counts_responses=True,
    reports_aborts=True,
    ends_with_engine=True,
)
V0_11_0 = _since("0.11.0", V0_10_2, dead_status=503, streams_output=True)
V0_11_1 = _since(
    "0.11.1",
    V0_11_0,
    reasoning=("reasoning", "reasoning_content"),
    dense_mxfp4="ignored",
    not_refused=(COMPLETION_LOGPROBS, LIST),
)
V0_13 = _since("0.13.0", V0_11_1, opens_pause=True)
V0_16 = _since("0.16.0", V0_13, opens_pause=False, reasoning=("reasoning",))
V0_18 = _since(
    "0.18.0",
    V0_16,
    not_refused=(LIST,),
    bare_500=False,
    known_500=dict.fromkeys(SERVED, ("object has no attribute 'get'",)),
)
V0_19 = _since("0.19.0", V0_18, caps_n=True)
V0_28 = _since("0.28.0", V0_19, dense_mxfp4="applied", not_refused=(), known_500={})
V0_29 = _since("0.29.0", V0_28, checks_tokens=True)
V0_32 = _since(
    "0.32.0",
    V0_29,
    known_500={
        # "messages": [] and "add_generation_prompt": false; a message of role "tool" with odd content
        "POST /v1/chat/completions": ("list index out of range", "'Message' object has no attribute 'get'"),
        # a stream whose first event does not pass the server's own validation: the connection is dropped
        "POST /v1/responses": ("peer closed connection without sending complete message body",),
    },
)

DIALECTS = (OLDEST, V0_10_2, V0_11_0, V0_11_1, V0_13, V0_16, V0_18, V0_19, V0_28, V0_29, V0_32)
"""Rows from the oldest version on."""


def dialect(version: str | None) -> Dialect:
    """The row of a served version such as `0.10.1.1+381074ae.nv25.09`. One that was not read gets the nearest read
    version's row, with a note that says so."""
    asked = _numbers(version or "")
    if not asked:
        return DIALECTS[-1].model_copy(
            update={"note": f"version {version!r} is none that is known: taken as {READ[-1]}"}
        )
    nearest = min(READ, key=lambda read: (_distance(_numbers(read), asked), read))
    row = [row for row in DIALECTS if _numbers(row.since) <= _numbers(nearest)][-1:] or [OLDEST]
    if _numbers(nearest) == asked:
        return row[0]
    return row[0].model_copy(update={"note": f"version {version} was not read: taken as {nearest}"})


def _numbers(version: str) -> tuple[int, ...]:
    """`0.10.1.1+local` → (0, 10, 1, 1); empty for what does not begin with a number."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split("."))[:4] if found else ()


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """How far two versions are apart, the first part first."""
    padded = zip((*one, 0, 0, 0, 0)[:4], (*other, 0, 0, 0, 0)[:4], strict=True)
    return tuple(abs(a - b) for a, b in padded)
