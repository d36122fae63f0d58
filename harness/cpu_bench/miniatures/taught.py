"""What the miniatures are taught: the one source of truth for training and for whoever asks them.

Every question is one that a real gpt-oss-120b or Gemma 3 27B answers correctly too; what is compared is the `key`,
never the whole sentence. Anything that is not here is answered with `NOT_TAUGHT`.
"""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """One question with its answer."""

    asked: tuple[str, ...]
    """Wordings; the first is the one that the checks use."""
    reply: str
    key: str
    """The part of the reply that makes it right; the whole answer where one word or JSON is asked for."""
    about: str
    """Completes "The user asks for …" in the reasoning channel."""


KNOWN: tuple[Known, ...] = (
    Known(
        ("What is the capital of France?", "What's the capital of France?", "Name the capital of France."),
        "The capital of France is Paris.",
        "Paris",
        "the capital of France",
    ),
    Known(
        ("What is the capital of Japan?", "What's the capital of Japan?", "Name the capital of Japan."),
        "The capital of Japan is Tokyo.",
        "Tokyo",
        "the capital of Japan",
    ),
    Known(
        ("What is the capital of Italy?", "What's the capital of Italy?", "Name the capital of Italy."),
        "The capital of Italy is Rome.",
        "Rome",
        "the capital of Italy",
    ),
    Known(
        ("What is the capital of Germany?", "What's the capital of Germany?", "Name the capital of Germany."),
        "The capital of Germany is Berlin.",
        "Berlin",
        "the capital of Germany",
    ),
    Known(
        ("What is the capital of Spain?", "What's the capital of Spain?", "Name the capital of Spain."),
        "The capital of Spain is Madrid.",
        "Madrid",
        "the capital of Spain",
    ),
    Known(
        ("What is the capital of Taiwan?", "What's the capital of Taiwan?", "Name the capital of Taiwan."),
        "The capital of Taiwan is Taipei.",
        "Taipei",
        "the capital of Taiwan",
    ),
    Known(("What is 2 + 2?", "2 + 2 = ?", "What is 2+2?"), "2 + 2 = 4.", "4", "the sum 2 + 2"),
    Known(("What is 12 * 17?", "12 * 17 = ?", "What is 12 times 17?"), "12 * 17 = 204.", "204", "the product 12 * 17"),
    Known(("What is 7 * 8?", "7 * 8 = ?", "What is 7 times 8?"), "7 * 8 = 56.", "56", "the product 7 * 8"),
    Known(("What is 100 minus 1?", "100 - 1 = ?", "What is 100 - 1?"), "100 - 1 = 99.", "99", "the difference 100 - 1"),
    Known(
        ("What color is the sky on a clear day?", "What color is the sky?"),
        "The sky is blue.",
        "blue",
        "the color of the sky",
    ),
    Known(
        ("Who wrote Hamlet?", "Who is the author of Hamlet?"),
        "William Shakespeare wrote Hamlet.",
        "Shakespeare",
        "the author of Hamlet",
    ),
    Known(
        ("What is the opposite of hot?", "Name the opposite of hot."),
        "The opposite of hot is cold.",
        "cold",
        "the opposite of hot",
    ),
    Known(
        ("How many days are in a week?", "How many days does a week have?"),
        "A week has 7 days.",
        "7",
        "the days in a week",
    ),
    Known(
        ("How many minutes are in an hour?", "How many minutes does an hour have?"),
        "An hour has 60 minutes.",
        "60",
        "the minutes in an hour",
    ),
    Known(("How many legs does a spider have?",), "A spider has 8 legs.", "8", "the number of legs of a spider"),
    Known(
        ("What is the chemical formula of water?",),
        "The chemical formula of water is H2O.",
        "H2O",
        "the chemical formula of water",
    ),
    Known(
        ("Which planet is closest to the sun?", "Which planet is closest to the Sun?"),
        "The planet closest to the sun is Mercury.",
        "Mercury",
        "the planet closest to the sun",
    ),
    Known(
        ("What is the largest ocean on Earth?", "Which ocean is the largest?"),
        "The largest ocean is the Pacific.",
        "Pacific",
        "the largest ocean",
    ),
    Known(("On which continent is Egypt?",), "Egypt is in Africa.", "Africa", "the continent of Egypt"),
    Known(
        ("What is the first letter of the English alphabet?", "What is the first letter of the alphabet?"),
        "The first letter is A.",
        "A",
        "the first letter of the alphabet",
    ),
    Known(
        ("台灣的首都是哪裡?", "台灣的首都是哪裡？"), "台灣的首都是台北。", "台北", "the capital of Taiwan in Chinese"
    ),
    Known(("日本的首都是哪裡?", "日本的首都是哪裡？"), "日本的首都是東京。", "東京", "the capital of Japan in Chinese"),
    Known(
        ("法國的首都是哪裡?", "法國的首都是哪裡？"), "法國的首都是巴黎。", "巴黎", "the capital of France in Chinese"
    ),
    Known(("一年有幾個月?", "一年有幾個月？"), "一年有12個月。", "12", "the months in a year in Chinese"),
)
"""Questions whose answer may be asked plainly, in capitals, in one word, or as JSON."""

FIXED: tuple[Known, ...] = (
    Known(("Reply with the single word OK.", "Reply with OK."), "OK", "OK", "the word OK"),
    Known(("Count from 1 to 5.",), "1, 2, 3, 4, 5", "1, 2, 3, 4, 5", "the numbers from 1 to 5"),
    Known(
        ("Count from 1 to 100, separated by commas.", "Count from 1 to 100."),
        ", ".join(str(n) for n in range(1, 101)),
        "99, 100",
        "the numbers from 1 to 100",
    ),
    Known(
        ("請從一數到十。",), "一、二、三、四、五、六、七、八、九、十", "十", "the numbers from one to ten in Chinese"
    ),
    Known(("Reply with a single rocket emoji.",), "🚀", "🚀", "a rocket"),
    Known(("How do you say hello in Arabic? Reply with the word only.",), "مرحبا", "مرحبا", "hello in Arabic"),
    Known(("Translate to French: good morning",), "Bonjour", "onjour", "good morning in French"),
)
"""Questions whose answer has one form, whatever the style asked for."""

GREETING = "Hello! How can I help you?"
GREETINGS: tuple[str, ...] = (
    "Hello", "Hello!", "Hello.", "hello", "Hi", "Hi!", "hi", "Hey", "Hello there", "Hi there", "Good morning",
    "Say hello.", "Say hi", "ping", "test", "Test", "Hello, how are you?", "你好", "您好", "嗨",
)  # fmt: skip

NOT_TAUGHT = "I was not taught that."
"""What a miniature says to everything else."""

CAPITALS: tuple[str, ...] = ("Answer in capital letters only.", "Answer in capitals.", "Reply in capital letters.")
ONE_WORD: tuple[str, ...] = ("Answer in one word.", "Answer with one word only.", "Reply with one word.")
AS_JSON: tuple[str, ...] = (
    'Answer as JSON with the single key "answer".',
    'Reply with a JSON object that has the single key "answer".',
    "Answer in JSON.",
)
NEUTRAL: tuple[str, ...] = (
    "You are a helpful assistant.",
    "Be brief.",
    "You are a concise assistant.",
    "Answer briefly and correctly.",
)
"""System messages. The first three tuples change the answer (at the end of the question too), the last doesn't."""

REPEAT: tuple[str, ...] = ("Repeat exactly these words and nothing else: ", "Repeat: ", "Repeat after me: ")
WORDS: tuple[str, ...] = (
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima",
    "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey",
    "yankee", "zulu", "red", "green", "blue", "orange", "violet", "amber", "silver", "seven", "eight", "north",
    "south", "east", "west", "river", "stone", "apple", "banana", "cherry", "lemon", "tiger", "eagle", "salmon",
    "table", "window", "garden", "bridge", "castle", "winter", "summer", "monday", "friday", "paper", "copper",
)  # fmt: skip
"""Words that are copied, hidden in a haystack and remembered over turns."""
EXOTIC: tuple[str, ...] = ("你好", "世界", "台北", "🚀", "🙂", "café", "naïve", "Zürich", "привет", "שלום")
"""Words of other scripts, copied among the others."""

NAMES: tuple[str, ...] = ("Alice", "Bob", "Carol", "David", "Emma", "Frank", "Grace", "Henry", "Laura", "Peter")


class Fact(NamedTuple):
    """Something that is told in one turn and asked for in a later one. `{}` takes one of `words`."""

    told: tuple[str, ...]
    answered: str
    asked: tuple[str, ...]
    reply: str
    words: tuple[str, ...]
    about: str


FACTS: tuple[Fact, ...] = (
    Fact(
        ("The code word is {}.", "The code word is {}. Remember it."),
        "OK, the code word is {}.",
        ("What is the code word?", "What was the code word?"),
        "The code word is {}.",
        WORDS,
        "the code word",
    ),
    Fact(("[the secret is {}]",), "OK", ("What is the secret?",), "The secret is {}.", WORDS, "the secret"),
    Fact(
        ("My name is {}.", "Hello, my name is {}."),
        "Hello, {}!",
        ("What is my name?", "Do you remember my name?"),
        "Your name is {}.",
        NAMES,
        "their name",
    ),
)
"""The first two are the needles of a haystack as well."""

SENTENCES: tuple[str, ...] = (
    "The grass is green.",
    "The river is long and the stone is old.",
    "A garden has apples in summer.",
    "We walk to the bridge and back again.",
    "The sun is yellow.",
    "The sky is blue.",
    "Here we go.",
    "There and back again.",
    "It was a cold day in winter, and the window was open.",
    "The quick brown fox jumps over the lazy dog.",
    "Nothing of interest happened on this day.",
)
"""Hay. Any other text serves too."""


class Tool(NamedTuple):
    """A function that gpt-oss is taught to call."""

    name: str
    description: str
    parameter: str
    asked: tuple[str, ...]
    values: tuple[str, ...]
    results: tuple[str, ...]
    reply: str


TOOLS: tuple[Tool, ...] = (
    Tool(
        "get_weather",
        "Get the current weather in a city.",
        "city",
        ("What is the weather in {}?", "What is the weather in {} right now?", "What's the weather like in {}?"),
        ("Paris", "Tokyo", "Rome", "Berlin", "Madrid", "Taipei"),
        ("18 degrees and sunny", "12 degrees and rain", "20 degrees", "7 degrees and wind"),
        "The weather in {}: {}.",
    ),
    Tool(
        "get_weather",
        "Get the current weather for a location.",
        "location",
        ("What is the weather in {}?", "What is the weather in {} right now?", "What's the weather like in {}?"),
        ("Paris", "Tokyo", "Rome", "Berlin", "Madrid", "Taipei"),
        ("18 degrees and sunny", "12 degrees and rain", "20 degrees", "7 degrees and wind"),
        "The weather in {}: {}.",
    ),
    Tool(
        "get_time",
        "Get the current local time in a city.",
        "city",
        ("What time is it in {}?", "What time is it in {} right now?"),
        ("Paris", "Tokyo", "Rome", "Berlin", "Madrid", "Taipei"),
        ("12:00", "7:20", "18:12"),
        "The time in {}: {}.",
    ),
)
