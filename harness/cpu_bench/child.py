"""One child process at a time: its output in a log file, its end tied to ours; and the lock around all of them."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from harness.cpu_bench import BenchError

if TYPE_CHECKING:
    from harness.progress import Progress

TAIL = 12
"""Lines of a log that an error quotes."""
GRACE_S = 10.0
"""Seconds between asking a child to end and killing it."""
HELD: list[int] = []
"""File descriptors of the locks that this process holds. Children share them, so that after a kill -9 the lock is free
only when the last of them has ended."""


def tail(log: Path, lines: int = TAIL) -> str:
    """The last lines of a log, indented for quoting; at most the last 16 KiB are read."""
    try:
        with log.open("rb") as f:
            f.seek(max(0, log.stat().st_size - 16384))
            text = f.read().decode(errors="replace")
    except OSError as error:
        return f"    ({error})"
    return "\n".join(f"    {line[:300]}" for line in _lines(text)[-lines:]) or "    (empty)"


def _lines(text: str) -> list[str]:
    """Lines with something in them; a carriage return starts a new one, as progress bars use it."""
    return [line.rstrip() for line in text.replace("\r", "\n").split("\n") if line.strip()]


def run(
    argv: Sequence[str],
    what: str,
    log: Path,
    progress: Progress,
    *,
    env: Mapping[str, str] | None = None,
    feed: Iterator[bytes] | None = None,
    size: int = 0,
) -> str:
    """Run one command as a step called `what`; returns what it printed on standard output.

    Standard error is appended to `log`, standard output too. `feed` is written to its standard input, `size` bytes in
    all. The child and its children end with Ctrl-C, with any error, and with this process (parent death signal).
    Raises BenchError with the log's last lines when it exits non-zero.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    tied = [*(["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []), *argv]
    with log.open("ab") as out:
        shown = " ".join(word if len(word) < 200 else word[:200].split("\n")[0] + "…" for word in argv)
        out.write(f"\n$ {shown}\n".encode())
        out.flush()
        start = out.tell()
        with progress.step(what, total=size or None, unit="B" if feed else "s") as step:
            begun = time.monotonic()
            child = subprocess.Popen(
                tied,
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(env) if env is not None else None,
                start_new_session=True,
                pass_fds=HELD,
            )
            try:
                if feed and child.stdin:
                    done = 0
                    try:
                        for chunk in feed:
                            child.stdin.write(chunk)
                            done += len(chunk)
                            step.at(done)
                        child.stdin.close()
                    except BrokenPipeError:  # it ended early: its exit code and log say why
                        with suppress(BrokenPipeError):
                            child.stdin.close()
                while True:
                    try:
                        code = child.wait(timeout=0.5)
                        break
                    except subprocess.TimeoutExpired:
                        if not feed:
                            step.at(time.monotonic() - begun, note=_last(log) if log.stat().st_size > start else "")
            except BaseException:
                end(child)
                raise
    if code:
        raise BenchError(
            f"{what} failed: `{argv[0]}` ended with exit code {code}. Its last lines:\n{tail(log)}\n"
            f"The whole output is in {log}. Running the same command again continues from the last finished stage."
        )
    with log.open("rb") as f:
        f.seek(start)
        return f.read().decode(errors="replace")


def _last(log: Path) -> str:
    """The last line of the log, cut for a progress display."""
    return tail(log, 1).strip()[:60]


def end(child: subprocess.Popen[bytes]) -> None:
    """End a child that leads its own session, with all its children: asked first, killed after GRACE_S."""
    if child.stdin:
        with suppress(OSError):
            child.stdin.close()
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        try:
            child.wait(timeout=GRACE_S)
            return
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def exclusive(lock: Path, progress: Progress) -> Iterator[IO[str]]:
    """Hold `lock`; when another process holds it, say so and wait. The kernel lets go of it when its holder dies.

    Raises BenchError when its directory cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = lock.open("a+")
    except OSError as error:
        raise BenchError(
            f"{lock.parent} cannot be written ({error.strerror}): the CPU bench keeps its engine, image and miniatures "
            "there. Make it writable, or name another directory with GB10_ACCEPTANCE_STATE."
        ) from error
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            holder = held.read().strip() or "unknown"
            with progress.step(f"wait for process {holder}, which is preparing or stopping the CPU bench"):
                fcntl.flock(held, fcntl.LOCK_EX)
        held.seek(0)
        held.truncate()
        held.write(f"{os.getpid()}\n")
        held.flush()
        HELD.append(held.fileno())
        try:
            yield held
        finally:
            HELD.remove(held.fileno())
