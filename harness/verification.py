"""What a deployment's answers must be right after a start: pure judgements, each a list of problems (none: good)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.types import Answer, Dialect, Expectation, Noun, Stream, Variant


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
SHOUTED = Question(ask="Who wrote Hamlet?", wanted=("SHAKESPEARE",), system="Answer in capital letters only.")
QUESTIONS = (
    CAPITAL,
    Question(ask="What is the capital of Japan?", wanted=("Tokyo",)),
    Question(ask="What is the capital of Taiwan?", wanted=("Taipei",)),
    Question(ask="What is 12 * 17?", wanted=("204",)),
    Question(ask="Who wrote Hamlet?", wanted=("Shakespeare",)),
    Question(ask="How many minutes are in an hour?", wanted=("60", "sixty")),
    Question(ask="What is the chemical formula of water?", wanted=("H2O", "H₂O", "H_2O", "H_{2}O")),
    Question(ask="Which planet is closest to the sun?", wanted=("Mercury",)),
    Question(ask="What is the largest ocean on Earth?", wanted=("Pacific",)),
    Question(ask="日本的首都是哪裡?", wanted=("東京", "东京", "Tokyo")),
    Question(ask="法國的首都是哪裡?", wanted=("巴黎", "Paris")),
    Question(ask="On which continent is Egypt?", wanted=("Africa",)),
)
"""Known answers, each with its own key word: an answer that went to the wrong client is seen."""
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
    choice, found = choices[0], envelope_problems(answer, "chat.completion")
    message = choice.get("message") or {}
    content = message.get("content")
    if message.get("role") != "assistant":
        found.append(f"role: found {message.get('role')!r}, wanted 'assistant'")
    if not isinstance(content, str) or not any(w.casefold() in content.casefold() for w in question.wanted):
        found.append(f"answer to {question.ask!r}: found {content!r}, wanted one with {' or '.join(question.wanted)}")
    else:
        found += text_problems(content)
    if choice.get("finish_reason") != "stop":
        found.append(f"finish_reason: found {choice.get('finish_reason')!r}, wanted 'stop'")
    if body.get("model") != variant.argument("--served-model-name"):
        found.append(f"model: found {body.get('model')!r}, wanted {variant.argument('--served-model-name')!r}")
    return found + usage_problems(body.get("usage"))


BEFORE_VLLM = 1_686_000_000
"""June 2023, before vLLM's first release: a clock that reads less is wrong, or nobody looked at it."""


def envelope_problems(answer: Answer, kind: str) -> list[str]:
    """An answer must call itself JSON and `kind`, and carry an id and the time it was made at."""
    body, found = answer.body, []
    if answer.headers.get("content-type", "").partition(";")[0] != "application/json":
        found.append(f"content-type: found {answer.headers.get('content-type')!r}, wanted 'application/json'")
    if body.get("object") != kind:
        found.append(f"object: found {body.get('object')!r}, wanted {kind!r}")
    if not isinstance(body.get("id"), str) or not body["id"]:
        found.append(f"id: found {body.get('id')!r}, wanted a text")
    if not isinstance(body.get("created"), int) or body["created"] < BEFORE_VLLM:
        found.append(f"created: found {body.get('created')!r}, wanted the seconds since 1970 of now")
    return found


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


def error_problems(answer: Answer | Stream, statuses: Iterable[int] = (400,)) -> list[str]:
    """A refusal must have one of `statuses` and vLLM's documented shape: error.message, .type, .param, .code."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    if answer.status is None or answer.status not in statuses:
        return [f"must be refused with {' or '.join(map(str, statuses))}: {answer}"]
    if not isinstance(error, dict) or not isinstance(error.get("message"), str) or not error["message"]:
        return [f"a refusal must carry error.message: {answer}"]
    found = [] if isinstance(error.get("type"), str) else [f"error.type must be a text: {answer}"]
    if error.get("code") != answer.status:
        found.append(f"error.code: found {error.get('code')!r}, wanted the status {answer.status}")
    if INSIDES.search(error["message"]):
        found.append(f"a refusal must not show the server's insides: {answer}")
    return found


INSIDES = re.compile(r"Traceback \(most recent call last\)|File \"/[^\"]+\", line \d+")
"""A stack trace of Python."""


RUN, ECHOES = 12, 5
"""Repetitions that no good answer has: of one character, and of one to six words."""
LEAK = re.compile(r"<\|[a-z_]+\|>|<(?:start|end)_of_turn>|<unused\d+>|<(?:bos|eos|pad)>")
"""Control tokens of the two models: of Harmony and of Gemma's turns."""


def text_problems(text: str, scripts: int = 2) -> list[str]:
    """Text must be language: no run of one character (`!!!!!`), no words repeated without end, at most `scripts`
    scripts, no replacement or control characters, no control tokens of the model."""
    found = []
    if run := re.search(rf"([^\s\-=_*.#])\1{{{RUN - 1},}}", text):
        found.append(f"{len(run[0])} times {run[1]!r} in a row")
    if echo := re.search(rf"((?:\b\w+\W+){{1,6}}?)\1{{{ECHOES - 1},}}", text):
        found.append(f"the words {echo[1].strip()!r} over and over")
    if len(seen := scripts_of(text)) > scripts:
        found.append(f"letters of {len(seen)} scripts ({', '.join(sorted(seen))}), wanted at most {scripts}")
    if bad := sorted({c for c in text if c == "\N{REPLACEMENT CHARACTER}" or (c < " " and c not in "\t\r\n")}):
        found.append(f"characters {bad} that stand for nothing")
    if leak := LEAK.search(text):
        found.append(f"control token {leak[0]!r}")
    return [f"text: {problem}: {text[:120]!r}" for problem in found]


def scripts_of(text: str) -> set[str]:
    """The scripts of its letters, by their Unicode names; Chinese and Japanese count as one."""
    names = (unicodedata.name(c, "?").partition(" ")[0] for c in text if c.isalpha() and c not in "µªº")
    return {"CJK" if name in ("HIRAGANA", "KATAKANA", "FULLWIDTH") else name for name in names}


def stream_problems(stream: Stream, served: str, *, chat: bool = True) -> list[str]:
    """A stream must be whole and in order: role first (chat), text, one finish_reason, the usage, `[DONE]`; no error
    inside, one id, one model and one kind of object throughout."""
    if stream.status != 200 or not stream.events:
        return [f"a stream must be 200 with events: {stream}"]
    found = [f"stream: {stream.broken}"] if stream.broken else []
    if [e.data for e in stream.events].count("[DONE]") != 1 or stream.events[-1].data != "[DONE]":
        found.append(f"[DONE] must be there once, at the end: {stream}")
    chunks = [chunk for chunk in stream.chunks if isinstance(chunk, dict)]
    if len(chunks) != len(stream.chunks):
        found.append(f"every event must be a JSON object: {stream}")
    found += [f"error inside a 200 stream: {chunk['error']}" for chunk in chunks if chunk.get("error")]
    kind = "chat.completion.chunk" if chat else "text_completion"
    for field, wanted in (("id", None), ("model", served), ("object", kind)):
        seen = {chunk.get(field) for chunk in chunks}
        if len(seen) != 1 or (wanted and seen != {wanted}):
            found.append(f"{field}: found {seen}, wanted {wanted or 'the same'} in every event")
    with_choices = [chunk for chunk in chunks if chunk.get("choices")]
    finishes = [at for at, chunk in enumerate(with_choices) if chunk["choices"][0].get("finish_reason")]
    if finishes != [len(with_choices) - 1]:
        found.append(f"finish_reason in events {finishes} of {len(with_choices)}: wanted in the last alone")
    if chat and with_choices and with_choices[0]["choices"][0].get("delta", {}).get("role") != "assistant":
        found.append(f"the first event must give the role: {with_choices[0]}")
    if not chunks or chunks[-1].get("choices") != [] or not chunks[-1].get("usage"):
        found.append(f"the last event before [DONE] must be the usage, without choices: {stream}")
        return found
    return found + usage_problems(chunks[-1]["usage"])


def finish_of(stream: Stream) -> str | None:
    """The finish_reason of the first choice of a stream."""
    reasons = [c["choices"][0].get("finish_reason") for c in stream.chunks if isinstance(c, dict) and c.get("choices")]
    return next((str(reason) for reason in reasons if reason), None)


def content_of(answer: Answer) -> str:
    """The text of a chat or a completion; empty when there is none."""
    try:
        choice = answer.body["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
    except (TypeError, KeyError, IndexError):
        return ""
    return text if isinstance(text, str) else ""


def served_name(variant: Variant) -> str:
    """The name that clients ask for."""
    return variant.argument("--served-model-name") or variant.model


def reasoning_of(answer: Answer) -> str | None:
    """The reasoning text of a chat, in whichever field this version has it."""
    try:
        message = answer.body["choices"][0]["message"]
    except (TypeError, KeyError, IndexError):
        return None
    text = message.get("reasoning") or message.get("reasoning_content")
    return text if isinstance(text, str) else None


def reasoning_problems(answer: Answer, dialect: Dialect) -> list[str]:
    """A reasoning model's chat must carry its reasoning, as text, in every field that this version has for it."""
    try:
        message = answer.body["choices"][0]["message"]
    except (TypeError, KeyError, IndexError):
        return [f"no message: {answer}"]
    found = []
    for field in ("reasoning", "reasoning_content"):
        text, wanted = message.get(field), field in dialect.reasoning
        if wanted and (not isinstance(text, str) or not text.strip()):
            found.append(f"{field}: found {text!r}, wanted the reasoning")
        elif wanted:
            found += text_problems(text)
        elif text:
            found.append(f"{field}: found {text[:60]!r}, wanted nothing in this version")
    return found


def mixed_up(answers: Sequence[tuple[Question, str]]) -> list[str]:
    """Answers that do not answer their own question."""
    return [
        f"{question.ask!r} was answered {text[:80]!r}"
        for question, text in answers
        if not any(w.casefold() in text.casefold() for w in question.wanted)
    ]


HAY = (
    "The grass is green.",
    "The river is long and the stone is old.",
    "A garden has apples in summer.",
    "We walk to the bridge and back again.",
    "Nothing of interest happened on this day.",
)
"""Sentences to hide something in; a dozen tokens each at most."""


def haystack(words: int, needles: Mapping[float, str]) -> str:
    """About `words` words of filler with a sentence at each depth (0 to 1)."""
    sentences: list[str] = []
    count = 0
    while count < words:
        sentences.append(HAY[len(sentences) % len(HAY)])
        count += len(sentences[-1].split())
    for depth, sentence in sorted(needles.items(), reverse=True):
        sentences.insert(int(depth * len(sentences)), sentence)
    return " ".join(sentences)


def responses_text(answer: Answer) -> str:
    """The final text of a `/v1/responses` answer; empty when there is none."""
    output = answer.body.get("output") if isinstance(answer.body, dict) else None
    parts = [part for item in output or () if item.get("type") == "message" for part in item.get("content") or ()]
    return "".join(part.get("text") or "" for part in parts)


def undeclared(expectation: Expectation, what: str) -> list[str]:
    """What a bench can't show must be declared in the variant's entry, in a sentence that says `what`."""
    if any(what in reason for reason in expectation.unproven):
        return []
    return [f"{what} was not exercised, and the entry does not say so under `unproven`"]
