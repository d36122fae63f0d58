"""The seal beside a finished record: an in-toto test-result statement over every file of its directory, in a DSSE
envelope, signed or not.

What a signature proves is which key sealed these bytes, not that the machine told the truth. Without one the seal
still shows every accidental change, and who re-made the seal can have changed anything: `verify` says which it is.
Each file is in the statement with its SHA-256 and a short digest a block, so that a change can be pointed at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.record import FILE as RECORD_FILE
from harness.record import Record, RecordError, read, under_way, write_atomically
from harness.types import Noun, Verdict

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

FILE = "seal.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
PAYLOAD = "application/vnd.in-toto+json"
BLOCK = 1024
"""Bytes a block: small enough that the original of a one-byte change is found by trying (half a second)."""
SHORT = 16
"""Hex digits kept of a block's SHA-256; the whole file's is kept in full."""
HEADS = (RECORD_FILE, "release.json")
"""Files that the statement is about, beside the images."""
UNFIT = "the signature does not fit"
"""What is said when the right key's signature is over other bytes."""
RESULTS = {Verdict.ACCEPTED: "PASSED", Verdict.INCONCLUSIVE: "WARNED"}
"""Verdict → the word of the test-result predicate; FAILED for any other."""


class SealError(Exception):
    """A seal or a key that can't be used: which file, what is wrong, what to do."""


class Mismatch(Noun):
    """A file that is not what was sealed. `byte` counts from 0; when not `exact`, everything before it is unchanged
    and the first changed byte is somewhere behind it. None: the file as a whole."""

    file: str
    byte: int | None
    exact: bool
    what: str

    def __str__(self) -> str:
        if self.byte is None:
            return f"{self.file}: {self.what}"
        where = f"first differing byte {self.byte}" if self.exact else f"first differing byte at or after {self.byte}"
        return f"{self.file}: {where}: {self.what}"


class Verified(Noun):
    """What a look at a sealed directory found."""

    signer: str | None
    """Key id of the signature; None: unsigned, so whoever can write the directory could have made the seal."""
    trusted: bool
    """Whether that signature was checked with a key that the caller gave."""
    record: Record | None
    """None when record.json can't be read."""
    mismatches: tuple[Mismatch, ...]


class Subject(Noun):
    """What a seal's statement says was judged, and how."""

    images: tuple[tuple[str, str], ...]
    """Reference and id of each."""
    verdict: Verdict
    passed: tuple[str, ...]
    failed: tuple[str, ...]


class Sealed(Noun):
    """One file as the seal has it."""

    name: str
    bytes: int
    sha256: str
    blocks: str
    """Every block's short digest, one after the other."""


def seal(directory: Path, record: Record, key: Path | None = None) -> Path:
    """Write the seal of everything in a record's `directory` as it is now, signed when there is a key (PEM).

    Returns the seal's path. Raises SealError for an unusable key, RecordError when it can't be written.
    """
    return seal_as(directory, subject(record), key)


def subject(record: Record) -> Subject:
    """What is sealed with a record."""
    return Subject(
        images=((record.image.ref, record.image.id),) if record.image else (),
        verdict=record.verdict,
        passed=tuple(t.nodeid for t in record.tests if t.outcome == "passed"),
        failed=tuple(t.nodeid for t in record.tests if t.outcome in ("failed", "error")),
    )


def seal_as(directory: Path, what: Subject, key: Path | None = None) -> Path:
    """As `seal`, for a directory that is not one record's."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    envelope = Envelope(_payload(what, manifest(directory)), PAYLOAD, {})
    keys: dict[str, str] = {}
    if key is not None:
        private = private_key(key)
        envelope.sign(CryptoSigner(private))
        keys = {keyid: _pem(private.public_key()) for keyid in envelope.signatures}
    write_atomically(directory / FILE, _text(envelope, keys))
    return directory / FILE


def verify(directory: Path, key: Path | None = None, views: Mapping[str, str] | None = None) -> Verified:
    """Compare `directory` with its seal, and the seal's signature with `key` (a public key in PEM) if given.

    `views` are files as they follow from the record, by name: they help to find the exact byte of a change. Raises
    SealError when there is no seal, or the key can't be read.
    """
    path = directory / FILE
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SealError(f"{path} can't be read ({error.strerror}): {_why_unsealed(directory)}") from error
    trusted = _public(key) if key is not None else None
    found = manifest(directory)
    try:
        record = read(directory)
    except RecordError:
        record = None
    parsed = _parse(raw)
    if parsed is None:
        return Verified(signer=None, trusted=False, record=record, mismatches=(_broken(raw, record, found),))
    envelope, keys, files = parsed
    mismatches = list(_compare(directory, files, found, views or {}))
    signer = next(iter(envelope.signatures), None)
    if signer is not None or trusted is not None:
        mismatches += _unsigned(envelope, keys, trusted)
    return Verified(signer=signer, trusted=trusted is not None, record=record, mismatches=tuple(mismatches))


def _why_unsealed(directory: Path) -> str:
    """Why a record has no seal, and what to do; a release's bundle, or what is no record, is only not sealed."""
    try:
        ended = read(directory).ended is not None
    except RecordError:
        return "nothing is sealed there → name a record's directory"
    if not ended and under_way(directory):
        return "the record's run is under way → it is sealed at its end"
    why = "it is older than seals" if ended else "its run was killed before its end: it is interrupted"
    return f"the record is not sealed, because {why} → python -m harness sign {directory} seals it as it is now"


def generate(path: Path) -> Path:
    """Write a new ed25519 private key to `path` (only its owner can read it) and its public half beside it.

    Returns the public key's path. Raises SealError when `path` is taken or can't be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = Ed25519PrivateKey.generate()
    public = path.with_name(f"{path.name}.pub")
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public.write_text(_pem(private.public_key()))
    except OSError as error:
        raise SealError(f"{path} can't be made ({error.strerror}) → name a new file in a directory of yours") from error
    return public


def manifest(directory: Path) -> tuple[Sealed, ...]:
    """Every file below `directory` but the seal, by name. A link or a special file has no content of its own."""
    there = (path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())
    named = sorted((str(path.relative_to(directory)), path) for path in there)
    return tuple(_sealed(name, path) for name, path in named if name != FILE)


def _sealed(name: str, path: Path) -> Sealed:
    if path.is_symlink() or not path.is_file():
        return Sealed(name=name, bytes=0, sha256="not a regular file", blocks="")
    whole, blocks, size = hashlib.sha256(), [], 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            whole.update(block)
            blocks.append(_short(block))
            size += len(block)
    return Sealed(name=name, bytes=size, sha256=whole.hexdigest(), blocks="".join(blocks))


def _short(block: bytes) -> str:
    return hashlib.sha256(block).hexdigest()[:SHORT]


def _payload(what: Subject, files: tuple[Sealed, ...]) -> bytes:
    """The in-toto statement: what was judged, by which files, with which result."""
    judged = [{"name": ref, "digest": {"sha256": held.removeprefix("sha256:")}} for ref, held in what.images]
    judged += [{"name": f.name, "digest": {"sha256": f.sha256}} for f in files if f.name in HEADS]
    statement = {
        "_type": STATEMENT,
        "subject": judged,
        "predicateType": PREDICATE,
        "predicate": {
            "result": RESULTS.get(what.verdict, "FAILED"),
            "configuration": [
                {
                    "name": f.name,
                    "digest": {"sha256": f.sha256},
                    "annotations": {"bytes": f.bytes, "block_bytes": BLOCK, "blocks": f.blocks},
                }
                for f in files
            ],
            "passedTests": list(what.passed),
            "failedTests": list(what.failed),
        },
    }
    return json.dumps(statement, indent=1).encode()


def _text(envelope: Envelope, keys: Mapping[str, str]) -> str:
    """The seal's file: the envelope, the public keys of its signatures, and a checksum of both."""
    held = {**envelope.to_dict(), "keys": dict(keys)}
    return json.dumps({**held, "sha256": hashlib.sha256(json.dumps(held).encode()).hexdigest()}, indent=1) + "\n"


def _parse(raw: bytes) -> tuple[Envelope, dict[str, str], tuple[Sealed, ...]] | None:
    """The envelope, its keys and the files it seals; None unless every byte is as `seal` wrote it."""
    from securesystemslib.dsse import Envelope

    try:
        held: dict[str, Any] = json.loads(raw)
        keys = held.pop("keys")
        held.pop("sha256")
        envelope = Envelope.from_dict(held)
        if _text(envelope, keys).encode() != raw:
            return None
        statement = json.loads(envelope.payload)
        files = tuple(
            Sealed(
                name=f["name"],
                bytes=f["annotations"]["bytes"],
                sha256=f["digest"]["sha256"],
                blocks=f["annotations"]["blocks"],
            )
            for f in statement["predicate"]["configuration"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return envelope, keys, files


def _broken(raw: bytes, record: Record | None, found: tuple[Sealed, ...]) -> Mismatch:
    """Where a seal that is not as it was written differs from the one that the rest of the directory asks for."""
    from securesystemslib.dsse import Envelope

    what = "the seal itself was changed"
    if record is None:
        return Mismatch(file=FILE, byte=0, exact=False, what=f"{what}, and {RECORD_FILE} can't be read")
    wanted = _text(Envelope(_payload(subject(record), found), PAYLOAD, {}), {}).encode()
    at = _first_difference(raw, wanted)
    mended = raw[:at] + wanted[at : at + 1] + raw[at + 1 :]
    return Mismatch(file=FILE, byte=at, exact=_parse(mended) is not None, what=what)


def _first_difference(left: bytes, right: bytes) -> int:
    return next((at for at, (a, b) in enumerate(zip_longest(left, right)) if a != b), len(left))


def _compare(
    directory: Path, files: tuple[Sealed, ...], found: tuple[Sealed, ...], views: Mapping[str, str]
) -> Iterator[Mismatch]:
    wanted, there = {f.name: f for f in files}, {f.name: f for f in found}
    for name in sorted({*wanted, *there}):
        if name not in there:
            yield Mismatch(file=name, byte=None, exact=False, what="it was sealed, and is gone")
        elif name not in wanted:
            yield Mismatch(file=name, byte=None, exact=False, what="it was not there when the record was sealed")
        elif there[name] != wanted[name]:
            yield _changed(directory / name, wanted[name], there[name], views.get(name))


def _changed(path: Path, wanted: Sealed, found: Sealed, view: str | None) -> Mismatch:
    """The first byte of a changed file that is not as sealed, as exactly as it can be known."""
    name, size = wanted.name, f"{wanted.bytes} bytes were sealed, {found.bytes} are there"
    if found.sha256 == "not a regular file":
        return Mismatch(file=name, byte=None, exact=False, what="it is no longer a regular file")
    told = "changed" if wanted.bytes == found.bytes else size
    if view is not None and hashlib.sha256(view.encode()).hexdigest() == wanted.sha256:
        return Mismatch(file=name, byte=_first_difference(path.read_bytes(), view.encode()), exact=True, what=told)
    block = _first_difference(wanted.blocks.encode(), found.blocks.encode()) // SHORT
    with path.open("rb") as file:
        file.seek(block * BLOCK)
        data = file.read(BLOCK + 1)
    digest = wanted.blocks[block * SHORT : (block + 1) * SHORT]
    if not digest:  # all that was sealed is there, and more
        return Mismatch(file=name, byte=wanted.bytes, exact=True, what=size)
    length = min(BLOCK, wanted.bytes - block * BLOCK)
    if _short(data[:length]) == digest:
        return Mismatch(file=name, byte=wanted.bytes, exact=True, what=size)
    for at, was in _one_byte_changes(data, length, digest):
        return Mismatch(file=name, byte=block * BLOCK + at, exact=True, what=f"{told}; {was}")
    return Mismatch(file=name, byte=block * BLOCK, exact=False, what=told)


def _one_byte_changes(data: bytes, length: int, digest: str) -> Iterator[tuple[int, str]]:
    """The one byte that was replaced, put in or taken out of a block, found by trying: (place, what it was)."""
    now = data[:length]
    for at in range(len(now)):
        head, tail = hashlib.sha256(now[:at]), now[at + 1 :]
        for byte in range(256):
            tried = head.copy()
            tried.update(bytes((byte,)) + tail)
            if tried.hexdigest()[:SHORT] == digest:
                yield at, f"{now[at : at + 1]!r} stands where {bytes((byte,))!r} was sealed"
                return
    for at in range(length):
        if _short(data[:at] + data[at + 1 : length + 1]) == digest:
            yield at, f"{data[at : at + 1]!r} was put in"
            return
    for at in range(length):
        for byte in range(256):
            if _short(data[:at] + bytes((byte,)) + data[at : length - 1]) == digest:
                yield at, f"{bytes((byte,))!r} was taken out"
                return


def _unsigned(envelope: Envelope, keys: Mapping[str, str], trusted: SSlibKey | None) -> Iterator[Mismatch]:
    """Nothing when the signature is good, by the caller's key or, without one, by the key that lies beside it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.exceptions import Error
    from securesystemslib.signer import Key, SSlibKey

    try:
        beside: list[Key] = [SSlibKey.from_crypto(load_pem_public_key(pem.encode())) for pem in keys.values()]
        envelope.verify([trusted] if trusted is not None else beside, 1)
    except (Error, ValueError, UnsupportedAlgorithm, AttributeError) as error:
        if not envelope.signatures:
            what = "it carries no signature"
        elif trusted is not None and trusted.keyid not in envelope.signatures:
            what = f"it was signed with key {', '.join(envelope.signatures)}, not with the given {trusted.keyid}"
        else:
            what = f"{UNFIT} ({error})"
        yield Mismatch(file=FILE, byte=None, exact=False, what=what)


def private_key(path: Path) -> PrivateKeyTypes:
    """The key in a PEM file. Raises SealError when there is none to sign with."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        key = load_pem_private_key(path.read_bytes(), None)
        CryptoSigner(key)  # knows which kinds it can sign with
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SealError(
            f"{path} is no private key to sign with ({error}) → python -m harness keygen FILE makes one"
        ) from error
    return key


def _pem(key: PublicKeyTypes) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _public(path: Path) -> SSlibKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(load_pem_public_key(path.read_bytes()))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SealError(f"{path} is no public key ({error}) → name the .pub file beside the private key") from error
