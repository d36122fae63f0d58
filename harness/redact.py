"""Takes secrets out of text before it is written anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN", "VLLM_API_KEY", "NGC_API_KEY", "OPENAI_API_KEY")
"""Environment variables whose values are secrets."""
MARK = "***"
SHORTEST = 6
"""Characters below which a value is not searched for: replacing `1` everywhere would destroy the text."""

PATTERNS = (
    (rb"\bhf_[A-Za-z0-9]{16,}", b"hf_***"),
    (rb"\bnvapi-[A-Za-z0-9_\-]{16,}", b"nvapi-***"),
    (rb"\bsk-[A-Za-z0-9_\-]{16,}", b"sk-***"),
    (rb"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=\-]{6,}", rb"\1***"),
    # vLLM up to 0.28 prints both in clear in its `non-default args` line
    (rb"""(['"](?:api_key|hf_token)['"]:\s*)(?:\[[^\]]*\]|'[^']*'|"[^"]*")""", rb"\1'***'"),
    (rb"(--api-key[= ]+)\S+", rb"\1***"),
)


class Redactor:
    """Replaces the given secrets and everything shaped like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._values = sorted({s.encode() for s in secrets if len(s) >= SHORTEST}, key=len, reverse=True)
        self._patterns = tuple((re.compile(pattern), to) for pattern, to in PATTERNS)

    def data(self, data: bytes) -> bytes:
        """`data` without secrets. Give whole lines: a secret cut in two is not seen."""
        for value in self._values:
            data = data.replace(value, MARK.encode())
        for pattern, to in self._patterns:
            data = pattern.sub(to, data)
        return data

    def text(self, text: str) -> str:
        """`text` without secrets."""
        return self.data(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def from_environment(environ: Mapping[str, str]) -> Redactor:
    """A redactor that knows the secrets of `environ`."""
    return Redactor(environ[name] for name in NAMES if environ.get(name))
