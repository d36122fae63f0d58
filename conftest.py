"""The map of the harness: what travels, and the fixtures that hand it to a test.

    VARIANTS -> preflight -> launch -> Deployment | Diagnosis -> suites -> Record -> reports/

`harness/variants.py` says what is deployed, `harness/attempt.py` walks the way above once a variant,
`suites/` says what a deployment must do, `harness/plugin.py` writes every outcome into the record.

    run         the session: bench, engine, lease
    attempt     one variant, deployed once a session whatever the selection or order of the tests
    failed      one failure that must happen, provoked once
    deployment  the healthy deployment; its tests do not run when there is none
    api         its HTTP API
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt
    from harness.plugin import Run
    from harness.types import Deployment

pytest_plugins = ("harness.plugin", "pytester")


@pytest.fixture(scope="session")
def attempt(request: pytest.FixtureRequest, run: Run) -> Iterator[Attempt]:
    """The attempt to deploy a variant; parametrised from the data by the plugin."""
    with run.attempt(request.param) as under_way:
        yield under_way


@pytest.fixture(scope="session")
def failed(request: pytest.FixtureRequest, run: Run) -> Iterator[Attempt]:
    """The attempt at a start that must fail; parametrised from the data by the plugin."""
    with run.attempt(request.param) as under_way:
        yield under_way


@pytest.fixture
def deployment(attempt: Attempt, run: Run) -> Deployment:
    """The healthy deployment. The first test without one fails with the reason, the others are not run."""
    run.require(attempt)
    assert attempt.deployment is not None
    return attempt.deployment


@pytest.fixture
def api(deployment: Deployment) -> Iterator[Api]:
    """The deployment's API."""
    from harness.api import Api

    with Api(deployment.base_url) as opened:
        yield opened
