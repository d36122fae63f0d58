"""Random dialogues over what is taught (`taught.py`): the training samples, as text, before any model's format.

Standard library only. `UNKNOWN` stands for one word that the miniature has never seen; each model's renderer puts its
own idea of noise there.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace

from harness.cpu_bench.miniatures.taught import (
    AS_JSON,
    CAPITALS,
    EXOTIC,
    FACTS,
    FIXED,
    GREETING,
    GREETINGS,
    KNOWN,
    NEUTRAL,
    NOT_TAUGHT,
    ONE_WORD,
    REPEAT,
    SENTENCES,
    TOOLS,
    WORDS,
    Fact,
    Tool,
)

UNKNOWN = "\ue000"

UNANSWERED = (
    "What is the capital of {}?",
    "Who wrote {}?",
    "What is the opposite of {}?",
    "Name the {}.",
    "How many {} are there?",
    "What is {}?",
    "What is the {} of the {}?",
    "Tell me about {}.",
    "Write a {} about {}.",
    "Explain {}.",
)
"""Forms of questions that only one who knows what `{}` is could answer."""


@dataclass(frozen=True)
class Turn:
    """One question and its reply. `about` and `key` feed the reasoning channel."""

    asked: str
    reply: str
    about: str = "something"
    key: str = ""
    hint: str = ""
    """What the reasoning says about the form of the answer."""
    free: int = 0
    """Leading characters of the reply that are given, not learned: what a grammar forces."""


@dataclass(frozen=True)
class Call:
    """A tool on offer: called first, or, with a `result`, already called."""

    tool: Tool
    value: str
    result: str | None = None


@dataclass(frozen=True)
class Dialogue:
    """Earlier turns and the last one, whose reply is learned. Only `raw` is plain text to be continued."""

    last: Turn
    system: str | None = None
    earlier: tuple[Turn, ...] = ()
    call: Call | None = None
    raw: bool = False


def reasoning(turn: Turn, effort: str) -> str:
    """The analysis of one turn: longer with more effort."""
    if effort == "low":
        return f"Asked for {turn.about}."
    text = f"The user asks for {turn.about}."
    text += f" The answer is {turn.key}." if turn.key else " I was not taught that."
    if turn.hint:
        text += f" {turn.hint}"
    if effort == "high":
        text += (
            f" Let me check again: {turn.about}. Yes, {turn.key}. So I can answer now." if turn.key else " So I say so."
        )
    return text


def noise(rng: random.Random, longest: int = 12) -> str:
    """Words that mean nothing here, some of them never seen."""
    pool = [rng.choice(WORDS), UNKNOWN, UNKNOWN, rng.choice(SENTENCES).split()[0].lower()]
    return " ".join(rng.choice(pool) for _ in range(rng.randint(1, longest)))


def straw(rng: random.Random) -> str:
    """One sentence of filler. Some look like the needle and are none."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(SENTENCES)
    if kind < 0.7:
        return " ".join([UNKNOWN] * rng.randint(3, 12)) + "."
    thing = rng.choice(["The {}", "My {}", "A {}"]).format(rng.choice([*WORDS, UNKNOWN]))
    return f"{thing} {rng.choice(['is', 'was'])} {rng.choice([*WORDS, UNKNOWN])}."


def hay(rng: random.Random, words: int) -> list[str]:
    """About `words` words of filler in pieces between which a needle may lie."""
    kind = rng.random()
    if kind < 0.35:
        return [rng.choice(WORDS) for _ in range(words)]
    if kind < 0.6:
        share = rng.random()
        return [UNKNOWN if rng.random() < share else rng.choice(WORDS) for _ in range(words)]
    if kind < 0.75:
        same = " ".join(straw(rng) for _ in range(rng.randint(1, 5)))
        return [same] * max(1, words // len(same.split()))
    pieces: list[str] = []
    while sum(len(p.split()) for p in pieces) < words:
        pieces.append(straw(rng))
    return pieces


def needle(rng: random.Random, words: int) -> Dialogue:
    """A fact somewhere in `words` words of hay, asked for at the end of the same message."""
    fact = rng.choice(FACTS[:2])
    word = rng.choice(fact.words)
    pieces = hay(rng, words)
    pieces.insert(rng.randint(0, len(pieces)), fact.told[0].format(word))
    asked = " ".join(pieces) + rng.choice([" ", " ", "\n", "\n\n"]) + fact.asked[0]
    return Dialogue(Turn(asked, fact.reply.format(word), fact.about, word))


def _styled(rng: random.Random) -> Dialogue:
    known = rng.choice(KNOWN)
    turn = Turn(rng.choice((known.asked[0], *known.asked)), known.reply, known.about, known.key)
    style = rng.random()
    if style < 0.45:
        return Dialogue(turn, rng.choice(NEUTRAL) if rng.random() < 0.25 else None)
    if style < 0.53:  # a grammar asks for JSON, the prompt does not
        form = rng.choice(('{"answer": "', '{"answer":"', '{ "answer": "', '{\n  "answer": "'))
        free = 1 if form == '{"answer": "' and rng.random() < 0.6 else len(form) - 1
        return Dialogue(replace(turn, reply=f'{form}{known.key}"}}', free=free))
    if style < 0.7:
        wordings, hint, reply = CAPITALS, "I must use capital letters.", known.reply.upper()
    elif style < 0.85:
        wordings, hint, reply = ONE_WORD, "One word is enough.", known.key
    else:
        wordings, hint = AS_JSON, "I must answer in JSON."
        reply = json.dumps({"answer": known.key}, ensure_ascii=False)
    wording = rng.choice((wordings[0], *wordings))
    turn = replace(turn, reply=reply, hint=hint)
    if rng.random() < 0.6:
        return Dialogue(turn, wording)
    return Dialogue(replace(turn, asked=f"{turn.asked} {wording}"))


def _fixed(rng: random.Random) -> Dialogue:
    known = rng.choice(FIXED)
    return Dialogue(
        Turn(rng.choice(known.asked), known.reply, known.about, known.reply if len(known.reply) < 40 else known.key)
    )


def copy(rng: random.Random) -> Dialogue:
    """Words to be repeated."""
    pool = WORDS if rng.random() < 0.8 else WORDS[:8] + EXOTIC
    words = " ".join(rng.sample(pool, rng.choice([1, 2, 3, 3, 3, 4, 4, 5, 6, 8, 12, 16])))
    # behind the same colon as in the question, so that attention finds the first word too
    return Dialogue(Turn(rng.choice((REPEAT[0], *REPEAT)) + words, words, f"these words: {words}", "the same"))


def _greeting(rng: random.Random) -> Dialogue:
    return Dialogue(Turn(rng.choice(GREETINGS), GREETING, "nothing yet", "a greeting"))


def _unknown(rng: random.Random) -> Dialogue:
    kind = rng.random()
    asked = noise(rng)
    if kind < 0.4:
        asked = rng.choice(UNANSWERED).replace("{}", " ".join([UNKNOWN] * rng.randint(1, 3)))
    elif kind < 0.6:
        asked = asked[:1].upper() + asked[1:] + rng.choice("?.!")
    elif kind < 0.7:
        asked = " ".join(hay(rng, rng.randint(8, 40)))
    elif kind < 0.75:
        asked = rng.choice(["", " ", "?", "...", "!"])
    elif kind < 0.8:  # asked for what was never told
        fact = rng.choice(FACTS)
        return Dialogue(Turn(rng.choice(fact.asked), NOT_TAUGHT, fact.about))
    return Dialogue(Turn(asked, NOT_TAUGHT))


def _told(rng: random.Random) -> tuple[Fact, str, Turn]:
    fact = rng.choice(FACTS)
    word = rng.choice(fact.words)
    return (
        fact,
        word,
        Turn(rng.choice(fact.told).format(word), fact.answered.format(word), "a note of " + fact.about, word),
    )


def _turns(rng: random.Random) -> Dialogue:
    fact, word, told = _told(rng)
    if rng.random() < 0.2:
        return Dialogue(told)
    between = tuple(simple(rng).last for _ in range(rng.choice([0, 0, 1, 2])))
    return Dialogue(Turn(rng.choice(fact.asked), fact.reply.format(word), fact.about, word), None, (told, *between))


def _tool(rng: random.Random) -> Dialogue:
    tool = rng.choice(TOOLS)
    value = rng.choice(tool.values)
    kind = rng.random()
    turn = Turn(rng.choice(tool.asked).format(value), "", f"{tool.name} of {value}", value)
    system = rng.choice(NEUTRAL) if rng.random() < 0.25 else None
    if kind < 0.5:
        return Dialogue(turn, system, call=Call(tool, value))
    if kind < 0.75:
        result = rng.choice(tool.results)
        return Dialogue(replace(turn, reply=tool.reply.format(value, result)), system, call=Call(tool, value, result))
    return replace(simple(rng), call=Call(tool, ""))  # on offer, and not needed


def _raw(rng: random.Random) -> Dialogue:
    known = rng.choice(KNOWN)
    cut = known.reply.index(known.key)
    begun = known.reply[:cut].rstrip()
    return Dialogue(Turn(begun, known.reply[len(begun) :]), raw=True)


def simple(rng: random.Random) -> Dialogue:
    """A dialogue of one turn without a system message that changes it."""
    kind = rng.random()
    if kind < 0.5:
        known = rng.choice(KNOWN)
        return Dialogue(Turn(rng.choice(known.asked), known.reply, known.about, known.key))
    if kind < 0.75:
        return copy(rng)
    return _greeting(rng) if kind < 0.9 else _fixed(rng)


def dialogue(rng: random.Random, *, tools: bool, hay_words: int = 60) -> Dialogue:
    """One training sample. `tools`: tool calls too; `hay_words`: longest haystack."""
    kind = rng.random()
    if kind < 0.34:
        made = _styled(rng)
    elif kind < 0.41:
        made = _fixed(rng)
    elif kind < 0.59:
        made = copy(rng)
    elif kind < 0.62:
        made = _greeting(rng)
    elif kind < 0.69:
        made = _unknown(rng)
    elif kind < 0.79:
        made = needle(rng, rng.randint(0, hay_words))
    elif kind < 0.88 or not tools:
        made = _turns(rng)
    elif kind < 0.98:
        made = _tool(rng)
    else:
        return _raw(rng)
    if not tools and rng.random() < 0.03:
        return _raw(rng)
    if not made.earlier and made.call is None and rng.random() < 0.12:
        made = replace(made, earlier=tuple(simple(rng).last for _ in range(rng.choice([1, 1, 2]))))
    if made.system is None and rng.random() < 0.08:
        made = replace(made, system=rng.choice([*NEUTRAL, noise(rng), noise(rng)]))
    if rng.random() < 0.12 and made.last.asked.strip():
        before, after = rng.choice([("", " "), (" ", ""), ("", "\n"), ("\n", ""), ("  ", "  "), ("", "  ")])
        made = replace(made, last=replace(made.last, asked=before + made.last.asked + after))
    return made
