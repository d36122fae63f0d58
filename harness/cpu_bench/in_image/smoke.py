"""Run in the container that becomes the image: what serving needs is there and works together.

Two things that no start should do again stay in the image: what vLLM found out about the miniatures' architectures (a
process of its own each time) and the headers of generated code, compiled. Nothing of a model stays.
"""

import importlib.metadata
import shutil
import subprocess
from pathlib import Path

import torch

torch.randn(8, 8) @ torch.randn(8, 8)

import cpu_mxfp4  # noqa: E402
import openai_harmony  # noqa: E402, F401
import vllm  # noqa: E402
from torch._inductor.runtime.cache_dir_utils import cache_dir  # noqa: E402
from vllm.model_executor.kernels import linear  # noqa: E402
from vllm.model_executor.models import ModelRegistry  # noqa: E402
from vllm.platforms import current_platform  # noqa: E402
from vllm.plugins import load_general_plugins  # noqa: E402

assert current_platform.is_cpu(), f"vLLM takes this image for {current_platform.device_name or 'unknown'}, not cpu"
load_general_plugins()
registered = [kernel.__name__ for kernels in linear._POSSIBLE_MXFP4_KERNELS.values() for kernel in kernels]
assert "CpuMxfp4LinearKernel" in registered, f"the MXFP4 kernel is not registered, only {registered}"

weight = torch.tensor([[0.5, -6.0, 3.0, 1.5] * 8])  # all of them MXFP4 values
assert torch.equal(cpu_mxfp4.dequantize(*cpu_mxfp4.quantize(weight), torch.float32), weight)

compiler = shutil.which("g++")
assert compiler, "no g++: torch.compile needs it"
torch._dynamo.config.suppress_errors = False
double = torch.compile(lambda x: torch.relu(x) * 2)
assert torch.equal(double(torch.ones(16)), torch.full((16,), 2.0))
for made in Path(cache_dir()).iterdir():
    if made.name != "precompiled_headers":
        shutil.rmtree(made)

for architecture in ("GptOssForCausalLM", "Gemma3ForCausalLM"):
    ModelRegistry.models[architecture].inspect_model_cls()

command = shutil.which("vllm")
assert command, "no vllm command on the PATH"
told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.strip()
print(f"vllm {told} (package {importlib.metadata.version('vllm')}), torch {torch.__version__}, {vllm.__file__}")
