"""The failures that must happen: one literal entry each, provoked from a real engine and a real vLLM.

Each runs on a vLLM home of its own with miniature checkpoints, on a GB10 too: no real weights are read, and none
needs more memory than a miniature. `--enforce-eager` spares the compilation where the failure does not need it.
"""

from harness.types import Expectation, Fault, Mend, Mount, Variant
from harness.variants import find

EAGER = ("--enforce-eager",)
GEMMA = "gemma-3-27b-bf16"
GPT_OSS = "gpt-oss-120b"
MEMORY_GIB = 4


def both(fault: Fault) -> dict[str, Fault]:
    """The same fault on both benches."""
    return {"gb10": fault, "cpu": fault}


def failure(
    name: str,
    title: str,
    *,
    of: str,
    expects: str,
    faults: dict[str, Fault],
    mend: Mend = Mend.NONE,
    within_s: float = 300,
) -> Variant:
    """A variant that must fail as `expects` within `within_s` seconds; a bench without a fault can't show it."""
    expectations = {
        bench: Expectation(expects=expects, fault=fault, mend=mend, start_budget_s=within_s, memory_gib=MEMORY_GIB)
        for bench, fault in faults.items()
    }
    return find(of).model_copy(update={"name": name, "title": title, "marks": ("failure",), "benches": expectations})


FAILURES: tuple[Variant, ...] = (
    failure(
        "utilization-too-high",
        "more memory is asked for than is free",
        of=GEMMA,
        expects="gpu-memory-startup",
        faults={
            "gb10": Fault(serve=(*EAGER, "--gpu-memory-utilization", "0.99")),
            "cpu": Fault(serve=(*EAGER, "--gpu-memory-utilization", "0.99"), without_env=("VLLM_CPU_KVCACHE_SPACE",)),
        },
        mend=Mend.FLAGS,
    ),
    failure(
        "kv-cache-too-small",
        "the KV cache holds no request of the declared length",
        of=GEMMA,
        expects="kv-cache-too-small",
        faults={
            "gb10": Fault(serve=(*EAGER, "--gpu-memory-utilization", "0.02", "--max-model-len", "131072")),
            "cpu": Fault(serve=(*EAGER, "--kv-cache-memory-bytes", "2M"), without_env=("VLLM_CPU_KVCACHE_SPACE",)),
        },
        mend=Mend.FLAGS,
    ),
    failure(
        "encodings-not-mounted",
        "gpt-oss without its encodings: healthy, but no chat",
        of=GPT_OSS,
        expects="harmony-vocab",
        faults=both(Fault(serve=EAGER, without_mounts=("/etc/encodings",))),
        mend=Mend.UNDO,
        within_s=300,
    ),
    failure(
        "name-taken",
        "somebody else's container has the name",
        of=GEMMA,
        expects="container-name-conflict",
        faults=both(Fault(serve=EAGER, staging="name-taken", despite=("container-name",))),
        mend=Mend.COMMAND,
        within_s=20,
    ),
    failure(
        "port-taken",
        "another process listens on the port",
        of=GEMMA,
        expects="port-in-use",
        faults=both(Fault(serve=EAGER, staging="port-taken", despite=("port",))),
        mend=Mend.SCENE,
        within_s=20,
    ),
    failure(
        "unknown-flag",
        "vLLM does not know an argument",
        of=GEMMA,
        expects="bad-flag",
        faults=both(Fault(serve=("--no-such-flag",))),
    ),
    failure(
        "context-too-long",
        "a longer context than the model has",
        of=GEMMA,
        expects="max-model-len-invalid",
        faults=both(Fault(serve=(*EAGER, "--max-model-len", "9999999"))),
        mend=Mend.FLAGS,
    ),
    failure(
        "model-not-cached",
        "offline, and the model is not in the cache",
        of=GEMMA,
        expects="hf-missing",
        faults=both(Fault(model="google/gemma-3-no-such-model", env={"HF_HUB_OFFLINE": "1"}, despite=("disk",))),
    ),
    failure(
        "weights-cut-short",
        "a weights file ends too early",
        of=GEMMA,
        expects="corrupt-weights",
        faults=both(Fault(serve=EAGER, staging="weights-cut-short")),
        mend=Mend.SCENE,
    ),
    failure(
        "tokenizer-damaged",
        "the tokenizer's file holds what no tokenizer is",
        of=GEMMA,
        expects="tokenizer-or-template",
        faults=both(Fault(serve=EAGER, staging="tokenizer-damaged")),
    ),
    failure(
        "architecture-unknown",
        "a model of an architecture that vLLM does not know",
        of=GEMMA,
        expects="unsupported-model",
        faults=both(Fault(serve=EAGER, staging="architecture-unknown")),
    ),
    failure(
        "quantization-unknown",
        "a quantization that vLLM does not know",
        of=GEMMA,
        expects="unsupported-quantization",
        faults=both(Fault(serve=(*EAGER, "--quantization", "no-such-quantization"))),
    ),
    failure(
        "memory-limit",
        "the kernel kills the engine for its memory",
        of=GEMMA,
        expects="host-oom-killed",
        faults=both(Fault(serve=EAGER, memory="900m")),
    ),
    failure(
        "engine-killed",
        "the engine dies while it serves; the container ends with exit code 0",
        of=GEMMA,
        expects="engine-dead",
        faults=both(Fault(serve=EAGER, staging="engine-killed")),
        within_s=300,
    ),
    failure(
        "command-missing",
        "the command is not in the image",
        of=GEMMA,
        expects="entrypoint-missing",
        faults=both(Fault(program=("vllm-that-is-not-there", "serve"))),
        within_s=30,
    ),
    failure(
        "image-missing",
        "the image can't be pulled",
        of=GEMMA,
        expects="image-pull",
        faults=both(Fault(image="localhost:1/no-such-image:none", despite=("image",))),
        within_s=60,
    ),
    failure(
        "mount-source-missing",
        "the directory to be mounted can't exist",
        of=GEMMA,
        expects="bind-mount-missing",
        faults=both(Fault(mounts=(Mount(source="not-a-directory/below", target="/extra"),), staging="file-in-the-way")),
        within_s=30,
    ),
    failure(
        "daemon-down",
        "no Docker daemon answers",
        of=GEMMA,
        expects="docker-daemon-down",
        faults=both(Fault(docker_host="unix:///nowhere/docker.sock", despite=("docker",))),
        within_s=10,
    ),
    failure(
        "exits-at-once",
        "the container ends at once without a word",
        of=GEMMA,
        expects="unexplained",
        faults=both(Fault(program=("true",))),
        within_s=30,
    ),
)
