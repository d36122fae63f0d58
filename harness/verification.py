"""What a deployment's answers must be right after a start: pure judgements, each a list of problems (none: good)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.types import Answer, Noun, Variant


class Question(Noun):
    """Something every served model knows; an answer is right when it contains one of `wanted`, whatever the case."""

    ask: str
    wanted: tuple[str, ...]
    system: str | None = None

    def messages(self) -> tuple[Mapping[str, str], ...]:
        """The chat messages that ask it."""
        system = ({"role": "system", "content": self.system},) if self.system else ()
        return (*system, {"role": "user", "content": self.ask})


CAPITAL = Question(ask="What is the capital of France?", wanted=("Paris",))
ANSWER_TOKENS = 1024
"""`max_tokens` of a question: a reasoning model spends hundreds before its answer begins."""


def health_problems(answer: Answer) -> list[str]:
    """`/health` must be 200 with an empty body (vLLM, every version)."""
    return [] if answer.status == 200 and not answer.text else [f"/health must be 200 with an empty body: {answer}"]


def models_problems(answer: Answer, variant: Variant) -> list[str]:
    """`/v1/models` must list exactly the served name, with the declared model as root and the declared length."""
    entries = answer.body.get("data") if isinstance(answer.body, dict) else None
    if answer.status != 200 or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return [f"/v1/models must be 200 with a list under `data`: {answer}"]
    served, length = variant.argument("--served-model-name"), variant.argument("--max-model-len")
    if [entry.get("id") for entry in entries] != [served]:
        return [f"served models: found {[entry.get('id') for entry in entries]}, wanted exactly [{served!r}]"]
    found = []
    for field, wanted in (("root", variant.model), ("max_model_len", int(length or 0)), ("object", "model")):
        if entries[0].get(field) != wanted:
            found.append(f"{served}.{field}: found {entries[0].get(field)!r}, wanted {wanted!r}")
    return found


def chat_problems(answer: Answer, question: Question, variant: Variant) -> list[str]:
    """A chat completion must answer the question, stop by itself, and account for its tokens."""
    body = answer.body
    if answer.status != 200 or not isinstance(body, dict):
        return [f"a chat must be 200 with a JSON object: {answer}"]
    choices = body.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        return [f"`choices` must hold exactly one: {answer}"]
    choice, found = choices[0], []
    message = choice.get("message") or {}
    content = message.get("content")
    if message.get("role") != "assistant":
        found.append(f"role: found {message.get('role')!r}, wanted 'assistant'")
    if not isinstance(content, str) or not any(w.casefold() in content.casefold() for w in question.wanted):
        found.append(f"answer to {question.ask!r}: found {content!r}, wanted one with {' or '.join(question.wanted)}")
    if choice.get("finish_reason") != "stop":
        found.append(f"finish_reason: found {choice.get('finish_reason')!r}, wanted 'stop'")
    if body.get("model") != variant.argument("--served-model-name"):
        found.append(f"model: found {body.get('model')!r}, wanted {variant.argument('--served-model-name')!r}")
    return found + usage_problems(body.get("usage"))


def usage_problems(usage: Any) -> list[str]:
    """Prompt and completion tokens must be positive and add up to the total."""
    if not isinstance(usage, dict):
        return [f"usage: found {usage!r}, wanted token counts"]
    prompt, completion, total = (usage.get(f"{part}_tokens") for part in ("prompt", "completion", "total"))
    counts = [n for n in (prompt, completion, total) if isinstance(n, int) and n > 0]
    if len(counts) == 3 and counts[0] + counts[1] == counts[2]:
        return []
    return [f"usage: {prompt} prompt + {completion} completion tokens must be positive and make {total} in total"]


def unknown_model_problems(answer: Answer, asked: str) -> list[str]:
    """Asking for a model that is not served must be 404 NotFoundError naming it (vLLM, every version)."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    if answer.status != 404 or not isinstance(error, dict) or asked not in str(error.get("message")):
        return [f"asking for {asked!r} must be 404 with an error that names it: {answer}"]
    if error.get("type") != "NotFoundError":
        return [f"error.type: found {error.get('type')!r}, wanted 'NotFoundError'"]
    return []


def reasoning_of(answer: Answer) -> str | None:
    """The reasoning text of a chat: `reasoning_content` up to vLLM 0.11.0, `reasoning` from 0.16, both between."""
    try:
        message = answer.body["choices"][0]["message"]
    except (TypeError, KeyError, IndexError):
        return None
    text = message.get("reasoning") or message.get("reasoning_content")
    return text if isinstance(text, str) else None
