"""Many clients at once: every stream its own, slots given back, a steady answer under load, nothing left behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING

from harness.host import memory_available_gib
from harness.types import Deployment, Measurement
from harness.verification import (
    ANSWER_TOKENS,
    CAPITAL,
    QUESTIONS,
    Question,
    chat_problems,
    mixed_up,
    served_name,
    stream_problems,
)

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt

CLIENTS = 12
LEFT = 4
"""Clients that walk away."""
SETTLE_S = 30.0
"""Longest time until what was given up has left the engine."""
GREED_GIB = 2.0
"""Host memory that a load may take for good: caches of first use."""
ENDLESS = {"prompt": "The capital of France is", "max_tokens": 4096, "ignore_eos": True, "stream": True}
"""A completion that goes on whatever the model says."""


def idle(api: Api) -> list[str]:
    """What the metrics still show of requests; empty within SETTLE_S seconds on a good deployment."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        seen = api.metrics()
        busy = [
            f"{name} is {seen.get(name)}, wanted {wanted}"
            for name, wanted in (("vllm:num_requests_running", 0.0), ("vllm:num_requests_waiting", 0.0))
            if seen.get(name) != wanted
        ]
        if seen.get("vllm:kv_cache_usage_perc", 1) > 0.01:
            busy.append(f"vllm:kv_cache_usage_perc is {seen.get('vllm:kv_cache_usage_perc')}, wanted 0")
        if not busy or time.monotonic() > deadline:
            return busy
        time.sleep(0.2)  # metrics are asked, they do not tell


def test_parallel_streams_all_end_and_do_not_mix(api: Api, deployment: Deployment) -> None:
    """Twelve streams of twelve different questions at once: each is whole and in order, and answers its own."""
    served = served_name(deployment.variant)

    def ask(question: Question) -> tuple[list[str], str]:
        stream = api.chat_stream(served, question.messages(), max_tokens=ANSWER_TOKENS)
        return stream_problems(stream, served), stream.joined("content")

    with ThreadPoolExecutor(CLIENTS) as pool:
        streams = list(pool.map(ask, QUESTIONS[:CLIENTS]))
    assert not [problem for problems, _ in streams for problem in problems]
    assert not mixed_up([(q, text) for q, (_, text) in zip(QUESTIONS, streams, strict=False)])


def test_a_client_that_leaves_frees_its_slot(api: Api, deployment: Deployment) -> None:
    """Streams that are left after their first events are gone from the running requests and the KV cache, while the
    answer would still go on."""
    served = served_name(deployment.variant)
    with ExitStack() as stack:
        streams = [
            stack.enter_context(api.streaming("/v1/completions", ENDLESS | {"model": served})) for _ in range(LEFT)
        ]
        assert [len(list(islice(events, 2))) for events in streams] == [2] * LEFT
        running = api.metrics().get("vllm:num_requests_running", 0)
        assert running >= LEFT, f"{running} of {LEFT} streams were running"
    assert not idle(api)


def test_a_load_leaves_answers_right_and_nothing_behind(
    api: Api, attempt: Attempt, deployment: Deployment, soak_s: float
) -> None:
    """Four clients ask for `--soak MINUTES` without a pause: every answer under load is right, the canary after it too,
    then nothing runs or waits, and KV cache and host memory have come back."""
    served = served_name(deployment.variant)
    memory = memory_available_gib()
    deadline = time.monotonic() + soak_s

    def client(first: int) -> tuple[int, list[str]]:
        asked, problems = 0, list[str]()
        while not problems and (asked == 0 or time.monotonic() < deadline):
            question = QUESTIONS[(first + asked) % len(QUESTIONS)]
            answer = api.chat(served, question.messages(), max_tokens=ANSWER_TOKENS)
            problems = chat_problems(answer, question, deployment.variant)
            asked += 1
        return asked, problems

    with ThreadPoolExecutor(LEFT) as pool:
        clients = list(pool.map(client, range(0, 3 * LEFT, 3)))
    measure(attempt, "soak_requests", sum(asked for asked, _ in clients), "requests")
    assert not [problem for _, problems in clients for problem in problems]
    assert not idle(api)
    canary = api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    assert not chat_problems(canary, CAPITAL, deployment.variant)
    if memory is not None:
        kept = taken(memory, memory_available_gib)
        measure(attempt, "soak_memory_kept", kept, "GiB", GREED_GIB)


def taken(before_gib: float, available: Callable[[], float | None]) -> float:
    """GiB of host memory that are gone since."""
    return max(0.0, before_gib - (available() or before_gib))


def measure(attempt: Attempt, name: str, value: float, unit: str, limit: float | None = None) -> None:
    """Write a measurement into the record, which judges it by its limit."""
    measured = Measurement(name=name, value=value, unit=unit, limit=limit, ok=limit is None or value <= limit)
    attempt.recorder.add(measured)
