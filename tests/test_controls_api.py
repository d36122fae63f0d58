"""The controls of what the API answers, and of what the engine's log, its container and its end show.

The good world is a tape of a real deployment (tests/tape.py), served by a real HTTP server; a fault is one change in
what is played.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness.streams
import suites.test_concurrency
import suites.test_contract
from harness.api import CHAT, COMPLETIONS, RESPONSES, Api, samples
from harness.dialects import DIALECTS
from harness.resolved import resolved as resolved_settings
from harness.streams import stream_problems
from harness.truth import setting_problems
from harness.types import Judgement
from harness.variants import find
from harness.verification import ANSWER_TOKENS, CAPITAL, QUESTIONS
from suites import test_limits as limits
from suites.test_limits import COMPLETION_WRONG, WRONG
from tests.samples import CPU
from tests.tape import Played, Tape, playing
from tests.test_controls import (
    CAME_BACK,
    OTHER,
    SWIFT,
    Fault,
    World,
    ask,
    environment,
    made,
    parametrised,
    suite_tests,
)

TAPE, GEMMA = (
    Tape.load(Path(__file__).parent / "captured" / f"{name}.tape") for name in ("gpt-oss-120b", "gemma-3-27b-bf16")
)
LEFT_HANGING = CAME_BACK.model_copy(update={"broken": "ReadTimeout: timed out"})
Change = Callable[[Played], Played]
About = Callable[[Played], bool]
TOKEN = "hf_" + "a" * 24


# --- which answers ---------------------------------------------------------------------------------------------------


def at(*paths: str, streamed: bool | None = None) -> About:
    """Answers at one of these paths, streamed or not, or both."""
    return lambda p: p.path in paths and streamed in (None, p.streamed)


chat, completion, responses = (at(path, streamed=False) for path in (CHAT, COMPLETIONS, RESPONSES))
chat_stream, completion_stream, responses_stream = (at(path, streamed=True) for path in (CHAT, COMPLETIONS, RESPONSES))
health, metrics, models, spec = (at(path) for path in ("/health", "/metrics", "/v1/models", "/openapi.json"))


def asking(text: str, about: About = chat) -> About:
    """Those of them whose request holds this text."""
    return lambda p: about(p) and text in json.dumps(p.asked, ensure_ascii=False)


def refused(p: Played) -> bool:
    """Refusals."""
    return 400 <= p.status < 500


# --- what is changed -------------------------------------------------------------------------------------------------


def played(about: About, change: Change) -> Fault:
    """What is played is changed, where the answer is one of these."""
    return lambda world: setattr(world, "play", lambda p: change(p) if about(p) else p)


def later(about: About, change: Change, first: int = 1) -> Fault:
    """The same, but for so many answers that come first."""

    def plant(world: World) -> None:
        seen: list[Played] = []

        def turn(p: Played) -> Played:
            if not about(p):
                return p
            seen.append(p)
            return change(p) if len(seen) > first else p

        world.play = turn

    return plant


def after(trigger: About, about: About, change: Change) -> Fault:
    """The same, from the first answer on that is one of `trigger`."""

    def plant(world: World) -> None:
        seen: list[Played] = []

        def turn(p: Played) -> Played:
            if trigger(p):
                seen.append(p)
            return change(p) if seen and about(p) else p

        world.play = turn

    return plant


def edited(edit: Callable[[Any], Any]) -> Change:
    """A change in the JSON of an answer, in place."""

    def change(p: Played) -> Played:
        body = p.body
        edit(body)
        return p.having(body)

    return change


def error(status: int, **changes: Any) -> Change:
    """An error in vLLM's shape, with changes in it."""
    told = {"message": "Internal server error", "type": "InternalServerError", "param": None, "code": status} | changes
    return lambda p: replace(p, status=status, kind="application/json", text=json.dumps({"error": told}))


def text(value: str, status: int = 200) -> Change:
    """This text, whatever was asked."""
    return lambda p: replace(p, status=status, kind="text/plain", text=value)


def message(**changes: Any) -> Change:
    """Changes in the assistant's message."""
    return edited(lambda body: body["choices"][0]["message"].update(changes))


def choice(**changes: Any) -> Change:
    """Changes in the first choice."""
    return edited(lambda body: body["choices"][0].update(changes))


def usage(**changes: Any) -> Change:
    """Changes in the counts."""
    return edited(lambda body: body["usage"].update(changes))


def sub(pattern: str, to: str, first: int = 0) -> Change:
    """A change in the text that is sent, everywhere or in the first places only."""
    return lambda p: replace(p, text=re.sub(pattern, to, p.text, count=first))


def events(change: Callable[[list[str]], list[str]]) -> Change:
    """A change in the events of a stream."""
    return lambda p: p.saying(change(p.events()))


def chunks(edit: Callable[[Any], Any]) -> Change:
    """A change in the JSON of every event that has choices."""

    def one(event: str) -> str:
        body = json.loads(event) if event != "[DONE]" else None
        if not body or not body["choices"]:
            return event
        edit(body)
        return json.dumps(body, ensure_ascii=False)

    return events(lambda told: [one(event) for event in told])


def deltas(edit: Callable[[Any], Any]) -> Change:
    """A change in every delta."""
    return chunks(lambda body: edit(body["choices"][0]["delta"]))


def told(change: Callable[[list[dict[str, Any]]], Any]) -> Change:
    """A change in the list of the events of a stream of `/v1/responses`, in place; each keeps the name of its type."""

    def edit(p: Played) -> Played:
        bodies = [json.loads(block.partition("data: ")[2]) for block in p.text.split("\n\n") if "data: " in block]
        change(bodies)
        text_ = "".join(f"event: {b.get('type')}\ndata: {json.dumps(b, ensure_ascii=False)}\n\n" for b in bodies)
        return replace(p, text=text_)

    return edit


def recounted(**changes: Any) -> Change:
    """Other counts of a response."""
    return edited(lambda body: body["usage"].update(changes))


def finish(reason: str | None) -> Callable[[Any], Any]:
    """Another reason for the end."""
    return lambda body: [c.update(finish_reason=reason) for c in body["choices"] if c.get("finish_reason")]


def late(p: Played) -> Played:
    """The answer begins late."""
    time.sleep(2.2)
    return p


def broken(p: Played) -> Played:
    """The connection breaks in the midst."""
    return replace(p, cut=True)


def cut_characters(p: Played) -> Played:
    """Characters of several bytes lose their last byte."""
    return replace(p, raw=re.sub(rb"([\xc2-\xf4][\x80-\xbf]*)[\x80-\xbf]", rb"\1", p.text.encode()))


def foreign() -> Change:
    """The answer that somebody else was given before (the first one is right)."""
    kept: list[Played] = []

    def change(p: Played) -> Played:
        kept.append(p)
        return replace(p, text=kept[-2].text) if len(kept) > 1 else p

    return change


def logged(pattern: str, to: str = "") -> Fault:
    """The log reads otherwise."""
    return lambda world: setattr(world, "log", re.sub(pattern.encode(), to.encode(), world.log))


def together(*faults: Fault) -> Fault:
    """All of them, one after the other."""

    def plant(world: World) -> None:
        for fault in faults:
            fault(world)

    return plant


def variant(name: str) -> Fault:
    """The deployment is meant to be another variant."""
    return lambda world: setattr(world, "variant", name)


def more_log(line: str) -> Fault:
    """The log has one more line."""
    return lambda world: setattr(world, "log", world.log + f"{line}\n".encode())


def loaded(**changes: Any) -> Fault:
    """The first load went otherwise."""
    return lambda world: setattr(world, "loads", (world.loads[0].model_copy(update=changes), *world.loads[1:]))


def ended(what: str, **changes: Any) -> Fault:
    """The deployment's end goes otherwise."""
    return lambda world: setattr(world, what, getattr(world, what).model_copy(update=changes))


# --- the good world --------------------------------------------------------------------------------------------------

PAGES = [page[2] for page in TAPE.answers["GET /metrics"]]
BUSY = next(page for page in PAGES if samples(page)["vllm:num_requests_running"] >= 4)
IDLE = next(page for page in PAGES if samples(page)["vllm:num_requests_running"] == 0)
COUNTED = ("vllm:request_success_total", "vllm:prompt_tokens_total", "vllm:generation_tokens_total")
SAMPLE = r"(?m)^({}(?:{{[^}}]*}})?) \S+"
"""The line of a sample."""


def counted_up(page: str, prompt: int = 74, completion: int = 31, requests: int = 1) -> str:
    """The page after one more chat, of so many tokens: those of the tape's usage."""
    for name, more in zip(COUNTED, (requests, prompt, completion), strict=True):
        page = re.sub(SAMPLE.format(name), lambda m: f"{m[1]} {float(m[0].rsplit(' ', 1)[1]) + more}", page, count=1)  # noqa: B023
    return page


def showing(*pages: str) -> Fault:
    """The metrics show these pages, one after the other."""

    def plant(world: World) -> None:
        assert world.tape is not None
        shown = [[200, "text/plain; version=1.0.0; charset=utf-8", page] for page in pages]
        world.tape = Tape(world.tape.answers | {"GET /metrics": shown})

    return plant


def gemma(world: World) -> None:
    """Gemma is served."""
    world.variant, world.tape = "gemma-3-27b-bf16", GEMMA


BF16 = together(variant("gemma-3-27b-bf16"), logged(".*Mxfp4 MoE backend.*"))
MXFP4 = together(variant("gemma-3-27b-mxfp4"), logged("Using '?(\\w+)'? Mxfp4 MoE backend", "Using CPU for MXFP4 GEMM"))
"""Gemma is served, as its log shows."""


def version(number: str) -> Fault:
    """Another version of vLLM is served, as its log shows."""
    return logged(r"0\.32\.0", number)


def started(name: str, change: Callable[[str], str] = lambda log: log) -> Fault:
    """That variant's own log of a real start, changed."""
    log = (Path(__file__).parent / "captured" / f"{name}.log").read_text()
    return lambda world: vars(world).update(log=change(log).encode(), variant=name)


def told_more(argument: str, name: str = "gpt-oss-120b") -> Fault:
    """The server was told one thing more than is declared."""
    return started(name, lambda log: log.replace("'model_tag'", f"{argument}, 'model_tag'"))


def resolved(pattern: str, to: str, name: str = "gpt-oss-120b") -> Fault:
    """The engine says another thing in its log."""
    return started(name, lambda log: re.sub(pattern, to, log))


def forbidden(path: str, status: int = 405) -> Fault:
    """A path that may not be served is there."""
    return played(at(path), lambda p: replace(p, status=status))


def tool_call(name: str = "get_weather", arguments: str = '{"city": "Paris"}') -> dict[str, Any]:
    """A call of a tool in a chat."""
    return {"id": "call-1", "type": "function", "function": {"name": name, "arguments": arguments}}


RED = json.dumps({"choices": [{"message": {"content": "Red."}}]})


GOOD: dict[str, Fault] = {
    "test_metrics_count_what_was_served": showing(IDLE, counted_up(IDLE)),
    "test_a_client_that_leaves_frees_its_slot": showing(BUSY, IDLE),
    "test_a_load_leaves_answers_right_and_nothing_behind": showing(IDLE),
    "test_the_chat_template_is_the_models_own": gemma,
    "test_an_image_by_data_url_is_seen": gemma,
    "test_the_engine_runs_as_declared": started("gpt-oss-120b"),
}
"""Test → what its good world has besides the tape."""

MORE_GOOD: dict[str, dict[str, Fault]] = {
    "test_the_weights_are_quantised_as_the_variant_says": {"bf16": BF16, "mxfp4": MXFP4},
    "test_an_answer_beyond_the_context_is_refused_or_cut": {"refused": played(chat, error(400))},
    "test_metrics_count_what_was_served": {
        "somebody else asked too": showing(IDLE, counted_up(IDLE, 500, 500, requests=3)),
    },
    "test_a_chat_stream_is_whole_and_in_order": {
        "comments between, other line ends": played(
            chat_stream, lambda p: replace(p, text=": ping\r\n\r\n" + p.text.replace("\n", "\r\n"))
        ),
        "Unicode's own line ends": played(chat_stream, sub('"service_tier":null', '"service_tier":"a\u2028b\x85c"')),
        "more fields": played(chat_stream, chunks(lambda body: body.update(system_fingerprint="x", usage=None))),
        "Gemma": gemma,
    },
    "test_logprobs_belong_to_the_tokens": {"Gemma": gemma},
    "test_a_stop_text_ends_the_answer": {"Gemma": gemma},
    "test_max_tokens_ends_the_answer": {"Gemma": gemma},
    "test_choices_are_streamed_apart": {"Gemma": gemma},
    "test_logprobs_are_streamed_with_their_tokens": {"Gemma": gemma},
    "test_a_stop_text_ends_a_stream": {"Gemma": gemma},
    "test_a_completions_wrong_value_is_refused_as_documented": {
        "Gemma": gemma,
        "a version that answers or fails": together(
            version("0.10.1.1"),
            played(
                lambda p: (
                    completion(p) and ("no-such-type" in json.dumps(p.asked) or p.asked.get("logprobs") == "many")
                ),
                error(500),
            ),
        ),
    },
    "test_n_gives_as_many_choices": {"Gemma": gemma},
    "test_usage_counts_the_tokens_of_the_prompt": {"Gemma": gemma},
    "test_a_completion_stream_is_whole_and_in_order": {"Gemma": gemma},
    "test_parallel_streams_all_end_and_do_not_mix": {"Gemma": gemma},
    "test_known_answers_are_right_again_and_again": {"Gemma": gemma},
    "test_metrics_have_the_names_of_this_version": {"Gemma": gemma},
    "test_tokens_turn_back_into_the_same_text": {"Gemma": gemma},
    "test_malformed_json_is_refused_as_documented": {
        "Gemma": gemma,
        "a version that fails on a list": together(
            version("0.10.2"), played(lambda p: p.asked == [], text("Internal Server Error", 500))
        ),
    },
    "test_a_client_that_leaves_frees_its_slot": {
        "a version whose gauges fall with the next answer": together(
            version("0.10.1.1"),
            showing(BUSY),
            after(asking('"max_tokens": 1', completion), metrics, lambda p: replace(p, text=IDLE)),
        ),
    },
    "test_a_chat_with_tools_is_never_a_500": {
        "Gemma": gemma,
        "called": played(asking("get_weather"), message(content=None, tool_calls=[tool_call()])),
    },
    "test_the_engine_runs_as_declared": {
        "bf16": started("gemma-3-27b-bf16"),
        "mxfp4": started("gemma-3-27b-mxfp4"),
        "another seed": told_more("'seed': 7"),
        "another port": told_more("'host': '127.0.0.1', 'port': 18000"),
        "0.10.1.1": resolved("model='[^']*'", "model='openai/gpt-oss-120b'"),
        "0.10.2 names the scheme as it was asked": resolved("gpt_oss_mxfp4", "mxfp4"),
        "the real Gemma has eyes": resolved("Gemma3ForCausalLM", "Gemma3ForConditionalGeneration", "gemma-3-27b-bf16"),
        "wrapped in colours": started("gpt-oss-120b", lambda log: f"\x1b[0;36m{log}\x1b[0m"),
    },
    "test_an_image_by_data_url_is_seen": {"vision": played(chat, lambda p: replace(p, status=200, text=RED))},
    "test_a_second_client_measures_the_same": {
        "one met a busy moment": lambda world: setattr(world, "per_token_ms", ((45.0, 20.0), (20.0, 20.0))),
    },
    "test_a_token_below_0_is_refused": {
        "a version that does not look": together(version("0.19.0"), played(asking("-5", completion), error(500))),
    },
    "test_responses_answers_like_chat": {
        "Gemma": gemma,
        "a version that does not count": together(
            version("0.10.1.1"), played(responses, recounted(input_tokens=0, output_tokens=0, total_tokens=0))
        ),
    },
    "test_responses_are_streamed_whole": {
        "a version whose last event says nothing": together(
            version("0.10.2"), played(responses_stream, told(lambda all_: all_[-1]["response"].update(output=[])))
        ),
    },
    "test_a_huge_n_is_refused": {
        "a version without a cap": together(version("0.10.2"), played(asking('"n": 1000000'), error(500)))
    },
    "test_nothing_forbidden_is_served": {
        "a version that lets everybody pause it": together(version("0.13.0"), forbidden("/pause")),
    },
    "test_a_dead_engine_is_noticed_and_named": {
        "0.10.1.1 says 500, for ever": together(
            version("0.10.1.1"), ended("died", statuses=(200, 500), exit_code=None)
        ),
    },
    "test_sigterm_ends_it_in_order_and_a_start_recovers": {
        "143": ended("stopped", exit_code=143),
        "the client gave up": ended("stopped", stream=LEFT_HANGING),
    },
}
"""Other good worlds, which must pass too."""


# --- the faults ------------------------------------------------------------------------------------------------------

EVERYTHING = "Paris, Tokyo, Taipei, 204, Shakespeare, 60, H2O, Mercury, Pacific, 東京, 巴黎, Africa."

SAID: dict[str, Change] = {
    "nothing": message(content=""),
    "null": message(content=None),
    "in the reasoning only": message(content=None, reasoning="Paris"),
    "exclamation marks": message(content="Paris 204 !!!!!!!!!!!!!!!!"),
    "without end": message(content="Paris is Paris is Paris is Paris is Paris is Paris is Paris is"),
    "control tokens": message(content="Paris<|return|>"),
    "three scripts": message(content="Paris は Париж, باريس"),
    "broken characters": message(content="Paris \N{REPLACEMENT CHARACTER}"),
    "by another": message(role="user"),
    "cut": choice(finish_reason="length"),
    "another model": edited(lambda body: body.update(model="other")),
    "no JSON by its name": lambda p: replace(p, kind="text/plain"),
    "another object": edited(lambda body: body.update(object="list")),
    "no id": edited(lambda body: body.pop("id")),
    "made in 1970": edited(lambda body: body.update(created=0)),
    "made in the future": edited(lambda body: body.update(created=body["created"] + 10**8)),
    "words of Harmony": message(content="The user asks.assistantfinalParis 204"),
    "another index": choice(index=1),
    "uncounted": usage(total_tokens=1),
    "500": error(500),
    "no answer": broken,
}
"""How an answer to a known question goes wrong."""

STREAMED: dict[str, Change] = {
    "500": error(500),
    "no stream": text("{}"),
    "broken": broken,
    "no [DONE]": events(lambda told: told[:-1]),
    "[DONE] twice": events(lambda told: [*told, "[DONE]"]),
    "something after [DONE]": events(lambda told: [*told, told[0]]),
    "not JSON": events(lambda told: ["{", *told]),
    "an error inside": events(lambda told: [*told[:2], '{"error": {"message": "EngineCore", "code": 500}}', "[DONE]"]),
    "two ids": events(lambda told: [told[0].replace('"id":"', '"id":"x'), *told[1:]]),
    "another model": chunks(lambda body: body.update(model="other")),
    "another object": chunks(lambda body: body.update(object="chat.completion")),
    "no finish_reason": chunks(finish(None)),
    "finish_reason everywhere": chunks(lambda body: body["choices"][0].update(finish_reason="stop")),
    "no usage": events(lambda told: [event for event in told if '"usage":{' not in event]),
    "made in 1970": chunks(lambda body: body.update(created=0)),
    "every event made at another time": events(
        lambda told: [re.sub(r'"created":(\d+)', f'"created":1{n:09}', one) for n, one in enumerate(told)]
    ),
    "another index": chunks(lambda body: body["choices"][0].update(index=1)),
    "two choices an event": chunks(lambda body: body["choices"].append(body["choices"][0] | {"index": 1})),
    "usage that does not add up": sub(r'"total_tokens":\d+', '"total_tokens":1'),
    "no end": sub(r"\n\n\Z", "\n"),
}
"""How a stream goes wrong."""
CHAT_STREAMED = STREAMED | {
    "no role": deltas(lambda delta: delta.pop("role", None)),
    "a role of somebody else": events(
        lambda told: [*told[:1], *(one.replace('"delta":{', '"delta":{"role":"user",') for one in told[1:])]
    ),
    "role last": events(lambda told: [*told[1:2], told[0], *told[2:]]),
}

REFUSED: dict[str, Change] = {
    "500": error(500),
    "200": text("{}"),
    "422": error(422),
    "no answer": broken,
    "not JSON": text("Bad Request", 400),
    "no message": error(400, message=""),
    "message no text": error(400, message=None),
    "no type": error(400, type=None),
    "another code": error(400, code=500),
    "called a page": lambda p: replace(p, kind="text/html"),
    "a stack trace": error(400, message='no\nTraceback (most recent call last):\n  File "/x.py", line 1, in f'),
    "detail instead of error": lambda p: replace(p, text='{"detail": "Bad Request"}'),
}
"""How a refusal goes wrong."""

DYING: dict[str, tuple[About, Change]] = {
    "then sick": (health, error(503)),
    "then dead": (completion, error(500)),
    "then silent": (health, broken),
    "then stopping too early": (lambda p: completion(p) and not refused(p), choice(finish_reason="stop")),
    "then empty": (lambda p: completion(p) and not refused(p), choice(text="")),
}
"""What may become of the server afterwards."""


def each(about: About, changes: dict[str, Change]) -> dict[str, Fault]:
    """Each of these changes as a fault."""
    return {name: played(about, change) for name, change in changes.items()}


def but(changes: dict[str, Change], *names: str) -> dict[str, Change]:
    """These changes without those that are none here."""
    return {name: change for name, change in changes.items() if name not in names}


def refusals(about: About, *left_out: str) -> dict[str, Fault]:
    """Each way in which a refusal goes wrong, and what may become of the server afterwards."""
    wrong = each(lambda p: about(p) and refused(p), but(REFUSED, *left_out))
    return wrong | {name: after(about, then, change) for name, (then, change) in DYING.items()}


def accepted(about: About, cases: dict[str, dict[str, Any]]) -> dict[str, Fault]:
    """Each of these wrong requests is answered as if it were right."""

    def asks(wrong: dict[str, Any]) -> About:
        return lambda p: about(p) and all(p.asked.get(name) == value for name, value in wrong.items())

    return {f"{case} is accepted": played(asks(wrong), text("{}")) for case, wrong in cases.items()}


def entries(edit: Callable[[list[dict[str, Any]]], Any]) -> Fault:
    """A change in the log probabilities of a chat."""
    return played(chat, edited(lambda body: edit(body["choices"][0]["logprobs"]["content"])))


def best(value: Any) -> Fault:
    """Other log probabilities of the first token of a completion."""
    return played(completion, edited(lambda body: body["choices"][0]["logprobs"]["top_logprobs"][0].update(value)))


def lumped(told: list[str]) -> list[str]:
    """All pieces of a stream in its second event."""
    bodies = [json.loads(event) for event in told[:-1]]
    deltas_ = [body["choices"][0]["delta"] for body in bodies if body["choices"]]
    whole = {f: "".join(d.get(f) or "" for d in deltas_) for f in ("reasoning", "content")}
    for delta in deltas_[1:]:
        delta.clear()
    deltas_[1].update(whole)
    return [*(json.dumps(body, ensure_ascii=False) for body in bodies), "[DONE]"]


def doubled(told: list[str]) -> list[str]:
    """Every event with text twice."""
    return [one for event in told for one in [event] * (1 + bool(re.search('"(content|reasoning|text)":"[^"]', event)))]


def of_many_tokens(told: list[str]) -> list[str]:
    """Events whose usage counts so many tokens that no text is too much."""
    bodies = [json.loads(event) for event in told[:-1]]
    bodies[-1]["usage"].update(prompt_tokens=1, completion_tokens=99, total_tokens=100)
    return [*(json.dumps(body, ensure_ascii=False, separators=(",", ":")) for body in bodies), "[DONE]"]


def pieces_of(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events of such a stream that carry a piece of the answer."""
    return [body for body in bodies if body["type"] == "response.output_text.delta"]


def in_one_piece(bodies: list[dict[str, Any]]) -> None:
    """The first piece says it all, and the others nothing."""
    first, *others = pieces_of(bodies)
    first["delta"] += "".join(body["delta"] for body in others)
    for body in others:
        bodies.remove(body)
    for number, body in enumerate(bodies):
        body["sequence_number"] = number


def only_choices(*indexes: int) -> Change:
    """A stream that has these choices alone."""
    return events(
        lambda told_: [e for e in told_ if not (at_ := re.search(r'"index":(\d+)', e)) or int(at_[1]) in indexes]
    )


def more_choices(p: Played) -> Played:
    """A stream with one choice more than was asked for."""
    return p.saying(
        [one for e in p.events() for one in [e, *([e.replace('"index":2', '"index":3')] * ('"index":2' in e))]]
    )


def streamed_entries(edit: Callable[[dict[str, Any]], Any]) -> Change:
    """A change in every entry of the log probabilities of a streamed chat."""
    return chunks(lambda body: [edit(e) for e in (body["choices"][0].get("logprobs") or {}).get("content") or []])


def item(kind: str, **changes: Any) -> Change:
    """Changes in the items of that type of a response."""
    return edited(lambda body: [part.update(changes) for part in body["output"] if part["type"] == kind])


def spoken(value: str) -> Change:
    """Another final text of a response."""
    return item("message", content=[{"type": "output_text", "text": value}])


def count(*numbers: Any) -> Change:
    """Another counting."""
    return message(content=", ".join(map(str, numbers)))


PARIS = {name: change for name, change in SAID.items() if name != "three scripts"}
NEEDLE = asking("code word")
FIRST_TURN = asking("My name is Alice")
SEEDED, GREEDY = asking("20260101", completion), completion
AFTERWARDS: dict[str, Change] = {"the next chat fails": error(500), "the next chat is wrong": message(content="Rome")}

API_CONTROLS: dict[str, dict[str, Fault]] = {
    "test_parallel_streams_all_end_and_do_not_mix": each(chat_stream, CHAT_STREAMED)
    | {
        "answers to others": played(chat_stream, foreign()),
        "every piece twice": played(chat_stream, events(doubled)),
        "not in pieces": played(chat_stream, events(lumped)),
        "one id for all": played(chat_stream, sub('"id":"[^"]*"', '"id":"chatcmpl-0"')),
        "one of twelve breaks": later(chat_stream, broken, first=11),
        "one of twelve is empty": later(chat_stream, deltas(lambda delta: delta.pop("content", None)), first=11),
    },
    "test_a_client_that_leaves_frees_its_slot": {
        "slots are kept": showing(BUSY),
        "slots are kept, in a version whose gauges fall with the next answer": together(
            version("0.10.1.1"), showing(BUSY)
        ),
        "one waits": played(metrics, sub(SAMPLE.format("vllm:num_requests_waiting"), r"\1 1.0")),
        "cache is kept": played(metrics, sub(SAMPLE.format("vllm:kv_cache_usage_perc"), r"\1 0.75")),
        "one at a time": showing(re.sub(SAMPLE.format("vllm:num_requests_running"), r"\1 1.0", BUSY), IDLE),
        "no metrics": played(metrics, error(404)),
        "streams end at once": played(completion_stream, events(lambda told: told[:1])),
    },
    "test_a_load_leaves_answers_right_and_nothing_behind": each(chat, SAID)
    | {
        "wrong under load": later(chat, message(content="I do not know."), first=3),
        "slots are kept": showing(BUSY),
        "no metrics": played(metrics, error(404)),
    }
    | {f"canary: {name}": after(metrics, chat, change) for name, change in SAID.items()},
    "test_metrics_have_the_names_of_this_version": {
        "404": played(metrics, error(404)),
        "empty": played(metrics, text("")),
        "another prefix": played(metrics, sub("vllm:", "vllm_")),
        "a name of an older version": played(metrics, sub("kv_cache_usage_perc", "gpu_cache_usage_perc")),
        "another model's": played(metrics, sub('model_name="[^"]*"', 'model_name="other"')),
        "two models'": played(metrics, sub('model_name="[^"]*"', 'model_name="other"', first=1)),
        "one missing": played(metrics, sub("# TYPE vllm:inter_token_latency_seconds .*\n", "")),
    },
    "test_metrics_count_what_was_served": {
        f"{name} stands still": played(metrics, sub(SAMPLE.format(name), r"\1 5.0")) for name in COUNTED
    }
    | {
        "fewer tokens than the usage": showing(IDLE, counted_up(IDLE, 1, 1)),
        "held back": played(chat, late),
        "all counted twice": showing(IDLE, counted_up(IDLE, 148, 62)),
        "the usage counts half of the prompt": played(chat, usage(prompt_tokens=37, total_tokens=68)),
    },
    "test_tokens_turn_back_into_the_same_text": {
        "miscounted": played(at("/tokenize"), edited(lambda body: body.update(count=body["count"] + 1))),
        "another length": played(at("/tokenize"), edited(lambda body: body.update(max_model_len=4096))),
        "no tokens": played(at("/tokenize"), edited(lambda body: body.update(count=0, tokens=[]))),
        "the end lost": played(at("/detokenize"), edited(lambda body: body.update(prompt=body["prompt"][:-1]))),
        "a NUL ends it": played(
            at("/detokenize"), edited(lambda body: body.update(prompt=body["prompt"].split("\0")[0]))
        ),
        "ASCII only": played(at("/detokenize"), sub(r"[^\x00-\x7f]", "?")),
        "with a beginning": played(
            at("/detokenize"), edited(lambda body: body.update(prompt="<bos>" + body["prompt"]))
        ),
    },
    "test_usage_counts_the_tokens_of_the_prompt": {
        "one too many": played(completion, usage(prompt_tokens=6, completion_tokens=1, total_tokens=7)),
        "more than asked for": played(completion, usage(completion_tokens=3, total_tokens=8)),
        "does not add up": played(completion, usage(total_tokens=1)),
        "nothing": played(completion, usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)),
        "tokenize counts otherwise": played(at("/tokenize"), edited(lambda body: body.update(count=4))),
        "another object": played(completion, edited(lambda body: body.update(object="chat.completion"))),
        "another model": played(completion, edited(lambda body: body.update(model="other"))),
        "no end": played(completion, choice(finish_reason=None)),
    },
    "test_a_chat_stream_is_whole_and_in_order": each(chat_stream, CHAT_STREAMED)
    | {
        "the stream counts otherwise": played(
            chat_stream, sub('"prompt_tokens":74,"total_tokens":105', '"prompt_tokens":73,"total_tokens":104')
        ),
        "it drips": played(chat_stream, late),
        "the stream counts more": played(
            chat_stream, sub('"total_tokens":105,"completion_tokens":31', '"total_tokens":106,"completion_tokens":32')
        ),
        "a wrong answer": played(chat_stream, sub("Paris", "Rome")),
        "a control token": played(chat_stream, sub('" Paris"', '" Paris<|end|>"')),
        "a piece twice": played(chat_stream, sub('"content":" Paris"', '"content":" Paris Paris"')),
        "a piece lost": played(chat_stream, sub('"content":" of"', '"content":""')),
        "the whole answer differs": played(chat, message(content="Paris!")),
    },
    "test_a_completion_stream_is_whole_and_in_order": each(completion_stream, STREAMED)
    | {
        "a piece lost": played(completion_stream, sub('"text":" Paris"', '"text":""')),
        "the whole answer differs": played(completion, choice(text=" Rome.")),
        "it drips": played(completion_stream, late),
        "the whole answer counts otherwise": played(completion, usage(completion_tokens=4, total_tokens=9)),
        "the whole answer ends otherwise": played(completion, choice(finish_reason="length")),
        "both empty": played(at(COMPLETIONS), sub('"text":"[^"]*"', '"text":""')),
    },
    "test_temperature_0_gives_the_same_twice": {
        "another text": later(GREEDY, choice(text=" Rome.")),
        "another count": later(GREEDY, usage(completion_tokens=7)),
        "nothing twice": played(GREEDY, choice(text="")),
        "500": played(GREEDY, error(500)),
    },
    "test_a_seed_gives_the_same_twice": {
        "the seed does nothing": later(SEEDED, choice(text="something else")),
        "nothing twice": played(SEEDED, choice(text="")),
        "every seed the same": played(completion, choice(text="something")),
    },
    "test_n_gives_as_many_choices": {
        "one": played(chat, edited(lambda body: body.update(choices=body["choices"][:1]))),
        "four": played(chat, edited(lambda body: body["choices"].append(body["choices"][0] | {"index": 3}))),
        "all the same index": played(chat, edited(lambda body: [c.update(index=0) for c in body["choices"]])),
        "one says nothing": played(
            chat, edited(lambda body: body["choices"][2]["message"].update(content="", reasoning=None))
        ),
        "another role": played(chat, edited(lambda body: body["choices"][2]["message"].update(role="user"))),
        "uncounted": played(chat, usage(total_tokens=1)),
    },
    "test_logprobs_belong_to_the_tokens": {
        "other tokens": played(
            completion, edited(lambda body: body["choices"][0]["logprobs"].update(tokens=["x"] * 3))
        ),
        "above zero": played(
            completion, edited(lambda body: body["choices"][0]["logprobs"].update(token_logprobs=[0.1, -1, -1]))
        ),
        "not among the best": played(
            completion, edited(lambda body: body["choices"][0]["logprobs"].update(top_logprobs=[{"x": -1.0}] * 3))
        ),
        "not the best": best({" Rome": -0.001}),
        "more than everything": best({" Rome": -0.0119}),
        "chat: not the best": entries(lambda told: told[3]["top_logprobs"][1].update(logprob=0.0)),
        "chat: all certain": entries(
            lambda told: [other.update(logprob=0.0) for e in told for other in e["top_logprobs"]]
        ),
        "chat: of another text": entries(lambda told: [e.update(token="x") for e in told]),
        "chat: of a longer text": played(chat, message(content="The capital of France")),
        "chat: two missing": played(
            chat, edited(lambda body: body["choices"][0]["logprobs"]["content"].__delitem__(slice(2)))
        ),
        "chat: above zero": played(
            chat, edited(lambda body: body["choices"][0]["logprobs"]["content"][0].update(logprob=0.1))
        ),
        "chat: no best": played(
            chat, edited(lambda body: body["choices"][0]["logprobs"]["content"][0].update(top_logprobs=[]))
        ),
    },
    "test_max_tokens_ends_the_answer": {
        "one more": played(chat, usage(completion_tokens=4)),
        "the stream counts otherwise": played(
            chat_stream, sub('"prompt_tokens":74,"total_tokens":77', '"prompt_tokens":7,"total_tokens":10')
        ),
        "as if it had ended": played(chat, choice(finish_reason="stop")),
        "stream: as if it had ended": played(chat_stream, chunks(finish("stop"))),
    }
    | {f"stream: {name}": played(chat_stream, change) for name, change in CHAT_STREAMED.items()},
    "test_a_stop_text_ends_the_answer": {
        "it goes on": played(completion, choice(text=" Paris.")),
        "for another reason": played(completion, choice(finish_reason="length")),
        "which is not said": played(completion, choice(stop_reason=None)),
        "chat: it goes on": played(chat, message(content="1, 2, 17, 18")),
        "chat: in the reasoning": played(chat, message(reasoning="17, 18")),
        "chat: the stop text itself": together(gemma, played(chat, message(content="15, 16, 17"))),
        "chat: for another reason": played(chat, choice(finish_reason="length")),
        "chat: which is not said": played(chat, choice(stop_reason=None)),
    },
    "test_choices_are_streamed_apart": each(chat_stream, but(CHAT_STREAMED, "role last"))  # the next is a role too
    | {
        "one": played(chat_stream, only_choices(0)),
        "two": played(chat_stream, only_choices(0, 1)),
        "four": played(chat_stream, more_choices),
        "all the same index": played(chat_stream, chunks(lambda body: body["choices"][0].update(index=0))),
        "one is wrong": played(
            chat_stream, chunks(lambda body: body["choices"][0]["index"] == 2 and body["choices"][0].update(delta={}))
        ),
        "one never ends": played(
            chat_stream, chunks(lambda body: body["choices"][0]["index"] == 2 and finish(None)(body))
        ),
        "one without a role": played(
            chat_stream,
            chunks(lambda body: body["choices"][0]["index"] == 1 and body["choices"][0]["delta"].pop("role", None)),
        ),
        "counted once": played(
            chat_stream, sub(r'"total_tokens":\d+,"completion_tokens":\d+', '"total_tokens":77,"completion_tokens":3')
        ),
    },
    "test_logprobs_are_streamed_with_their_tokens": each(completion_stream, STREAMED)
    | {f"chat: {name}": played(chat_stream, change) for name, change in CHAT_STREAMED.items()}
    | {
        "none": played(completion_stream, chunks(lambda body: body["choices"][0].update(logprobs=None))),
        "other tokens": played(completion_stream, sub(r'"tokens":\["[^"]*"\]', '"tokens":["x"]')),
        "other values": played(completion_stream, sub(r'"token_logprobs":\[-?[\d.e-]+\]', '"token_logprobs":[-7.5]')),
        "of the first event alone": played(
            completion_stream, sub(r'("text":"[^"]*","logprobs":)\{', r'\1null,"other":{')
        ),
        "chat: none": played(chat_stream, chunks(lambda body: body["choices"][0].update(logprobs=None))),
        "chat: of another text": played(chat_stream, streamed_entries(lambda e: e.update(token="x"))),
        "chat: above zero": played(chat_stream, streamed_entries(lambda e: e.update(logprob=0.1))),
        "chat: not the best": played(chat_stream, streamed_entries(lambda e: e["top_logprobs"][1].update(logprob=0.0))),
        "chat: no best": played(chat_stream, streamed_entries(lambda e: e.update(top_logprobs=[]))),
    },
    "test_a_stop_text_ends_a_stream": each(completion_stream, but(STREAMED, "finish_reason everywhere"))  # one event
    | {f"chat: {name}": played(chat_stream, change) for name, change in CHAT_STREAMED.items()}
    | {
        "it goes on": played(completion_stream, sub('"text":"Pa"|"text":" Pa"', '"text":" Paris"')),
        "for another reason": played(completion_stream, chunks(finish("length"))),
        "which is not said": played(completion_stream, sub('"stop_reason":"ris"', '"stop_reason":null')),
        "chat: it goes on": played(chat_stream, sub('"content":"', '"content":"18')),
        "chat: in the reasoning": played(chat_stream, sub('"reasoning":"', '"reasoning":"18')),
        "chat: the stop text itself": together(gemma, played(chat_stream, sub('"content":"', '"content":"17'))),
        "chat: for another reason": played(chat_stream, chunks(finish("length"))),
        "chat: which is not said": played(chat_stream, sub('"stop_reason":"17"', '"stop_reason":null')),
    },
    "test_a_system_message_is_obeyed": {
        "not obeyed": played(chat, message(content="William Shakespeare wrote Hamlet.")),
        "no answer": played(chat, broken),
        "another answer": played(chat, message(content="I WAS NOT TAUGHT THAT.")),
        "500": played(chat, error(500)),
    },
    "test_earlier_turns_are_remembered": {
        "forgotten": played(FIRST_TURN, message(content="I do not know your name.")),
        "the first turn alone": played(FIRST_TURN, message(content="Hello, Alice!")),
        "mixed up": played(FIRST_TURN, message(content="Your name is Henry.")),
        "500": played(FIRST_TURN, error(500)),
    },
    "test_every_script_comes_whole_through_a_stream": each(chat_stream, CHAT_STREAMED)
    | {
        "characters cut": played(chat_stream, cut_characters),
        "characters replaced": played(
            chat_stream, sub(r'"content":"([^"\\]*)[^\x00-\x7f]', '"content":"\\1\N{REPLACEMENT CHARACTER}')
        ),
        "a broken character more": played(chat_stream, sub(r'("content":"[^"]+)"', '\\1\N{REPLACEMENT CHARACTER}"')),
        "emoji lost": played(chat_stream, sub("🚀", "")),
        "Arabic lost": played(chat_stream, sub("[\u0600-\u06ff]", "")),
        "Chinese lost": played(chat_stream, sub("十", "")),
    },
    "test_a_nul_in_a_prompt_harms_nothing": {
        "500": played(asking("Hello"), error(500)),
        "no answer": played(asking("Hello"), broken),
        "refused in another shape": played(asking("Hello"), text("Bad Request", 400)),
    }
    | {name: after(asking("Hello"), asking("France"), change) for name, change in AFTERWARDS.items()},
    "test_the_openai_client_agrees": {
        "another model listed": played(models, edited(lambda body: body["data"][0].update(id="other"))),
        "another chat": later(asking("max_tokens"), message(content="Paris!")),
        "another stream": played(chat_stream, sub('"content":" Paris"', '"content":" Rome"')),
        "wrong everywhere": played(at(CHAT), sub("Paris", "Rome")),
        "another completion": later(completion, choice(text=" Rome.")),
        "unknown model is 400": played(lambda p: p.status == 404, error(400)),
        "unknown model is served": played(asking("no-such-model", at(CHAT)), text(json.dumps({"choices": []}))),
    },
    "test_nothing_forbidden_is_served": {
        path: forbidden(path)
        for path in ("/server_info", "/sleep", "/collective_rpc", "/start_profile", "/v1/load_lora_adapter", "/pause")
    }
    | {
        "adapters in the schema": played(
            spec, edited(lambda body: body["paths"].update({"/v1/unload_lora_adapter": {"post": {}}}))
        ),
        "weights can be changed": played(
            spec, edited(lambda body: body["paths"].update({"/update_weights": {"post": {}}}))
        ),
        "a page for debugging": played(spec, edited(lambda body: body["paths"].update({"/debug/env": {"get": {}}}))),
        "profiler answers": forbidden("/stop_profile", 200),
        "resume wants a key": forbidden("/resume", 401),
        "a token in the metrics": played(metrics, lambda p: replace(p, text=f"{p.text}# {TOKEN}\n")),
        "the value of a variable": together(
            played(at("/version"), lambda p: replace(p, text='{"version": "correct horse"}')),
            lambda world: world.environ.update(VLLM_API_KEY="correct horse"),
        ),
    },
    "test_nothing_forbidden_shows_in_inspect": {
        "key on the command line": made(Cmd=["vllm", "serve", "--api-key", "x"]),
        "secret on the command line": made(Cmd=["vllm", "serve", TOKEN]),
        "secret in the entrypoint": made(Entrypoint=["env", TOKEN]),
        "secret in a label": made(Labels={"note": TOKEN}),
        "secret under another name": environment(add=(f"NOTE={TOKEN}",)),
        "development mode": environment(add=("VLLM_SERVER_DEV_MODE=1",)),
        "adapters at run time": environment(add=("VLLM_ALLOW_RUNTIME_LORA_UPDATING=True",)),
        "pickles": environment(add=("VLLM_ALLOW_INSECURE_SERIALIZATION=1",)),
        "profiles": environment(add=("VLLM_TORCH_PROFILER_DIR=/tmp",)),
        "outlives its engine": environment(add=("VLLM_KEEP_ALIVE_ON_ENGINE_DEATH=1",)),
        "longer than the model": environment(add=("VLLM_ALLOW_LONG_MAX_MODEL_LEN=1",)),
        "the old engine": environment(add=("VLLM_USE_V1=0",)),
        "remote code": made(Cmd=["vllm", "serve", "--trust-remote-code"]),
        "sleep mode": made(Cmd=["vllm", "serve", "--enable-sleep-mode"]),
        "local files": made(Cmd=["vllm", "serve", "--allowed-local-media-path"]),
    },
    "test_no_secret_is_in_the_log": {
        "a token": more_log(f"token {TOKEN}"),
        "the value of a variable": together(
            more_log("key correct horse"), lambda world: world.environ.update(VLLM_API_KEY="correct horse")
        ),
        "a prompt": more_log("INFO 11-27 [logger.py:41] Received request chatcmpl-1: prompt: 'My name is Alice'"),
        "development endpoints": more_log("SECURITY WARNING: Development endpoints are enabled!"),
    },
    "test_sigterm_ends_it_in_order_and_a_start_recovers": {
        "killed": ended("stopped", exit_code=137),
        "failed": ended("stopped", exit_code=1),
        "not ended": ended("stopped", exit_code=-1),
        "client left hanging": ended("stopped", stream=None),
        "never healthy again": played(health, error(503)),
        "nobody there": played(health, broken),
    }
    | each(chat, PARIS),
    "test_a_docker_restart_recovers": {
        "never healthy again": played(health, error(503)),
        "nobody there": played(health, broken),
    }
    | each(chat, PARIS),
    "test_a_dead_engine_is_noticed_and_named": {
        "goes on": ended("died", exit_code=None),
        "exit code 1": ended("died", exit_code=1),
        "killed": ended("died", exit_code=137),
        "healthy to the end": ended("died", statuses=(200,)),
        "healthy again": ended("died", statuses=(200, 503, 200)),
        "another version's status": ended("died", statuses=(200, 500)),
        "not noticed": ended("died", diagnosis=None),
        "another cause": ended("died", diagnosis=OTHER),
    },
    "test_every_request_of_the_load_completes": {
        "no result": loaded(problem="exit code 1"),
        "a request failed": loaded(failed=1),
        "a request is missing": loaded(completed=8),
        "a token is missing": loaded(tokens=1),
        "no throughput": loaded(figures={"output_throughput": 0.0}),
        "a load was left out": lambda world: setattr(world, "loads", world.loads[:1]),
        "no load": lambda world: setattr(world, "loads", ()),
    },
    "test_the_engine_counted_the_same_tokens": {
        "fewer": loaded(generated=1.0),
        "many more": loaded(generated=1e6),
    },
    "test_a_second_client_measures_the_same": {
        "much slower": lambda world: setattr(world, "per_token_ms", ((45.0, 20.0),) * 9),
        "much faster": lambda world: setattr(world, "per_token_ms", ((9.0, 20.0),) * 9),
    },
    "test_the_speed_is_what_this_box_gave_before": {
        "too slow": lambda world: setattr(
            world, "judged", (SWIFT, SWIFT.model_copy(update={"verdict": Judgement.FAILED}))
        ),
        "nothing was judged": lambda world: setattr(world, "judged", ()),
        "nothing was measured": lambda world: setattr(world, "loads", ()),
    },
    "test_a_wrong_value_is_refused_as_documented": refusals(chat) | accepted(chat, WRONG),
    "test_a_completions_wrong_value_is_refused_as_documented": refusals(completion)
    | accepted(completion, COMPLETION_WRONG)
    | {
        "not refused, but not answered either": together(
            version("0.10.1.1"), played(asking("no-such-type", completion), error(503))
        ),
    },
    "test_malformed_json_is_refused_as_documented": refusals(at(CHAT))
    | {f"completion: {n}": played(lambda p: completion(p) and refused(p), c) for n, c in REFUSED.items()},
    "test_another_content_type_is_refused": {n: f for n, f in refusals(at(CHAT)).items() if n not in DYING},
    "test_a_prompt_beyond_the_context_is_refused": refusals(at(CHAT))
    | {f"completion: {n}": played(lambda p: completion(p) and refused(p), c) for n, c in REFUSED.items()}
    | {
        "no length named": played(refused, error(400, message="too long")),
        "cut in silence": played(asking("word word"), lambda p: replace(p, status=200, text=RED)),
    },
    "test_an_answer_beyond_the_context_is_refused_or_cut": each(chat, PARIS)
    | {"500": played(chat, error(500)), "another refusal": played(chat, error(404))},
    "test_a_huge_n_is_refused": refusals(chat),
    "test_a_token_below_0_is_refused": refusals(completion)
    | {"accepted": played(asking("-5", completion), text("{}"))},
    "test_what_is_not_there_is_404_and_405": {
        "a page for every route": played(at("/v1/no-such-route"), text("welcome")),
        "500": played(at("/v1/no-such-route"), error(500)),
        "404 for a wrong method": played(at(CHAT), error(404)),
        "404 as a page": played(at("/v1/no-such-route"), text("<html>", 404)),
        "405 as a page": played(at(CHAT), text("<html>", 405)),
        "a chat without a request": played(at(CHAT), text("{}")),
    },
    "test_no_request_made_up_from_the_schema_breaks_the_server": {
        "500 at one endpoint": played(chat, error(500)),
        "503 at one endpoint": played(chat, error(503)),
        "connections break": played(chat, broken),
        "chats are not described": played(spec, edited(lambda body: body["paths"].pop(CHAT))),
    }
    | {name: after(spec, then, change) for name, (then, change) in DYING.items()},
    "test_known_answers_are_right_again_and_again": each(chat, SAID)
    | {
        "everything to everybody": played(chat, message(content=EVERYTHING)),
        "right twice only": later(asking("Hamlet"), message(content="Marlowe wrote it."), first=2),
        "one language is lost": played(asking("法國"), message(content="我不知道。")),
        "answers to others": played(chat, foreign()),
        "one id for all": played(chat, edited(lambda body: body.update(id="chatcmpl-0"))),
    },
    "test_a_long_answer_stays_sensible": {
        "cut at 50": played(chat, count(*range(1, 51))),
        "one left out": played(chat, count(*range(1, 60), *range(61, 101))),
        "one twice": played(chat, count(*range(1, 61), *range(60, 101))),
        "out of order": played(chat, count(*range(1, 60), 61, 60, *range(62, 101))),
        "no end": played(chat, count(*range(1, 101), *["and so on"] * 9)),
        "exclamation marks": played(chat, count(*range(1, 101), "!" * 40)),
        "no answer": played(chat, broken),
    },
    "test_a_needle_is_found_in_a_long_prompt": {
        "not found": played(NEEDLE, message(content="I do not know.")),
        "another word": played(NEEDLE, message(content="The code word is apple.")),
        "cut in silence": played(NEEDLE, usage(prompt_tokens=10)),
        "refused": played(NEEDLE, error(400)),
        "no answer": played(NEEDLE, broken),
        "near the beginning: not found": played(asking("tiger"), message(content="The code word is silver.")),
        "near the end: not found": played(asking("silver"), message(content="The code word is tiger.")),
    },
    "test_reasoning_is_in_the_fields_of_this_version": {
        "none": played(chat, message(reasoning=None)),
        "blank": played(chat, message(reasoning="  ")),
        "under the old name": played(chat, message(reasoning=None, reasoning_content="thought")),
        "under both names": played(chat, message(reasoning_content="thought")),
        "the answer again": played(chat, message(reasoning="Paris.", content="Paris.")),
        "in the answer too": played(chat, message(reasoning="They ask.", content="They ask. Paris.")),
        "stream: in the answer too": played(
            chat_stream,
            chunks(
                lambda b: [d.update(content=d.get("content") or d.get("reasoning")) for d in [b["choices"][0]["delta"]]]
            ),
        ),
        "control tokens": played(chat, message(reasoning="<|channel|>analysis")),
        "stream: none": played(chat_stream, deltas(lambda delta: delta.pop("reasoning", None))),
        "stream: under the old name": played(chat_stream, sub('"reasoning":', '"reasoning_content":')),
        "stream: control tokens": played(chat_stream, sub('"reasoning":"The"', '"reasoning":"<|channel|>"')),
    }
    | {f"stream: {name}": played(chat_stream, change) for name, change in CHAT_STREAMED.items()},
    "test_more_effort_is_more_reasoning": {
        "high thinks less": played(asking('"high"'), message(reasoning="")),
        "low thinks more": played(asking('"low"'), message(reasoning="thought " * 200)),
        "both think the same": played(chat, message(reasoning="It is asked for a product.")),
    }
    | {f"high: {n}": played(asking('"high"'), c) for n, c in SAID.items() if n != "exclamation marks"}
    | {f"low: {n}": played(asking('"low"'), c) for n, c in SAID.items() if n != "exclamation marks"},
    "test_responses_answers_like_chat": {
        "404": played(responses, error(404)),
        "500": played(responses, error(500)),
        "another model": played(responses, edited(lambda body: body.update(model="other"))),
        "another object": played(responses, edited(lambda body: body.update(object="chat.completion"))),
        "not completed": played(responses, edited(lambda body: body.update(status="incomplete"))),
        "no message": played(responses, edited(lambda body: body.update(output=body["output"][:1]))),
        "wrong": played(responses, spoken("Rome")),
        "control tokens": played(responses, spoken("Paris<|return|>")),
        "uncounted": played(responses, recounted(total_tokens=1)),
        "nothing counted": played(responses, recounted(input_tokens=0, output_tokens=0, total_tokens=0)),
    },
    "test_responses_are_streamed_whole": {
        "404": played(responses_stream, error(404)),
        "no stream": played(responses_stream, text("{}")),
        "broken": played(responses_stream, broken),
        "not JSON": played(responses_stream, sub("data: {", "data: ")),
        "no type": played(responses_stream, told(lambda all_: all_[3].pop("type"))),
        "no beginning": played(responses_stream, told(lambda all_: all_.pop(0))),
        "no end": played(responses_stream, told(lambda all_: all_.pop())),
        "failed too": played(responses_stream, told(lambda all_: all_.insert(3, {"type": "response.failed"}))),
        "an error inside": played(responses_stream, told(lambda all_: all_.insert(3, {"type": "error"}))),
        "a gap": played(responses_stream, told(lambda all_: all_.pop(2))),
        "unnumbered": played(responses_stream, told(lambda all_: [b.pop("sequence_number") for b in all_])),
        "under another name": played(responses_stream, sub("event: response.output_text.delta", "event: message")),
        "a piece lost": played(responses_stream, told(lambda all_: pieces_of(all_)[1].update(delta=""))),
        "the last event says nothing": played(
            responses_stream, told(lambda all_: all_[-1]["response"].update(output=[]))
        ),
        "a piece twice": played(responses_stream, told(lambda all_: pieces_of(all_)[1].update(delta=" is is"))),
        "not in pieces": played(responses_stream, told(in_one_piece)),
        "another model": played(responses_stream, told(lambda all_: all_[-1]["response"].update(model="other"))),
        "not completed": played(responses_stream, told(lambda all_: all_[-1]["response"].update(status="failed"))),
        "uncounted": played(responses_stream, told(lambda all_: all_[-1]["response"].update(usage=None))),
        "miscounted": played(responses_stream, told(lambda all_: all_[-1]["response"]["usage"].update(total_tokens=1))),
        "wrong everywhere": played(at(RESPONSES), sub("Paris", "Rome")),
        "control tokens everywhere": played(at(RESPONSES), sub("Paris", "Paris<|return|>")),
        "the whole answer differs": played(responses, spoken("Paris!")),
    },
    "test_a_tool_is_called_and_its_result_used": {
        "500": played(responses, error(500)),
        "not called": played(responses, edited(lambda body: body.update(output=body["output"][:1]))),
        "called twice": played(responses, edited(lambda body: body["output"].extend(body["output"][1:]))),
        "another tool": played(responses, item("function_call", name="get_time")),
        "another argument": played(responses, item("function_call", arguments='{"town": "Paris"}')),
        "one argument more": played(responses, item("function_call", arguments='{"city": "Paris", "unit": "C"}')),
        "another city": played(responses, item("function_call", arguments='{"city": "Rome"}')),
        "control tokens": played(responses, spoken("18<|return|>")),
        "result not used": played(responses, spoken("I do not know.")),
        "refused with its result": later(responses, error(400)),
    },
    "test_a_chat_with_tools_is_never_a_500": {
        "a call that is no JSON": played(asking("get_weather"), message(tool_calls=[tool_call(arguments="[}")])),
        "a call of another tool": played(asking("get_weather"), message(tool_calls=[tool_call("rm_rf")])),
        "a call as text": played(asking("get_weather"), message(content="<|channel|>commentary to=get_weather")),
        "500": played(asking("get_weather"), error(500)),
        "no answer": played(asking("get_weather"), broken),
        "refused in another shape": played(asking("get_weather"), text("Bad Request", 400)),
    }
    | {name: after(asking("get_weather"), asking("France"), change) for name, change in AFTERWARDS.items()},
    "test_structured_output_validates": {
        "another key": played(chat, message(content='{"capital": "Paris"}')),
        "one key more": played(chat, message(content='{"answer": "Paris", "sure": true}')),
        "wrong": played(chat, message(content='{"answer": "Rome"}')),
        "cut": played(chat, choice(finish_reason="length")),
        "refused": played(chat, error(400)),
    },
    "test_the_chat_template_is_the_models_own": {
        "two beginnings": played(at("/detokenize"), sub("<bos>", "<bos><bos>")),
        "no beginning": played(at("/detokenize"), sub("<bos>", "")),
        "turn not closed": played(at("/detokenize"), sub("<end_of_turn>", "")),
        "turn not opened": played(at("/detokenize"), sub(r"<start_of_turn>model\\n", "")),
        "another template": played(at("/detokenize"), edited(lambda body: body.update(prompt=f"<bos>{CAPITAL.ask}"))),
        "usage of another template": played(chat, usage(prompt_tokens=7)),
    },
    "test_an_image_by_data_url_is_seen": {
        "another colour": played(chat, lambda p: replace(p, status=200, text=RED.replace("Red", "Blue"))),
        "500": played(chat, error(500)),
        "refused in another shape": played(chat, text("Bad Request", 400)),
        "refused, and nobody said so": variant("gpt-oss-120b"),
    },
    "test_the_weights_are_quantised_as_the_variant_says": {
        "gpt-oss: no MXFP4 experts": logged(".*Mxfp4 MoE backend.*"),
        "BF16: MXFP4 experts": variant("gemma-3-27b-bf16"),
        "BF16: MXFP4 layers": together(MXFP4, variant("gemma-3-27b-bf16")),
        "MXFP4: the flag alone": together(BF16, variant("gemma-3-27b-mxfp4")),
        "MXFP4: a version that ignores it": together(MXFP4, version("0.16.0")),
        "MXFP4: a version that refuses it": together(MXFP4, version("0.10.2")),
    },
    "test_the_engine_computes_in_bfloat16": {
        "float16": logged("dtype=(torch\\.)?bfloat16", "dtype=torch.float16"),
        "not said": logged("dtype=", "type "),
    },
    "test_the_engine_runs_as_declared": {
        **{
            argument: told_more(argument)
            for argument in (
                *("'enforce_eager': True", "'dtype': 'float16'", "'max_num_seqs': 1", "'enable_prefix_caching': False"),
                *("'kv_cache_dtype': 'fp8'", "'load_format': 'dummy'", "'trust_remote_code': True", "'revision': 'x'"),
                *(
                    "'cpu_offload_gb': 8.0",
                    "'allowed_origins': ['*']",
                    "'enable_log_requests': True",
                    "'api_key': '***'",
                ),
            )
        },
        "the log names nothing": resolved("(?s).*Starting to load", "Starting to load"),
        "another utilisation": resolved("'gpu_memory_utilization': 0.85", "'gpu_memory_utilization': 0.95"),
        "another length": resolved("'max_model_len': 32768", "'max_model_len': 8192"),
        "another name": resolved("'served_model_name': .'gpt-oss-120b'.", "'served_model_name': ['gpt-4']"),
        "another model": resolved("'model': 'openai/gpt-oss-120b'", "'model': 'openai/gpt-oss-20b'"),
        "BF16: quantised": told_more("'quantization': 'fp8'", "gemma-3-27b-bf16"),
        "the engine: another model": resolved("model='[^']*'", "model='/opt/other'"),
        "the engine: another tokenizer": resolved("tokenizer='[^']*'", "tokenizer='/opt/other'"),
        "the engine: another architecture": resolved("GptOssForCausalLM", "Gemma3ForCausalLM"),
        "the engine: another implementation": resolved("GptOssForCausalLM", "TransformersForCausalLM"),
        "the engine: shorter": resolved("max_seq_len=32768", "max_seq_len=4096"),
        "the engine: another scheme": resolved("quantization=gpt_oss_mxfp4", "quantization=fp8"),
        "the engine: BF16 quantised": resolved("quantization=None", "quantization=bitsandbytes", "gemma-3-27b-bf16"),
        "the engine: weights by chance": resolved("load_format=auto", "load_format=dummy"),
        "the engine: a small cache": resolved("kv_cache_dtype=auto", "kv_cache_dtype=fp8_e4m3"),
        "the engine: remote code": resolved("trust_remote_code=False", "trust_remote_code=True"),
        "the engine: another name": resolved("served_model_name=gpt-oss-120b", "served_model_name=other"),
        "the engine: it guesses ahead": resolved("speculative_config=None", "speculative_config=SpeculativeConfig(x)"),
    },
    "test_the_expert_kernel_is_known": {"not named": logged(".*Mxfp4 MoE backend.*")},
    "test_the_context_is_as_long_as_declared": {
        "shorter": logged("model len 32768", "model len 8192"),
        "not said": logged("Using max model len .*"),
        "served shorter": played(models, edited(lambda body: body["data"][0].update(max_model_len=8192))),
    },
    "test_the_declared_context_can_be_used": {
        "refused": played(completion, error(400)),
        "500": played(completion, error(500)),
        "no answer": played(completion, broken),
        "cut in silence": played(completion, usage(prompt_tokens=4096)),
        "counted short on both sides": together(
            played(completion, usage(prompt_tokens=4096)),
            played(at("/tokenize"), edited(lambda body: body.update(count=4096))),
        ),
    },
    "test_revision_and_weights_are_the_ones_on_disk": {
        "another revision on disk": lambda world: setattr(world, "revision", "f" * 40),
        "two revisions loaded": more_log("model_path [/models--openai--gpt-oss-120b/snapshots/" + "9" * 40 + "]"),
        "another revision loaded": logged("/snapshots/0123", "/snapshots/3210"),
        "no weights": lambda world: setattr(world, "weights", None),
        "empty weights": lambda world: setattr(world, "weights", b""),
        "not loaded": logged("Loading weights took"),
    },
    "test_the_served_version_is_the_one_in_the_log": {
        "another served": played(at("/version"), edited(lambda body: body.update(version="0.10.1.1"))),
        "another in the log": logged("version 0\\.32\\.0", "version 0.31.0"),
        "none served": played(at("/version"), error(404)),
    },
}
"""Test → fault → how to plant it."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is played does not settle later than at once."""
    monkeypatch.setattr(suites.test_concurrency, "SETTLE_S", 0.5)
    monkeypatch.setattr(suites.test_contract, "HELD_S", 2.0)
    monkeypatch.setattr(harness.streams, "SLOWER_S", 2.0)
    monkeypatch.setattr(suites.test_concurrency, "LEAVE_S", 0.5)


def good(name: str) -> World:
    """The good world of a test."""
    world = World(tape=TAPE)
    if name in GOOD:
        GOOD[name](world)
    return world


@pytest.mark.parametrize("name", API_CONTROLS)
def test_a_good_deployment_passes(name: str, tmp_path: Path) -> None:
    """On the tape of a real good deployment the check is satisfied."""
    ask(suite_tests()[name], good(name), tmp_path)


@pytest.mark.parametrize(("name", "other"), [(n, o) for n, others in MORE_GOOD.items() for o in others], ids=str)
def test_another_good_deployment_passes(name: str, other: str, tmp_path: Path) -> None:
    """So it is in every other world that is good."""
    world = good(name)
    MORE_GOOD[name][other](world)
    ask(suite_tests()[name], world, tmp_path)


@pytest.mark.parametrize(
    ("name", "other", "found"),
    [
        ("test_malformed_json_is_refused_as_documented", "a version that fails on a list", {"not-refused"}),
        ("test_a_completions_wrong_value_is_refused_as_documented", "a version that answers or fails", {"not-refused"}),
        ("test_a_huge_n_is_refused", "a version without a cap", {"n-without-cap"}),
        ("test_a_token_below_0_is_refused", "a version that does not look", {"negative-token"}),
        ("test_responses_answers_like_chat", "a version that does not count", {"responses-uncounted"}),
        ("test_responses_answers_like_chat", "Gemma", set()),
        ("test_a_dead_engine_is_noticed_and_named", "0.10.1.1 says 500, for ever", {"outlives-its-engine"}),
        ("test_sigterm_ends_it_in_order_and_a_start_recovers", "the client gave up", {"stream-left-hanging"}),
    ],
)
def test_what_is_excused_is_a_finding(name: str, other: str, found: set[str], tmp_path: Path) -> None:
    """In the record, for whoever decides."""
    world = good(name)
    MORE_GOOD[name][other](world)
    seen = ask(suite_tests()[name], world, tmp_path).recorder.record.findings
    assert {finding.id for finding in seen} == found
    assert not [finding for finding in seen if finding.forbidden]


def test_only_cases_of_the_suites_are_excused() -> None:
    """A name that no test asks for would excuse nothing."""
    bodies = {case["content"] for case in parametrised(limits.test_malformed_json_is_refused_as_documented)}
    cases = {*bodies, *(f"completion: {case}" for case in COMPLETION_WRONG)}
    assert {case for row in DIALECTS for case in row.not_refused} <= cases


@pytest.mark.parametrize(
    ("name", "fault"), [(name, fault) for name, faults in API_CONTROLS.items() for fault in faults], ids=str
)
def test_a_planted_fault_is_caught(name: str, fault: str, tmp_path: Path) -> None:
    """The same world with one fault fails the check."""
    world = good(name)
    API_CONTROLS[name][fault](world)
    with pytest.raises(AssertionError):
        ask(suite_tests()[name], world, tmp_path)
    assert not world.mistakes, "the fault itself failed, and an answer was lost instead"


@pytest.mark.parametrize(
    ("setting", "said"), [("enforce_eager", "True"), ("device_config", "cpu")], ids=["eager", "on the processor"]
)
def test_on_the_hardware_the_engine_must_use_it(setting: str, said: str) -> None:
    """What a CPU bench may do is wrong on the GB10: these settings are judged there alone."""
    log = Path(__file__).parent / "captured" / "gpt-oss-120b.log"
    there = resolved_settings(log) | {"enforce_eager": "False", "device_config": "cuda"}
    box = CPU.model_copy(update={"name": "gb10"})
    assert not setting_problems(find("gpt-oss-120b"), box, {}, there)
    assert setting_problems(find("gpt-oss-120b"), box, {}, there | {setting: said})
    assert not setting_problems(find("gpt-oss-120b"), CPU, {}, there | {setting: said})


def test_pieces_that_come_twice_are_told_although_the_tokens_would_allow_it() -> None:
    """Harmony counts tokens that have no text: a recorded stream whose pieces are doubled, of many tokens."""

    def problems(change: Callable[[list[str]], list[str]]) -> list[str]:
        with playing(TAPE, events(change)) as address, Api(address) as api:
            asked = api.chat_stream("gpt-oss-120b", QUESTIONS[0].messages(), max_tokens=ANSWER_TOKENS)
        return [problem.partition(":")[0] for problem in stream_problems(asked, "gpt-oss-120b")]

    assert problems(of_many_tokens) == []
    assert problems(lambda told: of_many_tokens(doubled(told))) == ["every piece came twice"]
