"""DockerFlags → the same start in other people's words: a shell line, a Compose file, a systemd unit. Pure.

None of them carries this harness's labels: what is started from an export is its owner's, and no run here removes it.
Variables passed by name stay names: their values are in none of the forms. Podman's Quadlet is not among them: Podman
has no `--gpus`, so the container would not be the one that was judged.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from harness.flags import CONTAINER_PORT, docker_run
from harness.types import DockerFlags

FORMATS = ("docker-run", "compose", "systemd")


def export(flags: DockerFlags, form: str, docker_host: str = "") -> str:
    """`flags` in one of FORMATS. `docker_host` names an engine other than the one that the reader's tools take."""
    return {"docker-run": _docker_run, "compose": _compose, "systemd": _systemd}[form](flags, docker_host)


def _docker_run(flags: DockerFlags, docker_host: str) -> str:
    host = f"DOCKER_HOST={shlex.quote(docker_host)} " if docker_host else ""
    return f"{host}{shlex.join(docker_run(flags))}\n"


def _compose(flags: DockerFlags, docker_host: str) -> str:
    """Compose 1.28 or newer. YAML whose scalars are JSON, with `$` doubled: Compose would replace `$NAME`."""

    def scalar(value: str | int | bool) -> str:
        return json.dumps(value).replace("$", "$$")

    def lines() -> Iterator[str]:
        yield "# docker compose up --detach"
        yield from (f"# with DOCKER_HOST={docker_host}",) if docker_host else ()
        yield from ("services:", "  vllm:")
        yield f"    container_name: {scalar(flags.name)}"
        yield f"    image: {scalar(flags.image)}"
        yield f"    command: [{', '.join(scalar(word) for word in flags.command)}]"
        yield f"    ipc: {scalar(flags.ipc)}"
        yield "    network_mode: bridge"
        yield f"    restart: {scalar(flags.restart)}"
        yield f"    ports: [{scalar(f'{flags.port}:{CONTAINER_PORT}')}]"
        yield from (f"    mem_limit: {scalar(flags.memory)}",) if flags.memory else ()
        yield from ("    ulimits:", *(f"      {limit.name}: {limit.value}" for limit in flags.ulimits))
        yield "    environment:"
        yield from (f"      - {scalar(n if value is None else f'{n}={value}')}" for n, value in flags.env.items())
        yield "    volumes:"
        for m in flags.mounts:
            place = f"source: {scalar(m.source)}, target: {scalar(m.target)}, read_only: {scalar(m.mode == 'ro')}"
            yield f"      - {{type: bind, {place}}}"
        gpus = "count: all" if flags.gpus == "all" else f"device_ids: {json.dumps(_devices(flags))}"
        yield from ("    deploy:", "      resources:", "        reservations:", "          devices:")
        yield f"            - {{{gpus}, capabilities: [gpu]}}"

    return "\n".join(lines()) + "\n"


def _devices(flags: DockerFlags) -> list[str]:
    return flags.gpus.removeprefix("device=").split(",")


def _systemd(flags: DockerFlags, docker_host: str) -> str:
    """A unit that owns its container as long as it runs, and keeps the ended one for `docker logs`."""
    by_name = [name for name, value in flags.env.items() if value is None]
    command = [word for word in docker_run(flags) if word != "--detach"]
    lines = [
        "[Unit]",
        f"Description=vLLM deployment {flags.name}",
        "Wants=network-online.target",
        "After=docker.service network-online.target",
        "",
        "[Service]",
        *([f"Environment={_quoted(f'DOCKER_HOST={docker_host}')}"] if docker_host else []),
        *([f"# holds {', '.join(f'{name}=...' for name in by_name)}; only root should read it"] if by_name else []),
        *([f"EnvironmentFile=/etc/{flags.name}.env"] if by_name else []),
        "# an ended container of this name is removed first; a running one makes the start fail",
        f"ExecStartPre=-/usr/bin/env docker rm {_quoted(flags.name)}",
        f"ExecStart=/usr/bin/env {' '.join(_quoted(word) for word in command)}",
        f"ExecStop=/usr/bin/env docker stop {_quoted(flags.name)}",
        "TimeoutStartSec=infinity",
        f"Restart={flags.restart}",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    """One word of a unit's command line: quotes, backslashes, `%` and `$` stand for themselves."""
    escaped = "".join({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}.get(c, c) for c in word)
    escaped = escaped.replace("%", "%%").replace("$", "$$")
    plain = word.isascii() and word and not set(word) & set(" '\\\";\n\t")
    return escaped if plain else f'"{escaped}"'
