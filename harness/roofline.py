"""The roofline: what one stream can reach at most, because every token reads the weights once through 273 GB/s.

It needs no history, so it judges a box on its first day, and it is a check of the record itself: a deployment that is
faster than its weights allow does not serve the weights that the record describes. Only one stream has a hard bound
(a batch shares what it reads, and how many experts it touches depends on the routing), and only the hardware has one.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.record import Record
from harness.types import Judged, Judgement, Measurement, Noun, Text, Variant

BANDWIDTH_GB_S = 273.0
"""GB10's LPDDR5X. Units with LPDDR5X-9400 were reported to reach 301 GB/s: the published numbers below fit 273."""
FAIL_BELOW, WARN_BELOW, IMPOSSIBLE_ABOVE = 0.35, 0.50, 1.0
"""Shares of the ceiling. What was published of healthy deployments lies between 0.56 and 0.84."""
EFFICIENCY = "perf.c1.efficiency"


class Ceiling(Noun):
    """How much one decoded token reads, for a model served from certain weights."""

    model: str
    quantization: str | None
    """The value of `--quantization`; None: the flag is not given."""
    weights: Text
    gb_per_token: float
    floor: float | None = None
    """tok/s of one stream that a healthy deployment reaches, provisionally: it counts until the box has a baseline."""
    source: str
    """Where the bytes and what was published come from."""

    @property
    def tok_s(self) -> float:
        """Tokens per second of one stream at most."""
        return BANDWIDTH_GB_S / self.gb_per_token


_AS_RELEASED = Text(
    en="the checkpoint as released (MXFP4 experts, the rest BF16)", zh_tw="原始釋出的權重（專家層 MXFP4，其餘 BF16）"
)
_GPT_OSS = (
    "bytes computed from the model's own configuration: 116.8 B parameters, 5.13 B active; published for one GB10: "
    "31.6 (vLLM of 2026-01, eager), 33-34 (image 26.02, dgx-spark-playbooks issue 79), 33.5 (image 26.03)"
)

CEILINGS = (
    Ceiling(
        model="openai/gpt-oss-120b",
        quantization="mxfp4",
        weights=_AS_RELEASED,
        gb_per_token=5.00,
        floor=25,
        source=_GPT_OSS,
    ),
    Ceiling(
        model="openai/gpt-oss-120b",
        quantization=None,
        weights=_AS_RELEASED,
        gb_per_token=5.00,
        floor=25,
        source=_GPT_OSS,
    ),
    Ceiling(
        model="google/gemma-3-27b-it",
        quantization=None,
        weights=Text(en="BF16 weights", zh_tw="BF16 權重"),
        gb_per_token=54.0,
        floor=3.5,
        source="27.0 B parameters of text in BF16; published for one GB10: 4.24, 4.16, 4.21 (jethac/dgx-spark-hijinks)",
    ),
    Ceiling(
        model="google/gemma-3-27b-it",
        quantization="mxfp4",
        weights=Text(en="4-bit weights with a BF16 head", zh_tw="4 位元權重，輸出層 BF16"),
        gb_per_token=17.2,
        source="4.5 bits a weight, the head in BF16; nothing was published for this model, so it has no floor",
    ),
    Ceiling(
        model="google/gemma-3-27b-it",
        quantization="fp8",
        weights=Text(en="FP8 weights", zh_tw="FP8 權重"),
        gb_per_token=28.4,
        source="8 bits a weight; nothing was published for this model, so it has no floor",
    ),
)
"""One row for each model and way of quantising that a variant may ask for."""

OTHER_WEIGHTS = {
    "openai/gpt-oss-120b": (
        (Text(en="attention and head in 8 bits", zh_tw="注意力層與輸出層為 8 位元"), 3.56),
        (Text(en="attention and head in MXFP4 too", zh_tw="注意力層與輸出層也是 MXFP4"), 2.75),
    ),
    "google/gemma-3-27b-it": (
        (Text(en="FP8 weights", zh_tw="FP8 權重"), 28.4),
        (Text(en="4-bit weights", zh_tw="4 位元權重"), 17.2),
    ),
}
"""What else an image may make of the same checkpoint, and the GB a token that it then reads: named when a deployment is
faster than its own weights allow."""


def ceiling(variant: Variant) -> Ceiling | None:
    """The row of a variant; None when there is none."""
    asked = (variant.model, variant.argument("--quantization"))
    return next((row for row in CEILINGS if (row.model, row.quantization) == asked), None)


def boxes(variant: Variant) -> int:
    """How many GPUs read the weights together."""
    return int(variant.argument("--tensor-parallel-size") or 1)


def decode_rate(measurements: Iterable[Measurement]) -> float | None:
    """tok/s of one stream while it decodes, from its time per token; None when one stream was not measured."""
    values = {m.name: m.value for m in measurements}
    tpot_ms = values.get("perf.c1.median_tpot")
    return 1000 / tpot_ms if tpot_ms else values.get("perf.c1.output_throughput")


def judge_ceiling(record: Record) -> Judged | None:
    """The efficiency of one stream: measured ÷ ceiling. None when one stream was not measured."""
    rate = decode_rate(record.measurements)
    if rate is None:
        return None
    row = ceiling(record.variant)
    if record.bench.name != "gb10" or row is None:
        what = (
            Text(
                en=f"the {record.bench.name} bench has no ceiling to judge by: its memory bandwidth is not known",
                zh_tw=f"{record.bench.name} 測試平台沒有可供判定的上限：其記憶體頻寬不明",
            )
            if record.bench.name != "gb10"
            else Text(
                en=f"no ceiling is known for {record.variant.model} served this way → add a row to harness/roofline.py",
                zh_tw=f"{record.variant.model} 以此方式提供服務時的上限不明 → 請在 harness/roofline.py 新增一列",
            )
        )
        return Judged(name="perf.c1.decode", value=rate, unit="tok/s", verdict=Judgement.UNJUDGED, reason=what)
    top = row.tok_s * boxes(record.variant)
    share = rate / top
    verdict, english, chinese = _of(share, rate, top, row)
    return Judged(
        name=EFFICIENCY,
        value=share,
        unit="of the ceiling",
        verdict=verdict,
        reason=Text(en=english, zh_tw=chinese),
        limit=IMPOSSIBLE_ABOVE if share > IMPOSSIBLE_ABOVE else FAIL_BELOW,
    )


def _of(share: float, rate: float, top: float, row: Ceiling) -> tuple[Judgement, str, str]:
    english = f"{rate:.3g} tok/s at one stream is {share:.0%} of the {top:.3g} tok/s that {BANDWIDTH_GB_S:.0f} GB/s"
    english += f" allow with {row.weights.en}"
    chinese = f"單一串流 {rate:.3g} tok/s，為 {BANDWIDTH_GB_S:.0f} GB/s 下「{row.weights.zh_tw}」上限 {top:.3g} tok/s"
    chinese += f" 的 {share:.0%}"
    if share > IMPOSSIBLE_ABOVE:
        fits = [(name, gb) for name, gb in OTHER_WEIGHTS[row.model] if rate <= top * row.gb_per_token / gb]
        name, gb = fits[0] if fits else (None, 1.0)
        allowed = top * row.gb_per_token / gb
        english += ": the record describes the wrong weights"
        chinese += "：紀錄所描述的權重不正確"
        if name is not None:
            english += f" ({name.en} would allow {allowed:.3g})"
            chinese += f"（{name.zh_tw}的上限為 {allowed:.3g}）"
        english += ", or speculative decoding, the prefix cache or the counting of tokens is at play"
        english += " → look in the log for what the image quantised"
        chinese += "，或受推測解碼、前綴快取、token 計數影響 → 請在記錄檔中查看映像檔量化了哪些權重"
        return Judgement.FAILED, english, chinese
    if share < WARN_BELOW:
        failed = share < FAIL_BELOW
        limit = FAIL_BELOW if failed else WARN_BELOW
        english += f", below {limit:.0%} → look for eager mode, a low clock, or weights that were not quantised"
        chinese += f"，低於 {limit:.0%} → 請檢查是否為 eager 模式、時脈過低，或權重未被量化"
        return Judgement.FAILED if failed else Judgement.WARNED, english, chinese
    return Judgement.PASSED, english, chinese
