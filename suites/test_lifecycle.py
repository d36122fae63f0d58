"""Stopped, started, restarted and robbed of its engine, a deployment behaves. These end its life, and run last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.types import Deployment
from harness.verification import ANSWER_TOKENS, CAPITAL, chat_problems, served_name

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt
    from harness.plugin import Run

pytestmark = [
    pytest.mark.lifecycle,
    pytest.mark.timeout(3600),  # a start has a budget of its own
    pytest.mark.usefixtures("deployment"),
]


def answers(api: Api, deployment: Deployment) -> list[str]:
    """What is wrong with the answer to a known question."""
    answer = api.chat(served_name(deployment.variant), CAPITAL.messages(), max_tokens=ANSWER_TOKENS)
    return chat_problems(answer, CAPITAL, deployment.variant)


def test_sigterm_ends_it_in_order_and_a_start_recovers(
    run: Run, api: Api, attempt: Attempt, deployment: Deployment
) -> None:
    """`docker stop` in the midst of a stream: the server exits by itself with 0 or 143, not by SIGKILL, at the latest
    when the client has given up; `docker start` serves right answers within the start budget. A client that was left
    without an end of its stream is a finding in the record."""
    stopped = run.stop(attempt)
    if stopped.left_hanging:
        seen = f"nothing came after SIGTERM, until the client gave up; stopped after {stopped.stop_s:.0f} s"
        attempt.note("stream-left-hanging", "a stream without an end at shutdown", seen)
    assert stopped.exit_code in (0, 143)
    assert stopped.stream is not None, "the client was left hanging"
    assert not run.start_again(attempt).trouble
    assert not answers(api, deployment)


@pytest.mark.only("gpt_oss")
def test_a_docker_restart_recovers(run: Run, api: Api, attempt: Attempt, deployment: Deployment) -> None:
    """`docker restart` serves right answers again within the start budget."""
    assert not run.restart(attempt).trouble
    assert not answers(api, deployment)


def test_a_dead_engine_is_noticed_and_named(run: Run, attempt: Attempt) -> None:
    """When the engine process is killed, `/health` says so with this version's status or refuses, the container exits
    with 0 within a minute, which is no success (where a version never exits, the record says so), and the diagnosis is
    `engine-dead`."""
    died = run.kill_the_engine(attempt)
    if died.exit_code is None and not attempt.dialect.ends_with_engine:
        attempt.note("outlives-its-engine", "a server goes on without its engine", "/health")
    else:
        assert died.exit_code == 0
    assert set(died.statuses) - {200} <= {attempt.dialect.dead_status, None}
    assert died.statuses[-1] != 200
    assert died.diagnosis is not None
    assert died.diagnosis.rule == "engine-dead"
