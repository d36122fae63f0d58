"""The Chinese of the pages is complete, and says what the English says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.bench import PROVES
from harness.nightly import judge as judge_night
from harness.record import LOST, NIGHT_HALF, NIGHT_UNDER_WAY, UNFINISHED, NightRecord, TestOutcome
from harness.report.texts import requirement, told
from harness.report.texts.requirements import REQUIREMENTS, mark_of
from harness.rules import RULES
from harness.types import Verdict
from harness.variants import VARIANTS

ROOT = Path(__file__).parent.parent
CHINESE = re.compile(r"[\u4e00-\u9fff]")
FACT = re.compile(r"`([^`]+)`|\b(\d+)\b")
"""What a sentence has in common in both languages: code, and numbers."""
COMMAND = re.compile(r"docker (pull|rm)|python -m |unset |sudo ss ")
"""What is typed reads alike in every language."""


def functions(path: str) -> Iterator[ast.FunctionDef]:
    """Every function of a file, without its docstring."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node) else node.body
            yield node


def demands() -> dict[str, str]:
    """Name of each test of suites/, and of what `up` verifies → what it demands."""
    found = {}
    for path in sorted((ROOT / "suites").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert node.name not in found, f"{node.name} stands twice in suites/"
                found[node.name] = " ".join((ast.get_docstring(node) or "").split())
    verified = re.findall(r'\("(\w+)", "([^"]+)", \w+_problems', (ROOT / "harness" / "attempt.py").read_text())
    return found | {f"verify::{name}": english for name, english in verified}


def sentences(path: str, *names: str) -> list[str]:
    """What the functions of a file say, with 7 for every value: texts with words in them, but no commands."""

    def texts(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "7" for part in node.values]
            yield "".join(map(str, parts))
            for part in node.values:
                yield from texts(part.value) if isinstance(part, ast.FormattedValue) else ()
        elif isinstance(node, ast.Constant):
            yield node.value if isinstance(node.value, str) else ""
        else:
            for inner in ast.iter_child_nodes(node):
                yield from texts(inner)

    found = [text for node in functions(path) if not names or node.name in names for text in texts(node)]
    return [text for text in found if re.search(r"[a-z] |\w [a-z]", text) and not COMMAND.match(text)]


def filled(template: str) -> str:
    """A rule's sentence with every value."""
    return re.sub(r"\{\w+\}", "7", template.replace("[[", "").replace("]]", ""))


def test_every_test_of_the_suites_has_a_chinese_sentence_and_no_other() -> None:
    """A new or renamed test needs its row in harness/report/texts/requirements.py."""
    assert REQUIREMENTS.keys() == demands().keys()


def test_the_chinese_says_what_the_english_says_now() -> None:
    """After a change of a docstring: look at the Chinese, then put the mark that is told here."""
    changed = {name: mark_of(now) for name, now in demands().items() if REQUIREMENTS[name].mark != mark_of(now)}
    assert changed == {}
    unlike = {
        name: missing
        for name, english in demands().items()
        if (missing := [c or n for c, n in FACT.findall(english) if (c or n).split()[0] not in REQUIREMENTS[name][1]])
    }
    assert unlike == {}, "code and numbers are the same in both languages"


def test_a_requirement_is_translated_when_it_is_the_very_sentence() -> None:
    """Whatever the test's parameters; what an older test demanded stays as its record has it."""
    name, english = "test_version_is_served", demands()["test_version_is_served"]
    known, older, gone = (
        TestOutcome(nodeid=f"suites/test_x.py::{test}[gpt-oss-120b]", requirement=said, outcome="passed", seconds=1)
        for test, said in ((name, english), (name, "It is."), ("test_that_is_gone", english))
    )
    assert requirement(known).zh_tw == REQUIREMENTS[name].chinese
    assert requirement(older).zh_tw == "It is."
    assert requirement(gone).zh_tw == english


EXPECTATIONS = [expectation for variant in VARIANTS for expectation in variant.benches.values()]
SAID = {
    "what a bench proves": [*PROVES.values()],
    "what it can't show": [text for e in EXPECTATIONS for text in e.unproven],
    "what is known of a variant": [e.note for e in EXPECTATIONS if e.note],
    "preflight": [
        text
        for text in sentences("harness/preflight.py")
        if not text.startswith(
            ("preflight 7", "7 on 7", "7 in 7", "7 free", "Docker")
        )  # for a terminal only; more exact, below
    ],
    "preflight, the rest": [
        *("no NVIDIA GPU on x86_64", "NVIDIA GB10 on aarch64", "vllm-gemma3 free"),
        "o200k_base.tiktoken, cl100k_base.tiktoken in /srv/vllm/encodings",
    ],
    "checks of an attempt": [
        *sentences("harness/attempt.py", "_ending", "_after"),
        *("no such container that runs", "vllm-gpt-oss, which serves gpt-oss-120b"),
    ],
    "findings": sentences("harness/exposure.py", "from_http", "from_inspect", "from_log"),
    "findings of the suites": [
        text
        for file in sorted((ROOT / "suites").glob("test_*.py"))
        for text in re.findall(r'\.note\("[^"]+", "([^"]+)"', file.read_text())
    ],
    "verdicts": [
        text if text[0].isalnum() else f"7 tests passed{text}"
        for text in sentences("harness/record.py", "judge")
        if text not in ("7 (boot 7, then 7)", "7 tests passed7")
    ]
    + [UNFINISHED, f"{LOST} (boot a, then b)"],
    "nights": [
        NIGHT_HALF,
        NIGHT_UNDER_WAY,
        *sentences("harness/nightly.py", "_look_back", "_publish"),
        *(text for text in sentences("harness/nightly.py", "_prepare") if "could not be fetched" in text),
        *(text for text in sentences("harness/nightly.py", "nightly") if text.startswith("overlapping")),
    ],
    "known failures": [f"{rule.id}: {filled(rule.cause.en)}" for rule in RULES],
    "differences": [f"+7 %, {text}" for text in sentences("harness/difference.py", "band")] + ["7, over its limit"],
}


@pytest.mark.parametrize("kind", SAID)
def test_what_records_say_in_english_is_known_in_chinese(kind: str) -> None:
    """Taken from the code that says it: a sentence that is changed or new needs its row in sentences.py."""
    assert SAID[kind]
    assert [text for text in SAID[kind] if not CHINESE.search(told(text).zh_tw)] == []


def test_a_sentence_is_translated_with_what_is_in_it() -> None:
    """Values stay, and what of them is a sentence or the name of something is looked up too."""
    assert told("88 tests passed").zh_tw == "88 項測試通過"
    assert told("88 tests passed (3 more were not run)").zh_tw == "88 項測試通過（另有 3 項未執行）"
    night = judge_night(
        [
            NightRecord(directory="x", variant="v", bench="cpu", verdict=verdict, reason=reason, since="first")
            for verdict, reason in ((Verdict.ACCEPTED, ""), (Verdict.REJECTED, "3 of 88 tests failed, first a.py::b"))
        ],
        1,
    )[1]
    assert told(night).zh_tw == "2 筆中有 1 筆「驗收不通過」，第一筆為 v：88 項測試中有 3 項失敗，第一項為 a.py::b"
    blocked = "preflight hf-token: not set → export HF_TOKEN=…; preflight port: taken → stop it"
    assert told(blocked).en == "preflight failed: HF_TOKEN, port"
    assert told(blocked).zh_tw == "啟動前檢查未通過：HF_TOKEN、連接埠"
    gone = "hf-missing: The model cannot be found or reached (config.json missing)."
    assert told(gone).zh_tw == "hf-missing：找不到模型，或無法連線取得（缺少 config.json）。"


@pytest.mark.parametrize("text", ["", "It is on fire.", "vllm serve --port 8000", "{name}", "[[x]]", "7 " * 20_000])
def test_what_is_not_known_stays_english(text: str) -> None:
    """No row fits half a sentence, and no text makes the look-up slow or fail."""
    assert told(text).zh_tw == text
