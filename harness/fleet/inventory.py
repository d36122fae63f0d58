"""The inventory: boxes, units and the scheduler, from `fleet.toml`. What is wrong is said before anything runs."""

from __future__ import annotations

import ipaddress
import re
import shlex
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.types import Noun

CONTROLLER = "controller"
"""Whose certificate the scheduler and `fleet run` use."""
CA = "ca"


class InventoryError(Exception):
    """An inventory that can't be used: which entry, what is wrong, what to do."""


class Box(Noun):
    """One machine."""

    address: str
    """Its IP address in the lab's network."""
    ssh: str = ""
    """Host as `ssh` knows it; empty: the address."""
    shell: tuple[str, ...] = ()
    """Command that runs a shell line on the box; empty: ssh."""
    directory: str = "gb10-acceptance"
    """The checkout there, from the home directory or absolute."""
    environment: dict[str, str] = {}
    """Variables for everything that runs there, e.g. DOCKER_HOST."""
    serial_sha256: str = ""
    """As its records have it; a box that shows another is not this one. Empty: not asked."""
    least_disk_gib: float = 20
    """GiB that must be free where records and weights are written."""

    def command(self, line: str) -> tuple[str, ...]:
        """The arguments that run a shell line there, in the checkout."""
        shell = self.shell or ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", self.ssh or self.address)
        given = " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(self.environment.items()))
        return (*shell, f"cd {shlex.quote(self.directory)} && {f'export {given} && ' if given else ''}{line}")


class Scheduler(Noun):
    """Where the scheduler listens."""

    address: str
    """`IP:PORT` of the lab's network."""
    worker_ttl_s: float = 60
    """Seconds without a sign of life after which a box counts as lost."""

    @property
    def host(self) -> str:
        """The IP address."""
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.address.rpartition(":")[2])

    @property
    def url(self) -> str:
        """As distributed writes it."""
        return f"tls://{self.address}"


class Inventory(Noun):
    """Everything there is."""

    scheduler: Scheduler
    certificates: str = "certificates"
    """Directory of `ca.pem`, and NAME.pem and NAME.key of the controller and of each unit; from the inventory's."""
    boxes: dict[str, Box]
    units: dict[str, tuple[str, ...]] = {}
    """Unit → its boxes, the one that runs the command first. A box that is in no unit is a unit of its own."""
    place: str = ""
    """The file it was read from."""

    @property
    def tls(self) -> Path:
        """The directory of the certificates."""
        return Path(self.place).parent / self.certificates

    def head(self, unit: str) -> tuple[str, Box]:
        """The box of a unit that runs its commands."""
        name = self.units[unit][0]
        return name, self.boxes[name]


def read(path: Path) -> Inventory:
    """The inventory at `path`. Raises InventoryError for anything that is wrong in it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InventoryError(
            f"{path} can't be read ({error.strerror}) → name the inventory with --inventory; docs/fleet.md has one"
        ) from error
    except tomllib.TOMLDecodeError as error:
        twice = re.search(r"Cannot declare \('boxes', '([^']+)'\) twice", str(error))
        what = f"box {twice.group(1)!r} is there twice" if twice else f"is not TOML: {error}"
        raise InventoryError(f"{path}: {what} → mend it") from error
    return parse(raw, path)


def parse(raw: dict[str, Any], path: Path) -> Inventory:
    """The inventory in `raw`. Raises InventoryError."""
    try:
        inventory = Inventory.model_validate(raw | {"place": str(path.absolute())})
    except ValueError as error:
        found: Any = error.errors() if hasattr(error, "errors") else [{"loc": (), "msg": str(error)}]
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:3])
        raise InventoryError(f"{path}: {told} → mend that entry") from error
    alone = set(inventory.boxes) - {box for boxes in inventory.units.values() for box in boxes}
    inventory = inventory.model_copy(update={"units": inventory.units | {name: (name,) for name in sorted(alone)}})
    if wrong := list(_wrong(inventory)):
        raise InventoryError(f"{path}: " + "; ".join(wrong) + " → mend the inventory")
    return inventory


def _wrong(inventory: Inventory) -> Iterable[str]:
    if not inventory.boxes:
        yield "there is no box in it"
    for name in (*inventory.boxes, *inventory.units):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name) or name in (CONTROLLER, CA):
            yield f"{name!r} is no name of a box or unit: small letters, digits and hyphens, not {CONTROLLER} or {CA}"
    for unit, boxes in inventory.units.items():
        if unknown := [box for box in boxes if box not in inventory.boxes]:
            yield f"unit {unit} names {', '.join(unknown)}; the boxes are {', '.join(inventory.boxes)}"
        if not boxes or len(set(boxes)) != len(boxes):
            yield f"unit {unit} names no box, or one twice"
        if unit in inventory.boxes and tuple(boxes) != (unit,):
            yield f"unit {unit} has the name of a box, and is not that box alone"
    addresses = [box.address for box in inventory.boxes.values()]
    if twice := [address for address in addresses if addresses.count(address) > 1]:
        same = [name for name, box in inventory.boxes.items() if box.address == twice[0]]
        yield f"boxes {' and '.join(same)} have the same address {twice[0]}"
    for what, address in [
        *((f"box {name}", box.address) for name, box in inventory.boxes.items()),
        ("the scheduler", inventory.scheduler.host),
    ]:
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            yield f"{what} has the address {address!r}, which is no IP address"
        else:
            if known.is_unspecified:
                yield f"{what} has the address {address}: name the one in the lab's network, not all of them"
    if not inventory.scheduler.address.rpartition(":")[2].isdecimal():
        yield f"the scheduler's address {inventory.scheduler.address!r} has no port: write IP:PORT"
    if inventory.scheduler.worker_ttl_s < 5:
        yield f"worker_ttl_s is {inventory.scheduler.worker_ttl_s:g}: below 5 s a busy box would count as lost"
