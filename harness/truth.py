"""What a deployment really is: quantisation, revision and weights, from what the engine did. Pure, but for the disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from harness.resolved import settings
from harness.types import Bench, Deployment, Dialect, Finding, Variant

WEIGHTS_GIB: dict[str, tuple[float, float]] = {
    "gpt_oss": (55.0, 75.0),
    "gemma3 bf16": (45.0, 60.0),
    "gemma3 mxfp4": (10.0, 30.0),
}
"""Model and format → GiB that the real weights take (`Model loading took`): 65.97 was measured for gpt-oss-120b with
Marlin, Gemma 3 27B is 51 in BF16 and about 17 in MXFP4."""


def quantisation_problems(variant: Variant, bench: Bench, facts: Mapping[str, str], dialect: Dialect) -> list[str]:
    """Why the engine's own traces don't show the quantisation that the variant asks for, or show one it doesn't.

    `facts` are those of the log (`harness.landmarks.FACTS`). Memory decides on real weights, kernels on any.
    """
    wanted = variant.argument("--quantization")
    experts = facts.get("moe_backend") or facts.get("moe_backend_old")
    dense = facts.get("mxfp4_gemm")
    found = []
    if "gpt_oss" in variant.marks:
        if not experts and dialect.names_moe_backend:
            found.append("no MXFP4 backend of the experts in the log: the checkpoint's MXFP4 was not used")
        kind = "gpt_oss"
    elif wanted == "mxfp4":
        kind = "gemma3 mxfp4"
        if dialect.dense_mxfp4 == "applied" and not dense:
            found.append("no `Using … for MXFP4 GEMM` in the log: the linear layers were not quantised")
        if dialect.dense_mxfp4 != "applied" and bench.name == "cpu":
            found.append(f"vLLM {dialect.since} and later has MXFP4 for dense layers {dialect.dense_mxfp4}")
    else:
        kind = "gemma3 bf16"
        if dense or experts:
            found.append(f"an MXFP4 kernel ({dense or experts}) where none was asked for")
    if bench.name == "gb10":
        found += _memory_problems(kind, facts.get("model_gib"))
    return found


def _memory_problems(kind: str, gib: str | None) -> list[str]:
    least, most = WEIGHTS_GIB[kind]
    if gib is None:
        return ["no `Model loading took` in the log: what the weights took is unknown"]
    if least <= float(gib) <= most:
        return []
    return [f"the weights took {gib} GiB, wanted {least:.0f} to {most:.0f} GiB for {kind}"]


GIVEN = re.compile(r"non-default args: \{(.*)\}")
"""What the server was told, in its own log: of 0.10.1.1 to 0.32."""
CHANGING = frozenset(
    re.split(
        r"\s+",
        """allow_credentials allowed_local_media_path allowed_origins api_key attention_backend block_size
        chat_template code_revision compilation_config cpu_offload_gb dtype enable_chunked_prefill
        enable_log_requests enable_lora enable_prefix_caching enable_sleep_mode enforce_eager generation_config
        gpu_memory_utilization hf_config_path hf_overrides kv_cache_dtype kv_cache_memory_bytes load_format
        logits_processors lora_modules max_model_len max_num_batched_tokens max_num_seqs middleware model
        num_gpu_blocks_override override_generation_config quantization reasoning_parser revision rope_scaling
        rope_theta served_model_name speculative_config swap_space tokenizer tokenizer_revision tool_call_parser
        trust_remote_code""",
    )
)
"""Arguments that change what is served, how fast, or to whom: undeclared, no deployment may have them. A seed may."""
ARCHITECTURES = {"gpt_oss": "GptOss", "gemma3": "Gemma3"}
"""Mark → how vLLM's own implementation of the model begins; the one of transformers is another."""


def argument_problems(variant: Variant, log: str) -> tuple[list[str], list[Finding]]:
    """Why the arguments that the server names in its log are not the declared ones; others are findings.

    An image may put a word of its own on the command line that `docker inspect` shows.
    """
    found = GIVEN.search(log)
    given = settings(re.sub(r"'(\w+)': ", r"\1=", found[1])) if found else {}
    given = {name: value.strip("[]'\"") for name, value in given.items() if name != "model_tag"}
    flags = {name: f"--{name.replace('_', '-')}" for name in given}
    after = dict(zip(variant.serve, (*variant.serve[1:], "--"), strict=True))  # a flag without a value says True
    declared = {name: "True" if after.get(f, "").startswith("--") else after.get(f) for name, f in flags.items()}
    declared |= {"model": variant.model}
    wrong = [
        f"{name}: the server was told {value!r}, declared is {declared.get(name) or 'nothing'}"
        for name, value in given.items()
        if not _same(value, declared.get(name)) and (declared.get(name) or name in CHANGING)
    ]
    more = [name for name in given if not declared.get(name) and name not in CHANGING]
    seen = [Finding(id="undeclared-argument", what=name, seen="non-default args", forbidden=False) for name in more]
    return wrong, seen


def setting_problems(
    variant: Variant, bench: Bench, facts: Mapping[str, str], resolved: Mapping[str, str]
) -> list[str]:
    """Why the settings that the engine says it resolved are not those of the variant; one it does not name is none."""
    places = (variant.model, f"models--{variant.model.replace('/', '--')}")
    wanted = variant.argument("--quantization")
    scheme = resolved.get("quantization", "None")
    good = {
        "architecture": facts.get("architecture", "").startswith(
            tuple(start for mark, start in ARCHITECTURES.items() if mark in variant.marks)
        ),
        "model": any(place in resolved.get("model", "") for place in places),
        "tokenizer": any(place in resolved.get("tokenizer", "") for place in places),
        "served_model_name": resolved.get("served_model_name") == variant.argument("--served-model-name"),
        "max_seq_len": resolved.get("max_seq_len") == variant.argument("--max-model-len"),
        "quantization": scheme == "None" or (wanted is not None and (wanted in scheme or scheme == "online")),
        "kv_cache_dtype": resolved.get("kv_cache_dtype") in ("auto", "bfloat16"),
        "load_format": "dummy" not in resolved.get("load_format", "").lower(),
        "trust_remote_code": resolved.get("trust_remote_code") == "False",
        "speculative_config": resolved.get("speculative_config") == "None",
        "enforce_eager": bench.name != "gb10" or resolved.get("enforce_eager") == "False",
        "device_config": bench.name != "gb10" or "cuda" in resolved.get("device_config", ""),
    }
    said = {**resolved, **{name: facts[name] for name in ("architecture",) if name in facts}}
    if not said.keys() & good.keys():
        return ["the log names no setting of the engine: it has lost its beginning → restart the deployment"]
    return [f"{name}: the engine says {said[name]!r}" for name, right in good.items() if name in said and not right]


def _same(value: str, declared: str | None) -> bool:
    """Whether both mean the same: numbers are equal however they are written."""
    try:
        return float(value) == float(declared or "nan")
    except ValueError:
        return value == declared


def served_revision(deployment: Deployment) -> str | None:
    """The snapshot that the engine says it loaded; None when its log names none (a model by its name, online)."""
    log = Path(deployment.log).read_text(encoding="utf-8", errors="replace")
    found = set(re.findall(r"/snapshots/([0-9a-f]{40})", log))
    return " and ".join(sorted(found)) or None


def weights_problems(deployment: Deployment, revision: str | None, facts: Mapping[str, str]) -> list[str]:
    """What is wrong with the checkpoint on this machine, as the engine loaded it."""
    cache = (
        Path(deployment.bench.vllm_home)
        / "huggingface"
        / "hub"
        / f"models--{deployment.variant.model.replace('/', '--')}"
    )
    main = cache / "refs" / "main"
    if not main.exists():
        return [f"{main} is not there: which revision was loaded is unknown"]
    on_disk = main.read_text().strip()
    found = []
    if revision is not None and revision != on_disk:
        found.append(f"the engine loaded revision {revision}, refs/main names {on_disk}")
    files = sorted((cache / "snapshots" / on_disk).glob("*.safetensors"))
    if not files:
        found.append(f"no safetensors in {cache / 'snapshots' / on_disk}")
    if missing := [file.name for file in files if not file.exists() or file.stat().st_size == 0]:
        found.append(f"weight files without content: {', '.join(missing)}")
    declared = deployment.variant.benches[deployment.bench.name].revision
    if declared and declared != on_disk:
        found.append(f"revision {on_disk} is served, the variant declares {declared}")
    if "weights_s" not in facts:
        found.append("no `Loading weights took` in the log: the engine did not load them")
    return found
