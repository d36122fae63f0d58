"""The options that pytest and `python -m harness` share: said once, as data."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from harness.bench import Choice
from harness.variants import IMAGE, PORT

REPORTS = Path(__file__).resolve().parent.parent / "reports"


def port(text: str) -> int:
    """A TCP port; argparse shows the reason of a refusal."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f"{text!r} is no port: it must be a number from 1 to 65535")
    return int(text)


def positive(text: str) -> float:
    """A number above 0, and finite."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{text!r} is no length of time: it must be a number above 0")
    return number


def address(text: str) -> str:
    """An HTTP address, without a slash at its end."""
    if not re.fullmatch(r"https?://[^/\s]+/?", text):
        raise ArgumentTypeError(f"{text!r} is no address: it must be like http://127.0.0.1:8000")
    return text.rstrip("/")


BENCH: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--bench",
        {
            "choices": ("auto", "gb10", "cpu"),
            "default": "auto",
            "help": "where variants run: gb10 is this machine's hardware, cpu is real vLLM on its CPU with miniature "
            "checkpoints; auto takes gb10 on a GB10 and cpu anywhere else (default: auto)",
        },
    ),
    ("--image", {"metavar": "REF", "help": f"the image to judge (default: {IMAGE}; cpu: the one it builds)"}),
    ("--port", {"type": port, "default": PORT, "metavar": "N", "help": f"port on this machine (default: {PORT})"}),
    (
        "--vllm-home",
        {"metavar": "DIR", "help": "directory of huggingface/ and encodings/ (default: ~/vllm; cpu: one of its own)"},
    ),
    ("--require-gb10", {"action": "store_true", "help": "fail when this is no GB10, instead of taking the CPU bench"}),
)
"""Which bench, and with what."""

RUN: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--reports",
        {"metavar": "DIR", "type": Path, "default": REPORTS, "help": "where records are written (default: reports/)"},
    ),
    (
        "--replace",
        {
            "action": "store_true",
            "help": "remove somebody else's container under one of the two names or on the port, instead of stopping",
        },
    ),
    ("--wait", {"action": "store_true", "help": "wait for another run on this machine to end, instead of stopping"}),
)
"""What a start may do, and where it writes."""

REPLAY: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--record",
        {
            "metavar": "RECORD",
            "type": Path,
            "help": "take the variant, its flags and the very image from a record instead of this checkout",
        },
    ),
    (
        "--sign-key",
        {"metavar": "FILE", "type": Path, "help": "sign the record with this private key (PEM; keygen makes one)"},
    ),
)
"""What is started again, and with which key its record is signed."""

KEEP: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--keep", {"action": "store_true", "help": "leave the last deployment up and say how to stop it"}),
)


def choice(options: Any) -> Choice:
    """The bench choice in parsed options."""
    return Choice(
        bench=options.bench,
        image=options.image,
        port=options.port,
        vllm_home=options.vllm_home,
        require_gb10=options.require_gb10,
    )
