"""The box while speed is measured: what else it does, and how hot and fast its GPU is.

Numbers without their conditions compare nothing: thermal drift and a neighbour's process explain most of the noise
between nights.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from harness.host import memory_available_gib
from harness.types import Measurement, Noun, Text

BUSY = 0.25
"""Share of the box's CPU time that may be in use before the load begins."""
LEAST_GIB = 4.0
"""Host memory that the load's client needs: it imports vLLM (unified memory: the engine's too)."""
LOOK_S = 1.0
PATIENCE_S = 60.0
HOT = {
    "hw_thermal_slowdown": Text(en="the GPU slowed down: too hot (hardware)", zh_tw="GPU 因過熱降速（硬體）"),
    "sw_thermal_slowdown": Text(en="the GPU slowed down: too hot (software)", zh_tw="GPU 因過熱降速（軟體）"),
    "hw_power_brake_slowdown": Text(en="the GPU slowed down: power brake", zh_tw="GPU 因供電限制降速"),
}
"""nvidia-smi's throttle reason → what is said of it."""
QUERY = ("clocks.sm", "power.draw", "temperature.gpu", *(f"clocks_throttle_reasons.{name}" for name in HOT))
UNITS = {"clocks.sm": "MHz", "power.draw": "W", "temperature.gpu": "°C"}


class Box(Noun):
    """The box at one moment."""

    available_gib: float | None
    busy: float
    """Share of all CPU time, 0 to 1, that was in use or stolen for LOOK_S seconds."""
    gpu: dict[str, str]
    """nvidia-smi's field → value; empty: no GPU."""
    strangers: tuple[str, ...] = ()
    """Processes on the GPU that are not the deployment's: `PID NAME`."""


def look(container_id: str) -> Box:
    """The box now, which takes a second; call it while the deployment `container_id` has nothing to do."""
    before = _cpu()
    time.sleep(LOOK_S)  # a share of time needs a time
    after = _cpu()
    spent = [b - a for a, b in zip(before, after, strict=True)]
    fields = _smi("--query-gpu=" + ",".join(QUERY)).partition("\n")[0].split(",")
    apps = [line.split(",") for line in _smi("--query-compute-apps=pid,process_name").splitlines() if "," in line]
    return Box(
        available_gib=memory_available_gib(),
        busy=1 - (spent[3] + spent[4]) / max(1, sum(spent)),
        gpu=dict(zip(QUERY, (field.strip() for field in fields), strict=True)) if len(fields) == len(QUERY) else {},
        strangers=tuple(f"{pid.strip()} {name.strip()}" for pid, name, *_ in apps if _foreign(pid, container_id)),
    )


def look_when_idle(container_id: str) -> Box:
    """The box once its CPU has nothing to do (a start may still be at work behind `/health`), or after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    box = look(container_id)
    while box.busy > BUSY and time.monotonic() < deadline:
        box = look(container_id)
    return box


def problems(before: Box, after: Box) -> tuple[Text, ...]:
    """What was wrong with the box before or after the load; empty: nothing. GPU clocks that idle are no problem."""
    found = []
    if before.busy > BUSY:
        found.append(
            Text(
                en=f"{before.busy:.0%} of the CPU was in use before the load, more than {BUSY:.0%}",
                zh_tw=f"負載開始前已有 {before.busy:.0%} 的 CPU 在使用中，超過 {BUSY:.0%}",
            )
        )
    if before.available_gib is not None and before.available_gib < LEAST_GIB:
        found.append(
            Text(
                en=f"{before.available_gib:.1f} GiB of host memory were available, less than {LEAST_GIB:.0f} GiB",
                zh_tw=f"主機可用記憶體僅 {before.available_gib:.1f} GiB，少於 {LEAST_GIB:.0f} GiB",
            )
        )
    for name, told in HOT.items():
        if any(box.gpu.get(f"clocks_throttle_reasons.{name}") == "Active" for box in (before, after)):
            found.append(told)
    strangers = dict.fromkeys((*before.strangers, *after.strangers))
    return (
        *found,
        *(Text(en=f"another process is on the GPU: {one}", zh_tw=f"GPU 上另有程序：{one}") for one in strangers),
    )


def measurements(before: Box, after: Box) -> tuple[Measurement, ...]:
    """The conditions as numbers, at the start and at the end of the load; what nvidia-smi does not know is left out."""
    found = []
    for when, box in (("before", before), ("after", after)):
        found.append(Measurement(name=f"perf.{when}.cpu_busy", value=100 * box.busy, unit="%"))
        if box.available_gib is not None:
            found.append(Measurement(name=f"perf.{when}.memory", value=box.available_gib, unit="GiB"))
        found += _numbers(when, box.gpu)
    return tuple(found)


def _numbers(when: str, gpu: Mapping[str, str]) -> list[Measurement]:
    found = []
    for field, unit in UNITS.items():
        value = gpu.get(field, "").split(" ")[0]
        if value.replace(".", "", 1).isdigit():  # `[N/A]` is unknown
            found.append(Measurement(name=f"perf.{when}.{field.replace('.', '_')}", value=float(value), unit=unit))
    return found


def _foreign(pid: str, container_id: str) -> bool:
    """Whether a process is not of the container; one that has ended meanwhile is not."""
    try:
        return container_id not in Path(f"/proc/{int(pid)}/cgroup").read_text()
    except (OSError, ValueError):
        return False


def _cpu() -> list[int]:
    """Jiffies of all CPUs by kind: user, nice, system, idle, iowait, irq, softirq, steal."""
    return [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]


def _smi(query: str) -> str:
    if not shutil.which("nvidia-smi"):
        return ""
    try:
        command = ("nvidia-smi", query, "--format=csv,noheader")
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""  # without an answer the figure is unknown, and is left out
