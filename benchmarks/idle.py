"""What waiting costs: processor time of each contestant while a silent server loads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contestant import DEFAULT_S
from benchmarks.detect import OURS, contestants, trial
from benchmarks.table import Row
from harness.engine import Engine
from harness.progress import progress


def run(engine: Engine, place: Path, *, small: bool) -> Iterator[Row]:
    """Ten minutes of waiting, or half a minute of its first, dearest one."""
    wait_s = 30.0 if small else 600.0
    names = tuple(name for name in DEFAULT_S if name not in ("raw die event", "sparkrun loops"))
    with contestants(engine, names) as peers:
        waited = trial(engine, peers, "silent hang, no budget", "published", place, progress(), delay_s=0, cap_s=wait_s)
    share = {who: answer["cpu_s"] / wait_s * 100 for who, answer in waited.answers.items()}
    what = f"CPU while waiting {wait_s:.0f} s, one core = 100 %"
    for who, percent in share.items():
        ours = who == OURS
        # polling is five times as dense in the first minute as after it
        limit = 2.5 if small else 1.0
        target, ok = (f"< {limit} % in {wait_s:.0f} s", percent < limit) if ours else ("", None)
        ratio = "" if ours else f"{percent / share[OURS]:.1f} ×"
        yield Row(what=what, who=who, value=f"{percent:.2f} %", ratio=ratio, target=target, ok=ok)
    begun, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - begun < 0.2:
        pass
    busy = (time.process_time() - cpu) / (time.monotonic() - begun) * 100
    yield Row(what=what, who="a busy loop", value=f"{busy:.0f} %", ratio=f"{busy / share[OURS]:.0f} ×")
