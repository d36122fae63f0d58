"""The verbs `python -m harness fleet …`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import lease, options
from harness.bench import Choice, choose
from harness.fleet.inventory import CONTROLLER, Inventory, InventoryError, read
from harness.fleet.jobs import Job, says
from harness.host import read_host
from harness.progress import progress, table
from harness.record import ROOT
from harness.types import Variant, Verdict
from harness.variants import MARKS, VARIANTS

EPILOG = """examples:
  python -m harness fleet certificates           make the lab's authority and every certificate
  python -m harness fleet up --print             what would be done on each box
  python -m harness fleet up                     start the scheduler here, and a worker on each box
  python -m harness fleet prepare --weights ~/vllm --image REF@sha256:…
  python -m harness fleet run -m gpt_oss         judge these variants on every box
  python -m harness fleet collect                bring home what finished while the scheduler was away

exit codes: 0 all accepted (or done), 1 not all, 2 wrong usage, no scheduler, a bad inventory, 130 interrupted
"""
REPORTS: tuple[str, dict[str, Any]] = options.RUN[0]


def add_verbs(verbs: Any) -> None:
    """The verb `fleet` with its own verbs, below the command line's."""
    parser = verbs.add_parser(
        "fleet",
        help="run the matrix on many boxes",
        description="Many boxes as one: their inventory is fleet.toml, see docs/fleet.md.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inner = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int], about: str, *more: Any) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = inner.add_parser(name, help=about.partition(":")[0], description=f"{about}.")
        made.set_defaults(run=lambda given: told(run, given))
        made.add_argument(
            "--inventory", type=Path, default=Path("fleet.toml"), metavar="FILE", help="default: %(default)s"
        )
        for flag, described in more:
            made.add_argument(flag, **described)
        return made

    made = verb("run", run, "judge variants on every box, or once each on whichever is free: --once", REPORTS)
    made.add_argument(
        "-m", dest="marks", default="", metavar="MARKS", help=f"which variants: {', '.join(MARKS)}, and, or, not"
    )
    made.add_argument("--image", action="append", metavar="REF", help="an image to judge; more than once for more")
    made.add_argument("--unit", action="append", metavar="NAME", help="only on these units; default: all")
    made.add_argument(
        "--once",
        action="store_true",
        help="each variant once, on whichever box is free; a lost box's is tried once more elsewhere",
    )
    made.add_argument(
        "--wait", action="store_true", help="wait for another run on a box to end, instead of being blocked"
    )
    made.add_argument("--bench", choices=("auto", "gb10", "cpu"), default="auto", help="as for pytest suites/")
    made.add_argument(
        "--patience",
        type=options.positive,
        default=60,
        metavar="SECONDS",
        help="how long a box or scheduler that is away is waited for (default: 60)",
    )
    made.add_argument("rest", nargs="*", metavar="-- ARGUMENT", help="more for pytest on the boxes, after --")
    verb("collect", collect, "bring home the records that wait on the boxes", REPORTS)
    verb("status", status, "show the scheduler, every box and what it does")
    for name, do, about in (
        ("up", up, "start the scheduler here and a worker on each box: systemd user units, by ssh"),
        ("down", down, "stop them: a running job is ended, and its deployment taken down"),
    ):
        verb(name, do, about).add_argument("--print", action="store_true", help="only show the commands")
    made = verb("prepare", prepare, "place weights and images on the boxes ahead of a run")
    made.add_argument("--weights", type=Path, metavar="DIR", help="a vLLM home here, for ~/vllm there")
    made.add_argument(
        "--target", default="vllm", metavar="DIR", help="where it goes, from the home directory (default: vllm)"
    )
    made.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="REF",
        help="pull this; by digest (NAME@sha256:…) all boxes get the same",
    )
    made.add_argument("--unit", action="append", metavar="NAME", help="only these units; default: all")
    verb("certificates", certificates, "make the lab's authority and the certificates that are missing or end soon")
    verb("scheduler", scheduler, "be the scheduler: what its systemd unit runs")
    made = verb("worker", worker, "be the worker of a unit: what the systemd unit on its box runs")
    made.add_argument("unit", metavar="UNIT")
    made.add_argument("--outbox", type=Path, metavar="DIR", help="where outcomes wait (default: reports/.outbox/UNIT)")
    made = verb("hold", hold, "hold this box's lease until standard input ends: for a unit of several boxes")
    made.add_argument("--bench", choices=("auto", "gb10", "cpu"), default="auto")
    made.add_argument("--wait", action="store_true", help="wait for another run to end")


def told(run: Callable[[argparse.Namespace], int], given: argparse.Namespace) -> int:
    """Run a verb; what is wrong outside the harness is told in one line."""
    from harness.record import RecordError

    expected: tuple[type[Exception], ...] = (InventoryError, RecordError, lease.BusyError)
    try:
        return run(given)
    except expected as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in ("distributed", "dask"):
            raise
        print(
            "error: distributed is not installed here → pip install 'distributed>=2026.8', the extra `fleet`",
            file=sys.stderr,
        )
        return 2


def _asked(given: argparse.Namespace, *names: str) -> Inventory:
    """The inventory, with certificates that are valid."""
    from harness.fleet.certificates import check

    inventory = read(given.inventory)
    for warning in check(inventory, names or (CONTROLLER,)):
        progress().say(f"warning: {warning}")
    return inventory


def _units(inventory: Inventory, asked: list[str] | None) -> list[str]:
    unknown = sorted(set(asked or ()) - set(inventory.units))
    if unknown:
        raise InventoryError(f"no unit is called {', '.join(unknown)} → the inventory has {', '.join(inventory.units)}")
    return asked or list(inventory.units)


def chosen(marks: str, variants: Iterable[Variant] = VARIANTS) -> list[Variant]:
    """The variants that a mark expression selects, read as pytest reads it. Raises InventoryError for another."""
    from _pytest.mark.expression import Expression  # what `-m` is, and said nowhere else

    def selected(variant: Variant) -> bool:
        def having(name: str, /, **_: object) -> bool:
            if name not in MARKS:
                raise InventoryError(f"-m {marks!r}: no variant has the mark {name} → use {', '.join(MARKS)}")
            return name in variant.marks

        return not marks or expression.evaluate(having)

    try:
        expression = Expression.compile(marks)
    except SyntaxError as error:
        raise InventoryError(f"-m {marks!r}: {error.msg} → use {', '.join(MARKS)} with and, or, not, ()") from error
    found = [variant for variant in variants if selected(variant)]
    if not found:
        names = ", ".join(variant.name for variant in VARIANTS)
        raise InventoryError(f"-m {marks!r} selects no variant → the variants are {names}")
    return found


def matrix(given: argparse.Namespace, units: list[str], campaign: str) -> list[Job]:
    """The jobs of `fleet run`: variants × images × units, or variants × images with --once."""
    made: list[Job] = []
    for unit in [""] if given.once else units:
        for variant in chosen(given.marks):
            for image in given.image or [None]:
                bench = "gb10" if given.bench == "auto" else given.bench
                command = ["-m", "pytest", "suites/", "-m", variant.selection, "--bench", given.bench]
                made.append(
                    Job(
                        id=f"{campaign}-{len(made) + 1}",
                        campaign=campaign,
                        variant=variant.name,
                        image=image,
                        bench=given.bench,
                        unit=unit,
                        arguments=(*command, *(("--image", image) if image else ()), *given.rest),
                        wait=given.wait,
                        budget_s=variant.benches[bench].start_budget_s,
                    )
                )
    return made


def run(given: argparse.Namespace) -> int:
    """The verb `fleet run`."""
    from harness.fleet.campaign import HEAD, Conduct
    from harness.fleet.page import PAGE

    inventory = _asked(given)
    units = _units(inventory, given.unit)
    campaign = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    work = matrix(given, units, campaign)
    shown = progress()
    shown.say(f"campaign {campaign}: {len(work)} jobs on {', '.join(units)}")
    with table(HEAD) as show:
        conduct = Conduct(
            inventory, work, units, reports=given.reports, say=shown.say, show=show, patience_s=given.patience
        )
        ended = asyncio.run(conduct.run())
    for result in ended.results:
        verdict = result.verdict.value.upper() if result.verdict else "OPEN"
        print(f"{verdict:<12} {result.job.variant} on {result.unit or 'no box'}: {result.reason}")
        if result.record:
            print(f"{'':<12} {given.reports / result.record / 'index.html'}")
    print(f"the fleet's page: {given.reports / PAGE}")
    if conduct.lost:
        print("what a lost box finishes by itself comes home with: python -m harness fleet collect")
    last = {result.job.id.removesuffix("-2"): result for result in ended.results}
    return 0 if all(result.verdict is Verdict.ACCEPTED for result in last.values()) else 1


def collect(given: argparse.Namespace) -> int:
    """The verb `fleet collect`."""
    from harness.fleet import campaign, cluster

    try:
        home = asyncio.run(campaign.collect(_asked(given), given.reports, progress().say))
    except cluster.SchedulerAwayError as error:
        raise InventoryError(str(error)) from error
    print(f"{len(home)} came home: {', '.join(home)}" if home else "nothing waits on a box that is there")
    return 0


def status(given: argparse.Namespace) -> int:
    """The verb `fleet status`."""
    from harness.fleet import cluster

    inventory = _asked(given)

    async def ask() -> dict[str, list[dict[str, Any]]]:
        async with cluster.connected(inventory) as client:
            return await cluster.workers(client)

    try:
        there = asyncio.run(ask())
    except cluster.SchedulerAwayError as error:
        raise InventoryError(str(error)) from error
    print(f"scheduler {inventory.scheduler.address}: answers")
    for unit, boxes in inventory.units.items():
        found = there.pop(unit, [])
        print(f"{unit} ({', '.join(boxes)}): " + ("; ".join(map(_worker, found)) or "no worker"))
    for unit, found in there.items():
        print(f"not in the inventory: {unit}: {'; '.join(map(_worker, found))}")
    return 0


def _worker(worker: dict[str, Any]) -> str:
    version, job = says(worker)
    told = worker["metrics"].get("gb10", {})
    doing = f"runs {job}: {told.get('phase')}" if job else "free"
    waiting = len(told.get("finished", ()))
    return f"harness {version} at {worker['address']}, {doing}" + (f", {waiting} to collect" if waiting else "")


def up(given: argparse.Namespace) -> int:
    """The verb `fleet up`."""
    from harness.fleet import boxes

    inventory = read(given.inventory) if given.print else _asked(given, CONTROLLER, *read(given.inventory).units)
    return _do(boxes.up(inventory), only_print=given.print)


def down(given: argparse.Namespace) -> int:
    """The verb `fleet down`."""
    from harness.fleet import boxes

    return _do(boxes.down(read(given.inventory)), only_print=given.print)


def _do(steps: Iterable[Any], *, only_print: bool) -> int:
    from harness.fleet import boxes

    if only_print:
        for step in steps:
            print(f"# {step.what}\n{step.line()}")
        return 0
    return 1 if boxes.run(steps, progress()) else 0


def prepare(given: argparse.Namespace) -> int:
    """The verb `fleet prepare`."""
    from harness.fleet import boxes

    inventory = read(given.inventory)
    if given.weights is None and not given.image:
        raise InventoryError("nothing to place → name --weights DIR, --image REF, or both")
    if given.weights is not None and not given.weights.is_dir():
        raise InventoryError(f"{given.weights} is no directory → name the vLLM home with --weights")
    units = _units(inventory, given.unit)
    placed = {"home": given.weights, "target": given.target, "images": given.image}
    return 1 if boxes.prepare(inventory, units, progress=progress(), **placed) else 0


def certificates(given: argparse.Namespace) -> int:
    """The verb `fleet certificates`."""
    from harness.fleet.certificates import make

    inventory = read(given.inventory)
    for path in make(inventory):
        print(f"made: {path}")
    print(f"the authority's key stays here: {inventory.tls / 'ca.key'}; fleet up brings the others to their boxes")
    return 0


def scheduler(given: argparse.Namespace) -> int:
    """The verb `fleet scheduler`."""
    from harness.fleet.cluster import schedule

    asyncio.run(schedule(_asked(given)))
    return 0


def worker(given: argparse.Namespace) -> int:
    """The verb `fleet worker`."""
    from harness.fleet.cluster import work

    inventory = read(given.inventory)
    unit = _units(inventory, [given.unit])[0]
    asyncio.run(work(inventory, unit, given.outbox or ROOT / "reports" / ".outbox" / unit))
    return 0


def hold(given: argparse.Namespace) -> int:
    """The verb `fleet hold`."""
    bench = choose(Choice(bench=given.bench), read_host())
    wait = (lambda text: print(text, flush=True)) if given.wait else None
    try:
        with lease.lease(bench.docker_host, wait, "fleet: held for another box of its unit"):
            print(lease.HELD, flush=True)
            sys.stdin.read()
    except lease.BusyError as error:
        print(error, flush=True)
        return 1
    return 0
