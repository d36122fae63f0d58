"""What a deployment's answers must be right after a start: pure judgements, each a list of problems (none: good)."""

from __future__ import annotations

import json
import math
import re
import time
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
    if answer.body.get("object") != "list":
        return [f"/v1/models: object: found {answer.body.get('object')!r}, wanted 'list'"]
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
    if choice.get("index") != 0:
        found.append(f"choices[0].index: found {choice.get('index')!r}, wanted 0")
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
AHEAD_S = 86_400
"""Seconds by which the clock of a server may be ahead."""


def envelope_problems(answer: Answer, kind: str) -> list[str]:
    """An answer must call itself JSON and `kind`, and carry an id and the time it was made at."""
    body, found = answer.body, []
    if answer.headers.get("content-type", "").partition(";")[0] != "application/json":
        found.append(f"content-type: found {answer.headers.get('content-type')!r}, wanted 'application/json'")
    if body.get("object") != kind:
        found.append(f"object: found {body.get('object')!r}, wanted {kind!r}")
    if not isinstance(body.get("id"), str) or not body["id"]:
        found.append(f"id: found {body.get('id')!r}, wanted a text")
    return found + created_problems(body.get("created"))


def created_problems(created: Any) -> list[str]:
    """`created` must be a time in whole seconds since 1970, not before vLLM was, not in the future."""
    if isinstance(created, int) and BEFORE_VLLM <= created <= time.time() + AHEAD_S:
        return []
    return [f"created: found {created!r}, wanted the seconds since 1970 of now"]


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
    if found := error_problems(answer, (404,)):
        return found
    error = answer.body["error"]
    if asked not in error["message"]:
        return [f"asking for {asked!r} must be 404 with an error that names it: {answer}"]
    if error["type"] != "NotFoundError":
        return [f"error.type: found {error['type']!r}, wanted 'NotFoundError'"]
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
    if isinstance(answer, Answer) and not answer.headers.get("content-type", "").startswith("application/json"):
        found.append(f"content-type: found {answer.headers.get('content-type')!r}, wanted 'application/json'")
    if INSIDES.search(error["message"]):
        found.append(f"a refusal must not show the server's insides: {answer}")
    return found


INSIDES = re.compile(r"Traceback \(most recent call last\)|File \"/[^\"]+\", line \d+")
"""A stack trace of Python."""


RUN, ECHOES = 12, 5
"""Repetitions that no good answer has: of one character, and of one to six words."""
LEAK = re.compile(
    r"<\|\w+\|>|<(?:start|end)_of_turn>|<unused\d+>|<(?:bos|eos|pad)>|</s>|</?think>|\[/?INST\]"
    r"|assistant(?:final|analysis|commentary)"
)
"""Control tokens of the two models, of Harmony and of Gemma's turns, whole or stripped of their brackets, and those of
other models' templates."""


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


def logprob_problems(token: str, value: float, best: Sequence[float]) -> list[str]:
    """The log probability of a token that was chosen at temperature 0 must be none above zero, and the best; the
    probabilities beside it must not add up to more than one."""
    found = [f"{value} of {token!r} is above 0"] if not value <= 0 else []
    if best and value < max(best) - 0.01:
        found.append(f"{value} of {token!r} was chosen, {max(best)} was better")
    if sum(math.exp(min(one, 0)) for one in best) > 1.01 or any(not one <= 0 for one in best):
        found.append(f"{list(best)} at {token!r} are no log probabilities of one choice")
    return [f"logprobs: {problem}" for problem in found]


def cut_problems(tokens: Sequence[str], text: str) -> list[str]:
    """The text of an answer must be in its tokens, to their end: only control tokens may follow."""
    # of a character that several tokens make, each of them shows a replacement character
    joined, wanted = ("".join(c for c in said if "!" <= c <= "~") for said in ("".join(tokens), text))
    _, found, after = joined.rpartition(wanted)
    if wanted and found and not LEAK.sub("", after):
        return []
    return [f"the tokens {joined[-120:]!r} do not end with the answer {text[-120:]!r}"]


def response_usage_problems(usage: Any, *, counted: bool) -> list[str]:
    """The tokens of a `/v1/responses` answer must be accounted for as those of a chat, or be all 0 where this version
    does not count them."""
    if not isinstance(usage, dict):
        return usage_problems(usage)
    as_chat = {"prompt": "input", "completion": "output", "total": "total"}
    counts = {f"{chat}_tokens": usage.get(f"{part}_tokens") for chat, part in as_chat.items()}
    return [] if not counted and {*counts.values()} == {0} else usage_problems(counts)


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


def knows_all(text: str) -> list[str]:
    """An answer must not answer the other questions too: one that holds every key word was made for the test."""
    others = [q for q in QUESTIONS if any(not w.isdigit() and w.casefold() in text.casefold() for w in q.wanted)]
    return [f"{text[:120]!r} answers {len(others)} questions at once"] if len(others) > MANY else []


MANY = 4
"""So many questions an honest answer may touch: Paris and Tokyo are asked for twice."""


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


def call_problems(calls: Iterable[Mapping[str, Any]], offered: str) -> list[str]:
    """Calls of tools in a chat must be of the tool that was offered, with arguments that are a JSON object."""
    found = []
    for call in calls:
        function = call.get("function") or {}
        try:
            good = isinstance(json.loads(function.get("arguments") or ""), dict)
        except ValueError:
            good = False
        if not good or function.get("name") != offered:
            found.append(f"a call must be of {offered!r} with a JSON object: {function}")
    return found


def output_text(body: Any) -> str:
    """The final text of the body of a `/v1/responses` answer; empty when there is none."""
    output = body.get("output") if isinstance(body, dict) else None
    parts = [part for item in output or () if item.get("type") == "message" for part in item.get("content") or ()]
    return "".join(part.get("text") or "" for part in parts)


def undeclared(expectation: Expectation, what: str) -> list[str]:
    """What a bench can't show must be declared in the variant's entry, in a sentence that says `what`."""
    if any(what in reason for reason in expectation.unproven):
        return []
    return [f"{what} was not exercised, and the entry does not say so under `unproven`"]
