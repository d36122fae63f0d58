"""A deployment starts: as declared, within its budget, and answers its first questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.types import Deployment
from harness.verification import CAPITAL, chat_problems

if TYPE_CHECKING:
    from harness.attempt import Attempt


@pytest.mark.own
def test_starts_within_its_budget(attempt: Attempt, deployment: Deployment) -> None:
    """The container starts and `/health` answers 200 within the variant's start budget on this bench."""
    budget_s = attempt.recorder.record.expectation.start_budget_s
    assert deployment.started_s <= budget_s


def test_first_inference_answers_although_it_still_compiles(attempt: Attempt, deployment: Deployment) -> None:
    """The very first chat answers a known question; its time is recorded apart from the second's."""
    assert attempt.first is not None
    assert not chat_problems(attempt.first, CAPITAL, deployment.variant)


def test_second_inference_gives_the_same_answer(attempt: Attempt, deployment: Deployment) -> None:
    """The same question at temperature 0 is answered again, now without compilation."""
    assert attempt.second is not None
    assert not chat_problems(attempt.second, CAPITAL, deployment.variant)
