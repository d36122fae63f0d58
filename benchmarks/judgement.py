"""How good the judgement of speed is: what it catches, and how often it cries wolf. `python -m benchmarks.judgement`

Deployments are made up, the judgement is the real one. Noise is drawn as it was published of the hardware: anew at
each start (1.5 % standard deviation), and within a run (6 % over 60 requests). The last table goes the whole way
instead: real records, with made-up speeds, are judged one after the other from an empty history on.

`--write` puts the tables into docs/judging-speed.md; the seed is fixed, so they are the same everywhere.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median

from harness.judgement import BOOTS, WINDOW, judge_speed, judge_value
from harness.record import Record, judge, read
from harness.types import Judgement, Measurement, Verdict

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "reports" / "examples" / "accepted"
PAGE = ROOT / "docs" / "judging-speed.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SEED = 20260101
NIGHTS, FEWER = 2000, 600
"""Trials of one night, and of thirty nights in a row."""
REPETITIONS = 20
DROPS = (0.0, 0.03, 0.05, 0.10, 0.20)
BOOT_NOISE, REQUEST_NOISE, REQUESTS = 0.015, 0.06, 60
TRUE = 33.5
"""tok/s."""
CALLED = (Judgement.WARNED, Judgement.FAILED)

Boot = Callable[[float], float]
"""What a deployment measures that is slower by a share."""
Rule = Callable[[Sequence[float], Callable[[], float]], bool]
"""(good deployments so far, start another) → whether it is called slow."""


def boots(noise: random.Random, boot_noise: float) -> Boot:
    """Deployments of the published noise."""

    def boot(drop: float) -> float:
        requests = noise.gauss(0, REQUEST_NOISE / REQUESTS**0.5)
        return TRUE * (1 - drop) * (1 + noise.gauss(0, boot_noise) + requests)

    return boot


def measured(value: float) -> Measurement:
    """A throughput."""
    return Measurement(name="perf.c1.output_throughput", value=value, unit="tok/s")


def verdict(past: Sequence[float], deploy: Callable[[], float]) -> Judgement:
    """The judgement of a night, with the redeployments that it asks for."""
    seen: list[float] = []
    while True:
        seen.append(deploy())
        found = judge_value(measured(seen[-1]), past, before=seen[:-1]).verdict
        if found is not Judgement.UNCONFIRMED:
            return found


def fixed(past: Sequence[float], deploy: Callable[[], float]) -> bool:
    """The simple rule, to compare with: 5 % below the median of the last ten."""
    return deploy() < 0.95 * median(past[-WINDOW:])


def once(past: Sequence[float], deploy: Callable[[], float]) -> bool:
    """The judgement without its redeployments."""
    return judge_value(measured(deploy()), past).verdict in (*CALLED, Judgement.UNCONFIRMED)


def confirmed(past: Sequence[float], deploy: Callable[[], float]) -> bool:
    """The judgement: warned or failed."""
    return verdict(past, deploy) in CALLED


def failed(past: Sequence[float], deploy: Callable[[], float]) -> bool:
    """The judgement: failed."""
    return verdict(past, deploy) is Judgement.FAILED


RULES: tuple[tuple[str, Rule], ...] = (
    ("fixed 5 % below the median of the last ten", fixed),
    ("max(3 %, 3·MAD), one deployment", once),
    ("**the judgement**: the same and two confirming redeployments, warned or failed", confirmed),
    ("**the judgement**: failed", failed),
)


def one_night(boot_noise: float) -> Iterator[str]:
    """How often each rule calls a night slow, by how much slower it is."""
    yield f"| rule | {' | '.join('false alarms' if not drop else f'catches −{drop:.0%}' for drop in DROPS)} |"
    yield f"|---|{'---|' * len(DROPS)}"
    for name, rule in RULES:
        boot = boots(random.Random(SEED), boot_noise)
        called = [
            sum(rule([boot(0) for _ in range(WINDOW)], partial(boot, drop)) for _ in range(NIGHTS)) for drop in DROPS
        ]
        yield f"| {name} | {' | '.join(f'{count / NIGHTS:.1%}' for count in called)} |"


def nights_to_alarm(boot: Boot, lost: Callable[[int], float], nights: int) -> int | None:
    """The night on which the loss of that night and those before is called, counting from 1; what is not called joins
    the baseline."""
    past = [boot(0) for _ in range(WINDOW)]
    for night in range(1, nights + 1):
        drawn: list[float] = []

        def deploy(drawn: list[float] = drawn, drop: float = lost(night)) -> float:
            drawn.append(boot(drop))
            return drawn[-1]

        if verdict(past, deploy) in CALLED:
            return night
        past += drawn[:1] if len(drawn) == 1 else [median(drawn)]
    return None


LOSSES: tuple[tuple[str, Callable[[int], float]], ...] = (
    ("nothing: a quiet month that is disturbed", lambda _: 0.0),
    ("−2 % at once", lambda _: 0.02),
    ("−3 % at once", lambda _: 0.03),
    ("−5 % at once", lambda _: 0.05),
    ("−0.5 % more every night", lambda night: 0.005 * night),
    ("−0.2 % more every night", lambda night: 0.002 * night),
)
"""What is lost → the share by the night."""


def many_nights(boot_noise: float) -> Iterator[str]:
    """How long a small loss stays unseen, and how often thirty quiet nights are disturbed."""
    yield "| lost | called within 30 nights | half of them by night | nine of ten by night |"
    yield "|---|---|---|---|"
    for name, lost in LOSSES:
        boot = boots(random.Random(SEED), boot_noise)
        called = sorted(night for _ in range(FEWER) if (night := nights_to_alarm(boot, lost, 30)))
        by = [str(called[at]) if (at := int(FEWER * share)) < len(called) else "–" for share in (0.5, 0.9)]
        yield f"| {name} | {len(called) / FEWER:.1%} | {' | '.join(by)} |"


def speeds(noise: random.Random, spread: float, slower: float) -> tuple[Measurement, ...]:
    """What a deployment measures that needs `slower` times as long for each token, ± `spread` in everything."""
    found = []
    for streams, tok_s, ttft_ms in ((1, TRUE, 300.0), (8, 140.0, 900.0), (32, 300.0, 3000.0)):
        for metric, unit, value in (
            ("output_throughput", "tok/s", tok_s / slower),
            ("median_ttft", "ms", ttft_ms),
            ("median_tpot", "ms", streams / tok_s * 1000 * slower),
        ):
            factor = 1 + noise.uniform(-spread, spread)
            found.append(Measurement(name=f"perf.c{streams}.{metric}", value=value * factor, unit=unit))
    return tuple(found)


def deployed(earlier: Sequence[Record], speed: tuple[Measurement, ...], example: Record) -> Record:
    """The record of one more deployment, judged in the light of the earlier ones."""
    own = tuple(m for m in example.measurements if not m.name.startswith("perf."))
    begun = example.started + timedelta(days=len(earlier))
    record = example.model_copy(
        update={
            "record_id": f"{begun:%Y%m%dT%H%M%SZ}-{len(earlier):08x}",
            "started": begun,
            "measurements": own + speed,
            "judgements": (),
            "client": ("--seed", str(SEED)),
        }
    )
    record = record.model_copy(update={"judgements": judge_speed(record, earlier)})
    said, reason = judge(record)
    return record.model_copy(update={"verdict": said, "reason": reason})


def qualified(noise: random.Random, spread: float, slower: float, example: Record) -> Record:
    """The last record of a box: ten good deployments, then one that is slower, with the redeployments it asks for."""
    records: list[Record] = []
    while sum(one.verdict is Verdict.ACCEPTED for one in records) < WINDOW:
        records.append(deployed(records, speeds(noise, spread, 1), example))
    for _ in range(BOOTS * 3):  # each value may need its own three
        records.append(deployed(records, speeds(noise, spread, slower), example))
        if records[-1].verdict is not Verdict.INCONCLUSIVE:
            break
    return records[-1]


def whole_way(spread: float, slower: float) -> list[Record]:
    """Twenty repetitions through real records."""
    example, noise = read(EXAMPLE), random.Random(SEED)
    return [qualified(noise, spread, slower, example) for _ in range(REPETITIONS)]


def through_records() -> Iterator[str]:
    """The two promises, kept or not."""
    yield "| deployment | rejected | accepted | inconclusive |"
    yield "|---|---|---|---|"
    for name, slower in (("20 % slower a token, ±2 % noise", 1.2), ("as before, ±2 % noise", 1.0)):
        said = [record.verdict for record in whole_way(0.02, slower)]
        counts = [said.count(one) for one in (Verdict.REJECTED, Verdict.ACCEPTED, Verdict.INCONCLUSIVE)]
        yield f"| {name} | {' | '.join(f'{count} of {len(said)}' for count in counts)} |"


def tables(boot_noise: float = BOOT_NOISE) -> str:
    """Everything, as Markdown."""
    parts = (
        (f"One night, {NIGHTS:,} trials, one value, noise of a start {boot_noise:.1%}:", one_night(boot_noise)),
        (f"A loss that stays, {FEWER:,} trials of thirty nights, one value:", many_nights(boot_noise)),
        (f"Nine values a deployment through real records, {REPETITIONS} repetitions:", through_records()),
    )
    return "\n\n".join(f"{title}\n\n" + "\n".join(rows) for title, rows in parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, or put them into the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judgement", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--boot-noise", type=float, default=BOOT_NOISE, help="share, default: %(default)s")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    given = parser.parse_args(arguments)
    made = tables(given.boot_noise)
    print(made, end="")
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
