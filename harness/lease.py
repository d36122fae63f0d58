"""The lease: one run at a time on a machine's port, whoever starts it. It dies with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class BusyError(Exception):
    """Another run holds the lease: who, since when, what to do."""


def path_of(port: int) -> Path:
    """The lock file of `port`, the same for every user of this machine."""
    return Path(tempfile.gettempdir()) / f"gb10-acceptance-{port}.lock"


@contextmanager
def lease(port: int) -> Iterator[None]:
    """Hold the lease of `port`. Raises BusyError at once when another process has it."""
    path = path_of(port)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise BusyError(
            f"the lock file {path} can't be opened ({error.strerror}) → remove it or mend its mode"
        ) from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"this machine is busy: {file.read().strip() or 'another run'} → wait for it to end, or stop it"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} ({' '.join(map(os.path.basename, sys.argv[:3]))})\n")
        file.flush()
        yield
        file.truncate(0)
