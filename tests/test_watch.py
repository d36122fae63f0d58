"""The watch's way of the log: whatever becomes of the disk, the container is read on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.logs import WRITE, block
from benchmarks.probe import created
from harness.redact import Redactor
from harness.watch import BACKLOG, Watch

if TYPE_CHECKING:
    from harness.engine import Engine

SOON_S = 20
"""Ten times what it takes to read it all and to give a stalled disk up."""


@contextmanager
def stalled(path: Path) -> Iterator[Path]:
    """A file on which no write ever ends: a FIFO that nobody reads."""
    os.mkfifo(path)
    try:
        yield path
    finally:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))  # lets the writer go, into a broken pipe


@pytest.mark.engine
def test_a_stalled_disk_does_not_stop_the_container(engine_or_skip: Engine, tmp_path: Path) -> None:
    """A container that writes twice what waits in memory ends nevertheless, all of it is read, the loss is told."""
    from harness.engine import Container

    megabytes = 2 * BACKLOG >> 20
    (tmp_path / "block").write_bytes(block(1))
    given = {str(tmp_path): {"bind": "/given", "mode": "rw"}}
    with (
        stalled(tmp_path / "container.log") as log,
        created(engine_or_skip, ["python3", "-uc", WRITE, str(megabytes)], volumes=given) as raw,
    ):
        watch = Watch(raw.name, log, Redactor())
        watch.attach(Container(engine_or_skip, raw))
        try:
            raw.start()
            watch.until_failed(SOON_S)
        finally:
            watch.close()  # lets go of the engine, which could not remove the container otherwise
        assert watch.exit is not None, f"still running after {SOON_S} s"
        assert watch.exit.code == 0
        assert watch.reader.lines > 2 * BACKLOG / 200
        assert "the disk took nothing for" in watch.unwritten


@pytest.mark.engine
def test_a_server_that_outlives_its_engine_has_failed(
    engine_or_skip: Engine, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM 0.10.1.1 goes on for ever when its engine is dead: its word for that ends the wait, some time after it."""
    from harness.engine import Container

    monkeypatch.setattr("harness.watch.END_S", 1.0)
    said = "Application startup complete.\nEngine core proc EngineCore_0 died unexpectedly, shutting down client."
    with created(engine_or_skip, ["bash", "-c", f"echo '{said}'; sleep 300"]) as raw:
        watch = Watch(raw.name, log, Redactor())
        watch.attach(Container(engine_or_skip, raw))
        try:
            raw.start()
            diagnosis = watch.until_failed(SOON_S)
            assert watch.exit is None
            assert diagnosis is not None
            assert diagnosis.rule == "engine-dead"
        finally:
            raw.kill()  # what follows its log ends with it
            watch.close()


@pytest.mark.engine
def test_a_container_that_is_started_again_at_once_has_ended(engine_or_skip: Engine, log: Path) -> None:
    """By a restart policy, or by somebody's `docker restart`: there is no moment in which it can be found exited."""
    from harness.engine import Container

    command = ["bash", "-c", "echo loading; exit 3"]
    with created(engine_or_skip, command, restart_policy={"Name": "always"}) as raw:
        watch = Watch(raw.name, log, Redactor())
        watch.attach(Container(engine_or_skip, raw))
        try:
            raw.start()
            assert watch.until_failed(SOON_S) is not None
            assert watch.exit is not None
            assert watch.exit.code == 3
        finally:
            watch.close()
