"""What tests of the harness itself need: a real engine for those marked `engine`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.engine import Engine


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("gb10", "vLLM acceptance").addoption(
        "--require-browser",
        action="store_true",
        help="tests of the pages that need Chromium fail without one, instead of being skipped",
    )


@pytest.fixture(scope="session")
def engine_or_skip(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The CPU bench's engine with its image; without one the test is skipped, or fails under --require-engine."""
    from harness import cpu_bench
    from harness.engine import Engine, EngineError

    def without(reason: str) -> None:
        told = f"{reason} → make qualify sets the CPU bench up"
        if request.config.option.require_engine:
            pytest.fail(told, pytrace=False)
        pytest.skip(told)

    where = cpu_bench.locate()
    try:
        engine = Engine(where.docker_host)
    except EngineError as error:
        without(str(error).partition(" →")[0])
        return
    with engine:
        image = request.config.option.image or where.image
        if engine.image(image) is None:
            without(f"no image {image} in the engine")
        yield engine


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a container's log goes."""
    return tmp_path / "container.log"
