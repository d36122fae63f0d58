"""Which patterns are worth trying on a line: those whose rare words it carries. Pure.

The words of a block of text are looked up in one table, so the cost hardly depends on the number of patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from re import _parser  # type: ignore[attr-defined,unused-ignore]  # seen by mypy only beside hypothesis
from typing import Any

from harness.types import Rule

KEYS = 2
"""Words of a pattern that are looked for, if rare: two, so that one is left when a wrapped line broke the other."""

DIGITS = b"0123456789"
SPACED = bytes(byte if chr(byte).isascii() and (chr(byte).isalpha() or byte == 0x5F) else 0x20 for byte in range(256))
"""Everything but letters and the underscore → a space."""
_COMMON = frozenset(
    (
        b"CUDA Capturing Engine EngineCore Error Failed INFO Loading Using WARNING WorkerProc after attention "
        b"backend blocks cache checkpoint compile completions config core default defined device disabled "
        b"engine error failed file from generation initialized layer load memory model module name process "
        b"profile prompt requests running runtime server setting started startup status supported takes that "
        b"this throughput tokens took torch total type unknown usage vllm waiting with worker"
    ).split()
)
"""Words that healthy logs are full of: taken as a key only when a pattern has no other."""
_EVERYWHERE = frozenset((b"Engine", b"EngineCore", b"INFO", b"WARNING", b"WorkerProc", b"engine", b"process"))
"""Words that stand in front of every line, or nearly so: the last choice."""
_OFTEN = frozenset(
    (
        b"Application AssertionError Available Model Received RuntimeError Starting TypeError ValueError "
        b" Warning allocate application attribute capability chat code "
        b"compute copy devices exit found graph have init kernel limit loop memory method node open path requires "
        b"selected size start vLLM valid version wait"
    ).split()
)
"""Words that many lines of a start have: the second choice."""


def keys(pattern: str) -> tuple[bytes, ...]:
    """Whole words that every match of `pattern` contains, the rarest ones first.

    A word counts as whole when plain characters, or the pattern's ends, surround it.
    """
    text: list[str] = []

    def walk(tree: Iterable[tuple[object, Any]]) -> None:
        for operation, argument in tree:
            if operation is _parser.LITERAL:
                text.append(chr(argument))
            elif operation is _parser.SUBPATTERN:
                walk(argument[-1])
            else:
                text.append(" " if operation is _parser.AT else "\0")

    walk(_parser.parse(pattern))
    plain = "".join(text)
    found = [
        match[0].encode()
        for match in re.finditer(r"[A-Za-z_]\w{3,}", plain)
        if "\0" not in plain[max(match.start() - 1, 0) : match.end() + 1]
    ]
    return tuple(sorted(dict.fromkeys(found), key=_frequency))


def _frequency(word: bytes) -> tuple[bool, bool, bool, int]:
    """Orders words by how often logs have them."""
    return word in _EVERYWHERE, word in _COMMON, word in _OFTEN, -len(word)


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A space in a pattern stands for any white space, or none: a wrapped line may have lost it."""
    return re.compile(re.sub(r"(?<!\\) ", r"\\s*", pattern))


@dataclass(frozen=True, slots=True)
class Sign:
    """One pattern of one rule. `order` is its place in the table of rules: where two match one line, the first wins."""

    order: int
    rule: Rule = field(compare=False)
    pattern: str
    words: tuple[bytes, ...]
    """All of `keys`: a message without one of them is not even cleaned."""
    bare: frozenset[bytes] = field(compare=False)
    """The same words without their digits."""


@cache
def table_of(rules: tuple[Rule, ...]) -> dict[bytes, tuple[Sign, ...]]:
    """Word → the patterns to try on a line that carries it."""
    table: dict[bytes, tuple[Sign, ...]] = {}
    patterns = ((rule, pattern) for rule in rules for pattern in rule.patterns)
    for order, (rule, pattern) in enumerate(patterns):
        words = keys(pattern)
        rare = [word for word in words[:KEYS] if word not in _COMMON | _OFTEN]
        for key in rare or words[:1]:
            bare = frozenset(word.translate(None, DIGITS) for word in words)
            table[key] = (*table.get(key, ()), Sign(order, rule, pattern, words, bare))
    return table
