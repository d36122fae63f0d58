"""The live container has exactly the declared flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.flags import differences
from harness.types import Deployment

if TYPE_CHECKING:
    from harness.attempt import Attempt


def test_inspect_shows_the_declared_flags_and_no_others(attempt: Attempt, deployment: Deployment) -> None:
    """`docker inspect`: GPU request, --ipc=host, both ulimits, mounts with modes, environment, port, name, image,
    command, restart policy: nothing missing, nothing undeclared."""
    assert attempt.launched is not None
    assert attempt.launched.image is not None
    assert not differences(deployment.flags, attempt.launched.inspect, attempt.launched.image.raw)
