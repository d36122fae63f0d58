"""What tests of the harness itself need: a real engine for those marked `engine`, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page, Request

    from harness.engine import Engine

Open = Callable[..., "Page"]


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


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        told = "no chromium on PATH → apt-get install chromium"
        if request.config.option.require_browser:
            pytest.fail(told, pytrace=False)
        pytest.skip(told)
    with sync_playwright() as play:
        opened = play.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [], timeout=120_000
        )
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a file of this machine; at the end, nothing may have been requested, complained of or thrown."""
    contexts = []
    complaints: list[str] = []

    def requested(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            complaints.append(f"request: {request.url}")

    def asked(dialog: Dialog) -> None:
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open_at(path: Path, *, width: int = 1280, scheme: Any = "light", locale: str = "en-US") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, locale=locale)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", requested)
        page.on("dialog", asked)
        page.goto(path.as_uri())
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []
