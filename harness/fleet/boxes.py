"""What is done on the boxes from here, with plain ssh: workers as systemd user units, weights, images."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.fleet.certificates import files
from harness.fleet.inventory import CA, CONTROLLER, Box, Inventory
from harness.progress import Progress
from harness.record import ROOT
from harness.types import Noun

THERE = "fleet"
"""Directory in the checkout on a box for its inventory and certificates."""
TIMEOUT_S = 60.0


class Step(Noun):
    """One command, run here; `what` tells the operator what for."""

    what: str
    command: tuple[str, ...]
    file: str = ""
    """Its standard input comes from this file."""
    text: str = ""
    """Or it is this."""

    def line(self) -> str:
        """As it can be pasted."""
        if self.text:
            return f"{shlex.join(self.command)} <<'END'\n{self.text}END"
        return shlex.join(self.command) + (f" <{shlex.quote(self.file)}" if self.file else "")


def unit_name(unit: str) -> str:
    """The systemd unit of a worker, or of the scheduler."""
    return f"gb10-fleet-{unit}.service"


def unit_file(inventory: Inventory, unit: str, directory: str) -> str:
    """The systemd user unit of a unit's worker, or of the scheduler (`controller`)."""
    home = directory if directory.startswith("/") else f"%h/{directory}"
    environment = {} if unit == CONTROLLER else inventory.head(unit)[1].environment
    role = (
        f"scheduler --inventory {inventory.place}"
        if unit == CONTROLLER
        else f"worker {unit} --inventory {home}/{THERE}/fleet.toml"
    )
    given = "".join(f'Environment="{name}={value}"\n' for name, value in sorted(environment.items()))
    return (
        "[Unit]\n"
        f"Description=gb10-acceptance fleet: {unit}\n"
        "After=network-online.target\n"
        "StartLimitIntervalSec=0\n"
        "\n"
        "[Service]\n"
        f"WorkingDirectory={home}\n"
        f"{given}"
        f"ExecStart={home}/.venv/bin/python -m harness fleet {role}\n"
        "Restart=always\n"
        "RestartSec=5\n"
        "KillMode=mixed\n"
        "TimeoutStopSec=180\n"
        "\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )


def up(inventory: Inventory) -> Iterator[Step]:
    """Everything that `fleet up` does: the scheduler here, a worker for each unit on its box."""
    yield from _start(inventory, CONTROLLER, _here(inventory))
    for unit, names in inventory.units.items():
        name, box = inventory.head(unit)
        where = (
            f"{THERE}/{inventory.certificates if not Path(inventory.certificates).is_absolute() else 'certificates'}"
        )
        yield Step(
            what=f"{name}: a directory for the inventory and the certificates",
            command=box.command(f"mkdir -p {where} && chmod 700 {where}"),
        )
        yield Step(
            what=f"{name}: the inventory ({', '.join(names)})",
            command=box.command(f"cat >{THERE}/fleet.toml"),
            file=inventory.place,
        )
        for path in (files(inventory, CA)[0], *files(inventory, unit)):
            yield Step(
                what=f"{name}: {path.name}",
                command=box.command(f"umask 077 && cat >{where}/{path.name}"),
                file=str(path),
            )
        yield from _start(inventory, unit, box)


def _start(inventory: Inventory, unit: str, box: Box) -> Iterator[Step]:
    place = f'"$HOME"/.config/systemd/user/{unit_name(unit)}'
    yield Step(
        what=f"{unit}: its unit file",
        command=box.command(f'mkdir -p "$HOME"/.config/systemd/user && cat >{place}'),
        text=unit_file(inventory, unit, box.directory),
    )
    yield Step(
        what=f"{unit}: start it, now and at every boot",
        command=box.command(
            f"loginctl enable-linger && systemctl --user daemon-reload && systemctl --user enable {unit_name(unit)} && "
            f"systemctl --user restart {unit_name(unit)}"
        ),
    )


def down(inventory: Inventory) -> Iterator[Step]:
    """Everything that `fleet down` does; a running job is ended first, and its deployment taken down."""
    for unit in inventory.units:
        _, box = inventory.head(unit)
        yield Step(
            what=f"{unit}: stop its worker",
            command=box.command(f"systemctl --user disable --now {unit_name(unit)}"),
        )
    stop = f"systemctl --user disable --now {unit_name(CONTROLLER)}"
    yield Step(what="stop the scheduler", command=_here(inventory).command(stop))


def _here(inventory: Inventory) -> Box:
    """This machine."""
    return Box(address=inventory.scheduler.host, shell=("sh", "-c"), directory=str(ROOT))


def run(steps: Iterable[Step], progress: Progress) -> int:
    """Run the steps; how many failed. A step that fails does not keep the others from running."""
    failed = 0
    for step in steps:
        try:
            done = subprocess.run(
                step.command,
                input=step.text.encode() or (Path(step.file).read_bytes() if step.file else b""),
                capture_output=True,
                timeout=TIMEOUT_S,
            )
            code, said = done.returncode, done.stderr.decode(errors="replace").strip()
        except (OSError, subprocess.TimeoutExpired) as error:
            code, said = -1, str(error)
        failed += code != 0
        progress.say(f"{step.what}: " + ("done" if code == 0 else f"FAILED with exit code {code}: {said[-300:]}"))
    return failed


def rsync(box: Box, source: Path, target: str) -> tuple[str, ...]:
    """The command that brings a directory's content to a box, going on where it was interrupted."""
    remote = box.ssh or box.address
    return (
        *("rsync", "--archive", "--partial", "--info=progress2", "--no-inc-recursive", "--mkpath"),
        f"{source}/",
        f"{remote}:{target}/",
    )


def prepare(
    inventory: Inventory,
    units: Iterable[str],
    *,
    home: Path | None,
    target: str,
    images: Iterable[str],
    progress: Progress,
) -> int:
    """Place weights (`home`) and images on every box of the units, all boxes at once; how many boxes failed.

    An image is pulled only when the box does not have it; by digest (`name@sha256:…`) all boxes get the same.
    """
    names = sorted({name for unit in units for name in inventory.units[unit]})

    def one(name: str, at: Callable[[str], None]) -> str:
        box = inventory.boxes[name]
        if home is not None and (trouble := _follow(rsync(box, home, target), at)):
            return f"{name}: rsync: {trouble}"
        for image in images:
            ref = shlex.quote(image)
            line = f"docker image inspect {ref} >/dev/null 2>&1 || docker pull {ref}"
            if trouble := _follow(box.command(line), at):
                return f"{name}: docker pull {image}: {trouble}"
        return ""

    state = dict.fromkeys(names, "starts")
    failed = 0
    with progress.step(f"prepare {', '.join(names)}", len(names), "boxes") as step, ThreadPoolExecutor(16) as pool:

        def at(name: str) -> Callable[[str], None]:
            def told(text: str) -> None:
                state[name] = text
                step.at(done, len(names), "; ".join(f"{n}: {s}" for n, s in state.items() if s))

            return told

        done = 0
        for name, trouble in zip(names, pool.map(lambda n: one(n, at(n)), names), strict=True):
            done, state[name] = done + 1, ""
            failed += bool(trouble)
            progress.say(trouble or f"{name}: ready")
    return failed


def _follow(command: tuple[str, ...], at: Callable[[str], None]) -> str:
    """Run a command and pass on what it says of its progress; why it failed, or an empty text."""
    try:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        ) as child:
            assert child.stdout is not None
            last = ""
            rest = b""
            while chunk := child.stdout.read(4096):
                *lines, rest = re.split(rb"[\r\n]", rest + chunk)
                for line in lines:
                    if text := line.decode(errors="replace").strip():
                        last = text
                        at(text[:60])
            last = rest.decode(errors="replace").strip() or last
    except OSError as error:
        return str(error)
    return f"exit code {child.returncode}: {last[-300:]}" if child.returncode else ""
