"""Speed is judged: what holds for any numbers, what each rule does, and how good they are together."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import judgement as simulation
from harness.flags import resolve
from harness.history import measured_before
from harness.judgement import (
    BAND,
    ENOUGH,
    FAIL,
    MADS,
    WINDOW,
    creep,
    durations,
    judge_speed,
    judge_value,
    limited,
    not_comparable,
)
from harness.record import FILE, Phase, Record, judge, read, write_atomically
from harness.report import html, texts
from harness.roofline import CEILINGS, EFFICIENCY, OTHER_WEIGHTS, ceiling, judge_ceiling
from harness.types import Judgement, Measurement, Text, Variant, Verdict
from harness.variants import VARIANTS, find
from tests import samples

HOT = Text(en="the clock stood at 799 MHz", zh_tw="時脈停在 799 MHz")
GB10 = samples.CPU.model_copy(update={"name": "gb10"})
speeds = st.floats(1, 1000)
histories = st.lists(speeds, min_size=ENOUGH, max_size=3 * WINDOW)
names = st.sampled_from([("perf.c8.output_throughput", "tok/s"), ("perf.c8.median_tpot", "ms")])


def tok_s(value: float, streams: int = 1) -> Measurement:
    """A throughput."""
    return Measurement(name=f"perf.c{streams}.output_throughput", value=value, unit="tok/s")


def run(day: int, value: float, verdict: Verdict = Verdict.ACCEPTED, **changes: Any) -> Record:
    """The record of a run that measured `value` tok/s at eight streams."""
    begun = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    held: dict[str, Any] = {"record_id": f"run-{day}", "started": begun, "verdict": verdict}
    return samples.record(**(held | {"measurements": (tok_s(value, 8),)} | changes))


def on_gb10(entry: str | Variant, decode: float, **changes: Any) -> Record:
    """A record of the hardware, with `decode` tok/s of one stream."""
    variant = find(entry) if isinstance(entry, str) else entry
    tpot = Measurement(name="perf.c1.median_tpot", value=1000 / decode, unit="ms")
    held: dict[str, Any] = {"bench": GB10, "variant": variant, "declared": resolve(variant, GB10)}
    return samples.record(**(held | {"measurements": (tpot,)} | changes))


def said(records: Sequence[Record], record: Record) -> dict[str, Judgement]:
    """Judgement by name."""
    return {one.name: one.verdict for one in judge_speed(record, records)}


@given(names, histories, speeds, st.lists(speeds, max_size=2))
def test_bad_conditions_are_neither_a_pass_nor_a_fail(
    name: tuple[str, str], past: list[float], value: float, before: list[float]
) -> None:
    """Whatever was measured."""
    measured = Measurement(name=name[0], unit=name[1], value=value)
    found = judge_value(measured, past, before=before, conditions=(HOT,), floor=25)
    assert found.verdict is Judgement.INCONCLUSIVE
    assert HOT.en in found.reason.en
    assert HOT.zh_tw in found.reason.zh_tw


@given(names, histories, speeds)
def test_one_deployment_alone_never_fails_and_within_the_noise_never_waits(
    name: tuple[str, str], past: list[float], value: float
) -> None:
    """Outside the band on the worse side: unconfirmed, always. Within it: passed, but for creep."""
    found = judge_value(Measurement(name=name[0], unit=name[1], value=value), past)
    window = past[-WINDOW:]
    centre = median(window)
    band = max(BAND, MADS * median(abs(one - centre) for one in window) / centre)
    loss = (value / centre - 1) * (-1 if "/s" in name[1] else 1)
    if loss > band:
        assert found.verdict is Judgement.UNCONFIRMED
    elif found.verdict is not Judgement.PASSED:
        assert "creeps" in found.reason.en
    assert found.past == tuple(window)
    assert found.baseline == centre


@given(names, histories, st.tuples(speeds, speeds, speeds))
def test_three_deployments_are_a_verdict_and_it_is_the_median_s(
    name: tuple[str, str], past: list[float], three: tuple[float, float, float]
) -> None:
    """Failed exactly when the median lies beyond the limit, or ten deployments crept as far."""
    measured = Measurement(name=name[0], unit=name[1], value=three[2])
    found = judge_value(measured, past, before=three[:2])
    assert found.value == median(three)
    assert found.verdict in (Judgement.PASSED, Judgement.WARNED, Judgement.FAILED)
    assert found.limit is not None
    beyond = (found.value - found.limit) * (-1 if "/s" in name[1] else 1)
    if beyond > 1e-9 * found.limit:
        assert found.verdict is Judgement.FAILED
    elif found.verdict is Judgement.FAILED and beyond < -1e-9 * found.limit:
        assert "creeps" in found.reason.en


@given(names, histories, speeds, st.floats(0.01, 100))
def test_the_unit_s_size_does_not_matter(name: tuple[str, str], past: list[float], value: float, factor: float) -> None:
    """Seconds or milliseconds: the same ratio."""
    one = judge_value(Measurement(name=name[0], unit=name[1], value=value), past)
    other = judge_value(
        Measurement(name=name[0], unit=name[1], value=value * factor), [factor * value for value in past]
    )
    assert one.ratio == pytest.approx(other.ratio)


@given(st.lists(speeds, max_size=ENOUGH - 1), speeds)
def test_too_little_history_is_said_as_such(past: list[float], value: float) -> None:
    """It is no verdict, unless there is a floor."""
    found = judge_value(tok_s(value), past)
    assert found.verdict is Judgement.UNJUDGED
    assert f"too little history, {len(past)} of {ENOUGH}" in found.reason.en
    floored = judge_value(tok_s(value), past, floor=25, source="somebody")
    assert floored.verdict is (Judgement.FAILED if value < 25 else Judgement.PASSED)
    assert "provisional floor of 25 tok/s (somebody)" in floored.reason.en


def test_a_small_step_that_stays_is_seen_in_the_sum() -> None:
    """2.1 % is within the noise of every night; after nine of them it is a warning, and 9 % crept is a failure."""
    past = [100.0] * WINDOW
    nights = 0
    while judge_value(tok_s(97.9), past).verdict is Judgement.PASSED:
        past.append(97.9)
        nights += 1
    assert nights == 8
    assert creep(past, 97.9, -1).total > 0.05
    crept = [100.0] * WINDOW + [100 - n / 5 for n in range(45)]
    found = judge_value(tok_s(91), crept)
    assert found.verdict is Judgement.FAILED
    assert "it creeps" in found.reason.en


def test_only_deployments_alike_make_the_baseline_and_the_difference_is_named() -> None:
    """Another image, client, vLLM, flag or box: not comparable, because of what."""
    past = [run(day, 100) for day in range(9)]
    assert said(past, run(20, 99))["perf.c8.output_throughput"] is Judgement.PASSED
    declared = past[0].declared
    flags = declared.model_copy(update={"env": declared.env | {"VLLM_X": "1"}})
    for changes, named in (
        ({"vllm_version": "0.31.0"}, "vllm unknown → 0.31.0"),
        ({"client": ("--seed", "2")}, "client  → --seed 2"),
        ({"declared": flags}, "-e VLLM_X (none) → 1"),
        ({"host": samples.HOST.model_copy(update={"name": "other"})}, "box unknown → other"),
    ):
        record = run(20, 50, **changes)
        (found,) = judge_speed(record, past)
        assert found.verdict is Judgement.UNJUDGED
        assert found.reason.en.endswith(f"not comparable with run-8: {named}")
    port = declared.model_copy(update={"port": 8001})
    assert not_comparable(past[0], run(20, 100, declared=port)) is None


def test_a_slow_deployment_is_rejected_by_its_third_and_starts_anew_after_that() -> None:
    """Two wait, the third rejects with number and limit; what was rejected, spoilt or waiting is in no baseline."""
    records = [run(day, 100) for day in range(WINDOW)]
    seen = []
    for day, value in enumerate((80, 81, 79, 100, 80), WINDOW):
        record = run(day, value, tests=(), tests_available=0)
        record = record.model_copy(update={"judgements": judge_speed(record, records)})
        verdict, reason = judge(record)
        record = record.model_copy(update={"verdict": Verdict.ACCEPTED if value == 100 else verdict})
        records.append(record)
        seen.append(record.judgements[0].verdict)
        if seen[-1] is Judgement.FAILED:
            assert verdict is Verdict.REJECTED
            assert "80 tok/s is -20.0% against 100 tok/s" in reason
            (measured,) = limited(record.measurements, record.judgements)
            assert measured.limit == pytest.approx(92)
            assert not measured.ok
    unconfirmed = Judgement.UNCONFIRMED
    assert seen == [unconfirmed, unconfirmed, Judgement.FAILED, Judgement.PASSED, unconfirmed]


def test_a_spoilt_deployment_does_not_count_as_a_confirmation() -> None:
    """The one before it goes on waiting."""
    records = [run(day, 100) for day in range(WINDOW)]
    for day, conditions in enumerate(((), (HOT,), ()), WINDOW):
        record = run(day, 80, Verdict.INCONCLUSIVE, conditions=conditions)
        records.append(record.model_copy(update={"judgements": judge_speed(record, records)}))
    assert [one.judgements[0].verdict for one in records[WINDOW:]] == [
        Judgement.UNCONFIRMED,
        Judgement.INCONCLUSIVE,
        Judgement.UNCONFIRMED,
    ]
    assert "1 more time" in records[-1].judgements[0].reason.en


@pytest.mark.parametrize(
    ("variant", "decode", "verdict", "text"),
    [
        ("gpt-oss-120b", 33.5, Judgement.PASSED, "61% of the 54.6 tok/s"),
        ("gpt-oss-120b", 58.8, Judgement.FAILED, "wrong weights (attention and head in 8 bits would allow 76.7)"),
        ("gpt-oss-120b", 26, Judgement.WARNED, "below 50%"),
        ("gpt-oss-120b", 15, Judgement.FAILED, "below 35%"),
        ("gemma-3-27b-bf16", 4.2, Judgement.PASSED, "83% of the 5.06 tok/s"),
        ("gemma-3-27b-bf16", 10.6, Judgement.FAILED, "wrong weights (4-bit weights would allow 15.9)"),
        ("gemma-3-27b-mxfp4", 4.2, Judgement.FAILED, "weights that were not quantised"),
        ("gpt-oss-120b", 500, Judgement.FAILED, "wrong weights, or speculative decoding"),
    ],
)
def test_the_roofline_judges_published_numbers(variant: str, decode: float, verdict: Judgement, text: str) -> None:
    """Faster than its weights allow, or a third of that: both are told with the reason."""
    found = judge_ceiling(on_gb10(variant, decode))
    assert found is not None
    assert (found.name, found.verdict) == (EFFICIENCY, verdict)
    assert text in found.reason.en
    assert re.search(r"[\u4e00-\u9fff]", found.reason.zh_tw)


def test_the_roofline_knows_every_variant_and_only_the_hardware() -> None:
    """The CPU bench has no ceiling, and says so; two boxes read twice as fast; nothing measured, nothing said."""
    assert all(ceiling(variant) for variant in VARIANTS)
    assert {row.model for row in CEILINGS} == OTHER_WEIGHTS.keys()
    found = judge_ceiling(on_gb10("gpt-oss-120b", 33.5, bench=samples.CPU))
    assert found is not None
    assert (found.verdict, found.limit) == (Judgement.UNJUDGED, None)
    assert "the cpu bench has no ceiling" in found.reason.en
    pair = find("gpt-oss-120b")
    pair = pair.model_copy(update={"serve": (*pair.serve, "--tensor-parallel-size", "2")})
    both = judge_ceiling(on_gb10(pair, 69))
    assert both is not None
    assert both.verdict is Judgement.PASSED
    assert judge_ceiling(samples.record()) is None
    other = pair.model_copy(update={"model": "org/other"})
    unknown = judge_ceiling(on_gb10(other, 69))
    assert unknown is not None
    assert "add a row" in unknown.reason.en


def test_a_first_day_on_the_hardware_is_judged_by_floor_and_published_load_times() -> None:
    """gpt-oss-120b: 25 tok/s, 8 minutes, phases with a quarter of room."""
    starts = Measurement(name="start", value=500, unit="s", limit=1200)
    phases = tuple(
        Phase(name=name, at_s=at)
        for name, at in (("starting", 5), ("weights", 20), ("weights loaded", 450), ("compile", 455), ("compiled", 480))
    )
    found = {
        one.name: one
        for one in judge_speed(on_gb10("gpt-oss-120b", 33, measurements=(starts, tok_s(31)), phases=phases), ())
    }
    verdicts = {name: one.verdict for name, one in found.items()}
    assert verdicts["perf.c1.output_throughput"] is Judgement.PASSED
    assert "provisional floor of 25 tok/s" in found["perf.c1.output_throughput"].reason.en
    assert (verdicts["start"], found["start"].limit) == (Judgement.WARNED, 480)
    assert (verdicts["phase.weights"], verdicts["phase.compile"]) == (Judgement.WARNED, Judgement.PASSED)
    low = on_gb10("gpt-oss-120b", 33, measurements=(tok_s(20),))
    assert said((), low)["perf.c1.output_throughput"] is Judgement.FAILED


def test_starts_compare_among_the_same_page_cache() -> None:
    """A cold start is no slow warm one; slower than the noise warns, and never fails."""

    def started(day: int, seconds: float, cache: str) -> Record:
        start = Measurement(name="start", value=seconds, unit="s", limit=900)
        return run(day, 100, measurements=(start,), page_cache=cache)

    past = [started(day, 100 + day % 3, "warm") for day in range(6)]
    assert said(past, started(9, 110, "warm")) == {"start": Judgement.PASSED}
    assert said(past, started(9, 130, "warm")) == {"start": Judgement.WARNED}
    assert said(past, started(9, 300, "cold")) == {"start": Judgement.UNJUDGED}
    assert durations(samples.record()) == {}


def test_earlier_measurements_are_found_on_disk(tmp_path: Path) -> None:
    """Of the variant and bench, before the record, finished, with a measured speed; the newest last."""
    kinds: tuple[dict[str, Any], ...] = (
        {},
        {"measurements": ()},
        {"verdict": Verdict.BLOCKED},
        {"verdict": Verdict.REJECTED},
        {},
    )
    for day, changes in enumerate(kinds):
        record = run(day, 100, **changes)
        (tmp_path / f"{4 - day}").mkdir()
        write_atomically(tmp_path / f"{4 - day}" / FILE, record.model_dump_json())
    found = measured_before(tmp_path, run(4, 100))
    assert [one.record_id for one in found] == ["run-0", "run-3"]


def test_the_judgement_survives_its_file() -> None:
    """A judged record read back is the same."""
    record = read(simulation.EXAMPLE)
    judged = simulation.deployed((), simulation.speeds(random.Random(1), 0.02, 1), record)
    assert len(judged.judgements) == 12  # one stream's ceiling, nine values, the start and its weights
    assert Record.model_validate_json(judged.model_dump_json()) == judged


def test_a_rejected_record_s_page_shows_number_limit_and_plot() -> None:
    """And says why in both languages; one without a judged speed has no such part."""
    example = read(simulation.EXAMPLE)
    slow = simulation.qualified(random.Random(1), 0.02, 1.2, example)
    assert slow.verdict is Verdict.REJECTED
    page = html.page(slow, None)
    (failed, *_) = [one for one in slow.judgements if one.verdict is Judgement.FAILED]
    part = page.split('<section aria-labelledby="speed">')[1].split("</section>")[0]
    assert failed.limit is not None
    assert f"{html.number(failed.value)}</strong> {failed.unit}" in part
    assert f"{html.number(failed.limit)} {failed.unit}" in part
    assert part.count("<svg") == 11  # nine values, the start and its weights
    assert 'class="dot rejected"' in part
    assert "中位數" in texts.reason(slow).zh_tw
    unjudged = example.model_copy(update={"judgements": ()})
    assert 'aria-labelledby="speed"' not in html.page(unjudged, None)


def test_a_warning_takes_all_three_deployments_and_a_failure_their_median() -> None:
    """A value was redeployed because it was slow: its being slow is no evidence, two that agree with it are."""
    past, slow = [100.0] * 10, Measurement(name="perf.c1.output_throughput", value=95, unit="tok/s")

    def told(*before: float) -> Judgement:
        return judge_value(slow, past, before=before).verdict

    assert told(95, 98) is Judgement.PASSED
    assert "may be chance" in judge_value(slow, past, before=(95, 98)).reason.en
    assert told(95, 96) is Judgement.WARNED
    assert told(91, 91) is Judgement.FAILED
    assert judge_value(slow.model_copy(update={"value": 99}), past, before=(91, 91)).verdict is Judgement.FAILED


def test_what_is_slowed_is_rejected_and_noise_is_not_and_the_page_says_what_was_measured() -> None:
    """docs/judging-speed.md holds what `python -m benchmarks.judgement` gives: every repetition is called rightly."""
    page = simulation.PAGE.read_text(encoding="utf-8")
    held = page.split(simulation.BEGIN)[1].split(simulation.END)[0].strip()
    assert held == simulation.tables().strip(), "python -m benchmarks.judgement --write"
    assert "20 % slower a token, ±2 % noise | 20 of 20 | 0 of 20" in held
    assert "as before, ±2 % noise | 0 of 20 | 20 of 20" in held
    disturbed = re.search(r"quiet month that is disturbed \| ([\d.]+)%", held)
    assert disturbed is not None
    assert float(disturbed[1]) <= 5
    assert re.search(r"−0\.5 % more every night \| 100\.0% \| [78] \| 1[01] ", held)
    assert FAIL == 0.08
