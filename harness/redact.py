"""Takes secrets out of text before it is written anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN", "VLLM_API_KEY", "NGC_API_KEY", "OPENAI_API_KEY")
"""Environment variables that this harness knows to be secrets."""
SECRET_NAME = r"(?:TOKEN|API_?KEY|ACCESS_KEY|PASSWORD|PASSWD|SECRET|CREDENTIALS?)"
"""How the name of any other secret variable ends."""
FLAGS = ("--api-key", "--hf-token", "--password")
"""Arguments whose values are secrets; the values may be several, up to the next argument."""
MARK = "***"
SHORTEST = 6
"""Characters below which a value is not searched for: replacing `1` everywhere would destroy the text."""

_KEYS = (b"api_key", b"hf_token")
PATTERNS: tuple[tuple[tuple[bytes, ...], bytes, bytes], ...] = (
    ((b"hf_",), rb"\bhf_[A-Za-z0-9]{16,}", b"hf_***"),
    ((b"nvapi-",), rb"\bnvapi-[A-Za-z0-9_\-]{16,}", b"nvapi-***"),
    ((b"sk-",), rb"\bsk-[A-Za-z0-9_\-]{16,}", b"sk-***"),
    ((b"bearer", b"basic"), rb"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=\-]{6,}", rb"\1***"),
    # vLLM up to 0.28 prints both in clear in its `non-default args` line
    (_KEYS, rb"""(['"](?:api_key|hf_token)['"]:\s*)(?:\[[^\]]*\]|'[^']*'|"[^"]*")""", rb"\1'***'"),
    (_KEYS, rb"\b((?:api_key|hf_token)=)(?:\[[^\]]*\]|'[^']*'|\"[^\"]*\")", rb"\1'***'"),
    (
        tuple(flag.encode() for flag in FLAGS),
        rb"((?:%b)[= ]+)\S+" % b"|".join(flag.encode() for flag in FLAGS),
        rb"\1***",
    ),
    (
        (b"token=", b"key=", b"password=", b"passwd=", b"secret=", b"credential=", b"credentials="),
        rb"\b([A-Z][A-Z0-9_]*%b=)[^\s'\"]+" % SECRET_NAME.encode(),
        rb"\1***",
    ),
    # registry credentials: in an address, in `docker login`, in Docker's own JSON and header
    ((b"://",), rb"(\b[a-z][a-z0-9+.\-]*://[^\s/:@'\"]*:)[^\s/@'\"]+@", rb"\1***@"),
    ((b"docker login",), rb"(\bdocker login\b.*?\s(?:-p|--password)[= ]+)\S+", rb"\1***"),
    (
        tuple(word + quote for word in (b"auth", b"token", b"password") for quote in (b'"', b"'")),
        rb"""(?i)(["'](?:auth|identitytoken|registrytoken|password|x-registry-auth)["']\s*:\s*["'])[^"']+""",
        rb"\1***",
    ),
    ((b"x-registry-auth:",), rb"(?i)(\bx-registry-auth:\s*)\S+", rb"\1***"),
)
"""Words without digits in lower case, one of which is in every match; the expression; what replaces it."""
_DIGITS = b"0123456789"


def shapes(data: bytes) -> bytes:
    """The lines of `data` without their digits, each once, in any order. Logs repeat themselves: of a megabyte some
    kilobytes are left, in which it is quickly seen whether a word is there at all."""
    return b"\n".join(set(data.translate(None, _DIGITS).split(b"\n")))


class Redactor:
    """Replaces the given secrets and everything shaped like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._values = sorted({s.encode() for s in secrets if len(s) >= SHORTEST}, key=len, reverse=True)
        self._patterns = tuple((words, re.compile(pattern), to) for words, pattern, to in PATTERNS)

    def data(self, data: bytes) -> bytes:
        """`data` without secrets. Give whole lines: a secret cut in two is not seen."""
        for value in self._values:
            data = data.replace(value, MARK.encode())
        seen = shapes(data).lower()
        for words, pattern, to in self._patterns:
            if any(word in seen for word in words):
                data = pattern.sub(to, data)
        return data

    def text(self, text: str) -> str:
        """`text` without secrets."""
        return self.data(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def value(self, value: Any, name: str = "") -> Any:
        """A JSON value without secrets: in every text, behind an argument and under a name that says it is one."""
        if isinstance(value, str):
            return MARK if re.fullmatch(rf"[A-Z0-9_]*{SECRET_NAME}", name) and value else self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.value(held, key) for key, held in value.items()}
        if isinstance(value, list | tuple):
            return self._arguments(value)
        return value

    def _arguments(self, values: list[Any] | tuple[Any, ...]) -> list[Any]:
        cleaned, secret = [], False
        for value in values:
            argument = isinstance(value, str) and value.startswith("-")
            cleaned.append(MARK if secret and not argument and isinstance(value, str) else self.value(value))
            secret = value in FLAGS if argument else secret
        return cleaned


def from_environment(environ: Mapping[str, str]) -> Redactor:
    """A redactor that knows the secrets of `environ`."""
    return Redactor(
        value for name, value in environ.items() if name in NAMES or re.fullmatch(rf"[A-Z0-9_]*{SECRET_NAME}", name)
    )
