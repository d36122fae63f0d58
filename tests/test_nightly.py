"""Nights: what they say of themselves, of the nights before, and to whom; a secret address stays secret."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.history import listing, missed, nights, quiet
from harness.lease import lease
from harness.nightly import WEBHOOK, Book, code_of, compared, confirmed, judge, unconfirmed
from harness.record import NIGHT_HALF, NIGHT_UNDER_WAY, Night, NightRecord, Record
from harness.redact import Redactor
from harness.report.views import write_index
from harness.types import Change, Changes, Judged, Judgement, Text, Verdict
from harness.variants import VARIANTS
from tests import samples
from tests.conftest import Open
from tests.listening import listening
from tests.test_pages import laid
from tests.test_plugin import collected

DAY = timedelta(days=1)
SECRET = "T0/a-secret-in-the-path"
WORSE = Changes(
    before="a",
    after="b",
    changes=(Change(section="measurements", what="start", before="40 s", after="90 s", worse=True),),
)


def judged(verdict: Verdict = Verdict.ACCEPTED, since: Any = "same") -> NightRecord:
    return NightRecord(directory="d", variant="gpt-oss-120b", bench="cpu", verdict=verdict, reason="why", since=since)


def a_night(reports: Path, days_ago: float, **changes: Any) -> Night:
    started = datetime.now(UTC) - days_ago * DAY
    night = Night(night_id=f"{started:%Y%m%dT%H%M%S.%fZ}", host="box", started=started)
    return Book(reports, night.model_copy(update=changes), Redactor()).night


@pytest.mark.parametrize(
    ("records", "code", "verdict", "exit_code", "said"),
    [
        ((judged(), judged()), 0, "accepted", 0, "2 of 2 accepted"),
        ((judged(), judged(since="regressed")), 0, "accepted", 3, "worse than the last accepted"),
        ((judged(), judged(Verdict.REJECTED)), 1, "rejected", 1, "1 of 2 rejected, first gpt-oss-120b: why"),
        ((judged(Verdict.BLOCKED), judged(Verdict.INCONCLUSIVE)), 1, "blocked", 1, "1 of 2 blocked"),
        ((judged(),), 1, "inconclusive", 1, "exit code 1"),
        ((), 1, "blocked", 1, "no record was written"),
        ((), 5, "inconclusive", 1, "exit code 5"),
        ((judged(),), 130, "interrupted", 130, "after 1 record"),
    ],
)
def test_the_worst_record_is_the_night_s_verdict(
    records: tuple[NightRecord, ...], code: int, verdict: str, exit_code: int, said: str
) -> None:
    """Whose fault it is stays visible; nothing judged is never green; worse than before has an exit code of its own."""
    found, reason = judge(records, code)
    assert found.value == verdict
    assert said in reason
    night = Night(night_id="n", host="box", started=datetime.now(UTC), judged=records, verdict=found, reason=reason)
    assert code_of(night) == exit_code


def test_a_record_is_compared_with_the_last_accepted_one(tmp_path: Path) -> None:
    """What its own comparison said; without an accepted one before, it is the first."""
    worse = laid(tmp_path / "worse", samples.record(since=WORSE)).parent
    assert (compared(worse).since, len(compared(worse).worse)) == ("regressed", 1)
    assert compared(laid(tmp_path / "first", samples.record()).parent).since == "first"


def nightly(reports: Path, *more: str) -> int:
    """A night on an engine that is not there: it comes to its end everywhere, and judges nothing."""
    return main(["nightly", "--bench", "gb10", "--reports", str(reports), *more])


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix:///nowhere/{tmp_path.name}/docker.sock")
    monkeypatch.delenv(WEBHOOK, raising=False)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))


@pytest.mark.usefixtures("nowhere")
def test_a_night_without_an_engine_is_blocked_and_told(tmp_path: Path) -> None:
    """Exit code 1; the night's file, the list and the step summary say why."""
    reports = tmp_path / "reports"
    assert nightly(reports) == 1
    ((night,), bad) = nights(reports)
    assert bad == ()
    assert (night.verdict, night.phase) == (Verdict.BLOCKED, "done")
    assert night.ended is not None
    assert "Cannot connect to the Docker daemon" in night.reason
    assert "Cannot connect to the Docker daemon" in (reports / "index.html").read_text()
    assert (tmp_path / "summary.md").read_text() == (reports / "nights" / f"{night.night_id}.md").read_text()


@pytest.mark.usefixtures("nowhere")
def test_what_the_nights_before_did_not_do_is_said(tmp_path: Path) -> None:
    """Half-finished, missed, and a week without a record: in the night's notes, its summary and the list."""
    laid(tmp_path / "old", samples.record(started=datetime.now(UTC) - 9.5 * DAY))
    a_night(tmp_path, 3, phase="qualify")
    assert nightly(tmp_path) == 1
    (half, night), _ = nights(tmp_path)
    assert (half.reason, half.ended) == (NIGHT_HALF, None)
    told = " ".join(night.notes)
    assert "is half-finished: it got as far as qualify" in told
    assert "2 nights missed since" in told
    assert "no record for 9 days" in told
    page = (tmp_path / "index.html").read_text()
    assert "half-finished" in page
    assert "2 <span" in page
    assert "no record for 9 days" in (tmp_path / "summary.md").read_text()


@pytest.mark.usefixtures("nowhere")
def test_overlapping_nights_do_not_meet(tmp_path: Path) -> None:
    """The second is refused with the first one's process, leaves a night that says so, and ends no other's night."""
    running = a_night(tmp_path, 0.01, phase="qualify")
    with lease(f"nights of {tmp_path.resolve()}"):
        assert nightly(tmp_path) == 1
    (first, second), _ = nights(tmp_path)
    assert first == running
    assert first.reason == NIGHT_UNDER_WAY
    assert second.verdict is Verdict.BLOCKED
    assert f"overlapping: another night runs here: this machine is busy: process {os.getpid()}" in second.reason


class Hook(BaseHTTPRequestHandler):
    """Takes what is posted; answers what the path ends with."""

    taken: list[tuple[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.taken.append((self.path, json.loads(body)))
        self.send_response(int(self.path[-3:]))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """Nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """The address of a webhook, and what it was told."""
    Hook.taken = []
    with listening(HTTPServer(("127.0.0.1", 0), Hook)) as server:
        yield f"http://127.0.0.1:{server.server_port}/{SECRET}", Hook.taken


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_webhook_is_told_and_decides_nothing(
    tmp_path: Path,
    hook: tuple[str, list[tuple[str, Any]]],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    by: str,
) -> None:
    """It gets the verdict; one that refuses is said; its address is in no output and no file."""
    address, taken = f"{hook[0]}/{status}", hook[1]
    if by == "environment":
        monkeypatch.setenv(WEBHOOK, address)
    assert nightly(tmp_path, *(["--webhook", address] if by == "option" else [])) == 1
    ((path, said),) = taken
    assert SECRET in path
    assert said["verdict"] == "blocked"
    assert said["text"].startswith("blocked on ")
    ((night,), _) = nights(tmp_path)
    assert night.webhook == ("sent" if status == 200 else "failed")
    out = "".join(capfd.readouterr())
    assert ("webhook: told" if status == 200 else "webhook: FAILED (HTTP 500)") in out
    assert SECRET not in out
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


@pytest.mark.usefixtures("nowhere")
def test_an_address_that_is_none_is_refused_without_being_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped one may hold the secret too."""
    for wrong in (f"htps://host/{SECRET}", f"http://[/{SECRET}"):
        with pytest.raises(SystemExit, match="2"):
            nightly(tmp_path, "--webhook", wrong)
        monkeypatch.setenv(WEBHOOK, wrong)
        assert nightly(tmp_path) == 2
    out = "".join(capfd.readouterr())
    assert "no address of a webhook" in out
    assert SECRET not in out


@pytest.mark.usefixtures("nowhere")
def test_old_nights_and_records_are_given_up(tmp_path: Path) -> None:
    """The newest stay, and the last accepted record of a variant with them."""
    for day in (5, 4, 3):
        a_night(tmp_path, day, ended=datetime.now(UTC))
        verdict = Verdict.ACCEPTED if day == 5 else Verdict.REJECTED
        laid(tmp_path / f"r{day}", samples.record(verdict=verdict, started=datetime.now(UTC) - day * DAY))
    assert nightly(tmp_path, "--keep-nights", "1") == 1
    assert {one.directory for one in listing(tmp_path).records} == {"r5", "r3"}
    ((night,), _) = nights(tmp_path)
    assert night.deleted == 1


def test_an_interruption_reaches_what_judges_once_and_is_waited_for(tmp_path: Path) -> None:
    """SIGTERM to the night: pytest ends in its own way first, then the night does; also where SIGINT is ignored, as in
    the background of a shell."""
    child = (
        "import pathlib, signal, sys\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "def end(*_):\n    (here / 'ended').touch(); sys.exit(2)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\n"
        "signal.pause()\n"
    )
    parent = (
        "import signal, sys\nfrom harness.nightly import _run\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        f"try:\n    _run([sys.executable, '-c', {child!r}])\n"
        "except KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    argv = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", parent]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as night:
        assert night.stdout is not None
        assert night.stdout.readline() == "up\n"
        night.send_signal(signal.SIGTERM)
        assert night.wait(30) == 130
    assert (tmp_path / "ended").exists()


def test_missed_nights_are_counted_with_half_a_period_s_grace() -> None:
    """A late night is no missed one."""
    then = datetime(2026, 1, 1, 2, 30, tzinfo=UTC)
    assert [missed(then, then + timedelta(hours=hours), 1) for hours in (0.1, 24, 30, 48, 100)] == [0, 0, 0, 1, 3]
    assert missed(then, then + 8 * DAY, 7) == 0


def test_an_unreadable_night_is_named(tmp_path: Path) -> None:
    """It is left as it is, and the list says so."""
    (tmp_path / "nights").mkdir()
    (tmp_path / "nights" / "x.json").write_text("{")
    write_index(tmp_path)
    assert "x.json is no night" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("age", [1, 9])
def test_the_list_warns_by_itself_when_nobody_writes_it_any_more(open_page: Open, tmp_path: Path, age: int) -> None:
    """A week after the newest record the page says so; the past weeks without one are listed."""
    for days in (30, age):
        laid(tmp_path / f"r{days}", samples.record(started=datetime.now(UTC) - days * DAY))
    for days in range(3, 20):
        a_night(tmp_path, days, ended=datetime.now(UTC), verdict=Verdict.ACCEPTED, reason="1 of 1 accepted")
    a_night(tmp_path, 0, phase="qualify")
    write_index(tmp_path)
    page = open_page(tmp_path / "index.html")
    assert page.locator("#stale").is_visible() == (age > 7)
    assert len(quiet(listing(tmp_path))) == page.locator("section[aria-labelledby=quiet] li").count() == 1
    assert page.locator(".nights .gap").first.inner_text().startswith("2 missed between")
    assert page.locator("section[aria-labelledby=nights] tbody tr:visible").count() == 14
    assert "got as far as qualifying" in page.locator(".nights").first.inner_text()
    page.locator("section[aria-labelledby=nights] summary").click()
    assert page.locator("section[aria-labelledby=nights] tbody tr:visible").count() == 19


def test_every_job_of_the_matrix_selects_its_variant_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """And all of them together select everything."""
    assert main(["matrix", "--format", "json", "--image", "a:1", "--image", "b:2"]) == 0
    jobs = json.loads(capsys.readouterr().out)
    assert {job["image"] for job in jobs} == {"a:1", "b:2"}
    names = {variant.name for variant in VARIANTS}
    for job in jobs[: len(jobs) // 2]:
        chosen = collected("-m", job["marks"])
        assert chosen
        assert {n for n in names if any(f"[{n}" in one for one in chosen)} == {job["name"]} & names
    assert main(["matrix", "--format", "github"]) == 0
    line = capsys.readouterr().out
    assert line.startswith("matrix={")
    assert line.count("\n") == 1
    assert {job["name"] for job in json.loads(line.partition("=")[2])["include"]} == {*names, "failures"}


def test_a_slow_deployment_waits_for_two_more_of_the_same_night(tmp_path: Path) -> None:
    """What the last of them says counts for all; a deployment that failed for another reason waits for nothing."""
    slow = Judged(
        name="perf.c1.median_tpot",
        value=24,
        unit="ms",
        verdict=Judgement.UNCONFIRMED,
        reason=Text(en="slow", zh_tw="慢"),
    )
    first = laid(tmp_path / "1", record_at(1, Verdict.INCONCLUSIVE, judgements=(slow,))).parent
    assert [one.name for one in unconfirmed([first])] == ["gpt-oss-120b"]
    assert confirmed([first]) == set()
    second = laid(tmp_path / "2", record_at(2, Verdict.ACCEPTED)).parent
    assert unconfirmed([first, second]) == []
    assert confirmed([first, second]) == {first}
    broken = laid(tmp_path / "3", record_at(3, Verdict.REJECTED, judgements=(slow,))).parent
    assert unconfirmed([broken]) == []
    assert confirmed([broken, second]) == set()


def record_at(day: int, verdict: Verdict, **changes: Any) -> Record:
    """A record of that day."""
    return samples.record(started=datetime(2026, 1, day, tzinfo=UTC), verdict=verdict, **changes)
