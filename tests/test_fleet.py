"""Many boxes as one: three network namespaces, each a box with its own Docker Engine, a real scheduler and workers.

What this can't show is for boxes to show: contention for a GPU, a driver that hangs, RDMA, the time a reboot takes.
"""

from __future__ import annotations

import asyncio
import ctypes
import gzip
import hashlib
import heapq
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness import lease
from harness.bench import Choice, choose
from harness.engine import Engine, EngineError
from harness.fleet import certificates, cluster, inventory, jobs
from harness.fleet.campaign import Conduct
from harness.fleet.cli import chosen
from harness.fleet.inventory import Inventory, InventoryError
from harness.fleet.jobs import Campaign, Job, Result
from harness.fleet.page import campaigns
from harness.progress import Row
from harness.record import ROOT, read
from harness.report.texts.sentences import told
from harness.types import Verdict
from harness.variants import CONTAINERS
from tests import fleet_job, samples
from tests.conftest import Open

BOXES = ("a", "b", "c")
TTL_S = 5.0
STALE_S = 30
"""How long the certificate of one worker lasts: it is to start with it, and to have it expire before it is asked."""
INVENTORY = f"""
[scheduler]
address = "10.213.77.1:8786"
worker_ttl_s = {TTL_S:g}
"""
HEADS = {"pair": "c", "late": "a", "old": "b", "liar": "c", "stale": "a"}
"""Further units of the lab, and the box that runs their worker; all but the pair are that box alone."""
CLONE_NEWNET = 0x40000000
FLEET = "import runpy, sys; sys.argv[0] = 'harness'; runpy.run_module('harness', run_name='__main__')"


def until(true: Callable[[], object], within_s: float, what: str) -> None:
    """Wait for something that nothing announces."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, f"within {within_s:g} s there was not: {what}"
        time.sleep(0.05)


class Lab:
    """The boxes, their engines, the scheduler and the workers of one run of this file.

    With namespaces a box has a network and a Docker Engine of its own; without, a loopback address and a directory for
    its leases, and no engine.
    """

    def __init__(self, home: Path, stack: ExitStack, *, namespaces: bool) -> None:
        self.home, self.stack, self.namespaces, self.tag = home, stack, namespaces, f"gbf{os.getpid()}"
        self.reports = home / "reports"
        self.net = "10.213.77" if namespaces else "127.213.77"
        self.address = {name: f"{self.net}.{number}" for number, name in enumerate(BOXES, 11)}
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(self._outlived)
        if namespaces:
            self._networks()
        for name in BOXES:
            (home / f"{name}-tmp").mkdir()
        (home / "fleet.toml").write_text(
            INVENTORY.replace("10.213.77", self.net)
            + "".join(self._box(name) for name in BOXES)
            + '[units]\na = ["a"]\nb = ["b"]\nc = ["c"]\npair = ["c", "b"]\n'
            + "".join(f'{unit} = ["{box}"]\n' for unit, box in HEADS.items() if unit != "pair")
        )
        self.inventory = inventory.read(home / "fleet.toml")
        certificates.make(self.inventory)
        certificates.make(self.inventory, ["stale"], lasts=timedelta(seconds=STALE_S))
        self.stale_at = time.monotonic() + STALE_S
        if namespaces:
            with ThreadPoolExecutor() as pool:
                list(pool.map(self._engine, BOXES))
        self.schedule()
        for name in (*BOXES, "stale"):
            self.work(name)

    def _box(self, name: str) -> str:
        shell = json.dumps([*self._in(name), "sh", "-c"])
        environment = ", ".join(f"{key} = {json.dumps(value)}" for key, value in self.environment(name).items())
        return (
            f'[boxes.{name}]\naddress = "{self.address[name]}"\nleast_disk_gib = 0.1\ndirectory = "{ROOT}"\n'
            f"shell = {shell}\nenvironment = {{ {environment} }}\n"
        )

    def environment(self, box: str) -> dict[str, str]:
        """What a box has of its own."""
        if self.namespaces:
            return {"DOCKER_HOST": self.docker_host(box)}
        return {"TMPDIR": str(self.home / f"{box}-tmp")}

    def holder(self, box: str) -> str | None:
        """Who holds the lease of a box now."""
        if self.namespaces:
            return lease.holder(self.docker_host(box))
        before, tempfile.tempdir = tempfile.tempdir, str(self.home / f"{box}-tmp")
        try:
            return lease.holder(choose(Choice(bench="cpu"), samples.HOST).docker_host)
        finally:
            tempfile.tempdir = before

    def _in(self, space: str) -> list[str]:
        """What a command is run with in a namespace."""
        if not self.namespaces:
            return []
        return ["nsenter", f"--net=/run/netns/{self.namespace(space)}"]  # `ip netns exec` remounts sysfs

    def inside(self, what: Callable[[], None], space: str = "lab") -> threading.Thread:
        """Do something in a namespace, in a thread of its own."""

        def entered() -> None:
            if self.namespaces:
                with open(f"/run/netns/{self.namespace(space)}") as file:  # noqa: PTH123 (its number is needed)
                    libc = ctypes.CDLL(None, use_errno=True)
                    assert libc.setns(file.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            what()

        thread = threading.Thread(target=entered)
        thread.start()
        return thread

    def answer(self, address: str, path: str = "/") -> str:
        """What listens on port 8000 of an address says to the lab; empty: nothing does."""
        said = [""]

        def ask() -> None:
            with suppress(OSError), urllib.request.urlopen(f"http://{address}:8000{path}", timeout=2) as answer:
                said[0] = answer.read().decode()

        self.inside(ask).join()
        return said[0]

    def schedule(self) -> None:
        """Start the scheduler."""
        self.scheduler = self._fleet("lab", "scheduler")

    def namespace(self, name: str) -> str:
        return f"{self.tag}-{name}"

    def docker_host(self, name: str) -> str:
        return f"unix://{self.home}/{name}.sock"

    def outbox(self, name: str) -> Path:
        return self.home / "outbox" / name

    def link(self, name: str, state: str) -> None:
        """Cut a box off, or connect it again."""
        subprocess.run(["ip", "-n", self.namespace(name), "link", "set", "eth0", state], check=True)

    def _networks(self) -> None:
        def ip(*argv: str) -> None:
            subprocess.run(["ip", *argv], check=True)

        for name in ("lab", *BOXES):
            ip("netns", "add", self.namespace(name))
            self.stack.callback(subprocess.run, ["ip", "netns", "del", self.namespace(name)])
            ip("-n", self.namespace(name), "link", "set", "lo", "up")
        lab = self.namespace("lab")
        ip("-n", lab, "link", "add", "br0", "type", "bridge")
        ip("-n", lab, "addr", "add", f"{self.net}.1/24", "dev", "br0")
        ip("-n", lab, "link", "set", "br0", "up")
        for name in BOXES:
            own = self.namespace(name)
            ip("-n", lab, "link", "add", "name", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", own)
            ip("-n", lab, "link", "set", f"to-{name}", "master", "br0", "up")
            ip("-n", own, "addr", "add", f"{self.address[name]}/24", "dev", "eth0")
            ip("-n", own, "link", "set", "eth0", "up")

    def _start(self, space: str, log: str, argv: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{log}.log").open("ab") as file:
            child = subprocess.Popen(
                [*self._in(space), *argv],
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
                *("--pidfile", str(self.home / f"{name}.pid"), "--config-file", str(none)),
                *("--bip", f"172.31.{ord(name)}.1/24", "--log-level", "warn"),
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
        with Engine(self.docker_host(name)) as engine:
            repository, _, tag = fleet_job.IMAGE.partition(":")
            engine.client.api.import_image_from_data(image_tar(), repository=repository, tag=tag)

    def _fleet(self, space: str, *verb: str, before: str = "", **environment: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", before + FLEET, "fleet", *verb, "--inventory", self.inventory.place]
        return self._start(space, verb[-1] if space == "lab" else verb[1], argv, **environment)

    def work(self, unit: str, before: str = "") -> None:
        """Start the worker of a unit; `before` is Python that it runs first."""
        box = HEADS.get(unit, unit)
        self.workers[unit] = self._fleet(
            box, "worker", unit, "--outbox", str(self.outbox(unit)), before=before, **self.environment(box)
        )

    def there(self, unit: str) -> int:
        """How many workers of that name are at the scheduler now."""
        found = [0]

        async def ask() -> None:
            async with cluster.connected(self.inventory) as client:
                found[0] = len((await cluster.workers(client)).get(unit, []))

        self.inside(lambda: asyncio.run(ask())).join()
        return found[0]

    def processes(self, text: str) -> list[int]:
        """The processes of this lab with `text` in their command lines."""
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                line = file.read_bytes().decode(errors="replace")
                found += [int(file.parent.name)] if text in line and f"{self.home}/" in line else []
        return found

    @contextmanager
    def held(self, box: str) -> Iterator[None]:
        """Somebody holds a box's lease."""
        argv = [sys.executable, "-m", "harness", "fleet", "hold", "--bench", "gb10" if self.namespaces else "cpu"]
        with subprocess.Popen(
            argv, cwd=ROOT, env={**os.environ, **self.environment(box)}, stdin=-1, stdout=-1, text=True
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline().strip() == lease.HELD
            yield
            child.stdin.close()

    def fleet(self, *verb: str) -> str:
        """What a verb of the fleet says, in the lab."""
        argv = [*self._in("lab"), sys.executable, "-m", "harness", "fleet", *verb, "--inventory", self.inventory.place]
        return subprocess.run(argv, cwd=ROOT, stdout=-1, stderr=-2, text=True).stdout

    def _outlived(self) -> None:
        """The processes of this lab that a kill left."""
        for process in self.processes(""):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def job(self, number: int, campaign: str, seconds: float, unit: str = "", **more: object) -> Job:
        """A small real job of `seconds`."""
        return a_job(number, campaign, seconds, unit, bench="gb10" if self.namespaces else "cpu", **more)

    def campaign(self, *work: Job, **more: Any) -> Run:
        """Begin a campaign in the lab's namespace."""
        return Run(self, work, **more)


class Run:
    """A campaign in a thread."""

    def __init__(
        self, lab: Lab, work: Sequence[Job], units: Sequence[str] = BOXES, known: Inventory | None = None, **more: Any
    ) -> None:
        self.lab = lab
        self.said: list[str] = []
        self.shown: Sequence[Row] = ()
        self.conduct = Conduct(
            known or lab.inventory,
            work,
            units,
            reports=lab.reports,
            say=self.said.append,
            show=lambda rows: setattr(self, "shown", rows),
            **{"patience_s": 20, **more},
        )
        self.ended: Campaign | None = None
        self.error: BaseException | None = None
        self.thread = lab.inside(self._inside)

    def _inside(self) -> None:
        try:
            self.ended = asyncio.run(self.conduct.run())
        except BaseException as error:  # noqa: BLE001 (it is raised in the test)
            self.error = error

    def verdict(self, job_id: str) -> Verdict | None:
        """Of one job, now."""
        return self.conduct.results[job_id].verdict

    def works(self, unit: str, job_id: str) -> None:
        """Return when the job is at work on its unit."""
        log = self.lab.outbox(unit) / job_id / "output.log"
        until(lambda: log.exists() and "works" in log.read_text(), 30, f"{job_id} at work ({self.said})")

    def end(self) -> dict[str, Result]:
        """Its end: how each job ended."""
        self.thread.join(90)
        if self.error:
            raise self.error
        assert self.ended is not None, (self.said, self.shown)
        return {result.job.id: result for result in self.ended.results}


def a_job(number: int, campaign: str, seconds: float, unit: str = "", **more: object) -> Job:
    """A small real job of `seconds`."""
    return Job.model_validate(
        {
            "id": f"{campaign}-{number}",
            "campaign": campaign,
            "variant": fleet_job.VARIANT,
            "image": None,
            "bench": "gb10",
            "unit": unit,
            "arguments": ("-m", "tests.fleet_job", str(seconds)),
            **more,
        }
    )


def serves(told: str) -> tuple[str, ...]:
    """The arguments of a job whose container says `told`."""
    return ("-m", "tests.fleet_job", "0", "--serve", told)


def image_tar() -> bytes:
    """The image of a box's containers: the links of Debian's root."""
    tar = BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name in ("bin", "lib", "lib64"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(link)
    return tar.getvalue()


def without_namespaces(*, demanded: bool) -> str:
    """Why there are no namespaces here; empty: there are. Fails where they are `demanded` and refused nevertheless."""
    docker = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    tools = [tool for tool in ("ip", "nsenter", "setpriv") if shutil.which(tool) is None]
    if os.environ.get("GB10_FLEET_LAB") == "processes":
        return "GB10_FLEET_LAB=processes asks for it"
    if os.geteuid() != 0:
        return "network namespaces and engines of their own need root → run it with sudo"
    if tools or docker is None:
        return f"there is no {', '.join(tools) or 'dockerd'} → apt-get install iproute2 util-linux docker.io"
    made = subprocess.run(["ip", "netns", "add", f"gbf{os.getpid()}-try"], capture_output=True)
    if made.returncode:
        reason = f"`ip netns add` is refused here: {made.stderr.decode().strip()} → run it on a machine of its own"
        if demanded:
            pytest.fail(reason, pytrace=False)
        return reason
    subprocess.run(["ip", "netns", "del", f"gbf{os.getpid()}-try"], check=True)
    return ""


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Three boxes: in network namespaces, or as processes where the machine does not allow those. It says which."""
    reason = without_namespaces(demanded=request.config.option.require_engine)
    if shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv → apt-get install util-linux")
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        ran = f"as processes on this machine, without engines: {reason}" if reason else "in network namespaces"
        print(f"\nthe fleet's three boxes run {ran}")
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="gbf"))  # a socket's path may have 107 letters
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        made = Lab(home, stack, namespaces=not reason)
        yield made
        for worker in made.workers.values():  # all at once; the stack waits for each
            worker.terminate()


@pytest.fixture
def boxes(lab: Lab) -> Lab:
    """The lab, where a box has a network and an engine of its own."""
    if not lab.namespaces:
        pytest.skip("the boxes are processes here: no engine, no link of their own")
    return lab


@pytest.mark.engine
def test_every_job_comes_home_and_no_two_are_on_one_box_at_a_time(lab: Lab) -> None:
    """Six jobs, three boxes; half of the jobs may run anywhere."""
    ended = lab.campaign(*(lab.job(n, "many", 0.2, box) for n, box in enumerate((*BOXES, "", "", "")))).end().values()
    assert [r.verdict for r in ended] == [Verdict.ACCEPTED] * 6, [r.reason for r in ended]
    assert {r.unit for r in ended} == set(BOXES)
    assert len({r.record for r in ended}) == 6
    for box in BOXES:
        records = [read(lab.reports / r.record) for r in ended if r.unit == box]
        spans = sorted((r.started, r.ended) for r in records if r.ended)
        assert len(spans) == len(records)
        assert all(before[1] <= after[0] for before, after in pairwise(spans)), spans
    assert not list(lab.home.glob("outbox/*/*")), "an outcome that is home is removed from its box"
    assert "many" in (lab.reports / "fleet.html").read_text()


@pytest.mark.engine
def test_every_box_has_a_port_8000_of_its_own(boxes: Lab) -> None:
    """Three jobs at once, each with a real container on its box's port 8000: none collides, each answers as itself."""
    run = boxes.campaign(*(boxes.job(n, "ports", 0, box, arguments=serves(box)) for n, box in enumerate(BOXES)))

    def answers() -> list[str]:
        return [boxes.answer(address) for address in boxes.address.values()]

    until(lambda: all(answers()), 30, f"an answer from every box ({run.said})")
    assert answers() == list(BOXES)
    for address in boxes.address.values():
        boxes.answer(address, "/end")
    assert {r.verdict for r in run.end().values()} == {Verdict.ACCEPTED}


class Registry(BaseHTTPRequestHandler):
    """Serves one image, by its digest: what a registry says to `docker pull`."""

    blobs: dict[str, tuple[str, bytes]]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, body = self.blobs.get(self.path.rpartition("/")[2], ("application/json", b"{}"))
        self.send_response(200 if self.path == "/v2/" or self.path.rpartition("/")[2] in self.blobs else 404)
        for name, value in (("Content-Type", kind), ("Content-Length", len(body))):
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 (http.server's name)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def image_blobs() -> tuple[str, dict[str, tuple[str, bytes]]]:
    """An image of one layer: the digest of its manifest, and digest → media type and content of everything."""
    kind, tar = "application/vnd.docker.distribution.manifest.v2+json", image_tar()
    layers = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]}
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    config = json.dumps({"architecture": machine, "os": "linux", "config": {}, "rootfs": layers}).encode()
    blobs: dict[str, tuple[str, bytes]] = {}

    def add(kind: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        blobs[digest] = kind, content
        return {"mediaType": kind, "size": len(content), "digest": digest}

    parts = {
        "config": add("application/vnd.docker.container.image.v1+json", config),
        "layers": [add("application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.compress(tar))],
    }
    manifest = add(kind, json.dumps({"schemaVersion": 2, "mediaType": kind, **parts}).encode())
    return manifest["digest"], blobs


@pytest.mark.engine
def test_an_image_is_placed_by_its_digest_ahead_of_its_job(boxes: Lab) -> None:
    """`fleet prepare` pulls it once, from a registry; a job with that image is then given to the box."""
    digest, blobs = image_blobs()
    ready: list[ThreadingHTTPServer] = []

    def serve() -> None:
        with ThreadingHTTPServer(("127.0.0.1", 5000), type("Own", (Registry,), {"blobs": blobs})) as server:
            ready.append(server)
            server.serve_forever()

    thread = boxes.inside(serve, "a")
    until(lambda: ready, 10, "a registry")
    image = f"127.0.0.1:5000/probe@{digest}"
    said = boxes.fleet("prepare", "--image", image, "--unit", "a")
    ready[0].shutdown()
    thread.join()
    assert "a: ready" in said, said
    assert "a: ready" in boxes.fleet("prepare", "--image", image, "--unit", "a"), "it is there: nothing is pulled"
    ended = boxes.campaign(boxes.job(1, "placed", 0.1, "a", image=image)).end()["placed-1"]
    assert ended.verdict is Verdict.ACCEPTED, ended.reason


@pytest.mark.engine
def test_a_box_that_is_busy_blocks_its_job_and_no_other(boxes: Lab) -> None:
    """One box's lease is held; another has somebody else's container under one of our names."""
    with lease.lease(boxes.docker_host("c"), what="somebody"), Engine(boxes.docker_host("b")) as engine:
        api = engine.client.api
        foreign = api.create_container(fleet_job.IMAGE, ["/empty"], name=CONTAINERS[0])["Id"]
        try:
            work = [boxes.job(n, "busy", 0.1, box) for n, box in enumerate(("", *BOXES))]
            ended = boxes.campaign(*work).end()
            assert [h.id for h in engine.holders()] == [foreign], "what is not ours stays"
        finally:
            api.remove_container(foreign, force=True)
    assert (ended["busy-0"].verdict, ended["busy-0"].unit) == (Verdict.ACCEPTED, "a"), "what any box may do, one does"
    results = {r.job.unit: r for r in ended.values()}
    assert results["a"].verdict is Verdict.ACCEPTED, results["a"].reason
    assert (results["b"].verdict, results["c"].verdict) == (Verdict.BLOCKED, Verdict.BLOCKED)
    assert "busy by" in results["b"].reason
    assert CONTAINERS[0] in results["b"].reason
    assert "busy" in results["c"].reason
    assert "somebody" in results["c"].reason


@pytest.mark.engine
def test_a_killed_worker_interrupts_its_job_at_once_and_the_others_go_on(lab: Lab) -> None:
    """`kill -9` of a worker: the verdict comes within a second, the box is free again, its next worker takes jobs."""
    run = lab.campaign(lab.job(1, "killed", 60, "a"), lab.job(2, "killed", 0.1, "a"), lab.job(3, "killed", 1, "b"))
    run.works("a", "killed-1")
    lab.workers["a"].kill()
    killed = time.monotonic()
    until(lambda: run.verdict("killed-1"), 5, "a verdict")
    took_s = time.monotonic() - killed
    until(lambda: lab.holder("a") is None, 5, "a free box")
    lab.work("a")
    ended = run.end()
    assert ended["killed-1"].verdict is Verdict.INTERRUPTED
    assert took_s < 1, took_s
    assert read(lab.reports / ended["killed-1"].record).verdict is Verdict.INTERRUPTED
    assert {ended[f"killed-{n}"].verdict for n in (2, 3)} == {Verdict.ACCEPTED}


@pytest.mark.engine
def test_a_box_that_is_cut_off_is_a_verdict_in_time_and_what_it_left_is_fenced_on_return(boxes: Lab) -> None:
    """The link goes down and the worker and its job die: the verdict comes in time, and another box does the job.

    The container goes on alone. When the box is back it is removed before the next job: that one, and neither what
    somebody keeps up there nor what is not ours.
    """
    run = boxes.campaign(boxes.job(1, "cut", 0, arguments=serves("orphan")), units=("b", "c"))
    until(lambda: run.conduct.on, 20, "a box that has the job")
    box = next(iter(run.conduct.on))
    run.works(box, "cut-1")
    boxes.link(box, "down")
    cut = time.monotonic()
    (job,) = boxes.processes("cut-1")
    for process, number in ((job, "STOP"), (boxes.workers[box].pid, "KILL"), (job, "KILL")):
        os.kill(process, signal.Signals[f"SIG{number}"])
    try:
        until(lambda: run.verdict("cut-1"), TTL_S + 12, "a verdict")
        took_s, lost = time.monotonic() - cut, run.conduct.results["cut-1"]
        until(lambda: run.conduct.on, 20, "another box that has the job")
        other = boxes.address[next(iter(run.conduct.on))]
        until(lambda: boxes.answer(other, "/end"), 30, "the job's second turn")
    finally:
        boxes.link(box, "up")
        ended = run.end()
    assert took_s < TTL_S + 10, took_s
    assert lost.verdict is Verdict.INTERRUPTED
    assert f"{box} was lost" in lost.reason
    assert (ended["cut-1-2"].verdict, ended["cut-1-2"].unit != box) == (Verdict.ACCEPTED, True), ended["cut-1-2"].reason
    with Engine(boxes.docker_host(box)) as engine, fleet_job.served(engine, "kept", "kept", 8001) as kept:
        foreign = engine.client.api.create_container(fleet_job.IMAGE, ["/empty"], name="foreign")["Id"]
        assert len(engine.holders()) == 3
        assert boxes.answer(boxes.address[box]) == "orphan"
        boxes.work(box)
        until(lambda: len(engine.holders()) == 2, 20, "a box without the orphan")
        assert {holder.id for holder in engine.holders()} == {kept, foreign}
        engine.remove(foreign)
    again = boxes.campaign(boxes.job(1, "back", 0.1, box)).end()["back-1"]
    assert again.verdict is Verdict.ACCEPTED, again.reason


@pytest.mark.engine
def test_a_pair_holds_both_boxes_and_a_second_campaign_is_told_that_they_are_busy(lab: Lab) -> None:
    """The locks are taken in the order of their names, both are held while its job runs, and losing one ends it."""
    lab.work("pair")
    with lab.held("b"):
        run = lab.campaign(lab.job(1, "pair", 60, "pair", wait=True), lab.job(2, "pair", 0.1, "pair"), units=["pair"])
        until(lambda: "b: this machine is busy" in str(run.shown), 30, f"a pair that waits ({run.said})")
        assert lab.holder("c") is None, "c comes after b, though c runs the job"
    run.works("pair", "pair-1")
    assert "fleet: held for another box" in str(lab.holder("b"))
    assert "fleet job pair-1" in str(lab.holder("c"))
    second = lab.campaign(*(lab.job(n, "second", 0.1, box) for n, box in enumerate(BOXES))).end()
    assert [r.verdict for r in second.values()] == [Verdict.ACCEPTED, Verdict.BLOCKED, Verdict.BLOCKED]
    assert "box busy" in second["second-1"].reason
    assert "fleet: held for another box" in second["second-1"].reason
    assert "fleet job pair-1" in second["second-2"].reason
    os.kill(int(str(lab.holder("b")).split()[1]), signal.SIGKILL)
    ended = run.end()
    assert ended["pair-1"].verdict is Verdict.INTERRUPTED
    assert "let go of its lease" in ended["pair-1"].reason
    assert ended["pair-2"].verdict is Verdict.ACCEPTED, ended["pair-2"].reason


@pytest.mark.engine
def test_what_is_wrong_with_a_box_is_told_before_a_job_starts_there(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Image, disk, another machine, another address, clock, version, certificates, two of a name, one that hangs."""
    lab.work("late", "import time; now = time.time; time.time = lambda: now() + 60; ")
    lab.work("old", "import harness; harness.__version__ = '0.0.9'; ")
    for made, taken in zip(*(certificates.files(lab.inventory, name) for name in ("liar", "c")), strict=True):
        made.write_bytes(taken.read_bytes())
    lab.work("liar")
    until(lambda: time.monotonic() > lab.stale_at, STALE_S, "a certificate that has expired")
    known = lab.inventory.boxes
    changed = {
        "a": known["a"].model_copy(update={"least_disk_gib": 1e6}),
        "b": known["b"].model_copy(update={"serial_sha256": "5" * 64}),
        "c": known["c"].model_copy(update={"address": f"{lab.net}.99"}),
    }
    before, told = set(lab.home.glob("outbox/*/*")), dict[str, str]()
    for boxes, units in ((known | changed, BOXES), (known, ("late", "old", "liar", "stale"))):
        about = lab.inventory.model_copy(update={"boxes": boxes})
        run = lab.campaign(
            *(lab.job(n, f"bad-{units[0]}", 0.1, unit, image="nowhere:1") for n, unit in enumerate(units)),
            units=units,
            known=about,
        )
        ended = run.end().values()
        assert {r.verdict for r in ended} == {Verdict.BLOCKED}, ended
        told |= {r.unit: r.reason for r in ended}
    assert set(lab.home.glob("outbox/*/*")) == before, "no job was started"
    for unit, wrong in {
        "a": r"image: no nowhere:1, .*fleet prepare --image nowhere:1; disk: .* GiB free, wanted 1e\+06 GiB",
        "b": r"unit: it calls itself b, serial .*, wanted b, serial 555555555555 → see which machine answers",
        "c": rf"a worker at {lab.address['c']} calls itself c, which is c at {lab.net}.99 → see who",
        "late": r"clock: \+(59|60|61)\.\d s off, wanted at most 5 s → timedatectl",
        "old": r"old runs harness 0\.0\.9, this is .* → fleet up",
        "liar": r"calls itself liar, and its certificate is c's → see who",
        "stale": r"certificate has expired.* → python -m harness fleet up",
    }.items():
        assert re.search(wrong, told[unit]), told[unit]
    lab.work("liar")
    until(lambda: lab.there("liar") == 2, 20, "a second worker of that name")
    lab.workers["late"].send_signal(signal.SIGSTOP)
    monkeypatch.setattr(cluster, "ANSWER_S", 2)
    last = lab.campaign(
        *(lab.job(n, "bad", 0.1, unit) for n, unit in enumerate(("liar", "late", "b"))), units=("liar", "late", "b")
    ).end()
    assert "2 workers call themselves liar: " in last["bad-0"].reason
    assert re.search("did not answer within 2 s|no worker of late", last["bad-1"].reason), "whichever comes first"
    assert last["bad-2"].verdict is Verdict.ACCEPTED, "one that hangs keeps no other from working"


@pytest.mark.engine
def test_records_come_home_though_the_scheduler_is_killed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started again, the campaign goes on. For good: the boxes finish and keep their records, until `fleet collect`."""
    run = lab.campaign(*(lab.job(n, "restart", 1, box) for n, box in enumerate("ab")))
    run.works("a", "restart-0")
    monkeypatch.setattr(cluster, "ANSWER_S", 2)
    lab.scheduler.kill()
    lab.schedule()
    assert {r.verdict for r in run.end().values()} == {Verdict.ACCEPTED}, run.said
    assert any("the boxes go on alone" in line for line in run.said)
    run = lab.campaign(*(lab.job(n, "gone", 1, box) for n, box in enumerate("ab")), patience_s=1)
    for n, box in enumerate("ab"):
        run.works(box, f"gone-{n}")
    lab.scheduler.kill()
    ended = run.end().values()
    assert {r.verdict for r in ended} == {Verdict.INTERRUPTED}
    assert all("keeps the record → fleet collect" in r.reason for r in ended), ended
    kept = [lab.outbox(box) / f"gone-{n}" / "outcome.json" for n, box in enumerate("ab")]
    until(lambda: all(file.exists() for file in kept), 20, "outcomes in the outboxes")
    lab.schedule()
    until(
        lambda: lab.fleet("collect", "--reports", str(lab.reports)) and not any(f.exists() for f in kept),
        30,
        "every record at home",
    )
    state = Campaign.model_validate_json((lab.reports / "fleet" / "gone.json").read_text())
    assert {(r.verdict, r.reason.partition(":")[0]) for r in state.results} == {
        (Verdict.ACCEPTED, "collected later"),
    }
    assert {read(lab.reports / r.record).verdict for r in state.results} == {Verdict.ACCEPTED}


@pytest.mark.engine
def test_the_page_of_the_fleet_is_read_on_a_phone_and_a_wall_in_both_languages(lab: Lab, open_page: Open) -> None:
    """Of the campaigns above: every box a column, every record behind a link, trends; it fits, and axe has no word."""
    from axe_playwright_python.sync_playwright import Axe

    if not campaigns(lab.reports):  # this test alone
        lab.campaign(*(lab.job(n, "page", 0.1, box) for n, box in enumerate((*BOXES, "a")))).end()
    for width, locale, scheme in ((360, "en-US", "dark"), (1920, "zh-TW", "light")):
        page = open_page(lab.reports / "fleet.html", width=width, locale=locale, scheme=scheme)
        needed, given = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert needed <= given
        found = Axe().run(page)
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found.response["violations"]] == []
        if shots := os.environ.get("GB10_FLEET_SHOTS"):
            page.screenshot(path=f"{shots}/fleet-{width}-{locale}.png", full_page=True)
    assert {"a", "b", "c"} <= set(page.locator("thead th").all_inner_texts())
    assert page.locator(".trend .sparkline").count() >= 1
    assert page.locator("#matrix").inner_text() == "變體與機器"
    reasons = {result.reason for campaign in campaigns(lab.reports) for result in campaign.results}
    assert [reason for reason in reasons if not re.search(r"[\u4e00-\u9fff]", told(reason).zh_tw)] == []
    links = page.locator("main a").evaluate_all("all => all.map(one => one.href)")
    assert len(links) >= 3
    for link in links:
        assert Path(urllib.parse.unquote(urllib.parse.urlparse(link).path)).exists(), link


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
    assert "0.0.0.0" in bad(TWO.replace("10.213.77.1:", "0.0.0.0:"), tmp_path)


def test_marks_mean_what_they_mean_to_pytest() -> None:
    """And what they can't mean is told, with the marks and variants that there are."""
    assert [variant.name for variant in chosen("gemma3 and not (bf16 or gpt_oss)")] == ["gemma-3-27b-mxfp4"]
    assert len(chosen("")) == 3
    for marks, said in (
        ("gpt-oss", "no variant has"),
        ("gemma3 and", "with and, or, not"),
        ("not gemma3 and gemma3", "no"),
    ):
        with pytest.raises(InventoryError, match=said):
            chosen(marks)


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
        a_job(n, "many", 0, units[n // 10] if n % 10 == 0 else "", budget_s=60.0 + n * 7919 % 1140) for n in range(1000)
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
