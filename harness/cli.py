"""The same verbs without pytest: plan, preflight, up, down, switch, status, bench, diagnose, report.

What reads records that are there is in `records_cli`, nights are in `nightly`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import cpu_bench, options
from harness.bench import BenchUnavailableError, Choice, choose, environment, prepare
from harness.cpu_bench import BenchError
from harness.diagnose_cli import add_arguments as add_diagnose_arguments
from harness.diagnose_cli import run as run_diagnose
from harness.flags import RefusedFlagsError, docker_run, resolve, shell_line
from harness.fleet.cli import add_verbs as add_fleet_verbs
from harness.host import read_host
from harness.lease import BusyError, holder, lease
from harness.nightly import add_verbs as add_night_verbs
from harness.progress import Progress, progress
from harness.record import RecordError, read, schema
from harness.records_cli import add_verbs as add_record_verbs
from harness.releases_cli import ReleaseError
from harness.releases_cli import add_verbs as add_release_verbs
from harness.replay import ReplayError, choose_again, compare_image, recorded_variant
from harness.seal import SealError, private_key
from harness.types import Bench, Variant, Verdict
from harness.variants import VARIANTS, find

if TYPE_CHECKING:
    from harness.engine import Engine

EPILOG = """examples:
  python -m harness plan gpt-oss-120b            the exact `docker run` line, to read or paste
  python -m harness preflight                    what stands in the way of each variant, with the remedy
  python -m harness up gemma-3-27b-bf16          deploy it, verify it, leave it up
  python -m harness switch gpt-oss-120b          remove what is up, deploy this one
  python -m harness down                         remove what this harness started
  python -m harness diagnose container.log       why it failed, and what to type
  python -m harness up --record RECORD           deploy again what a record describes
  python -m harness diff RECORD RECORD           what changed, most suspicious first
  python -m harness verify RECORD                whether it is as it was sealed, and by whom
  python -m harness compare --image OLD --image NEW gpt-oss-120b    which is faster, and how sure that is
  python -m harness release --image NEW --against OLD              may the new image take the old one's place
  python -m harness nightly --keep-nights 60     the whole night: qualify, compare, publish, notify, prune
  python -m harness report                       write the pages of all records and their list again

exit codes: 0 done, 1 the deployment or preflight failed, 2 wrong usage or no bench, 130 interrupted
The acceptance itself is pytest: pytest suites/ -m gpt_oss
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    parser = build_parser()
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code: int = given.run(given)
    except KeyboardInterrupt:
        print("interrupted; what was started has been removed", file=sys.stderr)
        return 130
    except _expected() as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _expected() -> tuple[type[Exception], ...]:
    """The errors that are told in one line."""
    kinds: tuple[type[Exception], ...] = (
        BenchError,
        BenchUnavailableError,
        BusyError,
        RecordError,
        RefusedFlagsError,
        ReleaseError,
        ReplayError,
        SealError,
        UnknownVariantError,
        UsageError,
    )
    engine = sys.modules.get("harness.engine")  # its errors can't have been raised before it was imported
    return (*kinds, engine.EngineError, engine.RefusedError) if engine else kinds


class UsageError(Exception):
    """Options that don't go together."""


class UnknownVariantError(Exception):
    """No variant has that name."""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description="Deploy, check and take down vLLM on GB10, with the exact required flags.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int], about: str, *groups: Any) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=about.partition(":")[0], description=f"{about}.")
        made.set_defaults(run=run)
        for flag, described in (option for group in groups for option in group):
            made.add_argument(flag, **described)
        return made

    names = ", ".join(v.name for v in VARIANTS)
    one: dict[str, Any] = {"metavar": "VARIANT", "help": f"one of: {names}"}
    machine: dict[str, Any] = {"action": "store_true", "help": "one JSON value on standard output"}

    plan_verb = verb("plan", plan, "print the exact docker run line of a variant: nothing is started", options.BENCH)
    plan_verb.add_argument("variant", **one)
    plan_verb.add_argument("--json", **machine)
    check_verb = verb(
        "preflight", check, "say what stands in the way of a start, with the remedy: nothing is started", options.BENCH
    )
    check_verb.add_argument("variant", nargs="*", metavar="VARIANT", help=f"default: all ({names})")
    check_verb.add_argument("--json", **machine)
    for name, run, about in (
        ("up", up, "deploy a variant, verify it, leave it up: refused while another is up"),
        ("switch", switch, "remove what is up, then deploy a variant: one model at a time"),
    ):
        made = verb(name, run, about, options.BENCH, options.RUN, options.REPLAY)
        made.add_argument("variant", nargs="?", **one)
        made.add_argument("--json", **machine)
    down_verb = verb("down", down, "remove every container that this harness started", options.BENCH)
    down_verb.add_argument(
        "--wait", action="store_true", help="wait for a run on this machine to end, instead of stopping"
    )
    down_verb.add_argument("--json", **machine)
    verb("status", status, "show what is up, whose it is, and whether it answers", options.BENCH).add_argument(
        "--json", **machine
    )
    bench_verb = verb("bench", bench, "say which bench a run here would use", options.BENCH)
    bench_verb.add_argument("--json", **machine)
    acts = bench_verb.add_mutually_exclusive_group()
    acts.add_argument("--prepare", action="store_true", help="make it ready: engine, image, miniatures")
    acts.add_argument("--stop", action="store_true", help="stop the CPU bench's private engine and all it runs")
    add_diagnose_arguments(
        verb("diagnose", diagnose, "say why a deployment failed, from its log: rule, cause, evidence, remedy")
    )
    report_verb = verb("report", report, "write the pages of a record again, or of all records and their list")
    report_verb.add_argument(
        "place",
        nargs="?",
        type=Path,
        default=options.REPORTS,
        metavar="DIR",
        help="a record's directory, or a directory of such; default: %(default)s",
    )
    add_record_verbs(verb)
    add_fleet_verbs(verbs)
    add_release_verbs(verb)
    add_night_verbs(verb)
    verb("schema", print_schema, "print the JSON Schema of a record")
    return parser


def _variant(name: str) -> Variant:
    try:
        return find(name)
    except KeyError as error:
        raise UnknownVariantError(f"{error.args[0]} → name one of them") from None


def _chosen(given: argparse.Namespace) -> Bench:
    return choose(options.choice(given), read_host())


def _ready(given: argparse.Namespace, shown: Progress) -> Bench:
    chosen = _chosen(given)
    shown.say(f"bench {chosen.name}: {chosen.chosen}")
    return prepare(chosen, options.choice(given), shown)


@contextmanager
def _engine(bench: Bench) -> Iterator[Engine]:
    """The bench's engine as it is, with nothing prepared. Raises BenchUnavailableError when the CPU bench has none."""
    from harness.engine import Engine, EngineError

    try:
        engine = Engine(bench.docker_host)
    except EngineError as error:
        if bench.name == "gb10":
            raise
        raise BenchUnavailableError(
            f"the CPU bench's engine does not run ({bench.docker_host}) → python -m harness bench --prepare starts it, "
            "and make qualify does so by itself"
        ) from error
    with engine:
        yield engine


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def plan(given: argparse.Namespace) -> int:
    """The verb `plan`."""
    flags = resolve(_variant(given.variant), _chosen(given))
    if given.json:
        _print_json({"docker_run": docker_run(flags), "line": shell_line(flags), "flags": flags.model_dump()})
    else:
        print(shell_line(flags))
    return 0


def check(given: argparse.Namespace) -> int:
    """The verb `preflight`."""
    from harness.preflight import preflight

    variants = [_variant(name) for name in given.variant] or list(VARIANTS)
    chosen = _chosen(given)
    busy = holder(chosen.docker_host)
    if busy:
        print(f"another run has this machine: {busy} → wait for its end; what it holds is below", file=sys.stderr)
    with _engine(chosen) as engine:
        found = {
            v.name: preflight(v, chosen, read_host(), engine.seen(chosen.image), environment(chosen)) for v in variants
        }
    if given.json:
        _print_json({name: [c.model_dump() for c in checks] for name, checks in found.items()})
    else:
        for name, checks in found.items():
            print(f"{name} on the {chosen.name} bench")
            for c in checks:
                print(f"  {'ok    ' if c.ok else 'FAILED'} {c.name}: found {c.found}; wanted {c.wanted}")
                if not c.ok:
                    print(f"         → {c.remedy}")
    return 0 if all(c.ok for checks in found.values() for c in checks) else 1


def up(given: argparse.Namespace) -> int:
    """The verb `up`."""
    return _deploy(given, switching=False)


def switch(given: argparse.Namespace) -> int:
    """The verb `switch`."""
    return _deploy(given, switching=True)


def _deploy(given: argparse.Namespace, *, switching: bool) -> int:
    from harness.attempt import attempt, tell
    from harness.engine import Engine
    from harness.launch import leftovers
    from harness.preflight import blocked
    from harness.types import Diagnosis

    shown, again = progress(), read(given.record) if given.record else None
    if (again is None) == (given.variant is None):
        raise UsageError("name a variant, or a record with --record, and not both")
    if given.sign_key:
        private_key(given.sign_key)  # refuse before anything is prepared, and below too
    if again is None:
        variant, choice = _variant(given.variant), options.choice(given)
        chosen = _chosen(given)
    else:
        variant = recorded_variant(again)
        if again.expectation.fault is not None:
            raise ReplayError(f"{variant.name} must fail → replay it with: pytest suites/ --record {given.record}")
        choice, chosen = choose_again(again, options.choice(given), read_host(), shown)
    resolve(variant, chosen)
    with lease(chosen.docker_host, shown.say if given.wait else None):
        shown.say(f"bench {chosen.name}: {chosen.chosen}")
        ready = prepare(chosen, choice, shown)
        with Engine(ready.docker_host) as engine:
            if again is not None:
                compare_image(again, ready, engine.image, shown)
            already = [h for h in leftovers(engine) if h.state == "running"]
            if already and not switching:
                print(
                    f"error: {already[0].variant} is up as container {already[0].name} → python -m harness switch "
                    f"{variant.name} replaces it, python -m harness down removes it",
                    file=sys.stderr,
                )
                return 1
            good = False
            with attempt(
                variant,
                ready,
                engine,
                reports=given.reports,
                progress=shown,
                replace=given.replace,
                keep=lambda: good,
                sign_key=given.sign_key,
            ) as under_way:
                problems = under_way.verify()
                good = under_way.deployment is not None and not problems
    record = under_way.recorder.record
    outcome = under_way.launched.outcome if under_way.launched else None
    if given.json:
        _print_json(
            {
                "variant": variant.name,
                "verdict": record.verdict.value,
                "reason": record.reason,
                "base_url": f"http://127.0.0.1:{ready.port}" if good else None,
                "record": str(under_way.recorder.directory),
            }
        )
    else:
        for line in filter(None, (blocked(record.preflight), tell(outcome) if isinstance(outcome, Diagnosis) else "")):
            print(line)
        print(f"{record.verdict.value.upper()} {variant.name} on the {ready.name} bench: {record.reason}")
        print(f"record: {under_way.recorder.directory / 'index.html'}")
        if good:
            print(f"up at http://127.0.0.1:{ready.port} → stop it with: python -m harness down")
    return 0 if record.verdict is Verdict.ACCEPTED else 1


def down(given: argparse.Namespace) -> int:
    """The verb `down`."""
    from harness.launch import clear

    chosen = _chosen(given)
    with lease(chosen.docker_host, progress().say if given.wait else None), _engine(chosen) as engine:
        removed = clear(engine, given.port, progress())
    if given.json:
        _print_json({"removed": removed})
    else:
        print(f"removed: {', '.join(removed)}" if removed else "nothing of this harness was up")
    return 0


def status(given: argparse.Namespace) -> int:
    """The verb `status`."""
    from harness.api import Api
    from harness.launch import in_the_way, leftovers
    from harness.preflight import describe

    chosen = _chosen(given)
    with _engine(chosen) as engine:
        ours, foreign = leftovers(engine), in_the_way(engine.holders(), chosen.port)
    with Api(f"http://127.0.0.1:{chosen.port}", timeout_s=5) as api:
        health, version = api.health(), api.version()
    if given.json:
        _print_json(
            {
                "ours": [h.model_dump() for h in ours],
                "in_the_way": [h.model_dump() for h in foreign],
                "health": health.status,
                "vllm_version": version,
            }
        )
        return 0
    for one in ours:
        print(f"{one.variant}: {describe(one)}")
    for one in foreign:
        print(f"somebody else's: {describe(one)}")
    if not ours and not foreign:
        print("no container of this harness, and none in its way")
    print(f"port {chosen.port}: {f'/health {health.status}, vLLM {version}' if health.status else 'no answer'}")
    return 0


def bench(given: argparse.Namespace) -> int:
    """The verb `bench`."""
    if given.stop:
        with lease(cpu_bench.locate().docker_host):  # a run under way keeps its engine
            print("stopped the CPU bench's engine" if cpu_bench.stop() else "nothing to stop")
        return 0
    chosen = _ready(given, progress()) if given.prepare else _chosen(given)
    if given.json:
        _print_json({"bench": chosen.name} | chosen.model_dump(include={"docker_host", "image", "vllm_home", "port"}))
    else:
        print(f"bench {chosen.name} ({chosen.chosen}): shows {chosen.proves}")
        for what in ("docker_host", "image", "vllm_home", "port"):
            print(f"  {what:<12} {getattr(chosen, what)}")
    return 0


def diagnose(given: argparse.Namespace) -> int:
    """The verb `diagnose`."""
    return run_diagnose(given, _container_log)


def _container_log(name: str) -> tuple[Iterable[bytes], int | None, bool]:
    """The log of a container on this machine's bench, its exit code, and whether it was OOM-killed."""
    from harness.engine import Engine, EngineError

    try:
        engine = Engine(choose(Choice(), read_host()).docker_host)
    except EngineError as error:
        raise LookupError(str(error)) from error
    container = engine.find(name)
    if container is None:
        engine.close()
        raise LookupError(name)
    ended = container.exited()

    def log() -> Iterator[bytes]:
        with engine:
            yield from engine.logs(container)

    return log(), ended.code if ended else None, bool(ended and ended.oom_killed)


def report(given: argparse.Namespace) -> int:
    """The verb `report`."""
    from harness.report.views import render_again

    for page in render_again(given.place):
        print(page)
    return 0


def print_schema(given: argparse.Namespace) -> int:  # noqa: ARG001
    """The verb `schema`."""
    print(schema(), end="")
    return 0
