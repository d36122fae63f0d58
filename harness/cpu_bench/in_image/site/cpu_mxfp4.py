"""`--quantization mxfp4` on vLLM's CPU build, whatever the processor: a vLLM general plugin.

vLLM's CPU build computes MXFP4 experts (gpt-oss) only with AMX ("No MXFP4 MoE backend supports the deployment
configuration" on other x86 processors and on Arm), and has no MXFP4 kernel for dense layers (Gemma; "Failed to find a
kernel that can implement the MXFP4 linear layer"), whose weights it rounds with a Triton kernel that needs a GPU.
This adds what is missing, in plain torch:

- a linear kernel, through vLLM's own `register_linear_kernel`, and the rounding;
- experts for processors without AMX, offered after vLLM's own.

The weights really are MXFP4 (OCP Microscaling Formats 1.0: E2M1 values, one power-of-two scale for 32 of them); they
are multiplied as their dequantised values, in the type of the activations. Activations are not rounded.
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


@torch.library.custom_op("cpu_mxfp4::experts", mutates_args=("output",))
def experts(
    output: torch.Tensor,
    hidden: torch.Tensor,
    w13: torch.Tensor,
    w2: torch.Tensor,
    bias13: torch.Tensor | None,
    bias2: torch.Tensor | None,
    weights: torch.Tensor,
    ids: torch.Tensor,
    alternate: bool,
    alpha: float,
    limit: float,
) -> None:
    """Sum of each token's experts, one expert after the other, in float32 between the two multiplications.

    An operator of its own, because torch.compile cannot look into a loop over the experts that were chosen.
    `alternate`: gate and up alternate in `w13` (gpt-oss, with its clamped activation); otherwise first gate, then up.
    """
    total = torch.zeros(output.shape, dtype=torch.float32)
    for expert in ids.unique().tolist():
        token, place = (ids == expert).nonzero(as_tuple=True)
        both = F.linear(hidden[token], w13[expert]).float()
        if bias13 is not None:
            both = both + bias13[expert].float()
        if alternate:
            gate, up = both[..., 0::2].clamp(max=limit), both[..., 1::2].clamp(-limit, limit)
            inner = (up + 1) * gate * torch.sigmoid(alpha * gate)
        else:
            gate, up = both.chunk(2, dim=-1)
            inner = F.silu(gate) * up
        result = F.linear(inner.to(hidden.dtype), w2[expert]).float()
        if bias2 is not None:
            result = result + bias2[expert].float()
        total.index_add_(0, token, result * weights[token, place].float().unsqueeze(-1))
    output.copy_(total)


@experts.register_fake
def _(
    output: object,
    hidden: object,
    w13: object,
    w2: object,
    bias13: object,
    bias2: object,
    weights: object,
    ids: object,
    alternate: object,
    alpha: object,
    limit: object,
) -> None:
    """Nothing is returned, so there is nothing to infer."""


def register() -> None:
    """Entry point of the group `vllm.general_plugins`, called in each of vLLM's processes."""
    from vllm.logger import init_logger

    register_linear()
    portable = register_experts()
    init_logger("vllm.cpu_mxfp4").info("MXFP4 on CPU: linear kernel%s", ", experts without AMX" if portable else "")


def register_linear() -> None:
    """Dense layers."""
    from vllm.model_executor.kernels.linear import register_linear_kernel
    from vllm.model_executor.kernels.linear.mxfp4.base import MxFp4LinearKernel
    from vllm.model_executor.layers.quantization.online import mxfp4 as online
    from vllm.platforms.interface import PlatformEnum

    class CpuMxfp4LinearKernel(MxFp4LinearKernel):
        """Weight-only."""

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


def register_experts() -> bool:
    """Mixture-of-experts layers where vLLM's own kernel cannot run; True if that is here.

    vLLM has no registration for these: the table of kernel classes is extended, and the repacking for AMX, which comes
    before the kernel sees the weights, is left out.
    """
    from vllm.model_executor.layers.fused_moe.activation import MoEActivation
    from vllm.model_executor.layers.fused_moe.experts import cpu_moe
    from vllm.model_executor.layers.fused_moe.oracle import mxfp4 as oracle
    from vllm.platforms import current_platform

    if cpu_moe.CPUExpertsMxfp4._supports_current_device():
        return False

    class PortableMxfp4Experts(cpu_moe.CPUExpertsMxfp4):
        """The same sums as vLLM's AMX kernel, one expert after the other."""

        @staticmethod
        def _supports_current_device():
            return current_platform.is_cpu()

        def process_weights_after_loading(self, layer):
            dtype = self.moe_config.in_dtype
            self.w13 = dequantize(layer.w13_weight, layer.w13_weight_scale, dtype)
            self.w2 = dequantize(layer.w2_weight, layer.w2_weight_scale, dtype)

        def apply(
            self,
            output,
            hidden_states,
            w1,
            w2,
            topk_weights,
            topk_ids,
            activation,
            global_num_experts,
            expert_map,
            a1q_scale,
            a2_scale,
            workspace13,
            workspace2,
            expert_tokens_meta,
            apply_router_weight_on_input,
        ):
            if apply_router_weight_on_input or expert_map is not None:
                raise NotImplementedError("MXFP4 experts: neither router weights on input nor expert parallelism")
            torch.ops.cpu_mxfp4.experts(
                output,
                hidden_states,
                self.w13,
                self.w2,
                self.quant_config.w1_bias,
                self.quant_config.w2_bias,
                topk_weights,
                topk_ids,
                activation == MoEActivation.SWIGLUOAI,
                getattr(self.quant_config, "gemm1_alpha", None) or 1.702,
                getattr(self.quant_config, "gemm1_clamp_limit", None) or 7.0,
            )

    ordinary = oracle.backend_to_kernel_cls

    def kernels(backend):
        found = ordinary(backend)
        return [*found, PortableMxfp4Experts] if backend == oracle.Mxfp4MoeBackend.CPU else found

    oracle.backend_to_kernel_cls = kernels
    cpu_moe.prepare_mxfp4_moe_layer_for_cpu = lambda w13, w2, w13_scale, w2_scale: (w13, w2, w13_scale, w2_scale)
    return True
