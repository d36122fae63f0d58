"""Two images compared: deployed in turn, judged over deployments, told on one page."""

from __future__ import annotations

import json
import random
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.judgement import EXAMPLE, deployed, speeds
from harness.cli import main
from harness.comparison import BOOTS, compare_speed, interleaved, interval
from harness.history import directories
from harness.record import FILE, Record, read, write_atomically
from harness.report import html
from harness.types import Judgement, Text, Verdict

VARIANT = "gemma-3-27b-bf16"
OLD, NEW = "example/vllm:old", "example/vllm:new"
HOT = Text(en="the GPU throttled", zh_tw="GPU 降頻")


def boots(image: str, slower: float, count: int = BOOTS, spread: float = 0.02, seed: int = 1) -> list[Record]:
    """Records of `count` deployments of an image, made from a real one."""
    example, noise, found = read(EXAMPLE), random.Random(f"{image} {seed}"), list[Record]()
    assert example.image is not None
    facts = example.image.model_copy(update={"ref": image, "id": f"sha256:{image}"})
    held = {"image": facts, "bench": example.bench.model_copy(update={"image": image})}
    for _ in range(count):
        record = deployed(found, speeds(noise, spread, slower), example.model_copy(update=held))
        found.append(record.model_copy(update={"record_id": f"{record.record_id[:-8]}{noise.randrange(16**8):08x}"}))
    return found


def put(reports: Path, records: Sequence[Record]) -> Path:
    """The records on disk, as runs leave them."""
    for record in records:
        (reports / record.record_id).mkdir(parents=True)
        write_atomically(reports / record.record_id / FILE, record.model_dump_json())
    return reports


def test_boots_alternate() -> None:
    """A B B A A B, so that what drifts meets both alike."""
    assert list(interleaved("A", "B", 3)) == ["A", "B", "B", "A", "A", "B"]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(10, 100), min_size=BOOTS, max_size=9), st.lists(st.floats(10, 100), min_size=BOOTS))
def test_the_interval_is_the_same_again_and_holds_what_it_can(before: list[float], after: list[float]) -> None:
    """A fixed seed; never beyond the extremes; no change is inside when both are the same."""
    low, high = interval(before, after)
    assert (low, high) == interval(before, after)
    assert min(after) / max(before) <= low <= high <= max(after) / min(before)
    same = interval(before, before)
    assert same[0] <= 1 <= same[1]


@pytest.mark.parametrize(
    ("slower", "spread", "verdict", "text"),
    [
        (1.0, 0.02, Judgement.PASSED, "no value is worse by 3%"),
        (0.8, 0.02, Judgement.PASSED, "no value is worse by 3%"),
        (1.05, 0.01, Judgement.WARNED, "worse by"),
        (1.2, 0.02, Judgement.FAILED, "perf.c1.output_throughput: 33."),
        (1.0, 0.40, Judgement.INCONCLUSIVE, "can't be excluded"),
    ],
)
def test_the_ratio_is_judged_over_deployments(slower: float, spread: float, verdict: Judgement, text: str) -> None:
    """Slower by 20 % fails, by 5 % warns, faster passes, and noise is no verdict."""
    found = compare_speed(VARIANT, (OLD, NEW), boots(OLD, 1, spread=spread), boots(NEW, slower, spread=spread))
    assert found.verdict is verdict, found.reason.en
    assert text in found.reason.en
    assert found.boots == (BOOTS, BOOTS)
    assert len(found.values) == 9


def test_what_does_not_count_is_left_out_with_its_reason() -> None:
    """Bad conditions, another client, another image under the same name, a start that failed; then too few are left."""
    after = boots(NEW, 1)
    other = after[3].image
    assert other is not None
    changes: tuple[dict[str, object], ...] = (
        {"conditions": (HOT,)},
        {"client": ("--seed", "7")},
        {"measurements": (), "verdict": Verdict.REJECTED, "reason": "gpu-memory-startup"},
        {"image": other.model_copy(update={"id": "sha256:other"})},
    )
    after = [one.model_copy(update=changes[at]) if at < len(changes) else one for at, one in enumerate(after)]
    after.sort(key=lambda one: one.image == other, reverse=True)
    found = compare_speed(VARIANT, (OLD, NEW), boots(OLD, 1), after)
    told = " ".join(one.en for one in found.left_out)
    assert len(found.left_out) == 4
    for part in ("the GPU throttled", "client", "gpu-memory-startup", "image sha256:example/vllm:new → sha256:other"):
        assert part in told
    assert found.verdict is Judgement.INCONCLUSIVE
    assert "6 and 2 deployments are too few, 6 of each are judged" in found.reason.en


def test_nothing_measured_is_no_comparison() -> None:
    """Not a pass."""
    found = compare_speed(VARIANT, (OLD, NEW), (), boots(NEW, 1))
    assert found.verdict is Judgement.INCONCLUSIVE
    assert "nothing to compare" in found.reason.en


def test_records_that_are_there_make_the_page_and_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--records` starts nothing; exit 1 says slower, the page holds both languages."""
    place = put(put(tmp_path / "runs", boots(OLD, 1)), boots(NEW, 1.2))
    out = tmp_path / "out"
    line = ["compare", "--image", OLD, "--image", NEW, VARIANT, "--records", str(place), "--out", str(out)]
    assert main(line) == 1
    assert "FAILED: perf.c1.output_throughput" in capsys.readouterr().out
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "Too slow" in page
    assert "過慢" in page
    assert json.loads((out / "comparison.json").read_text())["verdict"] == "failed"
    assert main(line) == 2  # the result is never written over another
    assert "name a new directory with --out" in capsys.readouterr().err


STAND_IN = """#!{python}
# Stands for this project's own pytest run: writes the record of one deployment, faster or slower by its image.
import pathlib, sys
sys.path.insert(0, {root!r})
from tests.test_compare import boots, put
value = lambda flag: sys.argv[sys.argv.index(flag) + 1]
assert sys.argv[1:6] == ["-m", "pytest", "suites/", "-m", "perf and gemma3 and bf16"], sys.argv
reports = pathlib.Path(value("--reports"))
count = len(list(reports.glob("*/record.json")))
reports.mkdir(parents=True, exist_ok=True)
with (reports / "order").open("a") as order:
    order.write(value("--image") + "\\n")
put(reports, boots(value("--image"), 1.2 if value("--image").endswith("new") else 1, 1, seed=count))
sys.exit({code})
"""


@pytest.mark.parametrize("code", [0, 5])
def test_each_boot_is_a_run_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    """The same command line that a person would type, in turn; a run that ends otherwise is an error that says where
    the rest is."""
    program = tmp_path / "python"
    root = str(Path(__file__).parent.parent)
    program.write_text(STAND_IN.format(python=sys.executable, root=root, code=code))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))
    out = tmp_path / "out"
    ended = main(["compare", "--image", OLD, "--image", NEW, VARIANT, "--boots", "2", "--out", str(out)])
    told = capfd.readouterr()
    assert f"-m pytest suites/ -m 'perf and gemma3 and bf16' --image {OLD}" in told.err
    if code:
        assert ended == 2
        assert "pytest ended with 5 and left 1 records" in told.err
        return
    assert (out / "runs" / "order").read_text().split() == [OLD, NEW, NEW, OLD]
    assert len(directories(out / "runs")) == 4
    assert ended == 3
    assert "2 and 2 deployments are too few" in told.out


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["--image", OLD], "--image was given 1 times"),
        (["--image", OLD, "--image", OLD], "docker tag"),
    ],
)
def test_wrong_images_are_named(line: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Two different names."""
    assert main(["compare", *line, VARIANT]) == 2
    assert text in capsys.readouterr().err


def test_a_hostile_name_stays_text() -> None:
    """An image's name and a measurement's reason can't break out of the page."""
    found = compare_speed(VARIANT, ("<script>1</script>", NEW), boots(OLD, 1), boots(NEW, 1))
    assert "<script>1" not in html.comparison(found)
    assert "&lt;script&gt;1" in html.comparison(found)
