"""One value renders the `docker run` line and docker-py's arguments, and recognises them in `docker inspect`."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flags import RefusedFlagsError, container_arguments, docker_run, resolve, shell_line
from harness.types import Bench, DockerFlags, Mount, Ulimit, Variant
from harness.variants import ALWAYS, VARIANTS, find

GB10 = Bench(
    name="gb10",
    chosen="test",
    docker_host="unix:///var/run/docker.sock",
    image="nvcr.io/nvidia/vllm:25.09-py3",
    vllm_home="~/vllm",
    port=8000,
    proves="x",
)

MISSION = {
    "gpt-oss-120b": (
        "docker run --detach --name vllm-gpt-oss --gpus all --ipc=host --ulimit memlock=-1 --ulimit stack=67108864 "
        "-p 8000:8000 -e HF_TOKEN -e TIKTOKEN_ENCODINGS_BASE=/etc/encodings "
        "-v ~/vllm/huggingface:/root/.cache/huggingface -v ~/vllm/encodings:/etc/encodings:ro "
        "nvcr.io/nvidia/vllm:25.09-py3 vllm serve openai/gpt-oss-120b --quantization mxfp4 "
        "--gpu-memory-utilization 0.85 --max-model-len 32768 --served-model-name gpt-oss-120b"
    ),
    "gemma-3-27b-bf16": (
        "docker run --detach --name vllm-gemma3 --gpus all --ipc=host --ulimit memlock=-1 --ulimit stack=67108864 "
        "-p 8000:8000 -e HF_TOKEN -v ~/vllm/huggingface:/root/.cache/huggingface "
        "nvcr.io/nvidia/vllm:25.09-py3 vllm serve google/gemma-3-27b-it "
        "--gpu-memory-utilization 0.90 --max-model-len 8192 --served-model-name gemma-3-27b"
    ),
    "gemma-3-27b-mxfp4": (
        "docker run --detach --name vllm-gemma3 --gpus all --ipc=host --ulimit memlock=-1 --ulimit stack=67108864 "
        "-p 8000:8000 -e HF_TOKEN -v ~/vllm/huggingface:/root/.cache/huggingface "
        "nvcr.io/nvidia/vllm:25.09-py3 vllm serve google/gemma-3-27b-it --quantization mxfp4 "
        "--gpu-memory-utilization 0.90 --max-model-len 32768 --served-model-name gemma-3-27b"
    ),
}

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
names = st.from_regex(r"[A-Z][A-Z0-9_]{0,12}", fullmatch=True)
paths = st.from_regex(r"/[a-z0-9 ._$'\"-]{1,20}", fullmatch=True).map(str.rstrip)
flag_values = st.builds(
    DockerFlags,
    gpus=st.just("all"),
    ipc=st.just("host"),
    ulimits=st.lists(
        st.builds(Ulimit, name=st.sampled_from(["memlock", "stack", "nofile"]), value=st.integers(-1, 2**40)),
        unique_by=lambda u: u.name,
    ).map(tuple),
    mounts=st.lists(
        st.builds(Mount, source=paths, target=paths, mode=st.sampled_from(["rw", "ro"])), unique_by=lambda m: m.target
    ).map(tuple),
    env=st.dictionaries(names, st.none() | words),
    name=st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True),
    image=st.just("example/image:tag"),
    command=st.lists(words, min_size=1).map(tuple),
    port=st.integers(1, 65535),
)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_the_line_is_the_mission_s_own(variant: Variant) -> None:
    """On a GB10 each variant's line is, to the letter, the one the mission prescribes."""
    assert shell_line(resolve(variant, GB10)) == MISSION[variant.name]


@pytest.mark.parametrize("ipc", ["", "private", "shareable", "HOST"])
def test_a_variant_without_ipc_host_is_refused(ipc: str) -> None:
    """Leaving out --ipc=host is an error that says what, why and where to mend it."""
    variant = find("gpt-oss-120b").model_copy(update={"docker": ALWAYS.model_copy(update={"ipc": ipc})})
    with pytest.raises(RefusedFlagsError, match=r"--ipc=host is required.*harness/variants.py"):
        resolve(variant, GB10)


@given(flag_values)
def test_the_line_and_the_arguments_say_the_same(flags: DockerFlags) -> None:
    """Whatever the flags, parsing the shell line gives back what docker-py is given."""
    parser = argparse.ArgumentParser()
    for option in ("--name", "--gpus", "--ipc", "-p"):
        parser.add_argument(option)
    for option in ("--ulimit", "-e", "-v"):
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    argv = shlex.split(shell_line(flags).replace(" ~/", f" {Path.home()}/"))
    assert argv == docker_run(flags)
    read = parser.parse_args(argv[2:])
    arguments = container_arguments(flags)
    assert (read.name, read.image, tuple(read.command)) == (flags.name, flags.image, flags.command)
    assert read.gpus == "all"
    assert arguments["device_requests"] == [{"count": -1, "capabilities": [["gpu"]]}]
    assert read.ipc == arguments["ipc_mode"]
    assert dict(limit.split("=") for limit in read.ulimit) == {
        u["name"]: str(u["soft"]) for u in arguments["ulimits"] if u["soft"] == u["hard"]
    }
    assert read.p == f"{flags.port}:8000"
    by_name = {entry for entry in read.e if "=" not in entry}
    assert by_name == {name for name, value in flags.env.items() if value is None}
    assert dict(e.split("=", 1) for e in read.e if "=" in e) == {k: v for k, v in flags.env.items() if v is not None}
    assert len(read.v) == len(flags.mounts)
    for text, mount in zip(read.v, flags.mounts, strict=True):
        assert text == f"{mount.source}:{mount.target}" + (":ro" if mount.mode == "ro" else "")


def test_a_token_is_named_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_TOKEN is passed by name: its value is in no rendering."""
    monkeypatch.setenv("HF_TOKEN", "hf_verysecretverysecret")
    flags = resolve(find("gpt-oss-120b"), GB10)
    assert "-e HF_TOKEN " in shell_line(flags)
    assert "verysecret" not in shell_line(flags) + repr(container_arguments(flags)) + flags.model_dump_json()
