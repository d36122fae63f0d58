"""Makes reports/examples/: `make examples` runs three real attempts on the CPU bench and keeps what they leave.

`python -m tests.examples [NAME...]`: accepted is a qualified Gemma; rejected is a start from weights that were cut
short; blocked is a start while another process holds the port. Minutes; an attempt that ends otherwise is an error.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import bench
from harness.options import REPORTS
from harness.progress import progress
from harness.record import read
from harness.report.views import render_again
from harness.types import Verdict

EXAMPLES = REPORTS / "examples"
CPU = ("--bench", "cpu")
CUT = 4096
"""Bytes that are missing at the end of the weights."""


def run(*arguments: str) -> None:
    """`python -m …`; its exit code is the verdict's, which is looked at in the record."""
    subprocess.run([sys.executable, "-m", *arguments], cwd=REPORTS.parent, check=False)


def accepted(place: Path) -> None:
    """The whole acceptance of Gemma 3 27B in BF16."""
    run("pytest", "suites/", "-m", "gemma3 and bf16", *CPU, "--reports", str(place))


def rejected(place: Path) -> None:
    """Gemma from a vLLM home of its own, in which the download of the weights was cut short."""
    home = place.with_name("vllm")
    shutil.copytree(bench.miniature_home(progress()), home)
    for weights in home.glob("huggingface/hub/models--google--gemma-3-27b-it/snapshots/*/model.safetensors"):
        with weights.open("r+b") as file:
            file.truncate(weights.stat().st_size - CUT)
    run("harness", "up", "gemma-3-27b-bf16", *CPU, "--vllm-home", str(home), "--reports", str(place))


def blocked(place: Path) -> None:
    """gpt-oss on a port that somebody else listens on."""
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        run("harness", "up", "gpt-oss-120b", *CPU, "--port", str(port), "--reports", str(place))


MAKERS: dict[Verdict, Callable[[Path], None]] = {
    Verdict.ACCEPTED: accepted,
    Verdict.REJECTED: rejected,
    Verdict.BLOCKED: blocked,
}


def main(names: list[str]) -> int:
    """Make the named examples, or all; returns 1 when an attempt did not end as its example must."""
    for verdict, make in MAKERS.items():
        if names and verdict.value not in names:
            continue
        with TemporaryDirectory() as temporary:
            place = Path(temporary) / "reports"
            make(place)
            found = [path.parent for path in place.glob("*/record.json")]
            verdicts = [read(one).verdict for one in found]
            if verdicts != [verdict]:
                told = ", ".join(verdicts) or "no record"
                print(f"examples: {verdict.value} was wanted, there is {told} → read what is above", file=sys.stderr)
                return 1
            into = EXAMPLES / verdict.value
            shutil.rmtree(into, ignore_errors=True)
            shutil.copytree(found[0], into)
    for page in render_again(EXAMPLES):
        print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
