"""Known failures, provoked from a real engine and a real vLLM: each is diagnosed to its cause, and its remedy works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.types import Deployment

if TYPE_CHECKING:
    from harness.attempt import Attempt
    from harness.plugin import Run


def test_the_failure_is_diagnosed(failed: Attempt) -> None:
    """The start fails, and the diagnosis names the cause that was planted, with evidence and a remedy in both
    languages."""
    assert failed.diagnosis is not None, failed.recorder.record.reason
    assert failed.diagnosis.rule == failed.recorder.record.expectation.expects
    assert failed.diagnosis.evidence
    assert failed.diagnosis.cause.en
    assert failed.diagnosis.cause.zh_tw
    assert failed.diagnosis.remedy.en
    assert failed.diagnosis.remedy.zh_tw


def test_the_verdict_comes_with_the_failure_not_with_the_budget(failed: Attempt) -> None:
    """A refusal, an end or a fatal line ends the wait at once: the start budget is never used up."""
    assert failed.launched is not None
    assert failed.launched.start_s < failed.recorder.record.expectation.start_budget_s


def test_a_failed_start_leaves_nothing(failed: Attempt, run: Run) -> None:
    """No container of this harness is left after it."""
    assert [holder.name for holder in run.engine.holders() if holder.ours] == []
    assert failed.launched is not None


@pytest.mark.mendable
def test_the_stated_remedy_makes_it_healthy(failed: Attempt, run: Run, tmp_path: Path) -> None:
    """Exactly the stated remedy is applied, and the deployment becomes healthy."""
    with run.mended(failed, tmp_path / "mended.log") as again:
        assert isinstance(again.outcome, Deployment), again.outcome
