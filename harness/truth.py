"""What a deployment really is: quantisation, revision and weights, from what the engine did. Pure, but for the disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from harness.types import Bench, Deployment, Dialect, Variant

WEIGHTS_GIB: dict[str, tuple[float, float]] = {
    "gpt_oss": (55.0, 75.0),
    "gemma3 bf16": (45.0, 60.0),
    "gemma3 mxfp4": (10.0, 30.0),
}
"""Model and format → GiB that the real weights take (`Model loading took`): 65.97 was measured for gpt-oss-120b with
Marlin, Gemma 3 27B is 51 in BF16 and about 17 in MXFP4."""


def quantisation_problems(variant: Variant, bench: Bench, facts: Mapping[str, str], dialect: Dialect) -> list[str]:
    """Why the engine's own traces don't show the quantisation that the variant asks for, or show one it doesn't.

    `facts` are those of the log (`harness.rules.FACTS`). Memory decides on real weights, kernels on any.
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


def served_revision(deployment: Deployment) -> str | None:
    """The snapshot that the engine says it loaded; None when its log names none (a model by its name, online)."""
    log = Path(deployment.log).read_text(encoding="utf-8", errors="replace")
    found = re.search(r"/snapshots/([0-9a-f]{40})", log)
    return found[1] if found else None


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
