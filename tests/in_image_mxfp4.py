"""Run inside the CPU bench's image by test_cpu_bench_image.py: the MXFP4 plugin against the format and plain sums."""

import cpu_mxfp4
import torch

torch.manual_seed(0)

# The format: each block of 32 keeps only E2M1 values times one power of two, nowhere further off than half a step.
weight = torch.randn(16, 128) * torch.logspace(-3, 3, 16).unsqueeze(1)
codes, scales = cpu_mxfp4.quantize(weight)
assert codes.dtype == scales.dtype == torch.uint8
assert codes.shape == (16, 64)
assert scales.shape == (16, 4)
back = cpu_mxfp4.dequantize(codes, scales, torch.float32)
unit = torch.exp2(scales.float() - 127).repeat_interleave(32, dim=1)
assert set((back / unit).abs().unique().tolist()) <= {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0}
assert ((back - weight).abs() <= unit * 2.0).all()  # 8 is clamped to 6
assert torch.equal(cpu_mxfp4.dequantize(*cpu_mxfp4.quantize(back), torch.float32), back), "rounding twice is no more"
assert not torch.equal(back, weight)
assert torch.equal(cpu_mxfp4.dequantize(*cpu_mxfp4.quantize(torch.zeros(1, 32)), torch.float32), torch.zeros(1, 32))

# The experts: against one token and one expert at a time, in both layouts.
tokens, count, hidden, inner, chosen = 5, 4, 64, 96, 2
x = torch.randn(tokens, hidden).bfloat16()
w13, w2 = torch.randn(count, 2 * inner, hidden).bfloat16(), torch.randn(count, hidden, inner).bfloat16()
b13, b2 = torch.randn(count, 2 * inner), torch.randn(count, hidden)
weights, ids = torch.rand(tokens, count).topk(chosen)
for alternate in (True, False):
    expected = torch.zeros(tokens, hidden)
    for t in range(tokens):
        for k in range(chosen):
            e = ids[t, k]
            h = x[t].float() @ w13[e].float().T + b13[e]
            if alternate:
                gate, up = h[0::2].clamp(max=7), h[1::2].clamp(-7, 7)
                a = (up + 1) * gate * torch.sigmoid(1.702 * gate)
            else:
                a = torch.nn.functional.silu(h[:inner]) * h[inner:]
            expected[t] += weights[t, k] * (a @ w2[e].float().T + b2[e])
    out = torch.empty(tokens, hidden, dtype=torch.bfloat16)
    torch.ops.cpu_mxfp4.experts(out, x, w13, w2, b13, b2, weights, ids, alternate, 1.702, 7.0)
    assert (out - expected).abs().max() < 0.02 * expected.abs().max(), alternate
print("right")
