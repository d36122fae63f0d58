"""Many boxes as one: three network namespaces, each a box with its own Docker Engine, a real scheduler and workers.

What this can't show is for boxes to show: contention for a GPU, a driver that hangs, RDMA, the time a reboot takes.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import timedelta
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest

from harness import lease
from harness.engine import Engine, EngineError
from harness.fleet import certificates, inventory, jobs
from harness.fleet.campaign import Conduct
from harness.fleet.inventory import InventoryError
from harness.fleet.jobs import Campaign, Job
from harness.record import ROOT, read
from harness.types import Verdict
from harness.variants import CONTAINERS

VARIANT = "gpt-oss-120b"
BOXES = ("a", "b", "c")
TTL_S = 5.0
NET = "10.213.77"
ADDRESS = {name: f"{NET}.{number}" for number, name in enumerate(BOXES, 11)}
INVENTORY = f"""
[scheduler]
address = "{NET}.1:8786"
worker_ttl_s = {TTL_S:g}
"""


def until(true: Callable[[], object], within_s: float, what: str) -> None:
    """Wait for something that nothing announces."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, f"within {within_s:g} s there was not: {what}"
        time.sleep(0.05)


class Lab:
    """The namespaces, the engines, the scheduler and the workers of one run of this file."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home, self.stack, self.tag = home, stack, f"gbf{os.getpid()}"
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(self._outlived)
        self._namespaces()
        (home / "fleet.toml").write_text(
            INVENTORY
            + "".join(
                f'[boxes.{n}]\naddress = "{ADDRESS[n]}"\nleast_disk_gib = 0.1\ndirectory = "{ROOT}"\n' for n in BOXES
            )
        )
        self.inventory = inventory.read(home / "fleet.toml")
        certificates.make(self.inventory)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._engine, BOXES))
        self._fleet("lab", "scheduler")
        for name in BOXES:
            self.work(name)

    def namespace(self, name: str) -> str:
        return f"{self.tag}-{name}"

    def docker_host(self, name: str) -> str:
        return f"unix://{self.home}/{name}.sock"

    def outbox(self, name: str) -> Path:
        return self.home / "outbox" / name

    def link(self, name: str, state: str) -> None:
        """Cut a box off, or connect it again."""
        subprocess.run(["ip", "-n", self.namespace(name), "link", "set", "eth0", state], check=True)

    def _namespaces(self) -> None:
        def ip(*argv: str) -> None:
            subprocess.run(["ip", *argv], check=True)

        for name in ("lab", *BOXES):
            ip("netns", "add", self.namespace(name))
            self.stack.callback(subprocess.run, ["ip", "netns", "del", self.namespace(name)])
            ip("-n", self.namespace(name), "link", "set", "lo", "up")
        lab = self.namespace("lab")
        ip("-n", lab, "link", "add", "br0", "type", "bridge")
        ip("-n", lab, "addr", "add", f"{NET}.1/24", "dev", "br0")
        ip("-n", lab, "link", "set", "br0", "up")
        for name in BOXES:
            own = self.namespace(name)
            ip("-n", lab, "link", "add", "name", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", own)
            ip("-n", lab, "link", "set", f"to-{name}", "master", "br0", "up")
            ip("-n", own, "addr", "add", f"{ADDRESS[name]}/24", "dev", "eth0")
            ip("-n", own, "link", "set", "eth0", "up")

    def _start(self, space: str, log: str, argv: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{log}.log").open("ab") as file:
            child = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.namespace(space)}", *argv],  # `ip netns exec` remounts sysfs
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

        def end() -> None:
            for number in (signal.SIGCONT, signal.SIGTERM):
                with suppress(ProcessLookupError):
                    child.send_signal(number)
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

        self.stack.callback(end)
        return child

    def _engine(self, name: str) -> None:
        data, run = self.home / f"{name}-data", self.home / f"{name}-run"
        none = self.home / "daemon.json"
        none.write_text("{}")

        def unmount() -> None:
            for line in Path("/proc/self/mounts").read_text().splitlines()[::-1]:
                if line.split()[1].startswith((str(data), str(run))):
                    subprocess.run(["umount", "--lazy", line.split()[1]])

        self.stack.callback(unmount)
        child = self._start(
            name,
            f"{name}-dockerd",
            [
                shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "dockerd",
                *("--host", self.docker_host(name), "--data-root", str(data), "--exec-root", str(run)),
                *("--pidfile", str(self.home / f"{name}.pid"), "--config-file", str(none), "--bridge=none"),
                *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
                *("--containerd-namespace", self.namespace(name)),
                *("--containerd-plugins-namespace", f"{self.namespace(name)}-plugins"),
            ],
        )

        def answers() -> bool:
            assert child.poll() is None, (self.home / f"{name}-dockerd.log").read_text()[-2000:]
            with suppress(EngineError), Engine(self.docker_host(name)):
                return True
            return False

        until(answers, 40, f"an engine in {name}")
        self.stack.callback(Path(lease.path_of(self.docker_host(name))).unlink, missing_ok=True)

    def _fleet(self, space: str, *verb: str, **environment: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "harness", "fleet", *verb, "--inventory", self.inventory.place]
        return self._start(space, space, argv, **environment)

    def work(self, name: str) -> None:
        """Start the worker of a box."""
        self.workers[name] = self._fleet(
            name, "worker", name, "--outbox", str(self.outbox(name)), DOCKER_HOST=self.docker_host(name)
        )

    def _outlived(self) -> None:
        """The processes of this lab that a kill left."""
        for status in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if f"{self.home}/".encode() in status.read_bytes():
                    os.kill(int(status.parent.name), signal.SIGKILL)

    def campaign(self, work: Sequence[Job], reports: Path) -> Run:
        """Begin a campaign in the lab's namespace."""
        return Run(self, work, reports)


class Run:
    """A campaign in a thread; `verdict_at` tells when each job got its verdict."""

    def __init__(self, lab: Lab, work: Sequence[Job], reports: Path) -> None:
        self.lab, self.reports = lab, reports
        self.said: list[str] = []
        self.conduct = Conduct(
            lab.inventory, work, BOXES, reports=reports, say=self.said.append, show=lambda _: None, patience_s=20
        )
        self.ended: Campaign | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._inside)
        self.thread.start()

    def _inside(self) -> None:
        try:
            with open(f"/run/netns/{self.lab.namespace('lab')}") as space:  # noqa: PTH123 (its number is needed)
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.setns(space.fileno(), 0x40000000) == 0, os.strerror(ctypes.get_errno())
            self.ended = asyncio.run(self.conduct.run())
        except BaseException as error:  # noqa: BLE001 (it is raised in the test)
            self.error = error

    def verdict(self, job_id: str) -> Verdict | None:
        """Of one job, now."""
        return self.conduct.results[job_id].verdict

    def works(self, box: str, job_id: str) -> None:
        """Return when the job is at work on its box."""
        log = self.lab.outbox(box) / job_id / "output.log"
        until(lambda: log.exists() and "works" in log.read_text(), 30, f"{job_id} at work ({self.said})")

    def end(self) -> Campaign:
        """Its end."""
        self.thread.join(90)
        if self.error:
            raise self.error
        assert self.ended is not None, self.said
        return self.ended


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Three boxes; skipped where they can't be, or failed under --require-engine."""
    tools = [tool for tool in ("ip", "nsenter", "setpriv") if shutil.which(tool) is None]
    docker = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    reason = ""
    if os.geteuid() != 0:
        reason = "network namespaces and engines of their own need root → run it with sudo"
    elif tools or docker is None:
        reason = f"there is no {', '.join(tools) or 'dockerd'} → apt-get install iproute2 util-linux docker.io"
    elif (made := subprocess.run(["ip", "netns", "add", f"gbf{os.getpid()}-try"], capture_output=True)).returncode:
        reason = f"`ip netns add` is refused here: {made.stderr.decode().strip()} → run it on a machine of its own"
    else:
        subprocess.run(["ip", "netns", "del", f"gbf{os.getpid()}-try"], check=True)
    if reason and request.config.option.require_engine:
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="gbf"))  # a socket's path may have 107 letters
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        yield Lab(home, stack)


def job(number: int, campaign: str, seconds: float, unit: str = "", **more: object) -> Job:
    """A small real job of `seconds`."""
    return Job.model_validate(
        {
            "id": f"{campaign}-{number}",
            "campaign": campaign,
            "variant": VARIANT,
            "image": None,
            "bench": "gb10",
            "unit": unit,
            "arguments": ("-m", "tests.fleet_job", str(seconds)),
            **more,
        }
    )


@pytest.mark.engine
def test_every_job_comes_home_and_no_two_are_on_one_box_at_a_time(lab: Lab, tmp_path: Path) -> None:
    """Six jobs, three boxes."""
    ended = lab.campaign([job(n, "many", 0.5) for n in range(6)], tmp_path).end()
    assert [r.verdict for r in ended.results] == [Verdict.ACCEPTED] * 6, [r.reason for r in ended.results]
    assert {r.unit for r in ended.results} == set(BOXES)
    assert len({r.record for r in ended.results}) == 6
    for box in BOXES:
        records = [read(tmp_path / r.record) for r in ended.results if r.unit == box]
        spans = sorted((r.started, r.ended) for r in records if r.ended)
        assert len(spans) == len(records)
        assert all(before[1] <= after[0] for before, after in pairwise(spans)), spans
    assert not list(lab.home.glob("outbox/*/*")), "an outcome that is home is removed from its box"
    assert "many" in (tmp_path / "fleet.html").read_text()


@pytest.mark.engine
def test_a_box_that_is_busy_blocks_its_job_and_no_other(lab: Lab, tmp_path: Path) -> None:
    """One box's lease is held; another has somebody else's container under one of our names."""
    tar = BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))
    with lease.lease(lab.docker_host("c"), what="somebody"), Engine(lab.docker_host("b")) as engine:
        api = engine.client.api
        api.import_image_from_data(tar.getvalue(), repository="foreign", tag="1")
        foreign = api.create_container("foreign:1", ["/empty"], name=CONTAINERS[0])["Id"]
        try:
            run = lab.campaign([job(n, "busy", 0.1, box) for n, box in enumerate(BOXES)], tmp_path)
            results = {r.unit: r for r in run.end().results}
            assert [h.id for h in engine.holders()] == [foreign], "what is not ours stays"
        finally:
            api.remove_container(foreign, force=True)
    assert results["a"].verdict is Verdict.ACCEPTED, results["a"].reason
    assert (results["b"].verdict, results["c"].verdict) == (Verdict.BLOCKED, Verdict.BLOCKED)
    assert "busy by" in results["b"].reason
    assert CONTAINERS[0] in results["b"].reason
    assert "busy" in results["c"].reason
    assert "somebody" in results["c"].reason


@pytest.mark.engine
def test_a_killed_worker_interrupts_its_job_at_once_and_the_others_go_on(lab: Lab, tmp_path: Path) -> None:
    """`kill -9` of a worker: the verdict comes at once, the box is free again, and its next worker takes jobs."""
    run = lab.campaign([job(1, "killed", 60, "a"), *(job(n, "killed", 1, "b") for n in (2, 3))], tmp_path)
    run.works("a", "killed-1")
    lab.workers["a"].kill()
    killed = time.monotonic()
    until(lambda: run.verdict("killed-1"), 5, "a verdict")
    took_s = time.monotonic() - killed
    until(lambda: lease.holder(lab.docker_host("a")) is None, 5, "a free box")
    lab.work("a")
    ended = {r.job.id: r for r in run.end().results}
    assert ended["killed-1"].verdict is Verdict.INTERRUPTED
    assert took_s < 3, took_s
    assert read(tmp_path / ended["killed-1"].record).verdict is Verdict.INTERRUPTED
    assert {ended[f"killed-{n}"].verdict for n in (2, 3)} == {Verdict.ACCEPTED}
    again = lab.campaign([job(1, "again", 0.1, "a")], tmp_path).end()
    assert again.results[0].verdict is Verdict.ACCEPTED, again.results[0].reason


@pytest.mark.engine
def test_a_box_that_is_cut_off_is_a_verdict_in_time_and_its_job_is_done_elsewhere(lab: Lab, tmp_path: Path) -> None:
    """The link goes down: the verdict comes within the worker's time to live and 10 s, and judges no model."""
    run = lab.campaign([job(1, "cut", 4)], tmp_path)
    until(lambda: run.conduct.on, 20, "a box that has the job")
    box = next(iter(run.conduct.on))
    run.works(box, "cut-1")
    lab.link(box, "down")
    cut = time.monotonic()
    try:
        until(lambda: run.verdict("cut-1"), TTL_S + 12, "a verdict")
        took_s, lost = time.monotonic() - cut, run.conduct.results["cut-1"]
        until(lambda: run.verdict("cut-1-2"), 30, "the job's second turn")
    finally:
        lab.link(box, "up")
        ended = {r.job.id: r for r in run.end().results}
    assert took_s < TTL_S + 10, took_s
    assert lost.verdict is Verdict.INTERRUPTED
    assert f"{box} was lost" in lost.reason
    assert (ended["cut-1-2"].verdict, ended["cut-1-2"].unit != box) == (Verdict.ACCEPTED, True), ended["cut-1-2"].reason
    again = lab.campaign([job(1, "back", 0.1, box)], tmp_path).end()
    assert again.results[0].verdict is Verdict.ACCEPTED, again.results[0].reason


def bad(text: str, tmp_path: Path) -> str:
    """Why an inventory is refused."""
    (tmp_path / "fleet.toml").write_text(text)
    with pytest.raises(InventoryError) as told:
        inventory.read(tmp_path / "fleet.toml")
    assert "→" in str(told.value)
    return str(told.value)


TWO = INVENTORY + '[boxes.a]\naddress = "10.0.0.1"\n[boxes.b]\naddress = "10.0.0.2"\n'


def test_a_bad_inventory_is_refused_with_what_is_wrong(tmp_path: Path) -> None:
    """Unknown and duplicate boxes, what is not TOML, addresses that are none, a misspelt entry."""
    assert "unit pair names z; the boxes are a, b" in bad(TWO + '[units]\npair = ["a", "z"]\n', tmp_path)
    assert "is not TOML" in bad("[boxes.a\n", tmp_path)
    assert "'a' is there twice" in bad(TWO + '[boxes.a]\naddress = "10.0.0.3"\n', tmp_path)
    assert "a and b have the same address" in bad(TWO.replace("0.0.2", "0.0.1"), tmp_path)
    assert "no IP address" in bad(TWO.replace("10.0.0.2", "spark-b"), tmp_path)
    assert "adress" in bad(TWO.replace('address = "10.0.0.2"', 'adress = "10.0.0.2"'), tmp_path)
    assert "no box" in bad(INVENTORY + "[boxes]\n", tmp_path)
    assert "0.0.0.0" in bad(TWO.replace(f"{NET}.1:", "0.0.0.0:"), tmp_path)


def test_the_inventory_of_the_manual_is_one(tmp_path: Path) -> None:
    """And `fleet up --print` tells every step that it would take there."""
    text = (ROOT / "docs" / "fleet.md").read_text().partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "fleet.toml").write_text(text)
    assert set(inventory.read(tmp_path / "fleet.toml").units) == {"spark-a", "pair"}
    argv = [sys.executable, "-m", "harness", "fleet", "up", "--print", "--inventory", str(tmp_path / "fleet.toml")]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "ExecStart=%h/gb10-acceptance/.venv/bin/python -m harness fleet worker pair" in told
    assert "systemctl --user restart gb10-fleet-controller.service" in told


def test_a_missing_or_expired_certificate_is_told_before_anything_runs(tmp_path: Path) -> None:
    """With the command that makes a new one."""
    (tmp_path / "fleet.toml").write_text(TWO)
    made = inventory.read(tmp_path / "fleet.toml")
    with pytest.raises(InventoryError, match=r"can't be read.*fleet certificates"):
        certificates.check(made, ["a"])
    certificates.make(made, lasts=timedelta(seconds=-60))
    with pytest.raises(InventoryError, match=r"a\.pem expired on .*fleet certificates"):
        certificates.check(made, ["a"])
    certificates.make(made)
    assert certificates.check(made, ["a", "b", inventory.CONTROLLER]) == []


def test_two_hundred_boxes_are_kept_busy_by_a_thousand_jobs() -> None:
    """The last ends at most 10 % after the ideal, with the product's own order; pinned jobs stay where they are to."""
    units = [f"box-{n}" for n in range(200)]
    work = [
        job(n, "many", 0, units[n // 10] if n % 10 == 0 else "", budget_s=60.0 + n * 7919 % 1140) for n in range(1000)
    ]
    ideal_s = max(sum(one.budget_s for one in work) / 200, *(one.budget_s for one in work))
    waiting, free, ended_s = jobs.arranged(work), [(0.0, unit) for unit in units], 0.0
    done = 0
    while waiting:
        now_s, unit = heapq.heappop(free)
        given = jobs.next_for(unit, waiting)
        if given is None:
            continue
        assert given.unit in ("", unit)
        waiting.remove(given)
        done, ended_s = done + 1, max(ended_s, now_s + given.budget_s)
        heapq.heappush(free, (now_s + given.budget_s, unit))
    assert done == 1000
    assert ended_s <= 1.1 * ideal_s, (ended_s, ideal_s)
