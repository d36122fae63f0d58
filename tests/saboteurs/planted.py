"""Faults of Docker's flags: a container is created with them, and its real `docker inspect` is what the suites see."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.flags import docker_run
from harness.types import DockerFlags

Words = list[str]


@dataclass(frozen=True)
class Planted:
    """A `docker run` line with one change."""

    name: str
    does: str
    change: Callable[[Words, DockerFlags], Words]
    breaks: str = "exactly the declared flags"
    elsewhere: str = ""
    """Where it is shown to be caught, when the matrix can't: what somebody else started may have it."""


def without(*gone: str) -> Callable[[Words, DockerFlags], Words]:
    """The line without these neighbouring words."""

    def change(words: Words, flags: DockerFlags) -> Words:
        at = next(i for i in range(len(words)) if words[i : i + len(gone)] == list(gone))
        return words[:at] + words[at + len(gone) :]

    return change


def plus(*more: str) -> Callable[[Words, DockerFlags], Words]:
    """The line with more options."""
    return lambda words, flags: [*words[: words.index(flags.image)], *more, *words[words.index(flags.image) :]]


def instead(old: str, new: str) -> Callable[[Words, DockerFlags], Words]:
    """The line with one word changed, wherever it is part of one."""
    return lambda words, flags: [word.replace(old, new) for word in words]


def served(*more: str) -> Callable[[Words, DockerFlags], Words]:
    """The line with more arguments for `vllm serve`."""
    return lambda words, flags: [*words, *more]


def no_mounts(words: Words, flags: DockerFlags) -> Words:
    """The line without mounts."""
    return [word for before, word in zip(["", *words], words, strict=False) if "-v" not in (before, word)]


PLANTED: tuple[Planted, ...] = (
    Planted("no-ipc-host", "no --ipc=host", without("--ipc=host")),
    Planted("ipc-shareable", "--ipc=shareable", instead("--ipc=host", "--ipc=shareable")),
    Planted("no-gpus", "no --gpus", without("--gpus", "all")),
    Planted("one-gpu", "--gpus 1", lambda words, flags: [*words[:6], "1", *words[7:]]),
    Planted("memlock-lower", "--ulimit memlock=65536", instead("memlock=-1", "memlock=65536")),
    Planted("memlock-missing", "no --ulimit memlock", without("--ulimit", "memlock=-1")),
    Planted("stack-lower", "--ulimit stack=8388608", instead("stack=67108864", "stack=8388608")),
    Planted("one-more-ulimit", "--ulimit nofile=256", plus("--ulimit", "nofile=256")),
    Planted("privileged", "--privileged", plus("--privileged")),
    Planted("capability", "--cap-add SYS_ADMIN", plus("--cap-add", "SYS_ADMIN")),
    Planted("capability-less", "--cap-drop ALL", plus("--cap-drop", "ALL")),
    Planted("seccomp-off", "seccomp=unconfined", plus("--security-opt", "seccomp=unconfined")),
    Planted("apparmor-off", "apparmor=unconfined", plus("--security-opt", "apparmor=unconfined")),
    Planted("network-host", "--network host", plus("--network", "host")),
    Planted("pid-host", "--pid host", plus("--pid", "host")),
    Planted("uts-host", "--uts host", plus("--uts", "host")),
    Planted("memory-limit", "--memory 16g", plus("--memory", "16g")),
    Planted("cpu-limit", "--cpus 1", plus("--cpus", "1")),
    Planted("process-limit", "--pids-limit 50", plus("--pids-limit", "50")),
    Planted("device", "--device /dev/null", plus("--device", "/dev/null:/dev/danger")),
    Planted("restart-always", "--restart always", plus("--restart", "always")),
    Planted("restart-on-failure", "--restart on-failure", plus("--restart", "on-failure:3")),
    Planted("removed-at-its-end", "--rm", plus("--rm")),
    Planted(
        "another-port",
        "another host port",
        lambda w, flags: instead(f"{flags.port}:8000", "9:8000")(w, flags),
        elsewhere="tests/test_saboteurs.py: of a start of its own",
    ),
    Planted(
        "loopback-only",
        "bound to 127.0.0.1",
        lambda w, flags: instead(f"{flags.port}:8000", f"127.0.0.1:{flags.port}:8000")(w, flags),
    ),
    Planted("one-more-port", "-p 2222:22", plus("-p", "2222:22")),
    Planted("published-at-random", "--publish-all", plus("--publish-all")),
    Planted("no-port", "no -p", lambda w, flags: without("-p", f"{flags.port}:8000")(w, flags)),
    Planted("another-user", "--user 1000", plus("--user", "1000")),
    Planted("entrypoint", "--entrypoint /bin/sh", plus("--entrypoint", "/bin/sh")),
    Planted("dev-mode", "VLLM_SERVER_DEV_MODE=1", plus("-e", "VLLM_SERVER_DEV_MODE=1")),
    Planted("second-token", "one more secret by value", plus("-e", "HUGGING_FACE_HUB_TOKEN=hf_0123456789abcdefghij")),
    Planted("token-missing", "no -e HF_TOKEN", without("-e", "HF_TOKEN")),
    Planted("proxy-variable", "a proxy in the environment", plus("-e", "HTTPS_PROXY=http://192.0.2.1:3128")),
    Planted("foreign-label", "--label com.example=1", plus("--label", "com.example=1")),
    Planted("no-mounts", "no -v", no_mounts),
    Planted(
        "cache-read-only", "the cache mounted :ro", instead("/root/.cache/huggingface", "/root/.cache/huggingface:ro")
    ),
    Planted("root-mounted", "-v /:/host", plus("-v", "/:/host")),
    Planted("engine-mounted", "Docker's socket mounted", plus("-v", "/var/run/docker.sock:/var/run/docker.sock")),
    Planted("tmpfs", "--tmpfs /root/.cache/vllm", plus("--tmpfs", "/root/.cache/vllm")),
    Planted("read-only", "--read-only", plus("--read-only")),
    Planted("another-dns", "--dns 192.0.2.1", plus("--dns", "192.0.2.1")),
    Planted(
        "another-host-entry", "--add-host huggingface.co:192.0.2.1", plus("--add-host", "huggingface.co:192.0.2.1")
    ),
    Planted("group", "--group-add 0", plus("--group-add", "docker0")),
    Planted("sysctl", "--sysctl net.ipv4.ip_forward=1", plus("--sysctl", "net.ipv4.ip_forward=1")),
    Planted("oom-kill-off", "--oom-score-adj -1000", plus("--oom-score-adj", "-1000")),
    Planted("init", "--init", plus("--init")),
    Planted("another-model", "another model served", instead("openai/gpt-oss-120b", "openai/gpt-oss-20b")),
    Planted("another-length", "another --max-model-len", instead("32768", "8192")),
    Planted("another-utilization", "another --gpu-memory-utilization", instead("0.85", "0.95")),
    Planted("not-quantised", "no --quantization", without("--quantization", "mxfp4")),
    Planted("key-on-the-line", "--api-key on the command line", served("--api-key", "sk-0123456789abcdefghij")),
    Planted("remote-code", "--trust-remote-code", served("--trust-remote-code")),
    Planted("proc-open", "/proc and /sys unmasked", plus("--security-opt", "systempaths=unconfined")),
    Planted("no-new-privileges", "no-new-privileges", plus("--security-opt", "no-new-privileges")),
    Planted("all-capabilities", "--cap-add ALL", plus("--cap-add", "ALL")),
    Planted("device-rule", "a rule for devices", plus("--device-cgroup-rule", "c 1:1 rwm")),
    Planted("user-namespace", "--userns host", plus("--userns", "host")),
    Planted("killed-at-once", "--stop-signal SIGKILL", plus("--stop-signal", "SIGKILL")),
    Planted("stopped-at-once", "--stop-timeout 1", plus("--stop-timeout", "1")),
    Planted("no-health-check", "--no-healthcheck", plus("--no-healthcheck")),
    Planted("own-health-check", "--health-cmd true", plus("--health-cmd", "true")),
    Planted("terminal", "--tty", plus("--tty")),
    Planted("host-name", "--hostname vllm.example", plus("--hostname", "vllm.example")),
    Planted("domain-name", "--domainname example", plus("--domainname", "example")),
    Planted("log-lost", "--log-driver none", plus("--log-driver", "none")),
    Planted("one-gpu-by-number", "--gpus device=0", lambda words, flags: [*words[:6], "device=0", *words[7:]]),
    Planted("fewer-cores", "--cpuset-cpus 0", plus("--cpuset-cpus", "0")),
    Planted("less-of-the-cores", "--cpu-shares 2", plus("--cpu-shares", "2")),
    Planted("oom-kill-disabled", "--oom-kill-disable", plus("--oom-kill-disable")),
    Planted("small-shm", "--shm-size 1m", plus("--shm-size", "1m")),
    Planted("memlock-soft", "--ulimit memlock=65536:-1", instead("memlock=-1", "memlock=65536:-1")),
    Planted("cache-elsewhere", "another cache mounted", instead("/huggingface:/root", "/elsewhere:/root")),
    Planted(
        "cache-shared",
        "the cache mounted rshared",
        instead("/root/.cache/huggingface", "/root/.cache/huggingface:rshared"),
    ),
    Planted(
        "encodings-writable", "the encodings mounted to be written", instead("/etc/encodings:ro", "/etc/encodings")
    ),
    Planted("unnamed-volume", "a volume without a name", plus("-v", "/root/.cache/vllm")),
    Planted("datagrams", "a UDP port", plus("-p", "9999:9999/udp")),
    Planted("old-engine", "VLLM_USE_V1=0", plus("-e", "VLLM_USE_V1=0")),
    Planted("long-allowed", "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1", plus("-e", "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1")),
    Planted("preloaded", "LD_PRELOAD", plus("-e", "LD_PRELOAD=/tmp/x.so")),
    Planted("encodings-emptied", "TIKTOKEN_ENCODINGS_BASE is empty", plus("-e", "TIKTOKEN_ENCODINGS_BASE=")),
    Planted("said-twice", "--max-model-len twice: the last wins", served("--max-model-len", "4096")),
    Planted("eager", "--enforce-eager", served("--enforce-eager")),
    Planted("one-sequence", "--max-num-seqs 1", served("--max-num-seqs", "1")),
    Planted("small-cache", "--kv-cache-dtype fp8", served("--kv-cache-dtype", "fp8")),
    Planted("another-revision", "--revision refs/pr/1", served("--revision", "refs/pr/1")),
    Planted("prompts-logged", "--enable-log-requests", served("--enable-log-requests")),
    Planted("origins", "--allowed-origins", served("--allowed-origins", '["*"]')),
)


@contextmanager
def planted(
    fault: Planted, flags: DockerFlags, docker_host: str, environ: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """The real inspect of a container that was created, not started, with the changed line; removed at the end.

    Raises CalledProcessError with the engine's words when it refuses the line.
    """
    words = fault.change(docker_run(flags), flags)
    name = f"{flags.name}-planted"
    words[words.index(flags.name)] = name
    labels = [part for key, value in flags.labels.items() for part in ("--label", f"{key}={value}")]
    docker = ["docker", "--host", docker_host]
    env = {**os.environ, **environ}
    subprocess.run([*docker, "rm", "--force", name], capture_output=True, check=False)
    subprocess.run([*docker, "create", *labels, *words[3:]], check=True, capture_output=True, env=env)
    try:
        told = subprocess.run([*docker, "inspect", name], check=True, capture_output=True).stdout
        inspect: dict[str, Any] = json.loads(told)[0]
        yield inspect | {"Name": f"/{flags.name}"}
    finally:
        subprocess.run([*docker, "rm", "--force", "--volumes", name], check=True, capture_output=True)
