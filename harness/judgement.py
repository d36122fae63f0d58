"""Speed, judged in a way that survives noise: (Record, earlier Records) → Judged values. Pure.

Noise lives in the deployment, not in the request: compilation, memory layout and temperature are drawn anew at every
start. So the replicate is a deployment, the baseline is the last good ones on this box with this image, these flags and
this client, and one slow deployment is not yet a slow image: two more say whether it was chance. What the rules catch
and how often they cry wolf is measured by `python -m benchmarks.judgement` and told in docs/judging-speed.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median

from harness.difference import told
from harness.record import Record
from harness.roofline import ceiling, judge_ceiling
from harness.types import Judged, Judgement, Measurement, Noun, Text, Verdict

WINDOW, ENOUGH = 10, 5
"""Good deployments that make the baseline, and how many are needed at least."""
BAND, MADS = 0.03, 3
"""Noise: this share of the median, or so many median absolute deviations, whichever is more."""
FAIL = 0.08
"""Share of the median by which a deployment must be slower to fail, at least."""
BOOTS = 3
"""Deployments that are judged when the first lay outside the band: their median fails, all of them together warn. The
first was picked for being slow, so a median that it takes part in warns of chance: in 13 of 100 quiet months."""
SLACK, ALARM = 0.015, 0.05
"""One-sided CUSUM: what a deployment may lose against the first ten without counting, and the sum that warns."""
START_BAND = 0.15
"""As `BAND`, for the seconds of a start: disks and compilers vary more."""
START_BAND_S = 2.0
NAME = re.compile(r"perf\.c(?P<streams>\d+)\.(?P<metric>\w+)")
TITLES = {
    "output_throughput": Text(en="output throughput", zh_tw="輸出吞吐量"),
    "median_ttft": Text(en="median time to first token", zh_tw="首個 token 時間中位數"),
    "median_tpot": Text(en="median time per output token", zh_tw="每個輸出 token 時間中位數"),
}
"""The metrics that are judged. The others say the same again (request throughput, ITL, E2EL) or are the noisiest there
are (the 99th percentiles): they are recorded."""
STARTS = {
    "start": Text(en="start to /health", zh_tw="啟動至 /health"),
    "phase.weights": Text(en="reading the weights", zh_tw="讀取權重"),
    "phase.compile": Text(en="compilation", zh_tw="編譯"),
    "phase.graphs": Text(en="graph capture", zh_tw="擷取 CUDA graph"),
}


class Published(Noun):
    """How long a start of a model takes on a GB10, in seconds, by what was published or is demanded."""

    model: str
    slowest_s: dict[str, float]
    """Of the start and its phases."""
    source: str


PUBLISHED = (
    Published(
        model="openai/gpt-oss-120b",
        slowest_s={"start": 480, "phase.weights": 330, "phase.compile": 23, "phase.graphs": 14},
        source="7 to 8 minutes; one unit with image 25.09: weights 5.5 min, compilation 23 s, graphs 14 s",
    ),
    Published(model="google/gemma-3-27b-it", slowest_s={"start": 240}, source="3 to 4 minutes"),
)
PUBLISHED_ROOM = 1.25
"""A phase that one published unit took so long may take this much longer before it is worth a word."""


def judge_speed(record: Record, earlier: Sequence[Record]) -> tuple[Judged, ...]:
    """Everything there is to say of the speed of `record`, in the order of its measurements.

    `earlier` are records of the same variant and bench, the newest last (`harness.history.measured_before`); those
    that are not comparable are left out here. Bad conditions (`record.conditions`) leave every value inconclusive.
    """
    alike = [one for one in earlier if fingerprint(one) == fingerprint(record)]
    other = next((one for one in reversed(earlier) if fingerprint(one) != fingerprint(record)), None)
    unlike = not_comparable(other, record) if other is not None else None
    row = ceiling(record.variant) if record.bench.name == "gb10" else None
    efficiency = judge_ceiling(record)
    found = [efficiency] if efficiency else []
    if efficiency and record.conditions and efficiency.verdict is not Judgement.UNJUDGED:
        found = [_spoilt(efficiency, record.conditions)]
    for m in record.measurements:
        if (named := NAME.fullmatch(m.name)) and named["metric"] in TITLES:
            good = [one for one in alike if is_good(one)]
            found.append(
                judge_value(
                    m,
                    past=tuple(_values(good, m.name)),
                    before=tuple(_values(_waiting(alike, m.name), m.name)),
                    conditions=record.conditions,
                    unlike=unlike,
                    floor=row.floor if row and m.name == "perf.c1.output_throughput" else None,
                    source=row.source if row else "",
                )
            )
    return (*found, *_starts(record, alike))


def judge_value(
    measured: Measurement,
    past: Sequence[float],
    *,
    before: Sequence[float] = (),
    conditions: Sequence[Text] = (),
    unlike: Text | None = None,
    floor: float | None = None,
    source: str = "",
) -> Judged:
    """One value against the good deployments `past` (the newest last).

    `before` are the values of the deployments right before this one that wait for it to confirm them; `unlike` says
    why an earlier record does not count; `floor` is provisional, from `source`, until there is a baseline.
    """
    name, unit, title = measured.name, measured.unit, _title(measured.name)
    worse_way = -1 if "/s" in unit else 1
    values = (*before, measured.value)[-BOOTS:]
    value = median(values) if len(values) == BOOTS else measured.value
    plain = Judged(name=name, value=value, unit=unit, verdict=Judgement.PASSED, reason=title)
    window = tuple(past[-WINDOW:])
    if conditions and (len(window) >= ENOUGH or floor is not None):
        return _spoilt(plain, conditions)
    if len(window) < ENOUGH:
        return _without_baseline(plain, title, window, unlike, floor, source)
    centre = median(window)
    mad = median(abs(one - centre) for one in window)
    if centre <= 0:
        return _without_baseline(plain, title, (), unlike, floor, source)
    band = max(BAND, MADS * mad / centre)
    fails = max(FAIL, band)
    plain = plain.model_copy(
        update={
            "baseline": centre,
            "mad": mad,
            "ratio": value / centre,
            "limit": centre * (1 + worse_way * fails),
            "past": window,
        }
    )
    change = (value - centre) / centre
    loss = worse_way * change
    english = (
        f"{title.en}: {value:.4g} {unit} is {change:+.1%} against {centre:.4g} {unit}, the median of {len(window)} "
        f"deployments; noise is ±{band:.1%}, the limit {plain.limit:.4g} {unit}"
    )
    chinese = (
        f"{title.zh_tw}：{value:.4g} {unit}，與 {len(window)} 次部署的中位數 {centre:.4g} {unit} 相差 {change:+.1%}；"
        f"雜訊為 ±{band:.1%}，限值 {plain.limit:.4g} {unit}"
    )
    crept = creep(past, value, worse_way)
    if len(values) < BOOTS and (before or loss > band):
        left = BOOTS - len(values)
        return _said(
            plain,
            Judgement.UNCONFIRMED,
            f"{english}: not yet a verdict → redeploy {left} more time{'s' if left > 1 else ''}: "
            "the median of three is judged",
            f"{chinese}：尚不足以判定 → 請再重新部署 {left} 次，以三次的中位數判定",
        )
    if loss > band and loss >= fails:
        return _said(plain, Judgement.FAILED, english, chinese)
    if min(worse_way * (one - centre) / centre for one in values) > band:
        return _said(plain, Judgement.WARNED, english, chinese)
    if loss > band:
        english += f"; not all {BOOTS} deployments lie outside the noise, so it may be chance"
        chinese += f"；{BOOTS} 次部署並非全數超出雜訊範圍，可能只是偶然"
    if crept.total > crept.alarm:
        return _said(
            plain,
            Judgement.FAILED if crept.lost >= FAIL else Judgement.WARNED,
            f"{english}; it creeps: the last {ENOUGH} deployments lost {crept.lost:.1%} against the first {WINDOW} "
            f"(CUSUM {crept.total:.1%}, limit {crept.alarm:.1%})",
            f"{chinese}；緩慢退步：最近 {ENOUGH} 次部署與最初 {WINDOW} 次相比退步 {crept.lost:.1%}"
            f"（CUSUM {crept.total:.1%}，限值 {crept.alarm:.1%}）",
        )
    return _said(plain, Judgement.PASSED, english, chinese)


class Creep(Noun):
    """A one-sided CUSUM: the sum of losses against the first ten deployments, and what it may reach."""

    total: float
    alarm: float
    lost: float
    """What the last five deployments lost against those ten."""


def creep(past: Sequence[float], value: float, worse_way: int) -> Creep:
    """The losses up to `value`, as shares. Where the first ten are noisier than `BAND`, both limits grow with it."""
    first, rest = past[:WINDOW], (*past[WINDOW:], value)
    reference = median(first)
    noisier = max(1.0, MADS * median(abs(one - reference) for one in first) / reference / BAND)
    total = 0.0
    for one in rest if len(first) == WINDOW else ():
        total = max(0.0, total + worse_way * (one / reference - 1) - SLACK * noisier)
    recent = median((*past, value)[-ENOUGH:])
    return Creep(total=total, alarm=ALARM * noisier, lost=worse_way * (recent / reference - 1))


def is_good(record: Record) -> bool:
    """Whether a deployment belongs to the baseline: accepted, and nothing was wrong with the box."""
    return record.verdict is Verdict.ACCEPTED and not record.conditions


def fingerprint(record: Record) -> dict[str, str]:
    """What must be the same for two speeds to be compared, by name."""
    host, flags = record.host, told(record.effective or record.declared)
    return {
        "bench": record.bench.name,
        "variant": record.variant.name,
        "box": host.serial_sha256 or host.name or "unknown",
        "product": host.product or "unknown",
        "image": record.image.id if record.image else "unknown",
        "vllm": record.vllm_version or "unknown",
        "client": " ".join(record.client),
        **{name: value for name, value in flags.items() if name not in ("--name", "-p")},
    }


def not_comparable(before: Record, after: Record, *, apart_from: Sequence[str] = ()) -> Text | None:
    """Why the speeds of two records can't be compared; None when they can. `apart_from` may differ."""
    old, new = fingerprint(before), fingerprint(after)
    unlike = [
        f"{name} {old.get(name, '(none)')} → {new.get(name, '(none)')}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name) and name not in apart_from
    ]
    if not unlike:
        return None
    return Text(
        en=f"not comparable with {before.record_id}: {'; '.join(unlike)}",
        zh_tw=f"無法與 {before.record_id} 比較：{'；'.join(unlike)}",
    )


def limited(measurements: Sequence[Measurement], judged: Sequence[Judged]) -> tuple[Measurement, ...]:
    """The measurements with the limits that they were judged by beside them."""
    by_name = {one.name: one for one in judged if one.limit is not None}
    return tuple(
        m.model_copy(update={"limit": one.limit, "ok": one.verdict is not Judgement.FAILED})
        if (one := by_name.get(m.name)) and m.limit is None
        else m
        for m in measurements
    )


def durations(record: Record) -> dict[str, float]:
    """Seconds of the start and of those phases that have a published length, by name."""
    start = next((m.value for m in record.measurements if m.name == "start"), None)
    ends = [phase.at_s for phase in record.phases[1:]]
    lasted = {f"phase.{phase.name}": end - phase.at_s for phase, end in zip(record.phases, ends, strict=False)}
    return ({"start": start} if start is not None else {}) | {k: v for k, v in lasted.items() if k in STARTS}


def _starts(record: Record, alike: Sequence[Record]) -> Iterator[Judged]:
    """Load times never fail here: the start budget does that. Slower than before, or than published, is a warning."""
    published = next((one for one in PUBLISHED if one.model == record.variant.model), None)
    good = [one for one in alike if is_good(one) and one.page_cache == record.page_cache]
    for name, value in durations(record).items():
        past = [lasted[name] for one in good if name in (lasted := durations(one))][-WINDOW:]
        title = STARTS[name]
        limit = published.slowest_s.get(name) if published and record.bench.name == "gb10" else None
        base = Judged(name=name, value=value, unit="s", verdict=Judgement.UNJUDGED, reason=title, past=tuple(past))
        if len(past) >= ENOUGH:
            centre = median(past)
            mad = median(abs(one - centre) for one in past)
            room = max(START_BAND * centre, MADS * mad, START_BAND_S)
            cache = f", page cache {record.page_cache}" if record.page_cache else ""
            yield _said(
                base.model_copy(
                    update={
                        "baseline": centre,
                        "mad": mad,
                        "ratio": value / centre if centre > 0 else None,
                        "limit": centre + room,
                    }
                ),
                Judgement.WARNED if value > centre + room else Judgement.PASSED,
                f"{title.en}: {value:.4g} s, the median of {len(past)} deployments is {centre:.4g} s, up to "
                f"{centre + room:.4g} s is noise{cache}",
                f"{title.zh_tw}：{value:.4g} 秒，{len(past)} 次部署的中位數為 {centre:.4g} 秒，{centre + room:.4g} "
                f"秒以內為雜訊{cache}",
            )
        elif limit is not None and published is not None:
            top = limit if name == "start" else limit * PUBLISHED_ROOM
            yield _said(
                base.model_copy(update={"limit": top}),
                Judgement.WARNED if value > top else Judgement.PASSED,
                f"{title.en}: {value:.4g} s; a GB10 takes {limit:.4g} s at most ({published.source})",
                f"{title.zh_tw}：{value:.4g} 秒；GB10 最多 {limit:.4g} 秒（{published.source}）",
            )
        else:
            yield _without_baseline(base, title, tuple(past), None, None, "")


def _without_baseline(
    plain: Judged, title: Text, window: tuple[float, ...], unlike: Text | None, floor: float | None, source: str
) -> Judged:
    english = f"{title.en}: too little history, {len(window)} of {ENOUGH} good deployments like this one"
    chinese = f"{title.zh_tw}：歷史資料不足，與此相同的良好部署僅 {len(window)} 次，需要 {ENOUGH} 次"
    if unlike is not None:
        english, chinese = f"{english}; {unlike.en}", f"{chinese}；{unlike.zh_tw}"
    verdict = Judgement.UNJUDGED
    if floor is not None:
        low = plain.value < floor
        verdict = Judgement.FAILED if low else Judgement.PASSED
        english += f"; {plain.value:.4g} {plain.unit} is {'below' if low else 'above'} the provisional floor of "
        english += f"{floor:.4g} {plain.unit} ({source})"
        chinese += f"；{plain.value:.4g} {plain.unit} {'低於' if low else '高於'}暫定下限 {floor:.4g} {plain.unit}（"
        chinese += f"{source}）"
    return _said(plain.model_copy(update={"past": window, "limit": floor}), verdict, english, chinese)


def _spoilt(plain: Judged, conditions: Sequence[Text]) -> Judged:
    return _said(
        plain,
        Judgement.INCONCLUSIVE,
        f"{_title(plain.name).en}: measured under bad conditions, so it is not judged: "
        + "; ".join(one.en for one in conditions),
        f"{_title(plain.name).zh_tw}：量測條件不佳，不予判定：" + "；".join(one.zh_tw for one in conditions),
    )


def _waiting(alike: Sequence[Record], name: str) -> list[Record]:
    """The deployments right before this one that were outside the band and wait for it; spoilt ones don't count."""
    found: list[Record] = []
    for record in reversed(alike):
        verdict = next((one.verdict for one in record.judgements if one.name == name), None)
        if verdict is Judgement.INCONCLUSIVE or record.conditions:
            continue
        if verdict is not Judgement.UNCONFIRMED or len(found) == BOOTS - 1:
            break
        found.insert(0, record)
    return found


def _values(records: Sequence[Record], name: str) -> Iterator[float]:
    for record in records:
        yield from (m.value for m in record.measurements if m.name == name)


def _title(name: str) -> Text:
    named = NAME.fullmatch(name)
    if named is None or named["metric"] not in TITLES:
        return STARTS.get(name) or Text(en=name, zh_tw=name)
    title, streams = TITLES[named["metric"]], named["streams"]
    many = "one stream" if streams == "1" else f"{streams} streams"
    return Text(en=f"{title.en} at {many}", zh_tw=f"{streams} 條串流的{title.zh_tw}")


def _said(plain: Judged, verdict: Judgement, english: str, chinese: str) -> Judged:
    return plain.model_copy(update={"verdict": verdict, "reason": Text(en=english, zh_tw=chinese)})
