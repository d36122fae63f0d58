"""A failure that is worth a captured log, but costs `make qualify` too much: `make capture-logs` provokes it too.

`pytest … -p tests.capture_only` adds it to the failures. On the CPU bench only; the full disk needs root.
"""

from __future__ import annotations

import subprocess

from harness import failures, staging
from harness.engine import Engine
from harness.failures import GEMMA, failure
from harness.types import Bench, Fault, Mount, Variant


def _full_disk(scene: staging.Scene, variant: Variant, bench: Bench, engine: Engine) -> None:  # noqa: ARG001
    """A file system of 64 KiB, where vLLM keeps what it compiles."""
    full = scene.home / "full"
    full.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "full", full], check=True)
    scene.stack.callback(lambda: subprocess.run(["umount", "-l", full], check=True))


staging.SCENES["full-disk"] = _full_disk
failures.FAILURES += (
    failure(
        "full-disk",
        "what is compiled does not fit on the disk",
        of=GEMMA,
        expects="disk-full",
        faults={"cpu": Fault(staging="full-disk", mounts=(Mount(source="full", target="/root/.cache/vllm"),))},
    ),
)
