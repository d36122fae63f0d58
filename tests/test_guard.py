"""The guard kills before the host runs out of memory, once, and keeps a bounded curve."""

from __future__ import annotations

import threading

from harness.guard import KEPT, Guard
from harness.types import MemoryPoint


def test_it_kills_once_when_memory_falls_under_the_floor() -> None:
    """The first sample under the floor ends the watch; the curve shows the fall."""
    falling = iter([8.0, 4.0, 2.0, 0.5, 0.4])
    killed = threading.Event()
    kills: list[float] = []

    def kill() -> None:
        kills.append(1)
        killed.set()

    guard = Guard(kill, floor_gib=1.0, available=lambda: next(falling))
    assert killed.wait(10)
    guard.close()
    assert len(kills) == 1
    assert guard.tripped is not None
    assert guard.tripped.available_gib == 0.5
    assert [point.available_gib for point in guard.curve] == [8.0, 4.0, 2.0, 0.5]


def test_it_leaves_a_host_with_memory_alone() -> None:
    """Nothing is killed while there is enough."""
    sampled = threading.Event()

    def available() -> float:
        sampled.set()
        return 10.0

    guard = Guard(lambda: (_ for _ in ()).throw(AssertionError("killed")), floor_gib=1.0, available=available)
    assert sampled.wait(10)
    guard.close()
    assert guard.tripped is None


def test_a_long_curve_is_thinned() -> None:
    """Hours of samples stay a few hundred points, in order, to the end."""
    guard = Guard(lambda: None, available=lambda: None)
    guard.close()
    for second in range(20_000):
        guard._keep(MemoryPoint(at_s=second / 10, available_gib=5.0))
    times = [point.at_s for point in guard.curve]
    assert len(times) <= KEPT
    assert times == sorted(times)
    assert times[-1] > 1900
