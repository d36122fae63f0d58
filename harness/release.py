"""The release gate: records of a new image and of an old one → Release, a verdict with its reasons. Pure.

A release is held to what the old image does: what got worse rejects it, what was not shown leaves it inconclusive. What
is known of an image (`TRAPS`) warns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from harness.comparison import Comparison, compare_speed
from harness.difference import compare, sentence
from harness.record import Harness, Record
from harness.types import Changes, Judgement, Noun, Text, Verdict
from harness.variants import VARIANTS

FILE = "release.json"
MATRIX = tuple(one.name for one in VARIANTS)

UNSETTLED = {Verdict.BLOCKED: "無法開始", Verdict.INCONCLUSIVE: "無法判定", Verdict.INTERRUPTED: "執行中斷"}
"""Verdicts that settle nothing, in Chinese."""


class Trap(Noun):
    """Something known of one NGC image."""

    tag: str
    """How its tag begins."""
    vllm: str
    what: Text
    source: str


def _trap(tag: str, vllm: str, english: str, chinese: str, source: str) -> Trap:
    return Trap(tag=tag, vllm=vllm, what=Text(en=english, zh_tw=chinese), source=source)


TRAPS = (
    _trap(
        "25.09",
        "0.10.1.1",
        "gpt-oss is listed from 25.10 only, and public reports on 25.09 disagree",
        "官方自 25.10 起才列出 gpt-oss，25.09 的公開回報不一致",
        "NGC release notes; Stravica/nvidia-spark",
    ),
    _trap(
        "25.09",
        "0.10.1.1",
        "tool calls in chat completions raise NotImplementedError for gpt-oss: use the Responses API",
        "gpt-oss 在 chat completions 使用工具呼叫會引發 NotImplementedError：請改用 Responses API",
        "source of vLLM 0.10.1.1",
    ),
    _trap(
        "25.09",
        "0.10.1.1",
        "page cache counts as used memory: a start may be refused although memory is available",
        "page cache 會被算成已用記憶體：即使記憶體足夠也可能拒絕啟動",
        "vllm#35313, vllm#48140",
    ),
    _trap(
        "25.09",
        "0.10.1.1",
        "/health stays 200 while generation is dead",
        "生成已停擺時 /health 仍回應 200",
        "vllm#39863",
    ),
    _trap(
        "25.09",
        "0.10.1.1",
        "on-the-fly FP8 fails with cutlass_scaled_mm internal errors",
        "即時 FP8 量化會因 cutlass_scaled_mm 內部錯誤而失敗",
        "Stravica/nvidia-spark",
    ),
    _trap(
        "25.10",
        "0.10.2",
        "known issue: out of memory on unified memory at the default utilization",
        "已知問題：在統一記憶體上以預設使用率會記憶體不足",
        "NGC release notes",
    ),
    _trap("25.11", "0.11.0", "no NVFP4 for mixture-of-experts models", "MoE 模型不支援 NVFP4", "NGC release notes"),
    _trap("25.12", "0.11.1", "complaints of users are open", "有未結的使用者回報", "vllm#31424"),
    _trap(
        "26.02",
        "0.15.1",
        "the entry point is generic: a start needs `vllm serve` in its command",
        "進入點為通用程式：啟動命令必須包含 `vllm serve`",
        "NGC release notes",
    ),
    _trap(
        "26.02",
        "0.15.1",
        "built for driver 590, and units ship 580: it may die at the first token (error 222)",
        "為驅動程式 590 建置，而機器出廠為 580：可能在首個 token 時失敗（錯誤 222）",
        "NVIDIA forums",
    ),
    _trap(
        "26.05",
        "0.20.1",
        "memory is counted anew on unified memory, and Ray is not shipped",
        "統一記憶體的計算方式改變，且不再附帶 Ray",
        "vllm#35356",
    ),
    _trap(
        "26.07",
        "0.24.0",
        "every request with tools is answered 500 (normalize_tool_choice)",
        "所有帶 tools 的請求都會得到 500（normalize_tool_choice）",
        "report on NGC 26.07, xgrammar 0.2.0",
    ),
    _trap(
        "26.10",
        "0.31.0",
        "a Rust front end and prebuilt caches: start-up times and log lines may change",
        "改用 Rust 前端並附帶預建快取：啟動時間與記錄內容可能改變",
        "NGC release notes",
    ),
)
"""One row a known trap, by tag."""


class Gated(Noun):
    """One variant under both images."""

    variant: str
    before: str | None
    """Id of the old image's record; None: there is none."""
    after: str | None
    before_verdict: Verdict | None
    after_verdict: Verdict | None
    changes: Changes | None
    speed: Comparison | None


class Release(Noun):
    """Whether a new image may take the old one's place."""

    schema_name: Literal["gb10-release"] = "gb10-release"
    new: str
    old: str
    made: datetime
    harness: Harness
    verdict: Verdict
    """Accepted, rejected or inconclusive."""
    reasons: tuple[Text, ...]
    warnings: tuple[Text, ...]
    variants: tuple[Gated, ...]


def of_image(records: Sequence[Record], ref: str) -> tuple[Record, ...]:
    """The records of an image, named by reference, digest or id."""
    return tuple(
        one
        for one in records
        if ref in (one.bench.image, *((one.image.ref, one.image.id, one.image.digest) if one.image else ()))
    )


def traps(ref: str, vllm: str | None) -> tuple[Text, ...]:
    """What is known of an image, by its tag or, where it is called otherwise, by its version of vLLM."""
    tag = re.search(r"nvidia/vllm:(\d\d\.\d\d)", ref)
    known = [trap for trap in TRAPS if (tag[1] == trap.tag if tag else vllm == trap.vllm)]
    return tuple(
        Text(
            en=f"known of {trap.tag}: {trap.what.en} ({trap.source})",
            zh_tw=f"{trap.tag} 的已知問題：{trap.what.zh_tw}（{trap.source}）",
        )
        for trap in known
    )


def gate(
    new: str,
    old: str,
    after: Sequence[Record],
    before: Sequence[Record],
    *,
    made: datetime,
    harness: Harness,
    wanted: Sequence[str] = MATRIX,
) -> Release:
    """The verdict on image `new` by its records `after`, against image `old` with its records `before`."""
    bad: list[Text] = []
    unknown: list[Text] = []
    warnings = list(traps(new, next((one.vllm_version for one in after if one.vllm_version), None)))
    gated = []
    names = dict.fromkeys((*wanted, *(one.variant.name for one in (*after, *before))))
    for name in names:
        was, now = (_newest([one for one in records if one.variant.name == name]) for records in (before, after))
        changes = compare(was, now) if was and now else None
        speed = None
        if name in wanted:
            sides = [[one for one in records if one.variant.name == name] for records in (before, after)]
            speed = compare_speed(name, (old, new), sides[0], sides[1])
        _weigh(name, was, now, changes, bad, unknown, warnings)
        if speed:
            into = {Judgement.FAILED: bad, Judgement.INCONCLUSIVE: unknown, Judgement.WARNED: warnings}
            told = Text(en=f"{name}: {speed.reason.en}", zh_tw=f"{name}：{speed.reason.zh_tw}")
            into.get(speed.verdict, []).append(told)
        gated.append(
            Gated(
                variant=name,
                before=was.record_id if was else None,
                after=now.record_id if now else None,
                before_verdict=was.verdict if was else None,
                after_verdict=now.verdict if now else None,
                changes=changes,
                speed=speed,
            )
        )
    good = Text(
        en=f"{len(names)} variants do no worse than with {old}", zh_tw=f"{len(names)} 個變體的表現都不比 {old} 差"
    )
    return Release(
        new=new,
        old=old,
        made=made,
        harness=harness,
        verdict=Verdict.REJECTED if bad else Verdict.INCONCLUSIVE if unknown else Verdict.ACCEPTED,
        reasons=tuple(bad + unknown) or (good,),
        warnings=tuple(warnings),
        variants=tuple(gated),
    )


def _newest(records: Sequence[Record]) -> Record | None:
    """The newest record of the whole matrix; where every one is of a part, the newest of those."""
    ordered = sorted(records, key=lambda one: one.started)
    whole = [one for one in ordered if len(one.tests) >= one.tests_available]
    chosen = whole or ordered
    return chosen[-1] if chosen else None


def _weigh(
    name: str,
    was: Record | None,
    now: Record | None,
    changes: Changes | None,
    bad: list[Text],
    unknown: list[Text],
    warnings: list[Text],
) -> None:
    """Put what the verdicts and the difference say of one variant where it belongs."""

    def say(into: list[Text], english: str, chinese: str) -> None:
        into.append(Text(en=f"{name}: {english}", zh_tw=f"{name}：{chinese}"))

    if now is None:
        say(unknown, "there is no record of the new image", "沒有新映像檔的紀錄")
        return
    if was is None:
        say(unknown, "there is no record of the old image", "沒有舊映像檔的紀錄")
    elif (was.bench.name, was.host.serial_sha256 or was.host.name) != (
        now.bench.name,
        now.host.serial_sha256 or now.host.name,
    ):
        say(unknown, "the two records are of different boxes or benches", "兩份紀錄來自不同的機器或測試平台")
    if now.verdict is Verdict.REJECTED:
        as_before = was is not None and was.verdict is Verdict.REJECTED and was.reason == now.reason
        say(
            warnings if as_before else bad,
            f"rejected{' as with the old image' if as_before else ''}: {now.reason}",
            f"驗收不通過{'，與舊映像檔相同' if as_before else ''}：{now.reason}",
        )
    elif now.verdict is not Verdict.ACCEPTED:
        say(unknown, f"{now.verdict.value}: {now.reason}", f"{UNSETTLED[now.verdict]}：{now.reason}")
    if len(now.tests) < now.tests_available:
        say(
            unknown,
            f"only {len(now.tests)} of {now.tests_available} tests were run with the new image",
            f"新映像檔僅執行了 {now.tests_available} 項測試中的 {len(now.tests)} 項",
        )
    for change in changes.changes if changes else ():
        if change.worse and change.what != "verdict" and not change.what.startswith("perf."):  # weighed above
            into = bad if change.section == "tests" and now.verdict is not Verdict.REJECTED else warnings
            say(into, f"worse: {sentence(change)}", f"退步：{sentence(change)}")
