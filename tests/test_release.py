"""The release gate: what got worse rejects, what was not shown is not known, the bundle can be verified elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.cli import main
from harness.record import Record, this_harness
from harness.release import MATRIX, TRAPS, Release, gate, traps
from harness.report import html
from harness.seal import generate
from harness.types import Text, Verdict
from tests.test_compare import NEW, OLD, VARIANT, boots, put

MADE = datetime(2026, 1, 1, tzinfo=UTC)


def gated(before: list[Record], after: list[Record], wanted: tuple[str, ...] = (VARIANT,), new: str = NEW) -> Release:
    """The release of the new image by these records."""
    return gate(new, OLD, after, before, made=MADE, harness=this_harness(), wanted=wanted)


def worse(record: Record) -> Record:
    """The same, with a test that fails now."""
    first, *rest = record.tests
    failed = first.model_copy(update={"outcome": "failed"})
    return record.model_copy(
        update={"tests": (failed, *rest), "verdict": Verdict.REJECTED, "reason": "1 of 43 tests failed"}
    )


def test_an_image_that_does_as_well_is_accepted() -> None:
    """The reason says so."""
    found = gated(boots(OLD, 1), boots(NEW, 1))
    assert found.verdict is Verdict.ACCEPTED, found.reasons
    assert "do no worse" in found.reasons[0].en
    assert Release.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("change", "verdict", "text"),
    [
        (lambda after: [worse(one) for one in after], Verdict.REJECTED, "rejected: 1 of 43 tests failed"),
        (lambda _: boots(NEW, 1.2), Verdict.REJECTED, "worse by"),
        (lambda _: [], Verdict.INCONCLUSIVE, "there is no record of the new image"),
        (lambda after: after[:2], Verdict.INCONCLUSIVE, "too few, 6 of each"),
        (
            lambda after: [one.model_copy(update={"tests": one.tests[:3]}) for one in after],
            Verdict.INCONCLUSIVE,
            "only 3 of",
        ),
        (
            lambda after: [
                one.model_copy(update={"verdict": Verdict.BLOCKED, "reason": "preflight port: taken"}) for one in after
            ],
            Verdict.INCONCLUSIVE,
            "blocked: preflight port",
        ),
        (
            lambda after: [
                one.model_copy(update={"host": one.host.model_copy(update={"name": "box-2"})}) for one in after
            ],
            Verdict.INCONCLUSIVE,
            "different boxes",
        ),
    ],
)
def test_a_verdict_has_its_reasons(change: Callable[[list[Record]], list[Record]], verdict: Verdict, text: str) -> None:
    """A failed test, a slower image, a missing record, too few boots, a part of the matrix, a blocked run."""
    found = gated(boots(OLD, 1), change(boots(NEW, 1)))
    assert found.verdict is verdict
    assert any(text in one.en for one in found.reasons), found.reasons
    assert all(re.search(r"[\u4e00-\u9fff]", one.zh_tw) for one in found.reasons)


def test_what_was_rejected_before_for_the_same_reason_is_a_warning() -> None:
    """The gate asks whether the new image does worse."""
    before, after = ([worse(one) for one in boots(image, 1)] for image in (OLD, NEW))
    found = gated(before, after)
    assert found.verdict is Verdict.ACCEPTED
    assert any("rejected as with the old image" in one.en for one in found.warnings)


def test_every_variant_must_be_there() -> None:
    """A release on a part of the matrix is none."""
    found = gated(boots(OLD, 1), boots(NEW, 1), MATRIX)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert {one.variant for one in found.variants} == {*MATRIX}


def test_known_traps_of_an_image_warn() -> None:
    """By its tag, or by the version of vLLM in an image that is called otherwise."""
    by_tag = traps("nvcr.io/nvidia/vllm:26.07-py3", None)
    assert len(by_tag) == 1
    assert "every request with tools is answered 500" in by_tag[0].en
    assert by_tag == traps("lab/mirror@sha256:1234", "0.24.0")
    assert len(traps("nvcr.io/nvidia/vllm:25.09-py3", "0.10.1.1")) == 5
    assert traps("nvcr.io/nvidia/vllm:26.09-py3", "0.29.0") == ()
    assert all(trap.source and trap.what.zh_tw for trap in TRAPS)
    found = gated(boots(OLD, 1), boots("nvcr.io/nvidia/vllm:26.07-py3", 1), new="nvcr.io/nvidia/vllm:26.07-py3")
    assert found.warnings[0] == by_tag[0]


def test_the_bundle_is_verified_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Signed, moved, verified with the public key; one changed byte of one record in it is found."""
    place = put(put(tmp_path / "runs", boots(OLD, 1)), boots(NEW, 1))
    key, out = tmp_path / "lab.pem", tmp_path / "out"
    public = generate(key)
    line = ["release", "--image", NEW, "--against", OLD, "--records", str(place), "--sign-key", str(key)]
    assert main([*line, "--out", str(out)]) == 3  # the other variants have no record
    told = capsys.readouterr().out
    assert told.startswith(f"INCONCLUSIVE {NEW} against {OLD}")
    assert "because gpt-oss-120b: there is no record of the new image" in told
    elsewhere = shutil.move(out, tmp_path / "elsewhere")
    assert main(["verify", str(elsewhere), "--key", str(public)]) == 0
    told = capsys.readouterr().out
    assert f"what: release of {NEW} against {OLD}: inconclusive" in told
    assert "the given key" in told
    assert len(list(Path(elsewhere).glob("records/*/record.json"))) == 12
    changed = next(Path(elsewhere).glob("records/*/record.json"))
    changed.write_bytes(changed.read_bytes().replace(b"accepted", b"rejected", 1))
    assert main(["verify", str(elsewhere), "--key", str(public)]) == 1
    assert f"CHANGED records/{changed.parent.name}/record.json" in capsys.readouterr().out
    assert json.loads((Path(elsewhere) / "release.json").read_text())["verdict"] == "inconclusive"


def test_a_record_that_was_changed_is_not_released_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own seal is asked before it is copied."""
    place = put(tmp_path / "runs", boots(NEW, 1, 1))
    record = next(place.glob("*/record.json"))
    assert main(["keygen", str(tmp_path / "key")]) == 0
    assert main(["sign", str(record), "--key", str(tmp_path / "key")]) == 0
    record.write_bytes(record.read_bytes() + b" ")
    line = ["release", "--image", NEW, "--against", OLD, "--records", str(place), "--out", str(tmp_path / "out")]
    assert main(line) == 2
    assert "is not as it was sealed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["--image", OLD, "--against", OLD], "are both"),
        (["--image", NEW, "--against", OLD, "--sign-key", "/nowhere"], "is no private key"),
    ],
)
def test_wrong_use_is_refused_before_anything_starts(
    line: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each says what to do."""
    assert main(["release", *line]) == 2
    assert text in capsys.readouterr().err


def test_a_place_without_records_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Passing on nothing would be no gate."""
    line = ["release", "--image", NEW, "--against", OLD, "--records", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(line) == 2
    assert "holds no record" in capsys.readouterr().err


def test_the_page_shows_verdict_reasons_and_speeds_and_nothing_breaks_out() -> None:
    """In both languages."""
    found = gated(boots(OLD, 1), boots(NEW, 1.2))
    hostile = found.model_copy(update={"warnings": (Text(en="<b>x", zh_tw="<b>x"),)})
    page = html.release(hostile)
    assert "<b>x" not in page
    for part in ("Rejected", "驗收不通過", "Too slow", "perf.c1.output_throughput", VARIANT):
        assert part in page
