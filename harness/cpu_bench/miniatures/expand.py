"""From the trained part of the gpt-oss miniature to a checkpoint: standard library only, seconds.

A `.safetensors` file is a little-endian 8-byte length, a JSON header of that length (name → dtype, shape, data
offsets), and the tensors' bytes (https://github.com/huggingface/safetensors#format). A `.tiktoken` file has one
`base64(token) rank` a line.
"""

from __future__ import annotations

import base64
import json
import shutil
import struct
from array import array
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

ROWS = 201088
"""Rows of gpt-oss' embedding and output matrices."""
SCATTERED = ("model.embed_tokens.weight", "lm_head.weight")
"""Tensors with one row a token; in `weights.safetensors` row 0 stands for every id not listed in `ids`."""

SPECIAL: dict[int, str] = {
    199998: "<|startoftext|>",
    199999: "<|endoftext|>",
    200002: "<|return|>",
    200003: "<|constrain|>",
    200005: "<|channel|>",
    200006: "<|start|>",
    200007: "<|end|>",
    200008: "<|message|>",
    200012: "<|call|>",
    200018: "<|endofprompt|>",
}
"""Harmony's special tokens (openai/harmony `src/tiktoken_ext/public_encodings.rs`); ids between them are reserved."""

PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How o200k splits text before merging (tiktoken `openai_public.py`)."""


class Tensor(NamedTuple):
    """One tensor of a safetensors file: its data type, its shape, and its bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


class Step(Protocol):
    """Where the position is reported, in bytes."""

    def at(self, done: float, total: float | None = None, note: str = "") -> None: ...


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file. Raises ValueError for one that is cut off."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = memoryview(data)[8 + length :]
    tensors: dict[str, Tensor] = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if end > len(body):
            raise ValueError(f"{path} is cut off: {name} ends at byte {end} of {len(body)}")
        tensors[name] = Tensor(entry["dtype"], tuple(entry["shape"]), bytes(body[begin:end]))
    return tensors


def _scattered(tensor: Tensor, ids: array[int]) -> Tensor:
    """Every trained row at its id, row 0 everywhere else."""
    width = len(tensor.data) // tensor.shape[0]
    rows = bytearray(tensor.data[:width] * ROWS)
    for row, token in enumerate(ids, 1):
        rows[token * width : (token + 1) * width] = tensor.data[row * width : (row + 1) * width]
    return Tensor(tensor.dtype, (ROWS, *tensor.shape[1:]), bytes(rows))


def write_safetensors(file: IO[bytes], tensors: dict[str, Tensor], step: Step) -> None:
    """Write `tensors` in the order of their names."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [at, at + len(tensor.data)],
        }
        at += len(tensor.data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    done = 0
    for name in sorted(tensors):
        file.write(tensors[name].data)
        done += len(tensors[name].data)
        step.at(done, at)


def read_ranks(path: Path) -> dict[bytes, int]:
    """Token bytes → rank, of a `.tiktoken` file."""
    ranks: dict[bytes, int] = {}
    for line in path.read_bytes().splitlines():
        if line:
            token, rank = line.split()
            ranks[base64.b64decode(token)] = int(rank)
    return ranks


def byte_letters() -> dict[int, str]:
    """GPT-2's printable letter for each byte, as byte-level BPE vocabularies spell them."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in letters]
    return letters | {byte: chr(256 + n) for n, byte in enumerate(others)}


def tokenizer(ranks: dict[bytes, int]) -> dict[str, Any]:
    """`tokenizer.json` of byte-level BPE with the merges that the ranks imply.

    A merge for each split of a token into two tokens, in the order of the merged token's rank: what transformers'
    TikTokenConverter does.
    """
    table = "".join(byte_letters()[byte] for byte in range(256))

    def spelled(token: bytes) -> str:
        return token.decode("latin-1").translate(table)

    merges: list[list[str]] = []
    for token in sorted(ranks, key=ranks.__getitem__):
        pairs = [
            (token[:cut], token[cut:]) for cut in range(1, len(token)) if token[:cut] in ranks and token[cut:] in ranks
        ]
        pairs.sort(key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
        merges += [[spelled(left), spelled(right)] for left, right in pairs]
    added = [
        {
            "id": token,
            "content": SPECIAL.get(token, f"<|reserved_{token}|>"),
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for token in range(199998, 200019)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": byte_level,
        "decoder": byte_level | {"use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,
            "vocab": {spelled(token): rank for token, rank in ranks.items()},
            "merges": merges,
        },
    }


def gpt_oss(source: Path, vocabulary: Path, out: Path, step: Step) -> None:
    """Write the checkpoint made from `source` (`trained/gpt_oss`) and `vocabulary` into the directory `out`."""
    tensors = read_safetensors(source / "weights.safetensors")
    ids = array("i", tensors.pop("ids").data)
    for name in SCATTERED:
        tensors[name] = _scattered(tensors[name], ids)
    with (out / "model.safetensors").open("wb") as file:
        write_safetensors(file, tensors, step)
    with (out / "tokenizer.json").open("w", encoding="utf-8") as file:
        json.dump(tokenizer(read_ranks(vocabulary)), file, ensure_ascii=False)
    for path in source.iterdir():
        if path.name != "weights.safetensors":
            shutil.copyfile(path, out / path.name)
