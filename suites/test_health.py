"""A deployment is alive and says what it is."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from harness.types import Deployment
from harness.verification import health_problems, models_problems

if TYPE_CHECKING:
    from harness.api import Api


PROMPT_S = 5.0
"""Longest /health, half of the time: what load balancers wait."""


def test_health_is_200_and_empty(api: Api) -> None:
    """`GET /health` answers 200 with an empty body, each of ten times, and as a rule at once: a load balancer asks for
    ever, and does not wait."""
    answers = [api.health() for _ in range(10)]
    assert not [problem for answer in answers for problem in health_problems(answer)]
    assert median(answer.seconds for answer in answers) < PROMPT_S


def test_models_lists_exactly_the_served_name(api: Api, deployment: Deployment) -> None:
    """`GET /v1/models` lists the served name and nothing else, with root and max_model_len as declared."""
    assert not models_problems(api.models(), deployment.variant)


def test_version_is_served(api: Api) -> None:
    """`GET /version` names the vLLM version, which goes into the record."""
    assert api.version()
