"""`python -m tests.saboteurs`: the matrix of controls, or one image of a saboteur."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from harness.bench import Choice, choose, prepare
from harness.host import read_host
from harness.lease import HANDED_ON, lease
from harness.progress import progress
from harness.types import Bench
from harness.variants import find
from tests.saboteurs.proxy import standing

VARIANTS = ("gpt-oss-120b", "gemma-3-27b-bf16")


def main() -> int:
    """0 when every fault was caught, every test caught something, and no healthy deployment was rejected."""
    parser = argparse.ArgumentParser(prog="python -m tests.saboteurs", description=__doc__)
    parser.add_argument("--sample", action="store_true", help="a few faults, one model, no page: minutes")
    parser.add_argument("--only", nargs="+", default=[], metavar="FAULT", help="these faults; the page is not written")
    parser.add_argument("--variant", nargs="+", default=[*VARIANTS], help=f"default: {' '.join(VARIANTS)}")
    parser.add_argument("--port", type=int, default=8310, help="where deployments are started (default: 8310)")
    parser.add_argument("--up", action="store_true", help="the variant is up on --port already, and stays")
    parser.add_argument("--wait", action="store_true", help="when another run has this machine, wait for it to end")
    parser.add_argument("--image", metavar="FAULT", help="build gb10-acceptance/saboteur:FAULT and end")
    parser.add_argument("--brief", action="store_true", help="one healthy deployment a variant instead of four")
    parser.add_argument("--work", type=Path, metavar="DIR", help="directory of an interrupted run, to go on")
    given = parser.parse_args()
    choice = Choice(bench="cpu", port=given.port)
    bench = choose(choice, read_host())
    shown = progress()
    if not given.up:
        bench = prepare(bench, choice, shown)
    if given.image:
        from tests.saboteurs.image import build

        print(build(bench.docker_host, bench.image, given.image))
        return 0
    with lease(bench.docker_host, shown.say if given.wait else None, "controls") as held:
        os.environ[HANDED_ON] = str(held)  # every run below is part of this one
        return controls(given, bench, held)


def controls(given: argparse.Namespace, bench: Bench, held: int) -> int:
    """The matrix; `held` is the descriptor of this machine's lease."""
    from tests.saboteurs import matrix

    only = given.only or (matrix.SAMPLE if given.sample else ())
    files = matrix.SAMPLE_FILES if given.sample else ()
    done: list[matrix.Matrix] = []
    work = given.work or Path(tempfile.mkdtemp(prefix="controls-"))
    print(f"controls: results and what each run said are in {work}; to go on from there: --work {work}")
    for name in given.variant[:1] if given.sample else given.variant:
        variant = find(name)
        harness = [sys.executable, "-m", "harness"]
        with ExitStack() as stack:
            if not given.up:
                up = [*harness, "up", name, "--bench", "cpu", "--port", str(given.port)]
                down = [*harness, "down", "--bench", "cpu", "--port", str(given.port)]
                stack.callback(subprocess.run, down, pass_fds=(held,))
                subprocess.run(up, check=True, pass_fds=(held,))
            proxy = stack.enter_context(standing(("127.0.0.1", given.port)))
            done.append(matrix.Matrix(variant, bench, proxy, work, lambda text: print(text, flush=True)))
            healthy = matrix.HEALTHY[:1] if given.brief or only else matrix.HEALTHY
            matrix.run(done[-1], only, files, healthy, done[:-1])
        if len(done) == 1 and not only and not given.up:
            matrix.lives(done[0])
    if not only:
        matrix.PAGE.write_text(matrix.page(done))
        print(f"wrote {matrix.PAGE.relative_to(matrix.ROOT)}")
    found = matrix.problems(done, whole=not only)
    for problem in found:
        print(f"controls: {problem}")
    print(f"controls: {sum(len(m.caught) for m in done)} times a fault was caught, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
