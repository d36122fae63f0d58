"""The seal: one changed character anywhere fails, and is pointed at; a signature says by which key."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import Recorder, read, write_atomically
from harness.report.markdown import render
from harness.seal import FILE, SealError, generate, seal, verify
from tests import samples
from tests.test_record import FAILED, OOM, PASSED

LOG = b"".join(b"INFO 11-27 line %d of the engine's log\n" % n for n in range(200))


def finished(directory: Path, key: Path | None = None) -> Path:
    """A finished, sealed run of one directory."""
    directory.mkdir(parents=True)
    recorder = Recorder(samples.record(tests=(PASSED, FAILED), diagnosis=OOM), directory)
    recorder.log.write_bytes(LOG)
    recorder.finish()
    write_atomically(directory / "record.md", render(recorder.record))
    seal(directory, recorder.record, key)
    return directory


@pytest.fixture(scope="module")
def keys() -> Iterator[tuple[Path, Path]]:
    """A private key and its public half."""
    with tempfile.TemporaryDirectory() as directory:
        private = Path(directory) / "lab.pem"
        yield private, generate(private)


@pytest.fixture(scope="module")
def runs(keys: tuple[Path, Path]) -> Iterator[dict[bool, Path]]:
    """A signed and an unsigned run."""
    with tempfile.TemporaryDirectory() as directory:
        yield {signed: finished(Path(directory) / str(signed), keys[0] if signed else None) for signed in (True, False)}


def views(run: Path) -> dict[str, str]:
    """What follows from the record."""
    return {"record.md": render(read(run))}


def test_an_untouched_run_is_as_it_was_sealed(runs: dict[bool, Path], keys: tuple[Path, Path]) -> None:
    """Signed: by whom. Unsigned: allowed, and said."""
    signed, unsigned = verify(runs[True], keys[1]), verify(runs[False])
    assert (signed.mismatches, unsigned.mismatches) == ((), ())
    assert signed.trusted
    assert signed.signer is not None
    assert unsigned.signer is None
    assert not verify(runs[True]).trusted


@settings(max_examples=60, deadline=None)
@given(data=st.data(), signed=st.booleans())
def test_any_changed_byte_anywhere_fails_and_its_file_is_named(
    runs: dict[bool, Path], keys: tuple[Path, Path], data: st.DataObject, signed: bool
) -> None:
    """Every file, the seal itself too, with and without the views to compare with; what is called exact is exact."""
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory) / "run"
        shutil.copytree(runs[signed], run)
        file = data.draw(st.sampled_from(sorted(run.iterdir())))
        content = bytearray(file.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
        file.write_bytes(content)
        rendered = views(runs[signed]) if data.draw(st.booleans()) else None
        found = verify(run, keys[1] if signed and data.draw(st.booleans()) else None, rendered).mismatches
        assert [m.file for m in found] == [file.name]
        if found[0].exact:
            assert found[0].byte == at
        else:
            assert file.name == FILE
            assert found[0].byte is not None
            assert found[0].byte <= at


@pytest.mark.parametrize("name", ["record.json", "record.md", "container.log"])
@pytest.mark.parametrize("change", ["cut", "grown", "one put in", "one taken out", "emptied", "rewritten"])
def test_other_changes_are_pointed_at_as_far_as_they_can_be_known(
    runs: dict[bool, Path], tmp_path: Path, name: str, change: str
) -> None:
    """Lengths differ: the first byte that does is exact where one byte explains it, else its block is named."""
    run = tmp_path / "run"
    shutil.copytree(runs[False], run)
    was = (run / name).read_bytes()
    at = len(was) // 2
    now, first = {
        "cut": (was[:at], at),
        "grown": (was + b"more", len(was)),
        "one put in": (was[:at] + b"\0" + was[at:], at),
        "one taken out": (was[:at] + was[at + 1 :], at),
        "emptied": (b"", 0),
        "rewritten": (was[:at] + bytes(b ^ 1 for b in was[at:]), at),
    }[change]
    (run / name).write_bytes(now)
    (found,) = verify(run).mismatches
    assert found.file == name
    assert found.byte is not None
    if found.exact:
        assert was[: found.byte] == now[: found.byte]
        assert was[found.byte : found.byte + 1] != now[found.byte : found.byte + 1]
    else:
        assert found.byte <= first < found.byte + 1024
    assert found.exact or change in ("cut", "emptied", "rewritten")


def test_added_removed_and_replaced_files_fail(runs: dict[bool, Path], tmp_path: Path) -> None:
    """A file more, a file less, a link in a file's place."""
    for change in ("added", "gone", "link"):
        run = tmp_path / change
        shutil.copytree(runs[False], run)
        if change == "added":
            (run / "below").mkdir()
            (run / "below" / "extra.txt").write_text("x")
        else:
            (run / "container.log").unlink()
        if change == "link":
            (run / "container.log").symlink_to(runs[False] / "container.log")
        (found,) = verify(run).mismatches
        assert found.file == ("below/extra.txt" if change == "added" else "container.log")


def test_a_seal_made_again_by_somebody_else_does_not_pass_for_the_key_s(
    runs: dict[bool, Path], keys: tuple[Path, Path], tmp_path: Path
) -> None:
    """Edited and sealed again, unsigned or with another key: with the lab's key it is refused."""
    run = tmp_path / "run"
    shutil.copytree(runs[True], run)
    (run / "container.log").write_bytes(b"nothing to see")
    seal(run, read(run))
    assert verify(run).mismatches == ()  # who can write the directory can seal it: that is what unsigned means
    assert "no signature" in str(verify(run, keys[1]).mismatches[0])
    other = tmp_path / "other.pem"
    generate(other)
    seal(run, read(run), other)
    assert "not with the given" in str(verify(run, keys[1]).mismatches[0])


def test_the_seal_is_an_in_toto_statement_in_a_dsse_envelope(runs: dict[bool, Path]) -> None:
    """Other tools read it: type, predicate, subject by digest, result."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope.from_dict(json.loads((runs[True] / FILE).read_text()))
    assert envelope.payload_type == "application/vnd.in-toto+json"
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["predicate"]["result"] == "FAILED"
    assert {c["name"] for c in statement["predicate"]["configuration"]} == {"record.json", "record.md", "container.log"}
    assert all(len(s["digest"]["sha256"]) == 64 for s in statement["subject"])


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "[" * 100_000, '{"payload": "e30=", "signatures": []}', "\x00"]
)
def test_anything_else_is_no_seal(runs: dict[bool, Path], tmp_path: Path, text: str) -> None:
    """A hostile seal is a mismatch, not a traceback."""
    run = tmp_path / "run"
    shutil.copytree(runs[False], run)
    (run / FILE).write_text(text)
    assert [m.file for m in verify(run).mismatches] == [FILE]


def test_keys_and_seals_that_are_none_are_errors(runs: dict[bool, Path], tmp_path: Path) -> None:
    """Each says what to do."""
    (tmp_path / "key").write_text("no key")
    shutil.copy(runs[False] / "record.json", tmp_path)
    with pytest.raises(SealError, match="keygen"):
        seal(tmp_path, read(tmp_path), tmp_path / "key")
    with pytest.raises(SealError, match=r"not sealed.*harness sign"):
        verify(tmp_path)
    with pytest.raises(SealError, match=r"\.pub"):
        verify(runs[True], tmp_path / "key")
    with pytest.raises(SealError, match="new file"):
        generate(tmp_path / "key")


def test_a_private_key_is_its_owner_s(keys: tuple[Path, Path]) -> None:
    """Nobody else can read it."""
    assert keys[0].stat().st_mode & 0o077 == 0
