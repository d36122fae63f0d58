"""The share of the processor that the private engine's containers get while others want it too.

Under Linux 6.18 on two CPUs a container that computes kept every process outside it waiting, for up to 14 s at a time:
the harness too, whose clock ran on. With a quarter of the ordinary weight nobody does:
docs/decisions/0010-a-quarter-of-the-processor.md, measured by `make bench ARGS=share`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

WEIGHTS = {"cgroup": "cpu.shares", "cgroup2": "cpu.weight"}
"""Type of the hierarchy → the file that holds a group's weight."""
ORDINARY = {"cpu.shares": 1024, "cpu.weight": 100}
"""What stands in it if nobody says anything."""
PART = 4
"""The ordinary weight is divided by this."""
MOUNTS = Path("/proc/mounts")
SYSTEMD = Path("/run/systemd/system")
"""Is there where systemd runs."""


def hierarchy(mounts: str) -> tuple[str, Path] | None:
    """The type and place of the hierarchy that shares out the processor, from the text of /proc/mounts; None if there
    is none. The second version counts where no hierarchy of the first holds the processor."""
    found = [line.split() for line in mounts.splitlines()]
    for _, place, kind, options, *_ in found:
        if kind == "cgroup" and "cpu" in options.split(","):
            return kind, Path(place)
    return next(((kind, Path(place)) for _, place, kind, *_ in found if kind == "cgroup2"), None)


def weight_file(group: str) -> Path | None:
    """Where the weight of the control group `group` stands; None if there is no such group."""
    where = hierarchy(MOUNTS.read_text())
    file = where and where[1] / group / WEIGHTS[where[0]]
    return file if file and file.is_file() else None


def lowered(group: str, say: Callable[[str], None], mounts: Path = MOUNTS) -> list[str]:
    """Make the control group `group` with the low weight; the arguments that put dockerd's containers below it.

    Where systemd runs the groups are its own, and stay as they are: no arguments. Neither where the group can't be
    made, which is said: the bench works without it, at the mercy of the machine's scheduler.
    """
    if SYSTEMD.is_dir():
        return []
    where = hierarchy(mounts.read_text())
    if where is None:
        say("no control group shares out the processor here: a busy container may keep the harness waiting")
        return []
    kind, root = where
    file = root / group / WEIGHTS[kind]
    try:
        if kind == "cgroup2":
            (root / "cgroup.subtree_control").write_text("+cpu")
        file.parent.mkdir(exist_ok=True)
        file.write_text(str(ORDINARY[file.name] // PART))
    except OSError as error:
        say(f"could not lower the weight of the containers ({error}): a busy one may keep the harness waiting")
        return []
    return ["--cgroup-parent", f"/{group}"]
