"""The miniatures' expansion: pure Python, no engine, no network."""

from __future__ import annotations

import base64
import io
import itertools
import json
import random
import struct
import threading
from pathlib import Path

import pytest

from harness.cpu_bench import miniatures
from harness.cpu_bench.miniatures import MINIATURES, Miniature, MiniatureError, dialogues, ensure, expand, taught
from harness.progress import progress

GPT_OSS, GEMMA = MINIATURES
QUIET = progress(io.StringIO())
SIZES = {"BF16": 2, "U8": 1, "I32": 4, "F32": 4}


@pytest.fixture(scope="module")
def encodings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small vocabulary: every byte, and a few merges."""
    directory = tmp_path_factory.mktemp("encodings")
    tokens = [bytes([byte]) for byte in range(256)] + [b"he", b"ll", b"hell", b"hello", " 你".encode()[:3]]
    lines = [base64.b64encode(token) + f" {rank}\n".encode() for rank, token in enumerate(tokens)]
    (directory / miniatures.VOCABULARY).write_bytes(b"".join(lines))
    return directory


@pytest.fixture(scope="module")
def cache(encodings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face cache with both miniatures."""
    cache = tmp_path_factory.mktemp("huggingface")
    put(cache, encodings)
    return cache


def put(cache: Path, encodings: Path) -> None:
    ensure(cache, docker_host="unix:///nowhere", image="none", encodings=encodings, progress=QUIET)


def repository(cache: Path, miniature: Miniature) -> Path:
    return cache / "hub" / f"models--{miniature.repository.replace('/', '--')}"


def snapshot(cache: Path, miniature: Miniature) -> Path:
    home = repository(cache, miniature)
    return home / "snapshots" / (home / "refs" / "main").read_text()


@pytest.mark.parametrize("miniature", MINIATURES, ids=lambda m: m.source)
def test_the_layout_is_that_of_a_hugging_face_cache(cache: Path, miniature: Miniature) -> None:
    """refs/main names a snapshot of 40 hexadecimal digits that has all that an offline engine opens."""
    revision = (repository(cache, miniature) / "refs" / "main").read_text()
    assert len(revision) == 40
    assert set(revision) <= set("0123456789abcdef")
    names = {path.name for path in snapshot(cache, miniature).iterdir()}
    assert names >= {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", miniatures.MARK}
    assert names >= {"tokenizer_config.json"}
    said = json.loads((snapshot(cache, miniature) / miniatures.MARK).read_text())
    assert said["miniature"] == miniature.repository
    assert said["revision"] == revision


@pytest.mark.parametrize("miniature", MINIATURES, ids=lambda m: m.source)
def test_the_declared_context_is_allowed(cache: Path, miniature: Miniature) -> None:
    """Variants ask for up to 32,768 tokens."""
    config = json.loads((snapshot(cache, miniature) / "config.json").read_text())
    assert config["max_position_embeddings"] >= 32768


@pytest.mark.parametrize("miniature", MINIATURES, ids=lambda m: m.source)
def test_every_tensor_fills_its_bytes(cache: Path, miniature: Miniature) -> None:
    """Offsets are contiguous, sizes match shapes, the file ends with the last tensor."""
    data = (snapshot(cache, miniature) / "model.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    end = 0
    for entry in sorted(header.values(), key=lambda entry: entry["data_offsets"]):
        begin, after = entry["data_offsets"]
        assert begin == end
        size = SIZES[entry["dtype"]]
        for side in entry["shape"]:
            size *= side
        assert after - begin == size
        end = after
    assert 8 + length + end == len(data)


def test_trained_rows_lie_at_their_token_ids(cache: Path) -> None:
    """And every other row is the one that stands for the rest."""
    kept = expand.read_safetensors(miniatures.TRAINED / "gpt_oss" / "weights.safetensors")
    full = expand.read_safetensors(snapshot(cache, GPT_OSS) / "model.safetensors")
    ids = struct.unpack(f"<{kept['ids'].shape[0]}i", kept["ids"].data)
    for name in expand.SCATTERED:
        assert full[name].shape[0] == expand.ROWS
        width = len(full[name].data) // expand.ROWS
        for row, token in [(0, next(n for n in range(expand.ROWS) if n not in ids)), *enumerate(ids, 1)]:
            wanted = kept[name].data[row * width : (row + 1) * width]
            assert full[name].data[token * width : (token + 1) * width] == wanted
    assert set(full) == set(kept) - {"ids"}


def test_gpt_oss_experts_are_mxfp4(cache: Path) -> None:
    """Blocks of 32 values in 16 bytes, one scale each: the engine's own MXFP4 path is used."""
    full = expand.read_safetensors(snapshot(cache, GPT_OSS) / "model.safetensors")
    blocks = [name for name in full if name.endswith("_blocks")]
    assert blocks
    for name in blocks:
        assert full[name].dtype == "U8"
        assert full[name].shape[-1] == 16
        assert full[name.removesuffix("_blocks") + "_scales"].shape == full[name].shape[:-1]
    config = json.loads((snapshot(cache, GPT_OSS) / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "mxfp4"


def test_expansion_is_deterministic(cache: Path, encodings: Path, tmp_path: Path) -> None:
    """The same inputs give the same bytes under the same revision, anywhere."""
    put(tmp_path, encodings)
    for miniature in MINIATURES:
        one, other = snapshot(cache, miniature), snapshot(tmp_path, miniature)
        assert one.name == other.name
        for path in one.iterdir():
            assert path.read_bytes() == (other / path.name).read_bytes()


def test_a_second_call_writes_nothing(cache: Path, encodings: Path) -> None:
    """Two hundred runs a day expand once."""
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")}
    put(cache, encodings)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")} == before


def test_two_callers_at_once_make_it_once(encodings: Path, tmp_path: Path) -> None:
    """The second waits, then finds it there."""
    threads = [threading.Thread(target=put, args=(tmp_path, encodings)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for miniature in MINIATURES:
        assert snapshot(tmp_path, miniature).is_dir()
        assert [p.name for p in repository(tmp_path, miniature).glob(".making-*")] == []


def test_another_vocabulary_is_another_revision(encodings: Path, tmp_path: Path) -> None:
    """And ours of before is removed."""
    put(tmp_path / "cache", encodings)
    before = snapshot(tmp_path / "cache", GPT_OSS)
    (tmp_path / miniatures.VOCABULARY).write_bytes(
        (encodings / miniatures.VOCABULARY).read_bytes() + base64.b64encode(b"hell ") + b" 261\n"
    )
    put(tmp_path / "cache", tmp_path)
    assert snapshot(tmp_path / "cache", GPT_OSS) != before
    assert not before.exists()


def test_an_interrupted_expansion_leaves_nothing_usable(
    encodings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No refs/main, no snapshot; the next call completes it and clears what was left."""

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(expand, "write_safetensors", cut)
        with pytest.raises(KeyboardInterrupt):
            put(tmp_path, encodings)
    home = repository(tmp_path, GPT_OSS)
    assert not (home / "refs" / "main").exists()
    assert list((home / "snapshots").iterdir()) == []
    killed = home / ".making-killed"  # what `kill -9` leaves
    killed.mkdir()
    (killed / "model.safetensors").write_bytes(b"half")
    put(tmp_path, encodings)
    assert snapshot(tmp_path, GPT_OSS).is_dir()
    assert not killed.exists()


def test_somebody_elses_snapshot_is_not_touched(encodings: Path, tmp_path: Path) -> None:
    """One that nothing points to stays; one that refs/main names stops us, with the remedy."""
    foreign = repository(tmp_path, GEMMA) / "snapshots" / ("0" * 40)
    foreign.mkdir(parents=True)
    (foreign / "config.json").write_text("{}")
    put(tmp_path, encodings)
    assert (foreign / "config.json").read_text() == "{}"
    (repository(tmp_path, GEMMA) / "refs" / "main").write_text(foreign.name)
    with pytest.raises(MiniatureError, match="directory of its own"):
        put(tmp_path, encodings)
    assert (repository(tmp_path, GEMMA) / "refs" / "main").read_text() == foreign.name


def test_a_missing_vocabulary_is_named(tmp_path: Path) -> None:
    """The message has the path."""
    with pytest.raises(MiniatureError, match=r"o200k_base\.tiktoken"):
        put(tmp_path / "cache", tmp_path)


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    """A trained file that lost its end never becomes a checkpoint."""
    whole = (miniatures.TRAINED / "gpt_oss" / "weights.safetensors").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="cut off"):
        expand.read_safetensors(tmp_path / "cut")


def merged(text: str, made: dict[str, object]) -> list[int]:
    """Byte-pair merging of one word by the merges of a tokenizer.json, the lowest first."""
    model = made["model"]
    assert isinstance(model, dict)
    order = {tuple(pair): n for n, pair in reversed(list(enumerate(model["merges"])))}
    parts = [expand.byte_letters()[byte] for byte in text.encode()]
    while True:
        known = [(order[pair], at) for at, pair in enumerate(itertools.pairwise(parts)) if pair in order]
        if not known:
            return [model["vocab"][part] for part in parts]
        _, at = min(known)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


@pytest.mark.parametrize("text", ["hello", "hell", "ollehello", "你好", "🚀🙂", "naïve", "שלום", "\x00\n "])
def test_merges_find_the_vocabularys_tokens(encodings: Path, text: str) -> None:
    """Whatever the script, tokens spell the text again, and a known word is one token."""
    ranks = expand.read_ranks(encodings / miniatures.VOCABULARY)
    ids = merged(text, expand.tokenizer(ranks))
    tokens = {rank: token for token, rank in ranks.items()}
    assert b"".join(tokens[i] for i in ids).decode() == text
    if text == "hello":
        assert ids == [ranks[b"hello"]]


def test_what_is_taught_is_consistent() -> None:
    """A key is in its reply, nothing is asked twice, and copied words are different words."""
    asked = [a for known in (*taught.KNOWN, *taught.FIXED) for a in known.asked]
    assert len(asked) == len(set(asked))
    assert all(known.key in known.reply for known in (*taught.KNOWN, *taught.FIXED))
    assert len(set(taught.WORDS)) == len(taught.WORDS)
    assert len(taught.KNOWN) >= 16


def test_the_same_seed_gives_the_same_dialogues() -> None:
    """Training can be repeated."""
    one, other = random.Random(1), random.Random(1)
    for _ in range(500):
        assert dialogues.dialogue(one, tools=True) == dialogues.dialogue(other, tools=True)
