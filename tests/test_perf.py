"""Behind suites/test_perf.py: the second client's arithmetic, the conditions, the judgement by earlier records."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.attempt import Attempt
from harness.conditions import Box, measurements, problems
from harness.flags import resolve
from harness.perf import Loaded, LoadError, judge, per_token_ms, times_per_token
from harness.record import FILE, Recorder, TestOutcome, read
from harness.types import Deployment, Event, Judgement, Load, Measurement, Stream, Verdict
from harness.variants import find
from harness.weights import page_cache
from tests import samples

PASSED = TestOutcome(nodeid="suites/test_perf.py::test", requirement="", outcome="passed", seconds=1)
QUIET = Box(available_gib=20, busy=0.01, gpu={})


def stream(*, tokens: int, times: tuple[float, ...], **changes: object) -> Stream:
    """A stream whose pieces came at `times`, and whose usage says `tokens`."""
    said = [Event(at_s=at, data='{"choices": [{"text": "a"}]}') for at in times]
    usage = Event(at_s=9, data=f'{{"choices": [], "usage": {{"completion_tokens": {tokens}}}}}')
    made = Stream(method="POST", url="/v1/completions", status=200, events=(*said, usage), seconds=9)
    return made.model_copy(update=changes)


def test_the_time_per_token_is_that_after_the_first_and_by_usage() -> None:
    """Pieces of several tokens don't make it longer."""
    assert per_token_ms(stream(tokens=11, times=(1.0, 1.5, 2.0))) == pytest.approx(100)


@pytest.mark.parametrize(
    "bad",
    [
        stream(tokens=11, times=(1.0,)),
        stream(tokens=1, times=(1.0, 2.0)),
        stream(tokens=11, times=(1.0, 2.0), status=500),
        stream(tokens=11, times=(1.0, 2.0), broken="cut off"),
    ],
)
def test_a_broken_stream_has_no_time_per_token(bad: Stream) -> None:
    """It is an error, never a number."""
    with pytest.raises(LoadError, match="no time per token"):
        per_token_ms(bad)


class Tool:
    """An engine whose container has a `vllm bench serve` that says this, or ends with 1."""

    def __init__(self, *said: float | None) -> None:
        self.said = [*said]

    def output_of(self, container: str, command: list[str]) -> tuple[int, bytes]:  # noqa: ARG002
        """What a command in the container says."""
        if command[0] == "vllm" and self.said[0] is None:
            return 1, b"no such model"
        return 0, json.dumps({"median_tpot_ms": self.said.pop(0)}).encode() if command[0] == "cat" else b""


def test_both_clients_measure_anew_as_often_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool's first time is the load's; an end without figures is an error, never a number."""
    variant = find("gpt-oss-120b")
    deployment = Deployment(
        variant=variant,
        bench=samples.CPU,
        flags=resolve(variant, samples.CPU, {}),
        container_id="abc",
        base_url="http://127.0.0.1:9",
        log="",
        started_s=1,
    )
    load = Load(streams=1, prompts=1, input_tokens=1, output_tokens=1)
    first = Loaded(
        load=load, completed=1, failed=0, tokens=1, generated=1, figures={"median_tpot": 3.0, "output_throughput": 1.0}
    )
    ours = iter((7.0, 6.0, 5.0))
    monkeypatch.setattr("harness.perf._time_per_token", lambda *_: next(ours))
    pairs = times_per_token(Tool(4.0, 5.0, None), deployment, first)  # type: ignore[arg-type]
    assert [next(pairs), next(pairs), next(pairs)] == [(7.0, 3.0), (6.0, 4.0), (5.0, 5.0)]
    with pytest.raises(LoadError, match=r"exit code 1 .* no such model"):
        next(pairs)


@pytest.mark.parametrize(
    ("box", "told"),
    [
        (QUIET.model_copy(update={"busy": 0.5}), "50% of the CPU"),
        (QUIET.model_copy(update={"available_gib": 1.0}), "1.0 GiB"),
        (QUIET.model_copy(update={"gpu": {"clocks_throttle_reasons.hw_thermal_slowdown": "Active"}}), "too hot"),
        (QUIET.model_copy(update={"strangers": ("17 ollama",)}), "17 ollama"),
    ],
)
def test_bad_conditions_are_named(box: Box, told: str) -> None:
    """A quiet box has none."""
    assert not problems(QUIET, QUIET)
    assert told in "".join(one.en for one in problems(box, QUIET))


def test_what_nvidia_smi_does_not_know_is_left_out() -> None:
    """`[N/A]` is unknown, not zero."""
    box = QUIET.model_copy(update={"gpu": {"clocks.sm": "2418 MHz", "power.draw": "[N/A]"}})
    found = {m.name: m.value for m in measurements(box, QUIET)}
    assert found["perf.before.clocks_sm"] == 2418
    assert "perf.before.power_draw" not in found


def test_weights_that_were_just_read_are_warm_and_unread_ones_cold(tmp_path: Path) -> None:
    """What is not there is not known, nor what belongs to somebody else: the kernel calls all of that resident."""
    cache = tmp_path / "huggingface" / "hub" / "models--org--model"
    (cache / "refs").mkdir(parents=True)
    (cache / "snapshots" / "abc").mkdir(parents=True)
    (cache / "refs" / "main").write_text("abc")
    assert page_cache(tmp_path, "org/model") is None
    written, unread = (cache / "snapshots" / "abc" / f"{name}.safetensors" for name in ("written", "unread"))
    written.write_bytes(b"x" * 1_000_000)
    assert page_cache(tmp_path, "org/model") == "warm"
    with unread.open("wb") as file:
        file.truncate(1_500_000)  # nothing of it was ever in memory
    assert page_cache(tmp_path, "org/model") == "cold"
    assert len(unread.read_bytes()) == 1_500_000
    assert page_cache(tmp_path, "org/model") == "warm"


def test_a_slowed_deployment_is_rejected_once_two_more_have_confirmed_it(tmp_path: Path) -> None:
    """20 % per token, by real records, as suites/test_perf.py does it; number and limit stand in the record."""
    verdicts = []
    for day, tpot in enumerate((20.0, 20.2, 19.9, 20.1, 20.0, 24.0, 24.1, 24.0)):
        directory = tmp_path / f"{day}"
        directory.mkdir()
        about = samples.record(
            record_id=f"run-{day}",
            started=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day),
            verdict=Verdict.ACCEPTED,
            measurements=(Measurement(name="perf.c1.median_tpot", value=tpot, unit="ms"),),
            tests_available=1,
            tests=(PASSED,),
        )
        recorder = Recorder(about, directory)
        judged = {
            one.name: one
            for one in judge(Attempt(variant=about.variant, bench=about.bench, recorder=recorder, launched=None))
        }
        recorder.finish()
        verdicts.append((judged["perf.c1.median_tpot"].verdict, read(directory / FILE).verdict))
    assert verdicts[4] == (Judgement.UNJUDGED, Verdict.ACCEPTED)
    assert verdicts[5:7] == [(Judgement.UNCONFIRMED, Verdict.INCONCLUSIVE)] * 2
    assert verdicts[7] == (Judgement.FAILED, Verdict.REJECTED)
    assert "limit 21.6 ms" in recorder.record.reason
    assert [m.limit for m in recorder.record.measurements] == [pytest.approx(21.6)]
