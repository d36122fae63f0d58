"""The lease: one run at a time on a machine, whoever starts it and on whatever port: one model fills the memory.

It dies with the process that holds it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path


class BusyError(Exception):
    """Another run holds the lease: who, since when, what to do."""


def path_of(docker_host: str) -> Path:
    """The lock file of the machine behind an engine's address, the same for every user."""
    return Path(tempfile.gettempdir()) / f"gb10-acceptance-{hashlib.sha256(docker_host.encode()).hexdigest()[:12]}.lock"


def _open(path: Path) -> int:
    """A descriptor of the lock file, which any user may open. Raises OSError."""
    try:
        return os.open(path, os.O_RDWR)  # without O_CREAT: the kernel refuses that on somebody else's file in /tmp
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        os.fchmod(descriptor, 0o666)
        return descriptor


@contextmanager
def lease(docker_host: str, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lease of the machine whose engine answers at `docker_host`.

    When another process has it: raises BusyError at once, or calls `waiting` with who that is, and waits.
    """
    path = path_of(docker_host)
    try:
        descriptor = _open(path)
    except OSError as error:
        raise BusyError(
            f"the lock file {path} can't be opened ({error.strerror}) → remove it or mend its mode"
        ) from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().strip() or "another run"
            if waiting is None:
                raise BusyError(
                    f"this machine is busy: {holder} → wait for it to end (--wait does), or stop it"
                ) from None
            waiting(f"this machine is busy: {holder}; waiting for it to end")
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
        file.truncate(0)
        said = [Path(word.partition("=")[0]).name for word in sys.argv[:3]]  # a value may hold a secret
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(f"process {os.getpid()} ({' '.join(said)}) since {since}\n")
        file.flush()
        yield
        file.truncate(0)
