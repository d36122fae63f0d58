"""The engine's log → its settings as it says it resolved them. Pure but for reading the file."""

from __future__ import annotations

import re
from pathlib import Path

LINE = re.compile(rb"LLM engine \(v[^)]*\) with config: (.*)")
"""vLLM 0.10.1.1 to 0.32: `name=value, name=Class(name=value), name={...}`."""
READ = 4 << 20
"""Bytes of the log's beginning in which the line is looked for."""
LONGEST = 4000
"""Characters of one value that are kept."""


def resolved(log: Path) -> dict[str, str]:
    """Setting → value; empty when the engine did not come to say it."""
    if not log.exists():
        return {}
    with log.open("rb") as file:
        found = LINE.search(file.read(READ))
    return settings(found[1].decode("utf-8", "replace")) if found else {}


def settings(text: str) -> dict[str, str]:
    """`a=1, b=C(d=2, e='x, y')` → {a: 1, b: C(...)}: split at the commas outside brackets and quotes."""
    parts, depth, quote, begun = [], 0, "", 0
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote and text[at - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[begun:at])
            begun = at + 1
    pairs = (part.strip().partition("=") for part in (*parts, text[begun:]))
    return {
        name: value.strip()[:LONGEST].strip("'\"") for name, equals, value in pairs if equals and name.isidentifier()
    }
