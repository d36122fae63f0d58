"""`.ci/setup` in a checkout of its own: the real venv and pip, offline, with pip itself as the only locked package."""

from __future__ import annotations

import ensurepip
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUNDLED = (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels"))


def setup(checkout: Path, **environ: str) -> str:
    """What `.ci/setup` says; it must succeed."""
    done = subprocess.run(
        [checkout / ".ci" / "setup"], env=os.environ | environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which setup has run."""
    wheel = next(wheel for place in BUNDLED for wheel in place.glob("pip-*.whl"))
    checkout = tmp_path_factory.mktemp("checkout")
    (checkout / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "setup", checkout / ".ci")
    version, digest = wheel.name.split("-")[1], hashlib.sha256(wheel.read_bytes()).hexdigest()
    (checkout / "requirements.lock").write_text(f"pip=={version} --hash=sha256:{digest}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheel.parent))
        assert "Ready" in setup(checkout)
    return checkout


def test_a_second_time_has_nothing_to_do(checkout: Path) -> None:
    """And says nothing."""
    assert setup(checkout) == ""


def test_an_activated_venv_is_not_made_again(checkout: Path) -> None:
    """`source .venv/bin/activate` puts its own python first on PATH: making it again would remove what runs."""
    venv = checkout / ".venv"
    made = venv.stat().st_ino
    assert setup(checkout, PATH=f"{venv / 'bin'}:{os.environ['PATH']}", VIRTUAL_ENV=str(venv)) == ""
    assert setup(checkout, PYTHON=str(venv / "bin" / "python")) == ""
    assert venv.stat().st_ino == made
