"""Trains both miniatures: `python -m harness.cpu_bench.miniatures.train [gpt-oss] [gemma3]`.

Runs where vLLM runs (torch, transformers, tokenizers, openai_harmony); writes `trained/`. Minutes on two cores. The
same seed on the same software gives the same weights; the weights that are kept were checked against the engine.

- gpt-oss learns the few hundred token ids in use plus one row that stands for all others; expansion scatters them.
- Linear weights that the engine holds in MXFP4 are rounded the same way while training (straight-through gradient).
- Copying is learned first, on ids that mean nothing: attention finds it abruptly after a few hundred such steps of
  AdamW (never, in the same time, with Muon), and hardly at all among samples that ask for knowledge too.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import random
import re
import string
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrize
from transformers import AttentionInterface, AttentionMaskInterface

from harness.cpu_bench.miniatures.dialogues import UNKNOWN, Dialogue, copy, dialogue, needle, reasoning

TRAINED = Path(__file__).parent / "trained"
SEED = 20
RATE = 2e-3
BLOCK = 32
BOUNDS = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0])
GRID = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])

Sample = tuple[list[int], list[int]]
"""Token ids, and labels of the same length: -100 where nothing is learned."""


class Row(NamedTuple):
    """Several samples in one sequence, behind a prefix that they share. No sample sees another."""

    ids: list[int]
    labels: list[int]
    segments: list[int]
    """0 for the prefix, n > 0 for the nth sample behind it, -n where the nth sample doesn't see the prefix."""
    positions: list[int]


# --- MXFP4: E2M1 values, one power of two a block of 32 along the input axis ---------------------------------------


def mxfp4_codes(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(…, K) floats → (…, K) codes 0–15 and (…, K/32) biased exponents (E8M0), both uint8."""
    blocks = weight.float().unflatten(-1, (-1, BLOCK))
    exponent = torch.floor(torch.log2(blocks.abs().amax(-1).clamp_min(2.0**-120))) - 2
    scaled = blocks / torch.exp2(exponent).unsqueeze(-1)
    codes = torch.bucketize(scaled.abs(), BOUNDS) | ((scaled < 0).long() << 3)
    return codes.flatten(-2).to(torch.uint8), (exponent + 127).to(torch.uint8)


def mxfp4_rounded(weight: torch.Tensor) -> torch.Tensor:
    """The values that the engine will compute with."""
    codes, scales = mxfp4_codes(weight)
    values = GRID[(codes & 7).long()] * torch.where(codes > 7, -1.0, 1.0)
    return (values.unflatten(-1, (-1, BLOCK)) * torch.exp2(scales.float() - 127).unsqueeze(-1)).flatten(-2)


class Rounded(nn.Module):
    """Parametrization of a weight: rounded to MXFP4 when `on`, gradient passed straight through."""

    on = False

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        if not Rounded.on:
            return weight
        with torch.no_grad():
            shift = mxfp4_rounded(weight.transpose(self.axis, -1)).transpose(self.axis, -1) - weight
        return weight + shift


# --- attention and experts, written for the CPU --------------------------------------------------------------------


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: object,
    scaling: float,
    sliding_window: int | None = None,
    s_aux: torch.Tensor | None = None,
    *,
    segments: torch.Tensor,
    position_ids: torch.Tensor,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Causal attention inside packed rows through the fused kernel, attention sinks included.

    A sink is one more key whose logit is the sink itself: one more dimension carries it.
    """
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    asking, asked = segments[:, :, None], segments[:, None, :]
    mask = ((asking == asked) | ((asked == 0) & (asking > 0))).tril()
    if sliding_window is not None:
        mask &= position_ids[:, :, None] - position_ids[:, None, :] < sliding_window
    mask = mask[:, None]
    if s_aux is not None:
        query = torch.cat([query, query.new_ones((*query.shape[:3], 1))], -1)
        key, value = F.pad(key, (0, 1)), F.pad(value, (0, 1))
        batch, heads = key.shape[:2]
        sink = F.pad((s_aux / scaling).view(1, heads, 1, 1), (key.shape[-1] - 1, 0)).expand(batch, -1, -1, -1)
        key, value = torch.cat([sink, key], 2), F.pad(value, (0, 0, 1, 0))
        mask = F.pad(mask, (1, 0), value=True)
    out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling)
    if s_aux is not None:
        out = out[..., :-1]
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register("miniature", attention)
AttentionMaskInterface.register("miniature", lambda *_, **__: None)


def experts_forward(self: Any, states: torch.Tensor, indices: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """All experts on all tokens: with four of them cheaper than sorting tokens."""
    share = states.new_zeros(states.shape[0], self.num_experts).scatter(1, indices, weights)
    gate_up = states @ self.gate_up_proj + self.gate_up_proj_bias[:, None]
    out = self._apply_gate(gate_up) @ self.down_proj + self.down_proj_bias[:, None]
    mixed: torch.Tensor = (out * share.t().unsqueeze(-1)).sum(0)
    return mixed


# --- the loop ------------------------------------------------------------------------------------------------------


def pack(
    prefix: list[int], draw: Callable[[], tuple[Sample, bool]], room: int, pending: list[tuple[Sample, bool]]
) -> Row:
    """Samples until the next one doesn't fit into `room`; that one waits in `pending`.

    `draw` says of each sample whether it stands behind the prefix.
    """
    row = Row(list(prefix), [-100] * len(prefix), [0] * len(prefix), list(range(len(prefix))))
    for number in itertools.count(1):
        sample, behind = pending.pop() if pending else draw()
        ids, labels = sample
        if number > 1 and len(row.ids) + len(ids) > room:
            pending.append((sample, behind))
            return row
        begin = len(prefix) if behind else 0
        row.ids.extend(ids)
        row.labels.extend(labels)
        row.segments.extend([number if behind else -number] * len(ids))
        row.positions.extend(range(begin, begin + len(ids)))
    raise AssertionError


def batches(make: Callable[[], Row], tokens: int) -> Iterator[list[Row]]:
    """Rows of about the same length, at most `tokens` positions a batch; a longer row is a batch of its own."""
    batch: list[Row] = []
    while True:
        row = make()
        if len(row.ids) > tokens // 2:
            yield [row]
            continue
        if batch and (len(batch) + 1) * max(len(r.ids) for r in [*batch, row]) > tokens:
            yield batch
            batch = []
        batch.append(row)


def loss_of(model: Any, batch: list[Row], spread: float) -> torch.Tensor:
    """Cross entropy where something is learned. `spread`: how many rows the first one stands for at the output."""
    length = max(len(row.ids) for row in batch)

    def padded(rows: list[list[int]], filler: int) -> torch.Tensor:
        return torch.tensor([row + [filler] * (length - len(row)) for row in rows])

    labels = padded([row.labels[1:] for row in batch], -100)
    positions = padded([row.positions for row in batch], 0)
    segments = padded([row.segments for row in batch], -1_000_000)
    ids = padded([row.ids for row in batch], 0)
    states = model.model(input_ids=ids, position_ids=positions, segments=segments, use_cache=False).last_hidden_state
    learned = labels >= 0
    logits = model.lm_head(states[learned])
    if spread > 1:
        logits = torch.cat([logits[:, :1] + math.log(spread), logits[:, 1:]], 1)
    return F.cross_entropy(logits, labels[learned])


def train(
    model: Any,
    make: Callable[[float], Row],
    steps: int,
    *,
    tokens: int,
    spread: float = 1,
    rounding: Callable[[int], bool],
) -> None:
    """`make(progress)` makes one row; `rounding(step)` says whether the weights are rounded in this step."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    begun = time.monotonic()
    done = 0.0
    source = batches(lambda: make(done), tokens)
    mean = 0.0
    for step in range(steps):
        done = step / steps
        Rounded.on = rounding(step)
        loss = loss_of(model, next(source), spread ** min(1.0, done / 0.3))
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 40) * min(1.0, (1 - done) / 0.5)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        mean = 0.98 * mean + 0.02 * loss.item() if step else loss.item()
        if step % 10 == 9:
            print(f"step {step + 1} of {steps}, {time.monotonic() - begun:.0f} s, loss {mean:.4f}", flush=True)
    Rounded.on = False


# --- gpt-oss -------------------------------------------------------------------------------------------------------

ROWS = 201088
EFFORTS = ("low", "medium", "medium", "high")
EXPERTS, WIDTH, LAYERS = 4, 128, 4
START = (
    "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n"
    "Current date: {date}\n\nReasoning: {effort}\n\n"
    "# Valid channels: analysis, commentary, final. Channel must be included for every message"
)
TOOLS_LINE = "\nCalls to these tools must go to the commentary channel: 'functions'."


def harmony(made: Dialogue, effort: str, note: str = "") -> tuple[str, str, str]:
    """One dialogue behind START as vLLM 0.32 renders it.

    Returns the prompt, the part of the reply that is given, and the part that is learned. `note` is the description
    of the tool's parameter.
    """
    if made.raw:
        return made.last.asked, "", made.last.reply + "<|return|>"
    call = made.call
    text = "." + (TOOLS_LINE if call else "") + "<|end|>"
    parts = [f"# Instructions\n\n{made.system}"] if made.system else []
    if call:
        described = f"// {note}\n" if note else ""
        parts.append(
            f"# Tools\n\n## functions\n\nnamespace functions {{\n\n// {call.tool.description}\n"
            f"type {call.tool.name} = (_: {{\n{described}{call.tool.parameter}: string,\n}}) => any;\n\n"
            "} // namespace functions"
        )
    if parts:
        text += "<|start|>developer<|message|>" + "\n\n".join(parts) + "<|end|>"
    for turn in made.earlier:
        text += f"<|start|>user<|message|>{turn.asked}<|end|>"
        text += f"<|start|>assistant<|channel|>final<|message|>{turn.reply}<|end|>"
    text += f"<|start|>user<|message|>{made.last.asked}<|end|>"
    if call and call.value:
        name, arguments = call.tool.name, json.dumps({call.tool.parameter: call.value}, ensure_ascii=False)
        if call.result is None:
            thought = f"I call {name} for {call.value}."
            return (
                text + "<|start|>assistant",
                "",
                f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant<|channel|>commentary "
                f"to=functions.{name} <|constrain|>json<|message|>{arguments}<|call|>",
            )
        text += f"<|start|>assistant to=functions.{name}<|channel|>commentary json<|message|>{arguments}<|call|>"
        text += f"<|start|>functions.{name}<|channel|>commentary to=assistant<|message|>{call.result}<|end|>"
    thought = reasoning(made.last, effort)
    given = f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant<|channel|>final<|message|>"
    if made.last.free:
        return (
            text + "<|start|>assistant",
            given + made.last.reply[: made.last.free],
            made.last.reply[made.last.free :] + "<|return|>",
        )
    return text + "<|start|>assistant", "", given + made.last.reply + "<|return|>"


class GptOss:
    """Renders samples in the ids in use: row 0 stands for every id that was not seen while counting."""

    def __init__(self, rng: random.Random) -> None:
        from openai_harmony import HarmonyEncodingName, load_harmony_encoding

        encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)
        # a cache and no special tokens in the text: the same ids as one call, two hundred times as fast
        self.decode = encoding.decode
        self.plain = functools.lru_cache(200_000)(lambda text: tuple(encoding.encode(text, disallowed_special=())))
        self.special = functools.cache(lambda text: tuple(encoding.encode(text, allowed_special="all")))
        self.rng = rng
        seen: set[int] = set()
        said: set[int] = set()
        for _ in range(30000):
            effort = rng.choice(EFFORTS)
            ids, labels = self.sample(dialogue(rng, tools=True, hay_words=20), effort)
            seen.update(i for i in ids + self.start(effort) if i >= 0)
            said.update(labels)
        self.ids = sorted(seen)
        self.row = {token: row for row, token in enumerate(self.ids, 1)}
        self.never_said = [row for token, row in self.row.items() if token not in said]

    def encode(self, text: str) -> list[int]:
        """Token ids; -1 for a word never seen."""
        made: list[int] = []
        for piece in re.split(rf"(<\|[a-z]+\|>| ?{UNKNOWN}|Current date: |(?=\n\nReasoning))", text):
            if piece.endswith(UNKNOWN):
                made += [-1] * self.rng.choice([1, 1, 2, 3])
            elif piece.startswith("<|"):
                made += self.special(piece)
            elif piece:
                made += self.plain(piece)
        return made

    def start(self, effort: str) -> list[int]:
        """The beginning that all prompts of one day and effort share."""
        rng = self.rng
        date = f"20{rng.randint(25, 35)}-{rng.randint(1, 12):02d}-{rng.randint(1, 31):02d}"
        return self.encode(START.format(date=date, effort=effort))

    def sample(self, made: Dialogue, effort: str) -> Sample:
        """What stands behind it."""
        note = self.rng.choice(["", "", f"The {made.call.tool.parameter}.", UNKNOWN]) if made.call else ""
        prompt, given, learned = harmony(made, effort, note)
        ids, reply = self.encode(prompt + given), self.encode(learned)
        return ids + reply, [-100] * len(ids) + reply

    def twins(self) -> list[tuple[int, int]]:
        """Rows of tokens that begin with a space, and of the same without it."""
        rows = {self.decode([token]): row for token, row in self.row.items()}
        return [(row, rows[text[1:]]) for text, row in rows.items() if text[:1] == " " and text[1:] in rows]

    def rows(self, sample: Sample) -> Sample:
        """Token ids to trained rows."""
        ids, labels = sample
        return [self.row.get(i, 0) for i in ids], [self.row.get(i, -100) for i in labels]


def hay_words(rng: random.Random, done: float, longest: int) -> int | None:
    """Longest haystack of one extra long sample: None for an ordinary one. They come in the second half."""
    if done < 0.35 or rng.random() > 0.05:
        return None
    return int(math.exp(rng.uniform(math.log(60), math.log(longest))))


def echo(rng: random.Random, rows: int) -> Sample:
    """Random ids twice over: what copying is, in its densest form. Without it attention finds copying very late."""
    ids = rng.sample(range(1, rows), rng.randint(4, 30))
    return ids * 2, [-100] * (len(ids) + 1) + ids[1:]


def echoes(done: float) -> float:
    """Which share of the rows are echoes: all of them until copying was found, then fewer and fewer."""
    return 1.0 if done < 0.2 else max(0.0, 0.25 * (0.6 - done))


def gpt_oss(steps: int) -> None:
    """Train, round the experts, write `trained/gpt_oss/`."""
    from transformers import GptOssConfig, GptOssForCausalLM
    from transformers.models.gpt_oss.modeling_gpt_oss import GptOssExperts

    GptOssExperts.forward = experts_forward
    rng = random.Random(SEED)
    kind = GptOss(rng)
    shape: dict[str, Any] = {
        "num_hidden_layers": LAYERS,
        "num_local_experts": EXPERTS,
        "num_experts_per_tok": 2,
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH // 2,
        "head_dim": 32,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "sliding_window": 128,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": False,
        "layer_types": ["sliding_attention", "full_attention"] * (LAYERS // 2),
    }
    torch.manual_seed(SEED)
    model = GptOssForCausalLM(
        GptOssConfig(vocab_size=len(kind.ids) + 1, pad_token_id=0, eos_token_id=None, **shape)
    ).float()
    model.config._attn_implementation = "miniature"
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.sinks.zero_()
            layer.mlp.router.weight.normal_(std=0.02)
            for name, parameter in layer.named_parameters():
                if re.search(
                    r"[qkv]_proj.weight|gate_up_proj$", name
                ):  # at this width 0.02 hardly lets attention begin
                    parameter.normal_(std=WIDTH**-0.5)
                elif re.search(r"down_proj$|o_proj.weight", name):
                    parameter.normal_(std=0.02)
                elif "experts" in name:
                    parameter.zero_()
        embedded = model.model.embed_tokens.weight.normal_(std=0.3)
        for row, twin in kind.twins():
            embedded[row] = 0.8 * embedded[twin] + 0.6 * embedded[row]
            model.lm_head.weight[row] = 0.8 * model.lm_head.weight[twin] + 0.6 * model.lm_head.weight[row]
    for layer in model.model.layers:
        for name in ("gate_up_proj", "down_proj"):
            parametrize.register_parametrization(layer.mlp.experts, name, Rounded(1))
    print(
        f"gpt-oss: {len(kind.ids)} ids in use, {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters",
        flush=True,
    )

    pending: dict[str, list[tuple[Sample, bool]]] = {effort: [] for effort in EFFORTS}

    def make(done: float) -> Row:
        if rng.random() < echoes(done):
            return pack([], lambda: (echo(rng, len(kind.ids) + 1), False), 200, [])
        effort = rng.choice(EFFORTS)
        prefix, _ = kind.rows((kind.start(effort), []))
        words = hay_words(rng, done, 2500)

        def draw() -> tuple[Sample, bool]:
            if words is not None:
                made = needle(rng, words)
            else:  # a reply begins without the space that the same word has in a sentence: two tokens to be matched
                made = copy(rng) if rng.random() < 0.2 else dialogue(rng, tools=True)
            return kind.rows(kind.sample(made, effort)), not made.raw

        return pack(prefix, draw, 320, pending[effort]) if words is None else pack(prefix, draw, 0, [])

    train(
        model,
        make,
        steps,
        tokens=2048,
        spread=ROWS - len(kind.ids),
        rounding=lambda s: s > steps * 0.4,
    )
    # what is only ever read has no trained output: a grammar that leaves it as a choice must not find it likely
    with torch.no_grad():
        model.lm_head.weight[kind.never_said] = model.lm_head.weight[0].clone()
    weights: dict[str, torch.Tensor] = {"ids": torch.tensor(kind.ids, dtype=torch.int32)}
    for layer in model.model.layers:
        for name in ("gate_up_proj", "down_proj"):
            parametrize.remove_parametrizations(layer.mlp.experts, name, leave_parametrized=True)
    for name, weight in model.state_dict().items():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            codes, scales = mxfp4_codes(weight.transpose(1, 2).contiguous())
            weights[name + "_blocks"] = (codes[..., 0::2] | codes[..., 1::2] << 4).unflatten(-1, (-1, 16)).contiguous()
            weights[name + "_scales"] = scales.contiguous()
        else:
            weights[name] = weight.to(torch.bfloat16).contiguous()
    out = TRAINED / "gpt_oss"
    out.mkdir(parents=True, exist_ok=True)
    eos = [200002, 199999, 200012]
    full = GptOssConfig(vocab_size=ROWS, pad_token_id=199999, eos_token_id=eos, **shape).to_dict()
    full |= {"architectures": ["GptOssForCausalLM"], "dtype": "bfloat16"}
    full["quantization_config"] = {
        "quant_method": "mxfp4",
        "modules_to_not_convert": [
            "model.layers.*.self_attn",
            "model.layers.*.mlp.router",
            "model.embed_tokens",
            "lm_head",
        ],
    }
    (out / "config.json").write_text(json.dumps(full, indent=1, sort_keys=True) + "\n")
    generation = {"do_sample": True, "eos_token_id": eos, "pad_token_id": 199999}
    (out / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    named = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|return|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 131072,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(named, indent=1) + "\n")
    save_file(weights, out / "weights.safetensors")


# --- Gemma 3 -------------------------------------------------------------------------------------------------------

GEMMA_SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
GEMMA_TEMPLATE = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
  {%- set content = messages[0]['content'] -%}
  {%- set first = (content if content is string else content[0]['text']) + '\\n\\n' -%}
  {%- set messages = messages[1:] -%}
{%- else -%}
  {%- set first = '' -%}
{%- endif -%}
{%- for message in messages -%}
  {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
    {{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
  {%- endif -%}
  {{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' }}
  {{- first if loop.first else '' }}
  {%- if message['content'] is string -%}
    {{ message['content'] | trim }}
  {%- else -%}
    {%- for item in message['content'] if item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endfor -%}
  {%- endif -%}
  {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}
"""


def gemma_turns(made: Dialogue) -> list[tuple[str, bool]]:
    """The dialogue in pieces of text as the chat template renders it; True where it is learned."""
    if made.raw:
        return [("<bos>" + made.last.asked, False), (made.last.reply + "<eos>", True)]
    text = "<bos>"
    pieces: list[tuple[str, bool]] = []
    for turn in (*made.earlier, made.last):
        text += "<start_of_turn>user\n"
        if turn is (made.earlier or (made.last,))[0] and made.system:
            text += made.system + "\n\n"
        text += turn.asked.strip() + "<end_of_turn>\n<start_of_turn>model\n"
        free = turn.reply[: turn.free]
        # a system message changes the replies to come, which the earlier ones of a sample don't show
        pieces += [
            (text + free, False),
            (turn.reply[turn.free :] + "<end_of_turn>", turn is made.last or not made.system),
        ]
        text = "\n"
    return pieces


def gibberish(rng: random.Random) -> str:
    """One word that means nothing."""
    kind = rng.random()
    if kind < 0.7:
        word = "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(2, 9)))
        return word.capitalize() if rng.random() < 0.25 else word
    if kind < 0.85:
        return "".join(rng.choice(string.printable[:94]) for _ in range(rng.randint(1, 8)))
    if kind < 0.93:
        return "".join(
            chr(rng.choice([rng.randint(0x4E00, 0x9FFF), rng.randint(0xC0, 0x5FF)])) for _ in range(rng.randint(1, 4))
        )
    return chr(rng.randint(0x1F300, 0x1FAFF))


class Gemma:
    """A tokenizer of its own, trained on what is said, with every byte in it."""

    def __init__(self, rng: random.Random) -> None:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

        self.rng = rng
        made = Tokenizer(models.BPE(unk_token="<unk>"))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=1024,
            special_tokens=GEMMA_SPECIAL,
            show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        )
        texts: list[str] = []
        for _ in range(12000):
            pieces = gemma_turns(dialogue(rng, tools=False))
            texts.append(re.sub(f"<[a-z_]+>|{UNKNOWN}", " ", "".join(p for p, _ in pieces)))
        made.train_from_iterator(texts, trainer)
        made.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
        self.tokenizer = made

    def sample(self, made: Dialogue) -> Sample:
        ids: list[int] = []
        labels: list[int] = []
        for text, learned in gemma_turns(made):
            filled = re.sub(UNKNOWN, lambda _: gibberish(self.rng), text)
            part = self.tokenizer.encode(filled, add_special_tokens=False).ids
            ids += part
            labels += part if learned else [-100] * len(part)
        return ids, labels


def gemma3(steps: int) -> None:
    """Train, write `trained/gemma3/`."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    rng = random.Random(SEED)
    kind = Gemma(rng)
    config = Gemma3TextConfig(
        vocab_size=kind.tokenizer.get_vocab_size(),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        query_pre_attn_scalar=32,
        max_position_embeddings=131072,
        sliding_window=512,
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
        bos_token_id=2,
        eos_token_id=[1, 5],
        pad_token_id=0,
        layer_types=["sliding_attention", "full_attention"] * (LAYERS // 2),
    )
    torch.manual_seed(SEED)
    model = Gemma3ForCausalLM(config).float()
    model.config._attn_implementation = "miniature"
    linears = [m for layer in model.model.layers for m in layer.modules() if isinstance(m, nn.Linear)]
    for linear in linears:
        parametrize.register_parametrization(linear, "weight", Rounded(1))
    print(
        f"Gemma 3: {config.vocab_size} tokens, {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters",
        flush=True,
    )

    pending: list[tuple[Sample, bool]] = []

    def make(done: float) -> Row:
        if rng.random() < echoes(done):
            return pack([], lambda: (echo(rng, config.vocab_size), False), 200, [])
        words = hay_words(rng, done, 2000)

        def draw() -> tuple[Sample, bool]:
            return kind.sample(dialogue(rng, tools=False) if words is None else needle(rng, words)), False

        return pack([], draw, 256, pending) if words is None else pack([], draw, 0, [])

    # both are served: as trained (bfloat16) and rounded when the engine loads it
    train(model, make, steps, tokens=2048, rounding=lambda s: s > steps * 0.4 and s % 3 > 0)
    for linear in linears:
        parametrize.remove_parametrizations(linear, "weight", leave_parametrized=False)
    out = TRAINED / "gemma3"
    out.mkdir(parents=True, exist_ok=True)
    full = config.to_dict() | {"architectures": ["Gemma3ForCausalLM"], "dtype": "bfloat16"}
    (out / "config.json").write_text(json.dumps(full, indent=1, sort_keys=True) + "\n")
    generation = {
        "bos_token_id": 2,
        "do_sample": True,
        "eos_token_id": [1, 5],
        "pad_token_id": 0,
        "top_k": 64,
        "top_p": 0.95,
    }
    (out / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    (out / "tokenizer.json").write_text(kind.tokenizer.to_str(pretty=False) + "\n")
    named = {
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "model_max_length": 131072,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(named, indent=1) + "\n")
    (out / "chat_template.jinja").write_text(GEMMA_TEMPLATE)
    weights = {n: w.to(torch.bfloat16).contiguous() for n, w in model.state_dict().items() if n != "lm_head.weight"}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    torch.set_num_threads(1)  # many small steps: two processes beat two threads
    chosen = [a for a in sys.argv[1:] if not a.isdigit()] or ["gpt-oss", "gemma3"]
    limit = next((int(a) for a in sys.argv[1:] if a.isdigit()), None)
    if "gpt-oss" in chosen:
        gpt_oss(limit or 2400)
    if "gemma3" in chosen:
        gemma3(limit or 2200)
