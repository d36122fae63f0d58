"""One model at a time: what is up is this variant and nothing else, and its place can't be taken silently."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.types import Deployment, Diagnosis
from harness.variants import CONTAINERS, VARIANTS
from harness.verification import CAPITAL, chat_problems, unknown_model_problems

if TYPE_CHECKING:
    from harness.api import Api
    from harness.attempt import Attempt
    from harness.plugin import Run

OTHERS = sorted({v.argument("--served-model-name") or v.model for v in VARIANTS})


def test_no_other_container_of_ours_exists(run: Run, deployment: Deployment) -> None:
    """Of the two container names only the deployment's own exists: switching removed both first."""
    holders = run.engine.holders()
    assert [h.id for h in holders if h.ours or h.name in CONTAINERS] == [deployment.container_id]


@pytest.mark.parametrize("name", [*OTHERS, "no-such-model"])
def test_a_model_that_is_not_served_is_404(api: Api, deployment: Deployment, name: str) -> None:
    """Asking for any other model, the previously served one among them, is 404 NotFoundError naming it."""
    served = deployment.variant.argument("--served-model-name")
    if name == served:
        assert not chat_problems(api.chat(name, CAPITAL.messages(), max_tokens=1024), CAPITAL, deployment.variant)
    else:
        assert not unknown_model_problems(api.chat(name, CAPITAL.messages()), name)


def test_a_second_launch_under_the_name_is_a_name_conflict(
    run: Run, attempt: Attempt, api: Api, deployment: Deployment, tmp_path: Path
) -> None:
    """Launching again under the taken name ends in `container-name-conflict` that names the holder, and the first
    deployment goes on answering."""
    with run.launch(attempt, tmp_path / "second.log") as second:
        assert isinstance(second.outcome, Diagnosis)
        assert second.outcome.rule == "container-name-conflict"
        told = second.outcome.cause.en + second.outcome.remedy.en
        assert deployment.flags.name in told
        assert deployment.container_id[:12] in told + "".join(e.text for e in second.outcome.evidence)
    assert not chat_problems(
        api.chat(deployment.variant.argument("--served-model-name") or "", CAPITAL.messages(), max_tokens=1024),
        CAPITAL,
        deployment.variant,
    )


def test_the_remedy_of_a_name_conflict_frees_the_name(
    run: Run, attempt: Attempt, deployment: Deployment, tmp_path: Path
) -> None:
    """The stated remedy, typed as it stands, removes the holder, and the name can be taken again."""
    stand_in = deployment.flags.model_copy(
        update={"name": f"{deployment.flags.name}-stand-in", "command": ("true",), "port": run.free_port()}
    )
    with run.engine.run(stand_in, run.environ) as holder:
        with run.launch(attempt, tmp_path / "conflict.log", flags=stand_in) as conflict:
            assert isinstance(conflict.outcome, Diagnosis)
            assert conflict.outcome.rule == "container-name-conflict"
            command = f"docker rm -f {stand_in.name}"
            assert command in conflict.outcome.remedy.en
        subprocess.run(
            ["docker", "--host", run.engine.docker_host, *shlex.split(command)[1:]], check=True, capture_output=True
        )
        assert holder.container is not None
        assert run.engine.find(holder.container.id) is None
        with run.engine.run(stand_in, run.environ) as again:
            taken = run.engine.find(stand_in.name)
            assert taken is not None
            assert again.container is not None
            assert taken.id == again.container.id
