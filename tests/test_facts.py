"""What a record says of the weights, and what the engine says of its settings."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.resolved import resolved, settings
from harness.weights import weights

LOGS = Path(__file__).parent / "logs" / "healthy"
REVISION = "d0a2ad1a06242654f5929ec4047dbe786aca77cc"


def cache(home: Path, files: dict[str, bytes], *, linked: bool) -> Path:
    """A Hugging Face cache of `org/model`; linked as the hub makes it, plain as a copy is."""
    model = home / "huggingface" / "hub" / "models--org--model"
    snapshot = model / "snapshots" / REVISION
    for name, data in files.items():
        at = snapshot / name
        at.parent.mkdir(parents=True, exist_ok=True)
        if linked:
            blob = model / "blobs" / hashlib.sha256(data).hexdigest()
            blob.parent.mkdir(exist_ok=True)
            blob.write_bytes(data)
            at.symlink_to(blob)
        else:
            at.write_bytes(data)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(REVISION + "\n")
    return home


def test_the_weights_are_told_by_the_names_of_their_blobs(tmp_path: Path) -> None:
    """The hub's cache names a blob by its SHA-256: a link and a copy give the same digest, other weights another."""
    files = {"a.safetensors": b"one", "original/b.bin": b"two", "config.json": b"{}"}
    linked, copied, other = (
        weights(cache(tmp_path / name, content, linked=link), "org/model")
        for name, content, link in (
            ("l", files, True),
            ("c", files, False),
            ("o", files | {"a.safetensors": b"1"}, True),
        )
    )
    assert linked and other
    assert linked == copied
    assert (linked.revision, linked.files, linked.bytes) == (REVISION, 2, 6)
    assert linked.sha256 != other.sha256


def test_large_weights_are_never_read(tmp_path: Path) -> None:
    """Without digests in the names, weights of more than a GiB have none in the record."""
    home = cache(tmp_path, {"a.safetensors": b""}, linked=False)
    with next(home.rglob("a.safetensors")).open("wb") as file:
        file.truncate((1 << 30) + 1)
    found = weights(home, "org/model")
    assert found
    assert (found.bytes, found.sha256) == ((1 << 30) + 1, None)


def test_weights_that_are_not_there_are_unknown(tmp_path: Path) -> None:
    """No cache, no revision, or one that leads out of the cache: unknown."""
    assert weights(tmp_path, "org/model") is None
    home = cache(tmp_path, {"a.safetensors": b"x"}, linked=False)
    next(home.rglob("main")).write_text("../../..")
    assert weights(home, "org/model") is None


def test_the_engine_s_settings_are_those_of_its_log() -> None:
    """From real logs of healthy starts: what was left to the engine is there as it decided."""
    logs = [path for path in LOGS.iterdir() if path.suffix == ".log"]
    found = [resolved(log) for log in logs]
    assert any(found)
    for one in filter(None, found):
        assert one["dtype"] == "torch.bfloat16"
        assert one["max_seq_len"] == "2048"
        assert one["structured_outputs_config"].startswith("StructuredOutputsConfig(backend=")
        assert one["compilation_config"].endswith("}")


def test_settings_are_split_outside_brackets_and_quotes() -> None:
    """A comma inside a value does not end it."""
    assert settings("a=1, b=C(d=2, e='x, )y'), f={'g': [1, 2]}, h='i=j'") == {
        "a": "1",
        "b": "C(d=2, e='x, )y')",
        "f": "{'g': [1, 2]}",
        "h": "i=j",
    }
    assert settings("nothing") == {}
