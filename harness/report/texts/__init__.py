"""Every text of the pages in both languages.

`labels` are words by key, `requirements` say what each test of suites/ demands, `sentences` are what the harness
writes into records in English. What is in none of them is shown in English twice.
"""

from __future__ import annotations

import re

from harness.record import Record, TestOutcome
from harness.report.texts.labels import LABELS
from harness.report.texts.requirements import chinese
from harness.report.texts.sentences import told
from harness.types import Text, Verdict

__all__ = ("LABELS", "about", "label", "reason", "requirement", "told")

_SPEED = re.compile(r"perf\.c(?P<streams>\d+)\.(?P<figure>\w+)")
FIGURES = {
    "output_throughput": ("output throughput", "輸出吞吐量"),
    "request_throughput": ("request throughput", "請求吞吐量"),
    "median_ttft": ("TTFT, median", "TTFT 中位數"),
    "p99_ttft": ("TTFT, 99th percentile", "TTFT 第 99 百分位"),
    "median_tpot": ("TPOT, median", "TPOT 中位數"),
    "p99_tpot": ("TPOT, 99th percentile", "TPOT 第 99 百分位"),
    "median_itl": ("ITL, median", "ITL 中位數"),
    "median_e2el": ("E2EL, median", "E2EL 中位數"),
    "failed": ("failed requests", "失敗的請求"),
    "duration": ("duration of the load", "負載時間"),
    "preempted": ("preempted requests", "被搶占的請求"),
}
"""Figure of a load → how it is called; the field's abbreviations stay."""


def label(key: str) -> Text:
    """The label of `key`; the name itself, without its kind, when there is none."""
    name = key.partition(":")[2] or key
    if load := _SPEED.fullmatch(name):
        figure, streams = FIGURES.get(load["figure"]), load["streams"]
        if figure:
            return Text(en=f"{figure[0]}, {streams} at once", zh_tw=f"{figure[1]}（同時 {streams} 條）")
    return LABELS.get(key) or Text(en=name.replace("_", " "), zh_tw=name.replace("_", " "))


def requirement(test: TestOutcome) -> Text:
    """What a test demands, in both languages."""
    english = test.requirement or test.nodeid
    return Text(en=english, zh_tw=chinese(test.nodeid, english))


def about(record: Record) -> Text:
    """What the verdict speaks about."""
    proves = told(record.bench.proves)
    return Text(en=f"This verdict speaks about {proves.en}.", zh_tw=f"本結論所涵蓋的是{proves.zh_tw}。")


def reason(record: Record) -> Text:
    """Why this verdict, in one line: the record's English, and in Chinese what the record says in Chinese itself."""
    said = told(record.reason)
    if record.verdict is Verdict.REJECTED and record.diagnosis and record.reason.startswith(record.diagnosis.rule):
        return Text(en=said.en, zh_tw=f"{record.diagnosis.rule}：{record.diagnosis.cause.zh_tw}")
    if judged := [one.reason.zh_tw for one in record.judgements if one.reason.en in record.reason]:
        return Text(en=said.en, zh_tw="；".join(judged))
    return said
