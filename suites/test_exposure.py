"""What the deployment exposes, and to whom: findings in the record; only what the variant forbids fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.exposure import from_http, from_inspect, from_log
from harness.types import Deployment, Finding

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt
    from harness.plugin import Run


def test_nothing_forbidden_is_served(run: Run, api: Api, attempt: Attempt, deployment: Deployment) -> None:
    """Development endpoints, profilers and run-time loading of adapters are not served, no answer shows a secret, and
    no browser is let in with somebody's credentials.
    Recorded: what is open without a key, the pages, and which origins a browser may come from."""
    keep(attempt, from_http(api, deployment, run.environ, attempt.dialect))


def test_nothing_forbidden_shows_in_inspect(attempt: Attempt, deployment: Deployment) -> None:
    """No secret on the command line or in a label, no remote code trusted, no variable that opens or hides something,
    in the image neither. Recorded: the address it is bound to, and
    secrets in the environment, which `docker inspect` shows to everyone in the docker group."""
    assert attempt.launched is not None
    keep(attempt, from_inspect(deployment.flags, attempt.launched.inspect))


def test_no_secret_is_in_the_log(run: Run, attempt: Attempt, deployment: Deployment) -> None:
    """The container's own log, before this harness takes secrets out, shows none, and not what people ask."""
    keep(attempt, from_log(run.raw_log(deployment), run.environ))


def keep(attempt: Attempt, findings: list[Finding]) -> None:
    """Write findings into the record, and fail on forbidden ones."""
    attempt.recorder.add(*findings)
    forbidden = [f"{finding.id}: {finding.what} ({finding.seen})" for finding in findings if finding.forbidden]
    assert not forbidden
