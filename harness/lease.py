"""The lease: one run at a time on a machine, whoever starts it and on whatever port: one model fills the memory.

It dies with the process that holds it. A unit of stacked boxes is held by the leases of all its boxes, taken in the
order of their names, so that two who want the same boxes never wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

HANDED_ON = "GB10_ACCEPTANCE_LEASE"
"""Environment variable: number of the descriptor through which whoever started this process holds the lease for it."""
HELD = "held"
"""What a process that holds a lease for somebody else says first; anything else is why it does not."""


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


def _handed_on(path: Path) -> int | None:
    """The descriptor of a lease that was handed on to this process, if it is the one of `path`."""
    try:
        descriptor = int(os.environ.get(HANDED_ON, ""))
        seen, wanted = os.fstat(descriptor), path.stat()
    except (OSError, ValueError):
        return None
    return descriptor if (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino) else None


def holder(docker_host: str) -> str | None:
    """Who holds the lease now, or None. Takes nothing."""
    try:
        descriptor = os.open(path_of(docker_host), os.O_RDWR)
    except OSError:
        return None
    with os.fdopen(descriptor) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "another run"
    return None


@contextmanager
def lease(docker_host: str, waiting: Callable[[str], None] | None = None, what: str = "") -> Iterator[int]:
    """Hold the lease of the machine whose engine answers at `docker_host`; yields the descriptor that holds it.

    When another process has it: raises BusyError at once, or calls `waiting` with who that is, and waits. `what` is
    what others are told of this holder. A lease that was handed on to this process is held already.
    """
    path = path_of(docker_host)
    handed_on = _handed_on(path)
    if handed_on is not None:
        yield handed_on
        return
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
            told = file.read().strip() or "another run"
            if waiting is None:
                raise BusyError(
                    f"this machine is busy: {told} → wait for it to end (--wait does), or stop it"
                ) from None
            waiting(f"this machine is busy: {told}; waiting for it to end")
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
        file.truncate(0)
        said = [Path(word.partition("=")[0]).name for word in sys.argv[:3]]  # a value may hold a secret
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(f"process {os.getpid()} ({what or ' '.join(said)}) since {since}\n")
        file.flush()
        yield descriptor
        file.truncate(0)


@contextmanager
def lease_of_all(
    own: str,
    docker_host: str,
    peers: Mapping[str, Sequence[str]],
    waiting: Callable[[str], None] | None = None,
    what: str = "",
) -> Iterator[tuple[int, tuple[subprocess.Popen[str], ...]]]:
    """Hold the leases of this machine, called `own`, and of its `peers`, in the order of their names.

    `peers` maps a name to the command that holds that machine's lease over there until its standard input ends, and
    says `HELD` first. Yields this machine's descriptor, and those commands: one that ends has lost its lease. Raises
    BusyError when any of them is held by somebody else, unless `waiting` is given, or can't be reached.
    """
    descriptor, holding = -1, []
    with ExitStack() as stack:
        for name in sorted({own, *peers}):
            if name == own:
                descriptor = stack.enter_context(lease(docker_host, waiting, what))
            else:
                holding.append(stack.enter_context(_held_there(name, peers[name], waiting)))
        yield descriptor, tuple(holding)


@contextmanager
def _held_there(
    name: str, command: Sequence[str], waiting: Callable[[str], None] | None
) -> Iterator[subprocess.Popen[str]]:
    """The process that holds the lease of another machine."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            said: list[str] = []
            for line in process.stdout:
                if line.strip() == HELD:
                    break
                said.append(line.strip())
                if waiting is not None:
                    waiting(f"{name}: {line.strip()}")
            else:
                raise BusyError(f"{name}: {' '.join(said[-3:]) or 'its lease can not be had: no answer'}")
            yield process
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
