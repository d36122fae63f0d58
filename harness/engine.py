"""The Docker Engine, as far as this harness needs it. The only importer of docker and testcontainers.

testcontainers gives the container its `with` and its labels; its reaper, wait strategies and log reader are not used
(the reaper would remove a kept deployment, the strategies wait a dead container's whole time out).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Self, TypeVar

import docker
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import get_docker_host

from harness.flags import CONTAINER_PORT, LABEL, container_arguments
from harness.progress import Progress
from harness.types import DockerFlags, EngineSeen, Exit, Holder, Image

testcontainers_config.ryuk_disabled = True

T = TypeVar("T")

OLDEST_API = (1, 40)
"""`--gpus` needs it (Docker 19.03)."""
CALL_TIMEOUT_S = 600
"""docker-py's default of 60 s is less than the removal of a large GPU container can take."""
STOP_GRACE_S = 10


class EngineError(Exception):
    """No usable Docker Engine: what, against what limit, what to do."""


class RefusedError(Exception):
    """The daemon refused to create or start a container. `text` is its own explanation; `status` its HTTP status."""

    def __init__(self, text: str, status: int | None) -> None:
        super().__init__(text)
        self.text, self.status = text, status


def default_docker_host() -> str:
    """The user's engine: DOCKER_HOST, else the current docker context, else the usual socket."""
    return get_docker_host() or "unix:///var/run/docker.sock"


class Container:
    """A container, created or started. `close` ends the streams that were opened on it."""

    def __init__(self, engine: Engine, raw: Any) -> None:
        self._engine, self.id = engine, str(raw.id)
        self._streams: list[tuple[Any, Any]] = []

    def inspect(self) -> dict[str, Any]:
        """`docker inspect` as the engine gives it now."""
        inspected: dict[str, Any] = self._engine.call(self._engine.client.api.inspect_container, self.id)
        return inspected

    def output(self) -> Iterator[bytes]:
        """Standard output and error in the order written, from the first byte; call it before the start.

        Reading must not stop: an attached client that stalls blocks the container's own writes.
        """
        client = self._engine.patient()
        stream: Iterator[bytes] = client.attach(self.id, stdout=True, stderr=True, stream=True, logs=True)
        return self._stream(client, stream)

    def ends(self) -> Iterator[Exit]:
        """Each end of the container, as the engine reports it; call it before the start, and look at `exited` after it.

        The iterator stops when the engine goes away or `close` is called.
        """
        client = self._engine.patient()
        wanted = {"container": self.id, "event": ["die", "oom"]}
        events: Iterator[dict[str, Any]] = self._stream(client, client.events(decode=True, filters=wanted))
        oom = False
        for event in events:
            if event["status"] == "oom":
                oom = True
            else:  # what is started again at once is not found exited any more: then the event alone says how
                ended = self.exited() or Exit(code=int(event["Actor"]["Attributes"]["exitCode"]), oom_killed=False)
                yield ended.model_copy(update={"oom_killed": ended.oom_killed or oom})

    def exited(self) -> Exit | None:
        """How it ended, or None while it runs or has not been started."""
        state = self.inspect()["State"]
        if state["Status"] not in ("exited", "dead"):
            return None
        return Exit(code=state["ExitCode"], oom_killed=bool(state.get("OOMKilled")))

    def kill(self) -> None:
        """SIGKILL."""
        self._engine.call(self._engine.client.api.kill, self.id)

    def kill_if_there(self) -> None:
        """SIGKILL; a container that has ended already is fine."""
        with suppress(RefusedError):
            self.kill()

    def close(self) -> None:
        """End the streams, whoever is reading them: the reader sees their end."""
        for _, stream in self._streams:
            with suppress(OSError, AttributeError):  # docker-py's close looks for a socket that may be gone already
                stream.close()

    def release(self) -> None:
        """Give the descriptors back, once nobody reads the streams any more."""
        self.close()
        while self._streams:
            client, stream = self._streams.pop()
            stream._response.close()  # noqa: SLF001 (docker-py's close leaves the response, and so its socket, open)
            client.close()

    def _stream(self, client: Any, stream: Iterator[T]) -> Iterator[T]:
        self._streams.append((client, stream))
        return stream


class Engine:
    """A connection to one engine. Raises EngineError when none answers or it is too old."""

    def __init__(self, docker_host: str) -> None:
        self.docker_host = docker_host
        self._environment = {**os.environ, "DOCKER_HOST": docker_host}
        try:
            _knock(docker_host)
            self.client = docker.from_env(environment=self._environment, timeout=CALL_TIMEOUT_S)
            self.facts: dict[str, Any] = self.client.version()
        except (DockerException, OSError) as error:
            raise EngineError(
                f"Cannot connect to the Docker daemon at {docker_host} ({_reason(error)}) → start it (sudo systemctl "
                "start docker), join the docker group, or set DOCKER_HOST"
            ) from error
        api = tuple(int(part) for part in str(self.facts["ApiVersion"]).split("."))
        if api < OLDEST_API:
            raise EngineError(
                f"Docker Engine {self.facts.get('Version')} speaks API {self.facts['ApiVersion']}; --gpus needs "
                f"{'.'.join(map(str, OLDEST_API))} (Docker 19.03) or newer → upgrade Docker"
            )

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def call(self, verb: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """Call docker-py; a lost daemon becomes EngineError, a refusal RefusedError."""
        try:
            return verb(*args, **more)
        except APIError as error:
            raise RefusedError(str(error.explanation or error), error.status_code) from error
        except (DockerException, RequestException) as error:
            raise EngineError(
                f"the Docker Engine at {self.docker_host} stopped answering ({_reason(error)})"
            ) from error

    def patient(self) -> Any:
        """A low-level client without read time-out, for calls that last as long as a deployment."""
        return docker.from_env(environment=self._environment, timeout=None).api

    def image(self, ref: str) -> Image | None:
        """The local image `ref`, or None."""
        try:
            raw = self.call(self.client.api.inspect_image, ref)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise
        return Image(
            ref=ref,
            id=raw["Id"],
            digests=tuple(raw.get("RepoDigests") or ()),
            architecture=raw["Architecture"],
            labels=(raw.get("Config") or {}).get("Labels") or {},
            raw=raw,
        )

    def pull(self, ref: str, progress: Progress) -> None:
        """Pull `ref`, showing the bytes. Raises RefusedError with the registry's own words."""
        sizes: dict[str, tuple[int, int]] = {}
        with progress.step(f"pull {ref}", unit="B") as step:
            for event in self.call(self.client.api.pull, ref, stream=True, decode=True):
                if "error" in event:
                    raise RefusedError(str(event["error"]), None)
                detail = event.get("progressDetail") or {}
                if event.get("status") == "Downloading" and detail.get("total"):
                    sizes[event["id"]] = (detail["current"], detail["total"])
                    step.at(sum(done for done, _ in sizes.values()), sum(total for _, total in sizes.values()))

    def holders(self) -> tuple[Holder, ...]:
        """Every container of the engine, running or not."""
        listed = self.call(self.client.api.containers, all=True)
        return tuple(
            Holder(
                id=raw["Id"],
                name=(raw.get("Names") or ["/"])[0].lstrip("/"),
                state=raw["State"],
                created=str(raw["Created"]),
                variant=(raw.get("Labels") or {}).get(LABEL),
                ports=tuple(sorted({p["PublicPort"] for p in raw.get("Ports") or () if p.get("PublicPort")})),
            )
            for raw in listed
        )

    def seen(self, image: str) -> EngineSeen:
        """What preflight asks, now."""
        return EngineSeen(version=str(self.facts.get("Version")), image=self.image(image), holders=self.holders())

    def find(self, name: str) -> Container | None:
        """The container called `name` (or with that id), or None."""
        try:
            return Container(self, self.client.containers.get(name))
        except NotFound:
            return None

    def execute(self, container_id: str, command: list[str]) -> None:
        """Run a command in a container; its exit code is not looked at (what it kills may be itself)."""
        made = self.call(self.client.api.exec_create, container_id, command)
        self.call(self.client.api.exec_start, made["Id"])

    def output_of(self, container_id: str, command: list[str], env: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Run a command in a container to its end, however long: exit code, and both of its streams in order."""
        api = self.patient()
        try:
            made = self.call(api.exec_create, container_id, command, environment=env)
            output: bytes = self.call(api.exec_start, made["Id"])
            return self.call(api.exec_inspect, made["Id"])["ExitCode"], output
        finally:
            api.close()

    def stop(self, container_id: str, grace_s: int) -> None:
        """SIGTERM, and SIGKILL after `grace_s` seconds: `docker stop`."""
        self.call(self.client.api.stop, container_id, timeout=grace_s)

    def start(self, container_id: str) -> None:
        """Start a stopped container again: `docker start`."""
        self.call(self.client.api.start, container_id)

    def restart(self, container_id: str, grace_s: int) -> None:
        """`docker restart`."""
        self.call(self.client.api.restart, container_id, timeout=grace_s)

    def logs(self, container: Container) -> Iterator[bytes]:
        """What the container has written so far, both streams in order."""
        stream: Iterator[bytes] = self.call(self.client.api.logs, container.id, stream=True, follow=False)
        return stream

    def remove(self, container_id: str, *, gracefully: bool = True) -> None:
        """Stop with SIGTERM and a grace, and remove; a container that is already gone is fine."""
        stop = ((self.client.api.stop, {"timeout": STOP_GRACE_S}),) if gracefully else ()
        remove = (self.client.api.remove_container, {"force": True, "v": True})
        calls = (*stop, remove, remove)  # a busy engine may fail the first removal, and do it nevertheless
        for nth, (verb, more) in enumerate(calls, 1):
            try:
                self.call(verb, container_id, **more)
            except RefusedError as error:
                gone = error.status == 404 or (error.status == 409 and "already in progress" in error.text)
                late = "did not receive an exit event" in error.text and nth < len(calls)
                if not gone and not late:
                    raise

    @contextmanager
    def run(
        self, flags: DockerFlags, environ: Mapping[str, str], on_created: Callable[[Container], None] | None = None
    ) -> Iterator[Owned]:
        """Create and start a container; leaving removes it, unless `keep` was called on what is yielded.

        `on_created` runs between create and start, so that nothing the container writes is missed. Variables passed
        by name take their value from `environ`; an unset one is left out. Raises RefusedError with the daemon's
        words; a container that was created but not started is removed then too.
        """
        owned = Owned(flags.image, docker_client_kw={"environment": self._environment, "timeout": CALL_TIMEOUT_S})
        owned.engine, owned.on_created = self, on_created
        owned.with_name(flags.name).with_command(list(flags.command)).with_bind_ports(CONTAINER_PORT, flags.port)
        for name, value in flags.env.items():
            given = environ.get(name) if value is None else value
            if given is not None:
                owned.with_env(name, given)
        for mount in flags.mounts:
            owned.with_volume_mapping(mount.source, mount.target, mount.mode)
        owned.with_kwargs(**container_arguments(flags))
        with ExitStack() as stack:
            stack.callback(owned.let_go)
            self.call(stack.enter_context, owned)
            yield owned


class Owned(DockerContainer):
    """A container with an owner: started in two steps, removed gracefully, or kept on request."""

    engine: Engine
    on_created: Callable[[Container], None] | None
    container: Container | None = None
    kept = False

    def start(self) -> Self:
        """Create, call `on_created`, start."""
        volumes = {source: {"bind": m["bind"], "mode": m["mode"]} for source, m in self.volumes.items()}
        client = self.get_docker_client()
        self._container = client.create(
            self.image,
            command=self._command,
            environment=self.env,
            ports=self.ports,
            name=self._name,
            volumes=volumes,
            **self._kwargs,
        )
        self.container = Container(self.engine, self._container)
        if self.on_created is not None:
            self.on_created(self.container)
        client.start(self._container)
        return self

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:  # noqa: ARG002 (testcontainers' signature)
        """SIGTERM, a grace, then removal; nothing when kept."""
        if self.container is None or self.kept:
            return
        try:
            self.engine.remove(self.container.id)
        except BaseException:  # interrupted while it stops gracefully: then not gracefully
            self.engine.remove(self.container.id, gracefully=False)
            raise

    def let_go(self) -> None:
        """Close every connection."""
        if self.container is not None:
            self.container.close()
        self.get_docker_client().client.close()


def _knock(docker_host: str) -> None:
    """Raise OSError when nobody listens at a unix socket: docker-py would leave a socket of its own open then."""
    if docker_host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.connect(docker_host.removeprefix("unix://"))


def _reason(error: BaseException) -> str:
    """The innermost cause, in one line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return " ".join(str(error).split()) or type(error).__name__
