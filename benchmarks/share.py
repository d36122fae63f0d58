"""Who waits while a container of the CPU bench computes: a process outside it, with several weights of the container.

Behind docs/decisions/0010-a-quarter-of-the-processor.md. Needs a real vLLM, and the machine for itself. The weights
take turns, so that whatever gets warmer or busier meets all alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import Event, Process, Value
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event as Told
from pathlib import Path
from statistics import median

from benchmarks.table import Row
from harness import cpu_bench
from harness.api import Api
from harness.bench import Choice, choose, environment
from harness.cpu_bench.engine import places
from harness.cpu_bench.share import ORDINARY, PART, weight_file
from harness.flags import docker_run, resolve
from harness.host import read_host
from harness.lease import lease
from harness.variants import find
from harness.verification import served_name

VARIANT = "gemma-3-27b-bf16"
PARTS = (1, 2, 4, 8)
"""The ordinary weight is divided by these."""
NAP_S = 0.01
LONGEST_S = 0.25
"""Longest that a process outside may wait."""
START_S = 900.0
ENDLESS = {"prompt": "The capital of France is", "max_tokens": 4096, "ignore_eos": True, "stream": True}


def watch_the_clock(told: Told, longest: Synchronized[float]) -> None:
    """Sleep and look at the clock until told otherwise; the longest wait beyond a nap, in seconds."""
    last = time.monotonic()
    while not told.is_set():
        time.sleep(NAP_S)
        now = time.monotonic()
        longest.value = max(longest.value, now - last - NAP_S)
        last = now


def one_stream(api: Api) -> tuple[float, float]:
    """Seconds of the longest wait of a process outside while one long stream is answered, and of the stream."""
    told, longest = Event(), Value("d", 0.0)
    waiting = Process(target=watch_the_clock, args=(told, longest))
    waiting.start()
    try:
        stream = api.stream("/v1/completions", ENDLESS | {"model": served_name(find(VARIANT))})
    finally:
        told.set()
        waiting.join()
    if stream.status != 200 or stream.broken:
        raise OSError(f"the stream was not answered to its end: {stream}")
    return longest.value, stream.seconds


def run(_: Path, *, small: bool) -> Iterator[Row]:
    """One container, one stream after the other."""
    file = weight_file(places(cpu_bench.STATE).run.name)
    if file is None:
        yield Row(what="the share of the processor", who="this harness", value="no group of ours here")
        return
    bench = choose(Choice(bench="cpu"), read_host())
    flags = resolve(find(VARIANT), bench, {"run": "share"})
    environ = environment(bench) | {"DOCKER_HOST": bench.docker_host}
    weights = {part: ORDINARY[file.name] // part for part in PARTS}
    seen: dict[int, list[tuple[float, float]]] = {part: [] for part in PARTS}
    with lease(bench.docker_host, lambda text: print(text, file=sys.stderr), "benchmarks"):
        subprocess.run(docker_run(flags), env=environ, check=True, stdout=sys.stderr)
        try:
            with Api(f"http://127.0.0.1:{flags.port}", timeout_s=START_S) as api:
                deadline = time.monotonic() + START_S
                while api.health().status != 200:
                    if time.monotonic() > deadline:
                        raise OSError(f"{VARIANT} was not up after {START_S:.0f} s")
                    time.sleep(1)  # nobody announces it
                for _round in range(1 if small else 4):
                    for part, weight in weights.items():
                        file.write_text(str(weight))
                        seen[part].append(one_stream(api))
        finally:
            file.write_text(str(weights[PART]))
            subprocess.run(["docker", "rm", "-f", flags.name], env=environ, check=True, stdout=sys.stderr)
    for part, weight in weights.items():
        waits, times = zip(*seen[part], strict=True)
        yield Row(
            what=f"one long stream, {os.cpu_count()} CPUs, {file.name} {weight}, n={len(waits)}",
            who="a process outside waits, at most; the stream takes",
            value=f"{max(waits):.3f} s; {min(times):.1f} to {max(times):.1f} s",
            ratio=f"stream {median(times) / median(t for _, t in seen[1]):.2f} × that at the ordinary weight",
            target=f"wait ≤ {LONGEST_S} s" if part == PART else "",
            ok=max(waits) <= LONGEST_S if part == PART else None,
        )
