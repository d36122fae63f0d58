"""Every check in suites/ is shown to fail: a good world passes it, each fault planted in that world is caught.

The good world is what a real deployment on the CPU bench answered (tests/capture.py); a fault is one change in it.
Here are the controls of the start, the flags, the failures and what the log says; those of the API are in
tests/test_controls_api.py.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.api import Api
from harness.attempt import Attempt
from harness.diagnosis import Reader, diagnose
from harness.failures import FAILURES
from harness.flags import resolve
from harness.launch import Launched
from harness.lifecycle import Died, Recovery, Stopped, recovery
from harness.perf import Loaded
from harness.record import Recorder
from harness.types import (
    Answer,
    Bench,
    Deployment,
    Diagnosis,
    DockerFlags,
    Exit,
    Holder,
    Image,
    Judged,
    Judgement,
    Mount,
    Stage,
    Stream,
    Text,
    Variant,
)
from harness.variants import find
from tests import samples
from tests.tape import Played, Tape, playing

ROOT = Path(__file__).resolve().parent.parent
SUITES = sorted((ROOT / "suites").glob("test_*.py"))
CAPTURED = json.loads((Path(__file__).parent / "captured" / "gpt-oss-120b.json").read_text())
LOGS = Path(__file__).parent / "logs"
LOG = (LOGS / "healthy" / "gpt-oss-stopped.log").read_bytes().replace(b"model len 2048", b"model len 32768")
"""A real log, of a shorter context than is declared."""
REVISION = "0123456789abcdef0123456789abcdef01234567"
"""The snapshot in that log."""
CAME_BACK = Stream(method="POST", url="/v1/completions", status=200, seconds=1.0)
DEAD = diagnose((LOGS / "engine-dead" / "engine-killed.log").read_bytes(), exit_code=0, container="vllm-gpt-oss")


SWIFT = Judged(
    name="perf.c1.median_tpot", value=20, unit="ms", verdict=Judgement.PASSED, reason=Text(en="as before", zh_tw="如前")
)


def good_loads() -> tuple[Loaded, ...]:
    """Loads that went well: 20 ms a token."""
    return tuple(
        Loaded(
            load=load,
            completed=load.prompts,
            failed=0,
            tokens=load.prompts * load.output_tokens,
            generated=load.prompts * load.output_tokens + 2 * load.output_tokens,
            figures={"output_throughput": 50.0 * load.streams, "median_tpot": 20.0},
        )
        for load in find("gpt-oss-120b").benches["cpu"].loads
    )


@dataclass
class World:
    """Everything a test in suites/ can look at; a fault changes one thing in it."""

    inspect: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(CAPTURED["inspect"]))
    image: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(CAPTURED["image"]))
    answers: dict[str, dict[str, Any]] = field(default_factory=lambda: copy.deepcopy(CAPTURED["answers"]))
    holders: list[dict[str, Any]] = field(default_factory=lambda: copy.deepcopy(CAPTURED["holders"]))
    started_s: float = 50.0
    first: str = "chat"
    second: str = "chat"
    conflict: Diagnosis | None = None
    two_at_once: bool = False
    """A second launch under a taken name comes up."""
    diagnosis: Diagnosis | None = field(default_factory=lambda: good_conflict("vllm-gemma3", "f" * 64))
    failed_after_s: float = 0.5
    left: list[dict[str, Any]] = field(default_factory=list)
    mends: bool = True
    variant: str = "gpt-oss-120b"
    tape: Tape | None = None
    """What a real HTTP server plays; without one the answers above are all that there is."""
    play: Callable[[Played], Played] = field(default=lambda played: played)
    """The change in what is played."""
    mistakes: list[str] = field(default_factory=list)
    """Errors of that change itself."""
    log: bytes = LOG
    environ: dict[str, str] = field(default_factory=dict)
    revision: str = REVISION
    """What the cache's refs/main names."""
    weights: bytes | None = b"weights"
    stopped: Stopped = field(default_factory=lambda: Stopped(exit_code=0, stop_s=1.0, stream=CAME_BACK))
    died: Died = field(default_factory=lambda: Died(statuses=(200, 503, None), exit_code=0, exit_s=2.0, diagnosis=DEAD))

    asked: dict[str, int] = field(default_factory=dict)
    """How often each of the answers above was asked for."""
    sick_at: dict[str, int] = field(default_factory=dict)
    """Answer → the one time it is 503."""
    loads: tuple[Loaded, ...] = field(default_factory=good_loads)
    per_token_ms: tuple[tuple[float, float], ...] = ((20.0, 20.0),)
    judged: tuple[Judged, ...] = (SWIFT,)

    def changed(self, played: Played) -> Played:
        """What is played, changed. An error in the change must not pass for a fault."""
        try:
            return self.play(played)
        except Exception as mistake:
            self.mistakes.append(f"{played.path}: {mistake!r}")
            raise

    def body(self, name: str) -> Any:
        """The JSON of an answer, to be changed and put back with `put`."""
        return json.loads(self.answers[name]["text"])

    def put(self, name: str, body: Any) -> None:
        """Replace the JSON of an answer."""
        self.answers[name]["text"] = json.dumps(body)

    def answer(self, name: str) -> Answer:
        """One answer as the API client returns it."""
        return Answer.model_validate(self.answers[name])

    def reply(self, request: httpx.Request) -> httpx.Response:
        """What the server says."""
        name = {"/health": "health", "/v1/models": "models", "/version": "version"}.get(request.url.path, "chat")
        if name == "chat":
            asked = json.loads(request.content)["model"]
            if asked != "gpt-oss-120b":
                text = self.answers["unknown"]["text"].replace("no-such-model", asked)
                kind = {"content-type": self.answers["unknown"]["headers"].get("content-type", "")}
                return httpx.Response(self.answers["unknown"]["status"], text=text, headers=kind)
        self.asked[name] = self.asked.get(name, 0) + 1
        told = self.answers[name]
        status = 503 if self.sick_at.get(name) == self.asked[name] else told["status"]
        return httpx.Response(
            status, text=told["text"], headers={"content-type": told["headers"].get("content-type", "")}
        )


def good_conflict(name: str, container_id: str) -> Diagnosis:
    """The diagnosis of a name conflict as the daemon's words give it."""
    told = (
        f'Conflict. The container name "/{name}" is already in use by container "{container_id}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
    found = diagnose(b"", daemon_error=told, container=name)
    assert found is not None
    return found


class FakeRun:
    """The session as a test in suites/ sees it."""

    def __init__(self, world: World, deployment: Deployment) -> None:
        self.world, self.deployment, self.engine = world, deployment, self
        self.environ = world.environ

    docker_host = "unix:///nowhere.sock"

    def holders(self) -> tuple[Holder, ...]:
        """What the engine lists."""
        return tuple(Holder.model_validate(h) for h in self.world.holders)

    def free_port(self) -> int:
        """A port."""
        return 1

    @contextmanager
    def run(self, flags: DockerFlags, environ: object) -> Iterator[Any]:  # noqa: ARG002
        """A container that comes up."""
        yield self

    @contextmanager
    def launch(self, attempt: Attempt, log: Path, flags: DockerFlags | None = None) -> Iterator[Launched]:  # noqa: ARG002
        """A second launch."""
        name = (flags or self.deployment.flags).name
        refusal = self.world.conflict or good_conflict(name, self.deployment.container_id)
        yield launch_of(flags or self.deployment.flags, self.deployment if self.world.two_at_once else refusal)

    @contextmanager
    def mended(self, failed: Attempt, log: Path) -> Iterator[Launched]:  # noqa: ARG002
        """The start after the remedy."""
        yield launch_of(self.deployment.flags, self.deployment if self.world.mends else OTHER)

    def raw_log(self, deployment: Deployment) -> list[bytes]:  # noqa: ARG002
        """The container's log."""
        return self.world.log.splitlines()

    def stop(self, attempt: Attempt) -> Stopped:  # noqa: ARG002
        """`docker stop`."""
        return self.world.stopped

    def restart(self, attempt: Attempt) -> Recovery:  # noqa: ARG002
        """`docker restart` or `docker start`."""
        with Api(self.deployment.base_url) as api:
            return recovery(api, lambda: None, 0.5)

    start_again = restart

    def kill_the_engine(self, attempt: Attempt) -> Died:  # noqa: ARG002
        """The death of the engine process."""
        return self.world.died

    def loads(self, attempt: Attempt) -> tuple[Loaded, ...]:  # noqa: ARG002
        """What the load did."""
        return self.world.loads

    def times_per_token(self, attempt: Attempt) -> Iterator[tuple[float, float]]:  # noqa: ARG002
        """The second client and the tool."""
        yield from self.world.per_token_ms

    def judged(self, attempt: Attempt) -> tuple[Judged, ...]:  # noqa: ARG002
        """What is said of the speed."""
        return self.world.judged


def launch_of(flags: DockerFlags, outcome: Deployment | Diagnosis, start_s: float = 0.1) -> Launched:
    """A launch with this outcome and nothing else."""
    return Launched(
        flags=flags,
        outcome=outcome,
        start_s=start_s,
        watch=None,
        container_id=None,
        inspect={},
        image=None,
        exit=None,
    )


def ask(test: Callable[..., None], world: World, tmp_path: Path) -> Attempt:
    """Call a test of suites/ in this world, with each of its parameters; the attempt that it wrote to."""
    variant = find("gpt-oss-120b")
    env: dict[str, str | None] = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    made = CAPTURED["inspect"]
    bench: Bench = samples.CPU.model_copy(update={"image": made["Config"]["Image"], "env": env})
    labels = {k.partition(".")[2]: v for k, v in made["Config"]["Labels"].items() if k.startswith("gb10-acceptance.")}
    sources = {m["Destination"]: m["Source"] for m in made["Mounts"]}
    flags = resolve(variant, bench, labels)
    flags = flags.model_copy(
        update={"mounts": tuple(Mount(source=sources[m.target], target=m.target, mode=m.mode) for m in flags.mounts)}
    )
    variant = find(world.variant)
    with ExitStack() as stack:
        address = "http://127.0.0.1:8000"
        if world.tape is not None:
            address = stack.enter_context(playing(world.tape, world.changed))
        deployment = Deployment(
            variant=variant,
            bench=bench.model_copy(update={"vllm_home": str(cache(world, variant, tmp_path))}),
            flags=flags,
            container_id=made["Id"],
            base_url=address,
            log=str(tmp_path / "container.log"),
            started_s=world.started_s,
        )
        transport = httpx.MockTransport(world.reply) if world.tape is None else None
        wants = inspect.signature(test).parameters
        attempt = healthy(world, deployment, tmp_path)
        if "failed" in wants:
            world.holders = world.left
        offered = {
            "api": stack.enter_context(Api(address, transport=transport)),
            "deployment": deployment,
            "attempt": attempt,
            "failed": failing(world, deployment, tmp_path),
            "run": FakeRun(world, deployment),
            "tmp_path": tmp_path,
            "soak_s": 0.3,
            "fuzz_s": 2.0,
        }
        for parameters in parametrised(test):
            test(**{name: (offered | parameters)[name] for name in wants})
    return attempt


def cache(world: World, variant: Variant, tmp_path: Path) -> Path:
    """A vLLM home with this world's snapshot in it, and the log beside it."""
    (tmp_path / "container.log").write_bytes(world.log)
    hub = tmp_path / "vllm" / "huggingface" / "hub" / f"models--{variant.model.replace('/', '--')}"
    for name in ("refs", f"snapshots/{world.revision}"):
        (hub / name).mkdir(parents=True)
    (hub / "refs" / "main").write_text(world.revision)
    if world.weights is not None:
        (hub / "snapshots" / world.revision / "model.safetensors").write_bytes(world.weights)
    return tmp_path / "vllm"


def healthy(world: World, deployment: Deployment, tmp_path: Path) -> Attempt:
    """The attempt that led to the deployment; the engine's facts are read from its log."""
    reader = Reader()
    reader.feed(world.log)
    reader.close()
    about = samples.record(
        variant=deployment.variant,
        expectation=deployment.variant.benches["cpu"],
        vllm_version=reader.vllm_version,
        engine_facts=dict(reader.facts),
    )
    launched = Launched(
        flags=deployment.flags,
        outcome=deployment,
        start_s=world.started_s,
        watch=None,
        container_id=deployment.container_id,
        inspect=world.inspect,
        image=Image(
            ref=deployment.bench.image,
            id=world.image["Id"],
            digests=(),
            architecture=world.image["Architecture"],
            labels={},
            raw=world.image,
        ),
        exit=None,
    )
    return Attempt(
        variant=deployment.variant,
        bench=deployment.bench,
        recorder=Recorder(about, tmp_path),
        launched=launched,
        first=world.answer(world.first),
        second=world.answer(world.second),
    )


def failing(world: World, deployment: Deployment, tmp_path: Path) -> Attempt:
    """The attempt at a start that must fail."""
    entry = next(entry for entry in FAILURES if entry.name == "name-taken")
    about = samples.record(variant=entry, expectation=entry.benches["cpu"], diagnosis=world.diagnosis)
    return Attempt(
        variant=entry,
        bench=deployment.bench,
        recorder=Recorder(about, tmp_path),
        launched=launch_of(deployment.flags, world.diagnosis or deployment, world.failed_after_s),
    )


def parametrised(test: Callable[..., None]) -> list[dict[str, Any]]:
    """Every combination of the values of `pytest.mark.parametrize` on the test; one empty set when there is none."""
    marks = [mark.args for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    each = [
        [{names: value} if isinstance(names, str) else dict(zip(names, value, strict=True)) for value in values]
        for names, values in marks
    ]
    return [{name: value for part in parts for name, value in part.items()} for parts in product(*each)]


Fault = Callable[[World], None]


def status(name: str, code: int | None) -> Fault:
    """The answer comes with another status."""
    return lambda world: world.answers[name].update(status=code)


def text(name: str, value: str) -> Fault:
    """The answer is another text."""
    return lambda world: world.answers[name].update(text=value)


def edit(name: str, change: Callable[[Any], None]) -> Fault:
    """One change in the JSON of an answer."""

    def fault(world: World) -> None:
        body = world.body(name)
        change(body)
        world.put(name, body)

    return fault


def host(**changes: Any) -> Fault:
    """Changes in HostConfig."""
    return lambda world: world.inspect["HostConfig"].update(changes)


def made(**changes: Any) -> Fault:
    """Changes in Config."""
    return lambda world: world.inspect["Config"].update(changes)


def environment(*, drop: str = "", add: tuple[str, ...] = ()) -> Fault:
    """Variables of the container without those that start with `drop`, and some more."""

    def fault(world: World) -> None:
        env = world.inspect["Config"]["Env"]
        world.inspect["Config"]["Env"] = [e for e in env if not drop or not e.startswith(drop)] + list(add)

    return fault


def mount(change: Callable[[list[dict[str, Any]]], Any]) -> Fault:
    """A change in the list of mounts."""
    return lambda world: change(world.inspect["Mounts"])


def message(**changes: Any) -> Fault:
    """Changes in the assistant's message."""
    return edit("chat", lambda body: body["choices"][0]["message"].update(changes))


def conflict(diagnosis: Diagnosis) -> Fault:
    """The second launch ends otherwise."""
    return lambda world: setattr(world, "conflict", diagnosis)


def diagnosed(**changes: Any) -> Fault:
    """The diagnosis of the failure, changed."""

    def fault(world: World) -> None:
        assert world.diagnosis is not None
        world.diagnosis = world.diagnosis.model_copy(update=changes)

    return fault


OTHER = Diagnosis(
    rule="port-in-use", stage=Stage.DAEMON, cause=Text(en="port", zh_tw="埠"), remedy=Text(en="stop it", zh_tw="停止")
)
NAMELESS = OTHER.model_copy(update={"rule": "container-name-conflict"})

CHAT: dict[str, Fault] = {
    "no answer": status("chat", None),
    "500": status("chat", 500),
    "not JSON": text("chat", "<html>"),
    "canned answer": message(content="I am a helpful assistant."),
    "empty answer": message(content=""),
    "null answer": message(content=None),
    "answer of an exclamation mark": message(content="!!!!!!!!"),
    "answer only in the reasoning": message(content=None, reasoning="Paris"),
    "wrong role": message(role="user"),
    "cut short": edit("chat", lambda body: body["choices"][0].update(finish_reason="length")),
    "another index": edit("chat", lambda body: body["choices"][0].update(index=1)),
    "made tomorrow": edit("chat", lambda body: body.update(created=body["created"] + 10**8)),
    "half of a control token": message(content="analysis: France. assistantfinalParis."),
    "another model's control token": message(content="<think>\n\n</think>\nParis."),
    "two choices": edit("chat", lambda body: body["choices"].append(body["choices"][0])),
    "no choices": edit("chat", lambda body: body.update(choices=[])),
    "another model": edit("chat", lambda body: body.update(model="other")),
    "usage that does not add up": edit("chat", lambda body: body["usage"].update(total_tokens=1)),
    "usage of nothing": edit(
        "chat", lambda body: body.update(usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
    ),
    "no usage": edit("chat", lambda body: body.pop("usage")),
}

CONTROLS: dict[str, dict[str, Fault]] = {
    "test_starts_within_its_budget": {"late": lambda world: setattr(world, "started_s", 1e6)},
    "test_first_inference_answers_although_it_still_compiles": CHAT,
    "test_second_inference_gives_the_same_answer": CHAT,
    "test_health_is_200_and_empty": {
        "dead engine": status("health", 503),
        "no answer": status("health", None),
        "a page of somebody else": text("health", "<html>welcome</html>"),
        "sick now and then": lambda world: world.sick_at.update(health=7),
    },
    "test_models_lists_exactly_the_served_name": {
        "503": status("models", 503),
        "not JSON": text("models", "ok"),
        "another name": edit("models", lambda body: body["data"][0].update(id="other")),
        "one more model": edit("models", lambda body: body["data"].append(body["data"][0] | {"id": "other"})),
        "no model": edit("models", lambda body: body.update(data=[])),
        "another object": edit("models", lambda body: body.update(object="models")),
        "wrong root": edit("models", lambda body: body["data"][0].update(root="openai/gpt-oss-20b")),
        "shorter context": edit("models", lambda body: body["data"][0].update(max_model_len=8192)),
        "context unknown": edit("models", lambda body: body["data"][0].pop("max_model_len")),
    },
    "test_version_is_served": {
        "404": text("version", '{"detail":"Not Found"}'),
        "no version": text("version", "{}"),
        "not a version": text("version", '{"version": null}'),
    },
    "test_inspect_shows_the_declared_flags_and_no_others": {
        "no --ipc=host": host(IpcMode="private"),
        "no --gpus": host(DeviceRequests=None),
        "one GPU only": host(DeviceRequests=[{"Driver": "", "Count": 1, "Capabilities": [["gpu"]]}]),
        "memlock lower": host(Ulimits=[{"Name": "memlock", "Hard": 65536, "Soft": 65536}]),
        "stack missing": host(Ulimits=[{"Name": "memlock", "Hard": -1, "Soft": -1}]),
        "restart policy": host(RestartPolicy={"Name": "always", "MaximumRetryCount": 0}),
        "privileged": host(Privileged=True),
        "capability added": host(CapAdd=["SYS_ADMIN"]),
        "host network": host(NetworkMode="host"),
        "host processes": host(PidMode="host"),
        "memory limit": host(Memory=1 << 30),
        "seccomp off": host(SecurityOpt=["seccomp=unconfined"]),
        "small shared memory": host(ShmSize=1 << 20),
        "a device": host(Devices=[{"PathOnHost": "/dev/mem", "PathInContainer": "/dev/mem"}]),
        "bound to loopback only": host(PortBindings={"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}]}),
        "another port": host(PortBindings={"8000/tcp": [{"HostIp": "", "HostPort": "8001"}]}),
        "one more port": host(
            PortBindings={
                "8000/tcp": [{"HostIp": "", "HostPort": "8000"}],
                "22/tcp": [{"HostIp": "", "HostPort": "22"}],
            }
        ),
        "published at random": host(PublishAllPorts=True),
        "/proc and /sys open": host(MaskedPaths=[], ReadonlyPaths=[]),
        "the log is lost": host(LogConfig={"Type": "none", "Config": {}}),
        "a mount shared with the host": mount(lambda mounts: mounts[0].update(Propagation="rshared")),
        "one more network": lambda world: world.inspect["NetworkSettings"]["Networks"].update(other={}),
        "another stop signal": made(StopSignal="SIGKILL"),
        "no health check": made(Healthcheck={"Test": ["NONE"]}),
        "a terminal": made(Tty=True),
        "another host name": made(Hostname="vllm.example"),
        "another name": lambda world: world.inspect.update(Name="/other"),
        "another image": made(Image="other:latest"),
        "image replaced under its tag": lambda world: world.inspect.update(Image="sha256:other"),
        "another command": made(Cmd=["vllm", "serve", "openai/gpt-oss-20b"]),
        "entrypoint swallows the command": made(Entrypoint=["/bin/sh"]),
        "another user": made(User="1000"),
        "extra variable": environment(add=("VLLM_SERVER_DEV_MODE=1",)),
        "encodings variable missing": environment(drop="TIKTOKEN_ENCODINGS_BASE"),
        "encodings elsewhere": environment(drop="TIKTOKEN_ENCODINGS_BASE", add=("TIKTOKEN_ENCODINGS_BASE=/tmp",)),
        "token missing": environment(drop="HF_TOKEN"),
        "foreign label": made(Labels=CAPTURED["inspect"]["Config"]["Labels"] | {"com.example": "1"}),
        "no mounts": mount(list.clear),
        "encodings writable": mount(lambda mounts: [m.update(RW=True) for m in mounts]),
        "cache read-only": mount(lambda mounts: [m.update(RW=False) for m in mounts]),
        "cache from elsewhere": mount(lambda mounts: [m.update(Source="/tmp") for m in mounts]),
        "one more mount": mount(
            lambda mounts: mounts.append({"Type": "bind", "Source": "/", "Destination": "/host", "RW": True})
        ),
    },
    "test_no_other_container_of_ours_exists": {
        "the other model is still there": lambda world: world.holders.append(
            world.holders[0] | {"id": "f" * 64, "name": "vllm-gemma3"}
        ),
        "a stranger under the other name": lambda world: world.holders.append(
            world.holders[0] | {"id": "f" * 64, "name": "vllm-gemma3", "variant": None}
        ),
        "gone": lambda world: world.holders.clear(),
    },
    "test_a_model_that_is_not_served_is_404": {
        "answers to any name": lambda world: world.answers["unknown"].update(world.answers["chat"]),
        "400": status("unknown", 400),
        "another error": edit("unknown", lambda body: body["error"].update(type="BadRequestError")),
        "another code": edit("unknown", lambda body: body["error"].update(code=400)),
        "called a page": lambda world: world.answers["unknown"]["headers"].update({"content-type": "text/html"}),
        "nameless error": edit("unknown", lambda body: body["error"].update(message="not found")),
        "its own name unknown": status("chat", 404),
    },
    "test_a_second_launch_under_the_name_is_a_name_conflict": {
        "no conflict": lambda world: setattr(world, "two_at_once", True),
        "another diagnosis": conflict(OTHER),
        "name not named": conflict(NAMELESS),
        "holder not named": conflict(good_conflict("vllm-gpt-oss", "e" * 64)),
        "the first no longer answers": status("chat", None),
    },
    "test_the_failure_is_diagnosed": {
        "healthy where a failure must be": lambda world: setattr(world, "diagnosis", None),
        "another rule": lambda world: setattr(world, "diagnosis", OTHER),
        "no evidence": diagnosed(evidence=()),
        "no cause": diagnosed(cause=Text(en="", zh_tw="名稱")),
        "no remedy": diagnosed(remedy=Text(en="", zh_tw="移除")),
        "one language": diagnosed(cause=Text(en="taken", zh_tw="")),
        "remedy in one language": diagnosed(remedy=Text(en="remove it", zh_tw="")),
    },
    "test_the_verdict_comes_with_the_failure_not_with_the_budget": {
        "waited to the end": lambda world: setattr(world, "failed_after_s", 1e6)
    },
    "test_a_failed_start_leaves_nothing": {
        "a container of ours": lambda world: world.left.append(CAPTURED["holders"][0]),
    },
    "test_the_stated_remedy_makes_it_healthy": {"still fails": lambda world: setattr(world, "mends", False)},
    "test_the_remedy_of_a_name_conflict_frees_the_name": {
        "no conflict": lambda world: setattr(world, "two_at_once", True),
        "another diagnosis": conflict(OTHER),
        "another remedy": conflict(NAMELESS),
    },
}
"""Test → fault → how to plant it. A test of suites/ without an entry fails `test_every_check_has_a_control`."""

NEEDS_ENGINE = {"test_the_remedy_of_a_name_conflict_frees_the_name"}
"""Passing these takes a real engine: the suites themselves show that on the CPU bench."""


def suite_tests() -> dict[str, Callable[..., None]]:
    """Every test in suites/ by name."""
    found: dict[str, Callable[..., None]] = {}
    for path in SUITES:
        module = importlib.import_module(f"suites.{path.stem}")
        found |= {name: test for name, test in vars(module).items() if name.startswith("test_")}
    return found


def test_every_check_has_a_control() -> None:
    """No test in suites/ without a fault it is shown to catch, and no control of a test that is gone."""
    from tests.test_controls_api import API_CONTROLS

    assert suite_tests().keys() == {name for name, faults in (CONTROLS | API_CONTROLS).items() if faults}
    assert not CONTROLS.keys() & API_CONTROLS.keys()


@pytest.mark.parametrize("name", [name for name in CONTROLS if name not in NEEDS_ENGINE])
def test_a_good_deployment_passes(name: str, tmp_path: Path) -> None:
    """In the world of a real good deployment the check is satisfied."""
    ask(suite_tests()[name], World(), tmp_path)


@pytest.mark.parametrize(
    ("name", "fault"), [(name, fault) for name, faults in CONTROLS.items() for fault in faults], ids=str
)
def test_a_planted_fault_is_caught(name: str, fault: str, tmp_path: Path) -> None:
    """The same world with one fault fails the check."""
    world = World()
    CONTROLS[name][fault](world)
    with pytest.raises(AssertionError):
        ask(suite_tests()[name], world, tmp_path)


def test_a_container_that_ends_again_is_not_waited_for() -> None:
    """The start budget is minutes; a start that has failed is known at once."""
    with Api("http://127.0.0.1:9") as api:
        came = recovery(api, lambda: Exit(code=1, oom_killed=False), 600)
    assert came.seconds < 5
    assert "exit code 1" in came.trouble
