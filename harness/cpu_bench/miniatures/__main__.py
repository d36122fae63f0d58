"""`python -m harness.cpu_bench.miniatures`: train the miniatures again, in a container of the bench's image.

`--here` trains in this interpreter, which then needs torch, transformers, tokenizers and openai_harmony. Names
(`gpt-oss`, `gemma3`) choose; without one, both are trained side by side. `trained/` is replaced, for you to commit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import uuid
from pathlib import Path

PROJECT = Path(__file__).parents[3]
MODULE = "harness.cpu_bench.miniatures.train"
NAMES = ("gpt-oss", "gemma3")


def here(names: list[str]) -> int:
    """Train in this interpreter, one process each: they are single-threaded."""
    processes = [subprocess.Popen([sys.executable, "-m", MODULE, name], cwd=PROJECT) for name in names]
    try:
        return max(process.wait() for process in processes)
    finally:
        for process in processes:
            process.terminate()


def in_container(names: list[str]) -> int:
    """Train in a container of the bench's image, the project mounted."""
    from harness.cpu_bench import STATE, engine, image
    from harness.cpu_bench.child import exclusive
    from harness.progress import progress

    shown = progress()
    with exclusive(STATE / "lock", shown):
        docker_host = engine.ensure(STATE, shown)
        tag = image.ensure(docker_host, STATE, shown)
    docker = ["docker", "-H", docker_host]
    container = f"miniatures-{uuid.uuid4().hex[:8]}"
    run = [*docker, "run", "--rm", "--name", container, "--user", f"{os.getuid()}:{os.getgid()}"]
    run += ["-e", "HOME=/tmp", "-e", "PYTHONDONTWRITEBYTECODE=1", "-e", "HF_HUB_OFFLINE=1"]
    run += ["-v", f"{PROJECT}:/project", "-w", "/project", "--entrypoint", "python3", tag]
    try:
        return subprocess.run([*run, "-m", "harness.cpu_bench.miniatures", "--here", *names]).returncode
    except BaseException:  # the container outlives its client
        subprocess.run([*docker, "rm", "--force", container], capture_output=True)
        raise


def main() -> int:
    """Exit code of the training."""
    from harness.cpu_bench import BenchError

    parser = argparse.ArgumentParser(
        prog="python -m harness.cpu_bench.miniatures",
        description="Train the miniatures again and replace what is kept of them in the project.",
    )
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which ones; both without a name")
    parser.add_argument("--here", action="store_true", help="in this interpreter instead of the bench's image")
    options = parser.parse_args()
    names = options.names or list(NAMES)
    try:
        return here(names) if options.here else in_container(names)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
