"""The tokenizer vocabularies that gpt-oss reads from `/etc/encodings`: found, checked, downloaded.

The engine verifies them only on the first chat, long after `/health` says 200, so they are verified here before
a start. A file is put in place whole, under its final name, after its sha256 was right.
"""

import fcntl
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from harness.progress import Progress, Step


class State(NamedTuple):
    """What was found in place of one file: `ok`, or missing, unreadable, or corrupt with the hash it has."""

    name: str
    ok: bool
    found: str


class EncodingsError(Exception):
    """The encodings could not be provided: says what was tried and what to do."""


class Encoding(NamedTuple):
    """What a vocabulary file must be: its sha256 and its size in bytes."""

    sha256: str
    size: int


ENCODINGS = {
    "o200k_base.tiktoken": Encoding("446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d", 3613922),
    "cl100k_base.tiktoken": Encoding("223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7", 1681126),
}
"""File name → what it must be. The sums are those that tiktoken itself checks."""

URL = "https://openaipublic.blob.core.windows.net/encodings"

PACKAGES: dict[str, Mapping[str, str]] = {
    "litellm==1.60.0": {
        "o200k_base.tiktoken": "litellm/litellm_core_utils/tokenizers/fb374d419588a4632f3f557e76b4b70aebbca790",
        "cl100k_base.tiktoken": "litellm/litellm_core_utils/tokenizers/9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    },
    "bpe-openai==0.1.4": {
        "o200k_base.tiktoken": "bpe_openai/data/o200k_base.tiktoken.gz",
        "cl100k_base.tiktoken": "bpe_openai/data/cl100k_base.tiktoken.gz",
    },
}
"""Wheels that carry the same bytes, for machines that reach only a package index → where in the wheel they are.

The smallest first: 7 MB for any machine, then 42 MB. They are opened as archives, never installed or imported.
"""

SILENCE_S = 15.0
"""Seconds without a connection, an answer or a byte after which a source is given up."""
SOURCE_S = 300.0
"""Seconds after which a source is given up although it still sends."""
_CHUNK = 1 << 16


class SourceError(Exception):
    """This source did not give this file."""


class SourceDownError(SourceError):
    """This source gives nothing at all, so it isn't asked again."""


class _Source(Protocol):
    @property
    def label(self) -> str: ...

    def open(self, name: str, progress: Progress) -> AbstractContextManager[IO[bytes]]:
        """The bytes of one file. Raises SourceError."""


def check(directory: Path, names: Sequence[str]) -> tuple[State, ...]:
    """The state of each file, without the network."""
    return tuple(_check(directory / name, _wanted(name)) for name in names)


def ensure(
    directory: Path,
    names: Sequence[str],
    progress: Progress,
    *,
    official: str = URL,
    packages: Mapping[str, Mapping[str, str]] = PACKAGES,
) -> tuple[Path, ...]:
    """The files, downloaded where they are missing or corrupt. Raises EncodingsError.

    Good files are left alone and cost no network. A bad one stays until a good one can take its place.
    """
    paths = tuple(directory / name for name in names)
    if all(state.ok for state in check(directory, names)):
        return paths
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _alone(directory, progress), tempfile.TemporaryDirectory(prefix="encodings-") as scratch:
            sources: list[_Source] = [_Web(official)]
            sources += [_Wheel(requirement, members, Path(scratch)) for requirement, members in packages.items()]
            for state in check(directory, names):
                if state.ok:  # also when another run brought it meanwhile
                    continue
                progress.say(f"{directory / state.name}: {state.found}, wanted sha256 {_wanted(state.name).sha256}")
                _obtain(directory / state.name, state.found, sources, progress)
    except OSError as error:
        raise EncodingsError(
            f"{error.filename or directory}: {error.strerror or error}: the encodings can't be put there; "
            f"give this user a writable directory with 6 MB free, or copy {' and '.join(names)} into it by hand"
        ) from error
    return paths


def _wanted(name: str) -> Encoding:
    if name not in ENCODINGS:
        raise EncodingsError(f"{name!r} is no known encoding; there are {', '.join(ENCODINGS)}")
    return ENCODINGS[name]


def _check(path: Path, wanted: Encoding) -> State:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return State(path.name, False, "missing")
    except OSError as error:
        return State(path.name, False, f"unreadable: {error.strerror}")
    if digest != wanted.sha256:
        return State(path.name, False, f"corrupt: sha256 {digest}")
    return State(path.name, True, f"sha256 {digest}")


@contextmanager
def _alone(directory: Path, progress: Progress) -> Iterator[None]:
    """One run at a time writes into `directory`; what a killed one left there is removed."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"Waiting for another run that writes into {directory}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # a network file system without locks: the random part of the temporary name must do
            yield
            return
        for name in ENCODINGS:
            for left in directory.glob(f".{name}.*.part"):
                left.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def _obtain(path: Path, found: str, sources: Sequence[_Source], progress: Progress) -> None:
    failures = []
    for source in sources:
        try:
            with (
                source.open(path.name, progress) as stream,
                progress.step(path.name, ENCODINGS[path.name].size, "B") as step,
            ):
                _store(path, stream, step)
        except SourceError as error:
            failures.append(f"  {source.label}: {error}")
            progress.say(f"{source.label}: {error}")
        else:
            return
    raise EncodingsError(
        "\n".join(
            (
                f"no source gave {path.name} ({path} is {found}):",
                *failures,
                f"copy it to {path} by hand; its sha256 must be {ENCODINGS[path.name].sha256}",
            )
        )
    )


def _store(path: Path, stream: IO[bytes], step: Step) -> None:
    """Write `stream` beside `path`, and put it in place if it is the right file. OSError means this disk failed."""
    wanted, digest, done, deadline = ENCODINGS[path.name], hashlib.sha256(), 0, time.monotonic() + SOURCE_S
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            while chunk := _read(stream, done):
                digest.update(chunk)
                file.write(chunk)
                done += len(chunk)
                step.at(done)
                if done > wanted.size:
                    raise SourceError(f"sent more than the {wanted.size} bytes of the file")
                if time.monotonic() > deadline:
                    raise SourceError(f"sent only {done} of {wanted.size} bytes in {SOURCE_S:.0f} s")
            if done < wanted.size:
                raise SourceError(f"ended after {done} of {wanted.size} bytes")
            if digest.hexdigest() != wanted.sha256:
                raise SourceError(f"sent another file: sha256 {digest.hexdigest()}, wanted {wanted.sha256}")
            file.flush()
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _read(stream: IO[bytes], done: int) -> bytes:
    try:
        return stream.read(_CHUNK)
    except TimeoutError:
        raise SourceError(f"sent nothing for {SILENCE_S:.0f} s after {done} bytes") from None
    except (OSError, EOFError, HTTPException, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(f"broke off after {done} bytes: {type(error).__name__}: {error}") from error


@dataclass
class _Web:
    """The files under a URL. The standard library's client uses the system's proxies and certificates."""

    url: str
    down: str = ""

    @property
    def label(self) -> str:
        return self.url

    @contextmanager
    def open(self, name: str, progress: Progress) -> Iterator[IO[bytes]]:  # noqa: ARG002
        if self.down:
            raise SourceDownError(self.down)
        try:
            response = urllib.request.urlopen(f"{self.url}/{name}", timeout=SILENCE_S)
        except urllib.error.HTTPError as error:
            error.close()
            raise SourceError(f"HTTP {error.code} {error.reason}") from error
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            silent = isinstance(reason, TimeoutError)
            self.down = f"no answer within {SILENCE_S:.0f} s" if silent else f"not reached: {reason}"
            raise SourceDownError(self.down) from error
        with response:
            yield response


@dataclass
class _Wheel:
    """The files inside a wheel, which pip fetches with the user's own index, proxy and certificate settings."""

    requirement: str
    members: Mapping[str, str]
    scratch: Path
    wheel: Path | None = None
    down: str = ""

    @property
    def label(self) -> str:
        return f"package {self.requirement}"

    @contextmanager
    def open(self, name: str, progress: Progress) -> Iterator[IO[bytes]]:
        if name not in self.members:
            raise SourceError(f"has no {name}")
        if self.down:
            raise SourceDownError(self.down)
        if self.wheel is None:
            try:
                self.wheel = _pip_download(self.requirement, self.scratch, progress)
            except SourceDownError as error:
                self.down = str(error)
                raise
        member = self.members[name]
        try:
            archive = zipfile.ZipFile(self.wheel)
            stream = archive.open(member)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise SourceError(f"{self.wheel.name}: {error}") from error
        with archive, stream:
            yield io.BufferedReader(gzip.GzipFile(fileobj=stream)) if member.endswith(".gz") else stream


def _pip_download(requirement: str, scratch: Path, progress: Progress) -> Path:
    """The path of the wheel. Raises SourceDownError with pip's own reason."""
    destination = scratch / requirement
    command = (
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary=:all:", "--retries=1", f"--timeout={SILENCE_S:.0f}"),
        *("--dest", str(destination), requirement),
    )
    with (
        progress.step(f"Fetching the package {requirement}, which carries the same files") as step,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as pip,
    ):
        try:
            said = _wait(pip, step)
        finally:
            pip.kill()
    wheels = list(destination.glob("*.whl"))
    if pip.returncode or not wheels:
        lines = [line.removeprefix("ERROR: ") for line in said.splitlines() if line and "WARNING" not in line]
        raise SourceDownError(f"pip download: {lines[-1] if lines else f'exit code {pip.returncode}'}")
    return wheels[0]


def _wait(pip: subprocess.Popen[str], step: Step) -> str:
    """What pip said until its end."""
    begun = time.monotonic()
    while True:
        try:
            return pip.communicate(timeout=1)[0]
        except subprocess.TimeoutExpired:
            step.at(time.monotonic() - begun)
            if time.monotonic() - begun > SOURCE_S:
                raise SourceDownError(f"pip was not done after {SOURCE_S:.0f} s") from None
