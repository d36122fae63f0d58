"""A whole run on the CPU bench beside the same steps by hand: docker, a loop of curl, and taking it down again.

Needs a real vLLM, twice as often as it counts: minutes. The machine's lease is held from the first start to the last,
and handed on to the runs of the harness, so that nobody's waiting counts.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.table import Row
from harness.bench import Choice, choose, environment
from harness.flags import docker_run, resolve
from harness.host import read_host
from harness.lease import HANDED_ON, lease
from harness.types import DockerFlags
from harness.variants import find
from harness.verification import ANSWER_TOKENS, CAPITAL

ROOT = Path(__file__).parent.parent
VARIANT = "gpt-oss-120b"
TESTS = "test_health_is_200 or test_models_lists or test_first_inference"
BY_HAND = """
set -euo pipefail
trap 'docker rm --force --volumes "$name" >&2' EXIT
"$@" >&2
until curl --silent --fail --output /dev/null "$url/health"; do
    [ "$(docker inspect --format '{{.State.Running}}' "$name")" = true ]
    sleep 1
done
curl --silent --fail "$url/v1/models" | grep --quiet gpt-oss
for _ in 1 2; do
    curl --silent --fail --json "$chat" "$url/v1/chat/completions" | grep --quiet content
done
"""
LONGER = 1.1
"""How much longer a run may take than the steps by hand."""


def by_hand(flags: DockerFlags, environ: dict[str, str]) -> float:
    """Seconds of the steps in a shell, from `docker run` to `docker rm`."""
    chat = {"model": VARIANT, "messages": CAPITAL.messages(), "max_tokens": ANSWER_TOKENS, "temperature": 0}
    given = {"name": flags.name, "url": f"http://127.0.0.1:{flags.port}", "chat": json.dumps(chat)}
    begun = time.monotonic()
    subprocess.run(["bash", "-c", BY_HAND, "by-hand", *docker_run(flags)], env=environ | given, check=True)
    return time.monotonic() - begun


def by_harness(reports: Path, environ: dict[str, str], descriptor: int) -> float:
    """Seconds of the run of the harness that asks the same."""
    command = ["-m", "pytest", "suites/", "-q", "-k", f"({TESTS}) and {VARIANT}", "--bench", "cpu"]
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, *command, "--reports", str(reports)],
        cwd=ROOT,
        env=environ | {HANDED_ON: str(descriptor)},
        pass_fds=(descriptor,),
        stdout=sys.stderr,
        check=True,
    )
    return time.monotonic() - begun


@contextmanager
def starts(name: str, environ: dict[str, str]) -> Iterator[list[str]]:
    """The containers of that name that are started meanwhile; complete when the block has ended."""
    found: list[str] = []
    asked = [f"--filter={one}" for one in ("type=container", "event=start", f"container={name}")]
    command = ["docker", "events", *asked, "--format", "{{.ID}}"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as listening:
        try:
            yield found
        finally:
            listening.terminate()
            found += listening.communicate()[0].split()


def run(place: Path, *, small: bool) -> Iterator[Row]:
    """Both in turn (A-B-B-A), so that whatever gets warmer or busier meets both alike."""
    bench = choose(Choice(bench="cpu"), read_host())
    variant = find(VARIANT)
    flags = resolve(variant, bench, {"run": "by-hand"})
    environ = environment(bench) | {"DOCKER_HOST": bench.docker_host}
    times: dict[str, list[float]] = {"by hand": [], "this harness": []}
    counted: list[int] = []

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with lease(bench.docker_host, say, "benchmarks") as descriptor:
        for who in ("by hand", "this harness", "this harness", "by hand")[: 2 if small else 4]:
            if who == "by hand":
                times[who].append(by_hand(flags, environ))
                continue
            with starts(flags.name, environ) as found:
                times[who].append(by_harness(place / "reports", environ, descriptor))
            counted.append(len(found))
    hand, ours = (statistics.median(one) for one in times.values())
    what = f"a whole run of {VARIANT} on the CPU bench, n={len(counted)}"
    yield Row(what=what, who="by hand with docker and curl", value=f"{hand:.1f} s", ratio=f"{hand / ours:.2f} ×")
    yield Row(
        what=what,
        who="this harness",
        value=f"{ours:.1f} s",
        target=f"≤ {LONGER} × by hand",
        ok=ours <= LONGER * hand,
    )
    yield Row(
        what=what,
        who="this harness, containers started",
        value=", ".join(map(str, counted)),
        target="one a run",
        ok=set(counted) == {1},
    )
