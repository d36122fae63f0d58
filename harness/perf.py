"""How fast a deployment is: the engine's own tool loads it, a client of ours looks over its shoulder, it is judged.

`vllm bench serve` runs inside the served container: it is in the image, its metrics are the field's, and a client on
another network path was measured to add more than most of the differences that are looked for. Everything whose
default has changed between versions is said; what an old version does not know is left out, and the record tells.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from statistics import median
from typing import Any

from harness import conditions
from harness.api import Api
from harness.attempt import Attempt
from harness.engine import Engine
from harness.history import measured_before
from harness.judgement import judge_speed, limited
from harness.progress import Progress
from harness.types import Deployment, Judged, Load, Measurement, Noun, Stream
from harness.verification import served_name

SEED = 20260101
WARMUPS = 2
OPTIONAL = ("--num-warmups", "--disable-tqdm", "--temperature", "--ignore-eos", "--percentile-metrics")
"""Flags that some versions do not have: without them the figures are the older tool's own."""
FIGURES = {
    "output_throughput": ("output_throughput", "tok/s"),
    "request_throughput": ("request_throughput", "req/s"),
    **{f"{cut}_{what}": (f"{cut}_{what}_ms", "ms") for what in ("ttft", "tpot") for cut in ("median", "p99")},
    **{f"median_{what}": (f"median_{what}_ms", "ms") for what in ("itl", "e2el")},
    "failed": ("failed", "requests"),
    "duration": ("duration", "s"),
    "preempted": ("", "requests"),
}
"""Measurement → the tool's own key (none: the engine's metrics say it), and the unit."""
AGAIN = 5
"""Streams of the second client."""
GENERATED = "vllm:generation_tokens_total"
PREEMPTED = "vllm:num_preemptions_total"


class Loaded(Noun):
    """What one load did."""

    load: Load
    completed: int
    failed: int
    tokens: int
    """Output tokens as the tool counted them."""
    generated: float
    """Output tokens as the engine counted them, with those of the tool's warm-up."""
    figures: dict[str, float]
    """Measurement (as in FIGURES) → value."""
    problem: str = ""
    """Why there are no figures."""


class LoadError(Exception):
    """The load's client ended without figures."""


def measure(engine: Engine, attempt: Attempt, progress: Progress) -> tuple[Loaded, ...]:
    """Put every load of the variant on its deployment; figures, client and conditions go into the record."""
    deployment, record = attempt.deployment, attempt.recorder.record
    assert deployment is not None
    loads = record.expectation.loads
    if not loads:
        return ()
    before = conditions.look_when_idle(deployment.container_id)
    found, client = [], tuple[str, ...]()
    with Api(deployment.base_url) as api, progress.step(f"load {attempt.variant.name}", len(loads), "loads") as step:
        for at, load in enumerate(loads):
            step.at(at, note=f"{load.streams} at once")
            seen, client = _load(engine, api, deployment, load, attempt)
            found.append(seen)
    after = conditions.look(deployment.container_id)
    attempt.recorder.update(client=client, conditions=conditions.problems(before, after))
    attempt.recorder.add(
        *(
            Measurement(name=f"perf.c{one.load.streams}.{name}", value=value, unit=FIGURES[name][1])
            for one in found
            for name, value in one.figures.items()
        ),
        *conditions.measurements(before, after),
    )
    return tuple(found)


def judge(attempt: Attempt) -> tuple[Judged, ...]:
    """Judge what was measured by the roofline and by the good deployments before, and write that into the record."""
    recorder = attempt.recorder
    earlier = measured_before(recorder.directory.parent, recorder.record)
    judged = judge_speed(recorder.record, earlier)
    recorder.update(judgements=judged, measurements=limited(recorder.record.measurements, judged))
    return judged


def times_per_token(engine: Engine, deployment: Deployment, first: Loaded) -> Iterator[tuple[float, float]]:
    """Median milliseconds per output token of one stream, by a client that shares nothing with the tool and by the
    tool, measured anew as often as asked for; the tool's first is that of `first`.

    Raises LoadError when a stream is broken or the tool ends without figures.
    """
    theirs = first.figures["median_tpot"]
    with Api(deployment.base_url) as api:
        while True:
            yield _time_per_token(api, served_name(deployment.variant), first.load), theirs
            seen, _ = _bench(engine, deployment, first.load)
            if isinstance(seen, str):
                raise LoadError(seen)
            theirs = float(seen["median_tpot_ms"])


def _time_per_token(api: Api, served: str, load: Load) -> float:
    """By the second client: the first token is the first event with a choice, their number the engine's `usage`."""
    times = []
    for nth in range(AGAIN):
        prompt = f"{nth} " + "the " * load.input_tokens  # words, not token numbers: a miniature has few of those
        stream = api.stream(
            "/v1/completions",
            {
                "model": served,
                "prompt": prompt,
                "max_tokens": load.output_tokens,
                "ignore_eos": True,
                "temperature": 0,
                "stream": True,
                "stream_options": {"include_usage": True},
            },
        )
        times.append(per_token_ms(stream))
    return median(times)


def per_token_ms(stream: Stream) -> float:
    """Milliseconds per output token after the first. Raises LoadError when the stream has none."""
    said = [event for event in stream.events if isinstance(event.body, dict) and event.body.get("choices")]
    usages = [
        event.body["usage"] for event in stream.events if isinstance(event.body, dict) and event.body.get("usage")
    ]
    tokens = int(usages[-1]["completion_tokens"]) if usages else 0
    if stream.status != 200 or stream.broken or len(said) < 2 or tokens < 2:
        raise LoadError(f"a stream has no time per token: {stream}")
    return 1000 * (said[-1].at_s - said[0].at_s) / (tokens - 1)


def _load(
    engine: Engine, api: Api, deployment: Deployment, load: Load, attempt: Attempt
) -> tuple[Loaded, tuple[str, ...]]:
    """One load, and the client's flags as they were understood."""
    before = api.metrics()
    seen, flags = _bench(engine, deployment, load)
    after = api.metrics()
    client = tuple(_words({k: v for k, v in flags.items() if k not in ("--num-prompts", "--max-concurrency")}))
    if isinstance(seen, str):
        nothing = Loaded(load=load, completed=0, failed=load.prompts, tokens=0, generated=0, figures={}, problem=seen)
        return nothing, client
    file = attempt.recorder.directory / f"load-c{load.streams}.json.gz"
    file.write_bytes(gzip.compress(json.dumps(seen, separators=(",", ":")).encode(), mtime=0))
    return (
        Loaded(
            load=load,
            completed=int(seen["completed"]),
            failed=int(seen.get("failed", load.prompts - int(seen["completed"]))),
            tokens=int(seen["total_output_tokens"]),
            generated=after.get(GENERATED, 0) - before.get(GENERATED, 0),
            figures={name: float(seen[key]) for name, (key, _) in FIGURES.items() if key in seen}
            | {"preempted": after.get(PREEMPTED, 0) - before.get(PREEMPTED, 0)},
        ),
        client,
    )


def _bench(engine: Engine, deployment: Deployment, load: Load) -> tuple[dict[str, Any] | str, dict[str, str | None]]:
    """What the tool's own result says, or why there is none, and the tool's flags as it understood them."""
    result = f"/tmp/gb10-load-c{load.streams}.json"
    flags = _flags(load)
    place: dict[str, str | None] = {
        "--model": deployment.variant.model,
        "--served-model-name": served_name(deployment.variant),
    }
    while True:
        command = ["vllm", "bench", "serve", *_words(place | flags), "--result-dir", "/tmp", "--result-filename"]
        code, output = engine.output_of(deployment.container_id, [*command, result.rpartition("/")[2]])
        refused = re.search(rb"unrecognized arguments: (.*)", output)
        unknown = [name for name in OPTIONAL if refused and name.encode() in refused[1].split() and name in flags]
        if not unknown:
            break
        flags = {name: value for name, value in flags.items() if name not in unknown}
    read, text = engine.output_of(deployment.container_id, ["cat", result]) if code == 0 else (1, b"")
    if read != 0:
        told = output.decode("utf-8", "replace")[-2000:]
        return f"vllm bench serve ended with exit code {code} and no result: {told}", flags
    engine.output_of(deployment.container_id, ["rm", "-f", result])
    seen: dict[str, Any] = json.loads(text)
    seen.pop("generated_texts", None)
    return seen, flags


def _flags(load: Load) -> dict[str, str | None]:
    """Every flag with its value; None: it has none."""
    return {
        "--backend": "openai",
        "--endpoint": "/v1/completions",
        "--host": "127.0.0.1",
        "--port": "8000",
        "--dataset-name": "random",
        "--random-input-len": str(load.input_tokens),
        "--random-output-len": str(load.output_tokens),
        "--random-range-ratio": "0",
        "--seed": str(SEED),
        "--num-prompts": str(load.prompts),
        "--max-concurrency": str(load.streams),
        "--request-rate": "inf",
        "--num-warmups": str(WARMUPS),
        "--temperature": "0",
        "--ignore-eos": None,
        "--percentile-metrics": "ttft,tpot,itl,e2el",
        "--metric-percentiles": "50,90,99",
        "--disable-tqdm": None,
        "--save-result": None,
        "--save-detailed": None,
    }


def _words(flags: dict[str, str | None]) -> list[str]:
    return [word for name, value in flags.items() for word in ((name,) if value is None else (name, value))]
