"""Keeps the host alive: on unified memory a greedy engine wedges the whole machine, so it is killed first.

Samples MemAvailable ten times a second and keeps the curve. PSI (share of time in which all tasks waited for memory)
is sampled beside it where the kernel offers it; only MemAvailable decides.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from harness.host import memory_available_gib
from harness.types import MemoryPoint

INTERVAL_S = 0.1
FLOOR_GIB = 1.0
FLOOR_SHARE = 0.015
"""Below 1 GiB, or 1.5 % of all memory, the host is about to swap, kill at random, or hang."""
KEPT = 600
"""Points of the curve that are kept; when there are more, every second one is dropped."""
PRESSURE = Path("/proc/pressure/memory")


class Guard:
    """Watches the host's memory until `close`; calls `kill` once when MemAvailable falls under the floor."""

    def __init__(
        self,
        kill: Callable[[], None],
        *,
        floor_gib: float = FLOOR_GIB,
        available: Callable[[], float | None] = memory_available_gib,
    ) -> None:
        self.floor_gib = floor_gib
        self.curve: list[MemoryPoint] = []
        self.tripped: MemoryPoint | None = None
        """The point under the floor, once there was one."""
        self._kill, self._available = kill, available
        self._begun = time.monotonic()
        self._spacing = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="guard", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop sampling."""
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(INTERVAL_S):
            available = self._available()
            if available is None:
                return  # a machine that does not say can't be guarded; preflight has said so
            point = MemoryPoint(at_s=time.monotonic() - self._begun, available_gib=available, pressure=pressure())
            self._keep(point)
            if available < self.floor_gib:
                self.tripped = point
                self._kill()
                return

    def _keep(self, point: MemoryPoint) -> None:
        if self.curve and point.at_s - self.curve[-1].at_s < self._spacing:
            return
        self.curve.append(point)
        if len(self.curve) > KEPT:
            self.curve = self.curve[::2]
            self._spacing = max(INTERVAL_S, self._spacing) * 2


def floor_gib(total_gib: float | None) -> float:
    """The floor of a host with `total_gib` GiB."""
    return max(FLOOR_GIB, FLOOR_SHARE * (total_gib or 0))


def pressure() -> float | None:
    """PSI `full avg10` of memory in percent, or None."""
    try:
        found = re.search(r"^full avg10=([\d.]+)", PRESSURE.read_text(), re.MULTILINE)
    except OSError:
        return None
    return float(found.group(1)) if found else None
