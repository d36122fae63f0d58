"""`--quantization mxfp4` for dense layers on vLLM's CPU build: a vLLM general plugin.

vLLM's CPU build serves gpt-oss's MXFP4 experts by itself, but has no MXFP4 kernel for linear layers ("Failed to find a
kernel that can implement the MXFP4 linear layer"), and rounds weights while loading with a Triton kernel that needs a
GPU. This registers a linear kernel through vLLM's own `register_linear_kernel` and does the rounding in plain torch.

The weights really become MXFP4 (OCP Microscaling Formats 1.0: E2M1 values, one power-of-two scale for 32 of them); the
multiplication runs on their dequantised values in the activations' type. Activations are not rounded.
"""

import torch
import torch.nn.functional as F

BLOCK = 32
"""Weights that share a scale."""
VALUES = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
"""What the three low bits of an E2M1 code mean; the fourth is the sign."""
MIDDLES = (VALUES[1:] + VALUES[:-1]) / 2


def quantize(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(…, K) float → codes (…, K/2) uint8, the even element in the low bits; scales (…, K/32) uint8, exponent + 127."""
    blocks = weight.float().unflatten(-1, (-1, BLOCK))
    # The largest value of a block gets 4's exponent, the largest of E2M1.
    exponent = torch.floor(torch.log2(blocks.abs().amax(-1).clamp_min(2.0**-120))) - 2
    scaled = blocks / torch.exp2(exponent).unsqueeze(-1)
    code = torch.bucketize(scaled.abs(), MIDDLES).to(torch.uint8) | ((scaled < 0).to(torch.uint8) << 3)
    code = code.flatten(-2)
    return code[..., 0::2] | (code[..., 1::2] << 4), (exponent + 127).to(torch.uint8)


def dequantize(codes: torch.Tensor, scales: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The inverse of `quantize`, but for the rounding."""
    code = torch.stack((codes & 15, codes >> 4), -1).flatten(-2)
    value = VALUES[(code & 7).long()] * torch.where(code > 7, -1.0, 1.0)
    return (value.unflatten(-1, (-1, BLOCK)) * torch.exp2(scales.float() - 127).unsqueeze(-1)).flatten(-2).to(dtype)


def register() -> None:
    """Entry point of the group `vllm.general_plugins`, called once in each of vLLM's processes."""
    from vllm.logger import init_logger
    from vllm.model_executor.kernels.linear import register_linear_kernel
    from vllm.model_executor.kernels.linear.mxfp4.base import MxFp4LinearKernel
    from vllm.model_executor.layers.quantization.online import mxfp4 as online
    from vllm.platforms.interface import PlatformEnum

    class CpuMxfp4LinearKernel(MxFp4LinearKernel):
        """Weight-only: multiplies by the dequantised weights."""

        @classmethod
        def is_supported(cls, compute_capability=None):
            return True, None

        @classmethod
        def can_implement(cls, config):
            return True, None

        def process_weights_after_loading(self, layer):
            weight = dequantize(layer.weight, layer.weight_scale, torch.bfloat16)
            layer.weight = torch.nn.Parameter(weight.contiguous(), requires_grad=False)

        def apply_weights(self, layer, x, bias=None):
            return F.linear(x, layer.weight.to(x.dtype), bias)

    register_linear_kernel(CpuMxfp4LinearKernel, PlatformEnum.CPU, "mxfp4")
    online.mxfp4_quantize = quantize
    init_logger("vllm.cpu_mxfp4").info("CPU MXFP4 linear kernel registered")
