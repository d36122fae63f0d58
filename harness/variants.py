"""The variants: one literal entry each. Adding one needs no code.

Marks, `pytest --markers`, `python -m harness plan`, preflight and the suites all read this table.
Start budgets are the published load times with room (docs/decisions/0003-budgets.md).
"""

from harness.types import DockerOptions, Expectation, Load, Mount, Ulimit, Variant

IMAGE = "nvcr.io/nvidia/vllm:25.09-py3"
PORT = 8000

ALWAYS = DockerOptions(
    gpus="all",
    ipc="host",
    ulimits=(Ulimit(name="memlock", value=-1), Ulimit(name="stack", value=67108864)),
    mounts=(Mount(source="huggingface", target="/root/.cache/huggingface"),),
    env={"HF_TOKEN": None},
)
"""What every deployment is given."""

MARKS = {
    "gpt_oss": "deployments of openai/gpt-oss-120b",
    "gemma3": "deployments of google/gemma-3-27b-it",
    "bf16": "Gemma 3 with BF16 weights",
    "mxfp4": "Gemma 3 with MXFP4 weights",
    "failure": "starts that must fail, and be explained",
}
"""Mark → the sentence `pytest --markers` shows."""

HUNG = {"weights": 900.0, "weights loaded": 600.0, "compile": 900.0}
"""Reading weights and compiling after it: longer is a hang (a compilation was reported to hang for 44 minutes)."""

MINIATURE = (
    "a miniature checkpoint stands in for the real weights, so quality, speed and memory are not shown",
    "the engine is vLLM's CPU build: GPU kernels, CUDA graphs and unified memory are not exercised",
)

BRISK = tuple(Load(streams=c, prompts=8 * c, input_tokens=1024, output_tokens=256) for c in (1, 8, 32))
DENSE = tuple(Load(streams=c, prompts=8 * c, input_tokens=1024, output_tokens=64) for c in (1, 8))
"""For a dense model near 5 tok/s: 256 tokens would take a minute a request."""
SMALL = tuple(Load(streams=c, prompts=8 + c, input_tokens=128, output_tokens=32) for c in (1, 8))
"""Seconds on the CPU bench, but for the client's own start."""

VARIANTS = (
    Variant(
        name="gpt-oss-120b",
        title="gpt-oss-120b, MXFP4",
        marks=("gpt_oss",),
        model="openai/gpt-oss-120b",
        container="vllm-gpt-oss",
        serve=(
            *("--quantization", "mxfp4"),
            *("--gpu-memory-utilization", "0.85"),
            *("--max-model-len", "32768"),
            *("--served-model-name", "gpt-oss-120b"),
        ),
        docker=ALWAYS.plus(
            mounts=(Mount(source="encodings", target="/etc/encodings", mode="ro"),),
            env={"TIKTOKEN_ENCODINGS_BASE": "/etc/encodings"},
        ),
        encodings=("o200k_base.tiktoken", "cl100k_base.tiktoken"),
        benches={
            "gb10": Expectation(
                start_budget_s=1200,
                loads=BRISK,
                phase_budgets_s=HUNG,
                disk_gib=70,
                note="NVIDIA lists gpt-oss from image 25.10; on 25.09 public reports disagree, so the hardware decides",
            ),
            "cpu": Expectation(
                start_budget_s=900,
                loads=SMALL,
                memory_gib=4,
                disk_gib=1,
                needle_tokens=23,
                unproven=(
                    *MINIATURE,
                    "this miniature finds a needle among two dozen tokens only: long context is not exercised",
                    "on a CPU without AMX the experts are computed from their MXFP4 blocks by a plugin of this project",
                ),
            ),
        },
    ),
    Variant(
        name="gemma-3-27b-bf16",
        title="Gemma 3 27B, BF16",
        marks=("gemma3", "bf16"),
        model="google/gemma-3-27b-it",
        container="vllm-gemma3",
        serve=(
            *("--gpu-memory-utilization", "0.90"),
            *("--max-model-len", "8192"),
            *("--served-model-name", "gemma-3-27b"),
        ),
        docker=ALWAYS,
        benches={
            "gb10": Expectation(start_budget_s=720, phase_budgets_s=HUNG, disk_gib=60, loads=DENSE),
            "cpu": Expectation(
                start_budget_s=900,
                loads=SMALL,
                memory_gib=4,
                disk_gib=1,
                needle_tokens=600,
                unproven=(
                    *MINIATURE,
                    "a needle is asked for in 600 tokens: nearer to the limit the miniature does not find it reliably",
                    "the miniature is text only: image input is not exercised",
                ),
            ),
        },
    ),
    Variant(
        name="gemma-3-27b-mxfp4",
        title="Gemma 3 27B, MXFP4",
        marks=("gemma3", "mxfp4"),
        model="google/gemma-3-27b-it",
        container="vllm-gemma3",
        serve=(
            *("--quantization", "mxfp4"),
            *("--gpu-memory-utilization", "0.90"),
            *("--max-model-len", "32768"),
            *("--served-model-name", "gemma-3-27b"),
        ),
        docker=ALWAYS,
        benches={
            "gb10": Expectation(
                start_budget_s=720,
                loads=DENSE,
                phase_budgets_s=HUNG,
                disk_gib=60,
                note="upstream vLLM 0.10.1.1, the version in image 25.09, refuses MXFP4 for dense layers "
                "(NotImplementedError: Mxfp4 linear layer is not implemented) and 0.11.1 to 0.27 silently serve BF16; "
                "NVIDIA's patches are not public, so the hardware has the last word",
            ),
            "cpu": Expectation(
                start_budget_s=900,
                loads=SMALL,
                memory_gib=4,
                disk_gib=1,
                needle_tokens=600,
                unproven=(
                    *MINIATURE,
                    "a needle is asked for in 600 tokens: nearer to the limit the miniature does not find it reliably",
                    "the miniature is text only: image input is not exercised",
                    "MXFP4 weights are real, multiplied by a CPU kernel of this project: no GPU kernel is exercised",
                ),
            ),
        },
    ),
)

CONTAINERS = tuple(dict.fromkeys(variant.container for variant in VARIANTS))
"""The container names this harness owns; switching removes all of them."""


def find(name: str) -> Variant:
    """The variant called `name`. Raises KeyError with the names there are."""
    for variant in VARIANTS:
        if variant.name == name:
            return variant
    raise KeyError(f"no variant is called {name!r}; there are: {', '.join(v.name for v in VARIANTS)}")
