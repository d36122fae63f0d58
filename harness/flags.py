"""(Variant, Bench) → DockerFlags, and its renderings: the `docker run` line, docker-py's arguments, and what
`docker inspect` must show. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.types import Bench, DockerFlags, Mount, Ulimit, Variant

CONTAINER_PORT = 8000
LABEL = "gb10-acceptance"
"""Prefix of the labels on every container this harness starts; what carries none of them is someone else's."""
TOOL_LABELS = ("org.testcontainers",)
"""Label prefixes that testcontainers adds by itself."""


class RefusedFlagsError(ValueError):
    """A variant declares flags that no deployment may be started with."""


def resolve(variant: Variant, bench: Bench, labels: Mapping[str, str] | None = None) -> DockerFlags:
    """The complete flags of `variant` on `bench`.

    Raises RefusedFlagsError when the entry leaves out `--ipc=host`, whatever else it says.
    """
    if variant.docker.ipc != "host":
        raise RefusedFlagsError(
            f"{variant.name}: --ipc={variant.docker.ipc or '(missing)'} where --ipc=host is required; without it the "
            "engine has Docker's 64 MB of shared memory and dies under load → write ipc='host' in harness/variants.py"
        )
    home = Path(bench.vllm_home).expanduser().absolute()
    mounts = tuple(Mount(source=str(home / m.source), target=m.target, mode=m.mode) for m in variant.docker.mounts)
    options = variant.docker.model_dump() | {"mounts": mounts, "env": variant.docker.env | bench.env}
    return DockerFlags(
        **options,
        name=variant.container,
        image=bench.image,
        command=(*variant.program, variant.model, *variant.serve),
        port=bench.port,
        labels={LABEL: variant.name} | {f"{LABEL}.{key}": value for key, value in (labels or {}).items()},
    )


def docker_run(flags: DockerFlags) -> list[str]:
    """The `docker run` command as arguments. Variables passed by name carry no value; labels are left out."""
    return [
        *("docker", "run", "--detach"),
        *("--name", flags.name),
        *("--gpus", flags.gpus),
        f"--ipc={flags.ipc}",
        *(part for limit in flags.ulimits for part in ("--ulimit", f"{limit.name}={limit.value}")),
        *(("--memory", flags.memory) if flags.memory else ()),
        *("-p", f"{flags.port}:{CONTAINER_PORT}"),
        *(part for name, value in flags.env.items() for part in ("-e", name if value is None else f"{name}={value}")),
        *(part for m in flags.mounts for part in ("-v", f"{m.source}:{m.target}{':ro' if m.mode == 'ro' else ''}")),
        flags.image,
        *flags.command,
    ]


def shell_line(flags: DockerFlags, docker_host: str = "") -> str:
    """`docker_run` as one line to paste into a shell, with `~` for the caller's home directory.

    `docker_host` is put in front for an engine that is not the shell's own.
    """
    home = f"{Path.home()}/"
    words = (
        "~/" + shlex.quote(word.removeprefix(home)) if word.startswith(home) else shlex.quote(word)
        for word in docker_run(flags)
    )
    return " ".join((*((f"DOCKER_HOST={docker_host}",) if docker_host else ()), *words))


def container_arguments(flags: DockerFlags) -> dict[str, Any]:
    """What testcontainers passes on to docker-py, beside name, image, command, env, ports and volumes."""
    count = {"count": -1} if flags.gpus == "all" else {"device_ids": flags.gpus.removeprefix("device=").split(",")}
    return {
        "device_requests": [{**count, "capabilities": [["gpu"]]}],
        "ipc_mode": flags.ipc,
        "ulimits": [{"name": u.name, "soft": u.value, "hard": u.value} for u in flags.ulimits],
        "restart_policy": {"Name": flags.restart},
        "labels": dict(flags.labels),
        "network": "bridge",
        **({"mem_limit": flags.memory} if flags.memory else {}),
    }


ENGINE_DEFAULTS: dict[str, tuple[object, ...]] = {
    "CgroupnsMode": ("host", "private"),
    "ConsoleSize": ([0, 0],),
    "Isolation": ("default",),
    "MaskedPaths": (),  # lists that differ by version; anything but their absence is the engine's own
    "ReadonlyPaths": (),
    "NetworkMode": ("bridge", "default"),
    "LogConfig": (),
    "ShmSize": (67108864,),
    "MemorySwappiness": (-1,),
    "CgroupParent": (),
    "Runtime": (),
    "SecurityOpt": (["label=disable"],),  # what --ipc=host brings with it
}
"""HostConfig keys that are never empty: the values an engine fills in; () means any (not a flag of `docker run`
that changes what the deployment may do, or checked elsewhere)."""


PLAIN: dict[str, tuple[object, ...]] = {
    "Tty": (False,),
    "OpenStdin": (False,),
    "Domainname": ("",),
    "StopSignal": ("SIGTERM", "15"),
    "StopTimeout": (),
    "Healthcheck": (),
    "Shell": (),
}
"""Config keys that no flag of ours sets: what they may be besides absent or as in the image."""
PROPAGATIONS = ("", "rprivate", "rslave")
"""What an engine gives a bind mount by itself."""


def differences(flags: DockerFlags, inspect: Mapping[str, Any], image: Mapping[str, Any]) -> list[str]:
    """What `docker inspect` of the live container shows that the flags do not declare, or lacks that they do.

    `inspect` and `image` are the engine's own JSON of the container and of its image. Each difference is one
    sentence; an environment value is never quoted.
    """
    host: Mapping[str, Any] = inspect["HostConfig"]
    made: Mapping[str, Any] = inspect["Config"]
    base: Mapping[str, Any] = image.get("Config") or {}
    found: list[str] = []

    def same(what: str, got: object, wanted: object) -> None:
        if got != wanted:
            found.append(f"{what}: found {got!r}, wanted {wanted!r}")

    same("name", str(inspect["Name"]).lstrip("/"), flags.name)
    same("image", made["Image"], flags.image)
    same("image id", inspect["Image"], image["Id"])
    same("command", list(made.get("Cmd") or ()), list(flags.command))
    same("entrypoint", made.get("Entrypoint") or None, base.get("Entrypoint") or None)
    same("user", made.get("User") or "", base.get("User") or "")
    same("working directory", made.get("WorkingDir") or "", base.get("WorkingDir") or "")
    requests = [
        (r.get("Driver") or "", r.get("Count"), r.get("DeviceIDs") or [], r.get("Capabilities"), r.get("Options") or {})
        for r in host.get("DeviceRequests") or ()
    ]
    same("--gpus", requests, [("", -1, [], [["gpu"]], {})])
    same("--ipc", host.get("IpcMode"), flags.ipc)
    ulimits = sorted((u["Name"], u["Soft"], u["Hard"]) for u in host.get("Ulimits") or ())
    same("--ulimit", ulimits, sorted((u.name, u.value, u.value) for u in flags.ulimits))
    mounts = sorted((m["Type"], m.get("Source"), m["Destination"], bool(m["RW"])) for m in inspect.get("Mounts") or ())
    same("mounts", mounts, sorted(("bind", m.source, m.target, m.mode == "rw") for m in flags.mounts))
    bindings = {
        port: sorted({(b.get("HostIp") or "0.0.0.0", b["HostPort"]) for b in to or ()})
        for port, to in (host.get("PortBindings") or {}).items()
    }
    same("-p", bindings, {f"{CONTAINER_PORT}/tcp": [("0.0.0.0", str(flags.port))]})
    same("--restart", (host.get("RestartPolicy") or {}).get("Name") or "no", flags.restart)
    same("--privileged", bool(host.get("Privileged")), False)
    for key, values in PLAIN.items():
        if made.get(key) and made[key] != base.get(key) and made[key] not in values:
            found.append(f"Config.{key}: found {made[key]!r}, which no flag declares")
    if made.get("Hostname") and not str(inspect["Id"]).startswith(made["Hostname"]):
        found.append(f"--hostname: found {made['Hostname']!r}, wanted the container's own id")
    found += [
        f"mounts: {mount['Destination']} is {mount['Propagation']} with the host"
        for mount in inspect.get("Mounts") or ()
        if (mount.get("Propagation") or "") not in PROPAGATIONS
    ]
    if more := sorted({*((inspect.get("NetworkSettings") or {}).get("Networks") or ())} - {"bridge"}):
        found.append(f"--network: found {', '.join(more)} too, wanted bridge alone")
    if bare := [key for key in ("MaskedPaths", "ReadonlyPaths") if host.get(key) == []]:
        found.append(f"--security-opt: {' and '.join(bare)} are none: /proc and /sys are open")
    if (host.get("LogConfig") or {}).get("Type") == "none":
        found.append("--log-driver: found 'none', the log is lost")
    found += _environment(flags, made.get("Env") or (), base.get("Env") or ())
    labels = {k: v for k, v in (made.get("Labels") or {}).items() if not k.startswith(TOOL_LABELS)}
    same("labels", labels, (base.get("Labels") or {}) | flags.labels)
    compared = {
        "DeviceRequests",
        "IpcMode",
        "Ulimits",
        "Binds",
        "Mounts",
        "PortBindings",
        "RestartPolicy",
        "Privileged",
    }
    for key, value in host.items():
        if key in compared or not value or (flags.memory and key in ("Memory", "MemorySwap")):
            continue
        if key not in ENGINE_DEFAULTS or (ENGINE_DEFAULTS[key] and value not in ENGINE_DEFAULTS[key]):
            found.append(f"HostConfig.{key}: found {value!r}, which no flag declares")
    return found


def observed(flags: DockerFlags, inspect: Mapping[str, Any], image: Mapping[str, Any]) -> DockerFlags:
    """The flags that `docker inspect` of the live container shows, beside the declared ones.

    Variables of the image are left out, and the value of one passed by name is not looked at.
    """
    host, made = inspect["HostConfig"], inspect["Config"]
    inherited = set((image.get("Config") or {}).get("Env") or ())
    env = dict(entry.partition("=")[::2] for entry in made.get("Env") or () if entry not in inherited)
    requests = host.get("DeviceRequests") or ()
    bound = [int(b["HostPort"]) for to in (host.get("PortBindings") or {}).values() for b in to or ()]
    return DockerFlags(
        gpus="all" if [r.get("Count") for r in requests] == [-1] else str(requests),
        ipc=host.get("IpcMode") or "",
        ulimits=tuple(Ulimit(name=u["Name"], value=u["Hard"]) for u in host.get("Ulimits") or ()),
        mounts=tuple(
            Mount(source=m.get("Source") or "", target=m["Destination"], mode="rw" if m["RW"] else "ro")
            for m in inspect.get("Mounts") or ()
        ),
        env={name: None if flags.env.get(name, "") is None else value for name, value in env.items()},
        name=str(inspect["Name"]).lstrip("/"),
        image=made["Image"],
        command=tuple(made.get("Cmd") or ()),
        port=bound[0] if bound else 0,
        restart=(host.get("RestartPolicy") or {}).get("Name") or "no",
        labels={k: v for k, v in (made.get("Labels") or {}).items() if k.startswith(LABEL)},
    )


def _environment(flags: DockerFlags, made: Any, base: Any) -> list[str]:
    """Differences of the environment, by name only: a value may be a secret."""
    got = dict(entry.partition("=")[::2] for entry in made)
    inherited = dict(entry.partition("=")[::2] for entry in base)
    found = [f"-e {name}: missing from the container" for name in flags.env if name not in got]
    for name, value in got.items():
        if name in flags.env:
            if flags.env[name] is not None and flags.env[name] != value:
                found.append(f"-e {name}: has another value than declared")
        elif inherited.get(name) != value:
            found.append(f"-e {name}: set in the container, declared by no flag and not by the image")
    return found
