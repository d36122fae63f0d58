"""Speed: loaded by the engine's own tool, checked by a second client and by the engine's counters, judged by the
roofline and by what this box gave before."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from harness.types import Judgement, Measurement

if TYPE_CHECKING:
    from harness.attempt import Attempt
    from harness.plugin import Run

pytestmark = [pytest.mark.perf, pytest.mark.timeout(3600), pytest.mark.usefixtures("deployment")]

AGREE = {"gb10": 0.03, "cpu": 1.0}
"""By how much two clients may differ in the time per token: the CPU bench shares its cores with both of them."""
TRIES = 3
"""How often two clients measure before they are said to differ."""
WARM_UP = 4
"""Requests of the tool that it does not count: its first try and its warm-up, and one of somebody else's."""


def test_every_request_of_the_load_completes(run: Run, attempt: Attempt) -> None:
    """Under each of the variant's loads `vllm bench serve` completes every request and gets every token it asked for;
    its own exit code says nothing."""
    loads = run.loads(attempt)
    assert [one.load for one in loads] == list(attempt.recorder.record.expectation.loads)
    for one in loads:
        assert not one.problem, one.problem
        assert (one.failed, one.completed) == (0, one.load.prompts), f"{one.load.streams} at once"
        assert one.tokens == one.load.prompts * one.load.output_tokens, f"{one.load.streams} at once"
        assert one.figures["output_throughput"] > 0


def test_the_engine_counted_the_same_tokens(run: Run, attempt: Attempt) -> None:
    """`/metrics` grew by the tokens that the tool counted, and by no more than its warm-up besides."""
    for one in run.loads(attempt):
        besides = one.generated - one.tokens
        assert 0 <= besides <= WARM_UP * one.load.output_tokens, f"{one.generated} of the engine, {one.tokens} counted"


def test_a_second_client_measures_the_same(run: Run, attempt: Attempt) -> None:
    """One stream's time per token, measured by a client that shares nothing with the tool, agrees with the tool's, at
    the latest when both have measured it three times: one of them may have met a busy moment."""
    most = AGREE[attempt.bench.name]
    tried = []
    for ours, theirs in islice(run.times_per_token(attempt), TRIES):
        apart = max(ours / theirs, theirs / ours) - 1
        tried.append(f"{ours:.2f} ms by our client, {theirs:.2f} ms by vllm bench serve")
        if apart <= most:
            break
    agree = Measurement(name="perf.clients_apart", value=100 * apart, unit="%", limit=100 * most, ok=apart <= most)
    attempt.recorder.add(agree)
    assert apart <= most, "; ".join(tried)


def test_the_speed_is_what_this_box_gave_before(run: Run, attempt: Attempt) -> None:
    """No figure is beyond its limit: the roofline on the hardware, the baseline of the last ten good deployments like
    this one. Too little history, bad conditions and a first slow deployment are said, and are no failure."""
    assert run.loads(attempt)
    judged = run.judged(attempt)
    assert judged
    assert not [one.reason.en for one in judged if one.verdict is Judgement.FAILED]
