"""Many clients at once: every stream its own, slots given back, a steady answer under load, nothing left behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING

from harness.host import memory_available_gib
from harness.streams import pieces, stream_problems
from harness.types import Deployment, Measurement, Stream
from harness.verification import ANSWER_TOKENS, CAPITAL, QUESTIONS, Question, chat_problems, mixed_up, served_name

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt

CLIENTS = 12
PIECES = 3
"""Events with text that at least one of those streams must have: an engine gives an answer token by token."""
SLOW_S, TIMES_SLOWER = 30.0, 10.0
"""After a load an answer may take so many seconds, or so many times as long as before."""
LEFT = 4
"""Clients that walk away."""
TRIES = 3
"""Times they come: on a machine too busy to run this, the first may be answered in full before the last has come."""
SETTLE_S = 30.0
"""Longest time until the engine is idle after a load."""
LEAVE_S = 10.0
"""Longest time until what was given up has left the engine: less than what it would go on for, even on a miniature."""
GREED_GIB = 2.0
"""Host memory that a load may take for good: caches of first use."""
ENDLESS = {"prompt": "The capital of France is", "max_tokens": 4096, "ignore_eos": True, "stream": True}
"""A completion that goes on whatever the model says."""


def idle(api: Api, within_s: float, prod: Callable[[], object] = lambda: None) -> list[str]:
    """What the metrics still show of requests; empty within so many seconds on a good deployment. `prod` is done before
    each look."""
    deadline = time.monotonic() + within_s
    while True:
        prod()
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
    """Twelve streams of twelve different questions at once: each is whole and in order, answers its own, and has an id
    of its own; they come in pieces, not as one."""
    served = served_name(deployment.variant)

    def ask(question: Question) -> Stream:
        return api.chat_stream(served, question.messages(), max_tokens=ANSWER_TOKENS)

    with ThreadPoolExecutor(CLIENTS) as pool:
        streams = list(pool.map(ask, QUESTIONS[:CLIENTS]))
    assert not [problem for stream in streams for problem in stream_problems(stream, served)]
    assert not mixed_up([(q, s.joined("content")) for q, s in zip(QUESTIONS, streams, strict=False)])
    assert len({stream.chunks[0]["id"] for stream in streams}) == CLIENTS, "two streams have the same id"
    assert max(map(pieces, streams)) >= PIECES, "every stream came as a whole"


def test_a_client_that_leaves_frees_its_slot(api: Api, attempt: Attempt, deployment: Deployment) -> None:
    """Streams that are left after their first events are gone from the running requests and the KV cache, while the
    answer would still go on."""
    endless = ENDLESS | {"model": served_name(deployment.variant)}

    def prod() -> None:
        if not attempt.dialect.reports_aborts:
            api.complete(served_name(deployment.variant), str(ENDLESS["prompt"]), max_tokens=1)

    running = 0.0
    for _ in range(TRIES):
        with ExitStack() as stack:
            streams = [stack.enter_context(api.streaming("/v1/completions", endless)) for _ in range(LEFT)]
            assert [len(list(islice(events, 2))) for events in streams] == [2] * LEFT
            running = api.metrics().get("vllm:num_requests_running", 0)
        assert not idle(api, LEAVE_S, prod)
        if running >= LEFT:
            break
    assert running >= LEFT, f"{running:.0f} of {LEFT} streams were running"


def test_a_load_leaves_answers_right_and_nothing_behind(
    api: Api, attempt: Attempt, deployment: Deployment, soak_s: float
) -> None:
    """Four clients ask for `--soak MINUTES` without a pause: every answer under load is right, the canary after it too
    and in time, then nothing runs or waits, and KV cache and host memory have come back."""
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
    assert not idle(api, SETTLE_S)
    canary = api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    assert not chat_problems(canary, CAPITAL, deployment.variant)
    before_s = attempt.second.seconds if attempt.second else 0
    assert canary.seconds <= max(SLOW_S, TIMES_SLOWER * before_s), f"{canary.seconds:.1f} s, {before_s:.1f} s before"
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
