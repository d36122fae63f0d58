"""Two images on one box: (Records of one, Records of the other) → Comparison. Pure.

The replicate is a deployment. Both images were started in turn, so that heat and time of day met both alike; the answer
is the ratio of the medians over deployments, with a bootstrap interval.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from statistics import median

from harness.judgement import BAND, FAIL, NAME, TITLES, not_comparable
from harness.record import Record
from harness.types import Judgement, Measurement, Noun, Text, Verdict

BOOTS = 6
"""Deployments of each image from which on a comparison is judged."""
RESAMPLES, SEED, OUTSIDE = 10_000, 20260101, 0.05
"""Of the bootstrap; `OUTSIDE` is the share of the resamples that the interval leaves out."""
MAY_DIFFER = ("image", "vllm")


class Compared(Noun):
    """One measured value of both images, in the measurement's unit."""

    name: str
    unit: str
    before: tuple[float, ...]
    """Of each deployment of the first image."""
    after: tuple[float, ...]
    ratio: float
    """Median after ÷ median before."""
    low: float
    high: float
    """The interval of the ratio."""
    verdict: Judgement
    reason: Text


class Comparison(Noun):
    """Two images, compared by the deployments of one variant on one box."""

    variant: str
    bench: str
    before: str
    """The first image's reference."""
    after: str
    boots: tuple[int, int]
    """Deployments of each that count."""
    left_out: tuple[Text, ...]
    """Deployments that don't count, each with its reason."""
    values: tuple[Compared, ...]
    verdict: Judgement
    reason: Text


def interleaved(before: str, after: str, boots: int) -> Iterator[str]:
    """The images in the order of their starts: A B B A A B …, `boots` of each."""
    for count in range(boots):
        yield from (before, after) if count % 2 == 0 else (after, before)


def compare_speed(
    variant: str, images: tuple[str, str], before: Sequence[Record], after: Sequence[Record]
) -> Comparison:
    """The speeds of `variant` under two `images`, from the records of each."""
    first = next((one for one in (*before, *after) if _unusable(one) is None), None)
    counted: tuple[list[Record], list[Record]] = ([], [])
    left_out: list[Text] = []
    for side, records in enumerate((before, after)):
        for one in records:
            why = _unusable(one)
            if why is None and first is not None and first is not one:
                why = not_comparable(first, one, apart_from=MAY_DIFFER)
            if why is None and counted[side]:
                why = not_comparable(counted[side][0], one)
            if why is None:
                counted[side].append(one)
            else:
                left_out.append(Text(en=f"{one.record_id}: {why.en}", zh_tw=f"{one.record_id}：{why.zh_tw}"))
    held = [[_judged_values(one) for one in records] for records in counted]
    names = dict.fromkeys(name for one in held[0] for name in one if any(name in other for other in held[1]))
    values = tuple(
        _compared(
            next(one[name] for one in held[0] if name in one),
            [one[name].value for one in held[0] if name in one],
            [one[name].value for one in held[1] if name in one],
        )
        for name in names
    )
    boots = (len(counted[0]), len(counted[1]))
    verdict, reason = _whole(boots, values)
    return Comparison(
        variant=variant,
        bench=first.bench.name if first else "",
        before=images[0],
        after=images[1],
        boots=boots,
        left_out=tuple(left_out),
        values=values,
        verdict=verdict,
        reason=reason,
    )


def interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """The bootstrap interval of median(after) ÷ median(before); the same for the same numbers."""
    drawn = random.Random(SEED)
    ratios = sorted(
        median(drawn.choices(after, k=len(after))) / median(drawn.choices(before, k=len(before)))
        for _ in range(RESAMPLES)
    )
    out = int(RESAMPLES * OUTSIDE / 2)
    return ratios[out], ratios[-1 - out]


def _unusable(record: Record) -> Text | None:
    if record.verdict in (Verdict.BLOCKED, Verdict.INTERRUPTED) or not _judged_values(record):
        return Text(
            en=f"no speed was measured ({record.verdict.value}: {record.reason})",
            zh_tw=f"未量測速度（{record.verdict.value}：{record.reason}）",
        )
    if record.conditions:
        return Text(
            en=f"measured under bad conditions: {'; '.join(one.en for one in record.conditions)}",
            zh_tw=f"量測條件不佳：{'；'.join(one.zh_tw for one in record.conditions)}",
        )
    return None


def _judged_values(record: Record) -> dict[str, Measurement]:
    named = ((m, NAME.fullmatch(m.name)) for m in record.measurements if m.value > 0)
    return {m.name: m for m, found in named if found and found["metric"] in TITLES}


def _compared(measured: Measurement, before: Sequence[float], after: Sequence[float]) -> Compared:
    worse_way = -1 if "/s" in measured.unit else 1
    ratio = median(after) / median(before)
    low, high = interval(before, after)
    loss = worse_way * (ratio - 1)
    bounds = sorted((worse_way * (low - 1), worse_way * (high - 1)))
    english = (
        f"{measured.name}: {median(before):.4g} → {median(after):.4g} {measured.unit}, ratio {ratio:.3f}, between "
    )
    english += f"{low:.3f} and {high:.3f}"
    chinese = f"{measured.name}：{median(before):.4g} → {median(after):.4g} {measured.unit}，比值 {ratio:.3f}，介於 "
    chinese += f"{low:.3f} 與 {high:.3f} 之間"
    verdict = Judgement.PASSED
    if min(len(before), len(after)) < BOOTS:
        verdict = Judgement.INCONCLUSIVE
        english += f": {len(before)} and {len(after)} deployments are too few, {BOOTS} of each are judged"
        chinese += f"：部署次數為 {len(before)} 與 {len(after)}，不足以判定，各需 {BOOTS} 次"
    elif bounds[0] > 0 and loss >= BAND:
        verdict = Judgement.FAILED if loss >= FAIL else Judgement.WARNED
        english += f": worse by {loss:.1%}, the limit is {FAIL:.0%}"
        chinese += f"：退步 {loss:.1%}，限值為 {FAIL:.0%}"
    elif bounds[1] >= FAIL:
        verdict = Judgement.INCONCLUSIVE
        english += f": so noisy that a loss of {bounds[1]:.1%} can't be excluded → more deployments (--boots)"
        chinese += f"：雜訊過大，無法排除退步 {bounds[1]:.1%} → 請增加部署次數（--boots）"
    return Compared(
        name=measured.name,
        unit=measured.unit,
        before=tuple(before),
        after=tuple(after),
        ratio=ratio,
        low=low,
        high=high,
        verdict=verdict,
        reason=Text(en=english, zh_tw=chinese),
    )


def _whole(boots: tuple[int, int], values: Sequence[Compared]) -> tuple[Judgement, Text]:
    if not values:
        en = f"nothing to compare: {boots[0]} and {boots[1]} deployments with a measured speed"
        return Judgement.INCONCLUSIVE, Text(en=en, zh_tw=f"無可比較：有量測速度的部署為 {boots[0]} 次與 {boots[1]} 次")
    if min(boots) < BOOTS:
        en = f"{boots[0]} and {boots[1]} deployments are too few, {BOOTS} of each are judged → --boots {BOOTS}"
        zh = f"部署次數為 {boots[0]} 與 {boots[1]}，不足以判定，各需 {BOOTS} 次 → --boots {BOOTS}"
        return Judgement.INCONCLUSIVE, Text(en=en, zh_tw=zh)
    for verdict in (Judgement.FAILED, Judgement.INCONCLUSIVE, Judgement.WARNED):
        found = [one.reason for one in values if one.verdict is verdict]
        if found:
            return verdict, Text(en="; ".join(one.en for one in found), zh_tw="；".join(one.zh_tw for one in found))
    en = f"no value is worse by {BAND:.0%} or more, over {boots[0]} and {boots[1]} deployments"
    zh = f"沒有任何數值退步達 {BAND:.0%}（部署 {boots[0]} 次與 {boots[1]} 次）"
    return Judgement.PASSED, Text(en=en, zh_tw=zh)
