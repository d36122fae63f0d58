"""What a stream must be right in: pure judgements, each a list of problems (none: good), and what they read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.types import Answer, Dialect, Event, Stream
from harness.verification import created_problems, output_text, response_usage_problems, usage_problems


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
    times = {chunk.get("created") for chunk in chunks}
    found += created_problems(times.pop()) if len(times) == 1 else [f"created: found {times}, wanted the same always"]
    with_choices = [chunk for chunk in chunks if chunk.get("choices")]
    if any([choice.get("index") for choice in chunk["choices"]] != [0] for chunk in with_choices):
        found.append(f"every event must have one choice, of index 0: {stream}")
    roles = {(chunk["choices"][0].get("delta") or {}).get("role") for chunk in with_choices} - {None, "assistant"}
    if roles:
        found.append(f"role: found {roles} too, wanted 'assistant' alone")
    finishes = [at for at, chunk in enumerate(with_choices) if chunk["choices"][0].get("finish_reason")]
    if finishes != [len(with_choices) - 1]:
        found.append(f"finish_reason in events {finishes} of {len(with_choices)}: wanted in the last alone")
    if chat and with_choices and with_choices[0]["choices"][0].get("delta", {}).get("role") != "assistant":
        found.append(f"the first event must give the role: {with_choices[0]}")
    if not chunks or chunks[-1].get("choices") != [] or not chunks[-1].get("usage"):
        found.append(f"the last event before [DONE] must be the usage, without choices: {stream}")
        return found
    said = texts(stream)
    if len(set(said)) >= TWICE and said[::2] == said[1::2]:
        found.append(f"every piece came twice: {said}")
    counts = usage_problems(chunks[-1]["usage"])
    if not counts and pieces(stream) > (tokens := chunks[-1]["usage"]["completion_tokens"]):
        counts = [f"{pieces(stream)} events have text, of {tokens} tokens: some came twice"]
    return found + counts


SPOKEN = ("content", "text", "reasoning", "reasoning_content")
"""Fields of a delta or choice that carry text."""

TWICE = 3
"""Different pieces, each there twice in a row, that are no chance; a model may say one word again and again."""


def spoken_choices(stream: Stream) -> list[dict[str, Any]]:
    """The first choice of each event that has any."""
    return [chunk["choices"][0] for chunk in stream.chunks if isinstance(chunk, dict) and chunk.get("choices")]


def texts(stream: Stream) -> list[tuple[str, ...]]:
    """What each event that carries text says, field by field."""
    said = [
        tuple((choice.get("delta") or choice).get(field) or "" for field in SPOKEN) for choice in spoken_choices(stream)
    ]
    return [one for one in said if any(one)]


def pieces(stream: Stream) -> int:
    """How many events carry text."""
    return len(texts(stream))


def counted(answer: Answer | Stream) -> dict[str, Any]:
    """Prompt, completion and total tokens as an answer or a stream counts them; empty when it does not."""
    bodies = [answer.body] if isinstance(answer, Answer) else answer.chunks
    usages = [body["usage"] for body in bodies if isinstance(body, dict) and body.get("usage")]
    return {name: usages[-1].get(f"{name}_tokens") for name in ("prompt", "completion", "total")} if usages else {}


SLOWER_S, SLOWER = 10.0, 10.0
"""A stream may take so many seconds, or so many times as long as the same answer in one piece."""


def apart(stream: Stream, n: int) -> list[Stream]:
    """A stream of `n` choices as `n` streams of one, each with what is common to all. What has an index of none of them
    stays in the first as it is, where `stream_problems` finds it."""
    events: list[list[Event]] = [[] for _ in range(n)]
    for event in stream.events:
        body = event.body
        choices = body.get("choices") if isinstance(body, dict) else None
        if not choices:
            for each in events:
                each.append(event)
            continue
        for choice in choices:
            known = choice.get("index") in range(n)
            one = body | {"choices": [choice | {"index": 0} if known else choice]}
            events[choice["index"] if known else 0].append(event.model_copy(update={"data": json.dumps(one)}))
    return [stream.model_copy(update={"events": tuple(each)}) for each in events]


def response_said(stream: Stream) -> str:
    """The text of a stream of `/v1/responses`, as it is told when each part of it is done."""
    done = [
        body for body in stream.chunks if isinstance(body, dict) and body.get("type") == "response.output_text.done"
    ]
    return "".join(str(body.get("text")) for body in done)


def response_stream_problems(stream: Stream, served: str, dialect: Dialect) -> list[str]:
    """A stream of `/v1/responses` must begin with `response.created` and end with `response.completed`, its events
    named as their data say and numbered without a gap, and its pieces of text must make the text that is told when it
    is done, and the final one where this version tells it."""
    if stream.status != 200 or not stream.events:
        return [f"a stream must be 200 with events: {stream}"]
    found = [f"stream: {stream.broken}"] if stream.broken else []
    told = [event.body for event in stream.events if event.data != "[DONE]"]
    if not told or not all(isinstance(body, dict) and isinstance(body.get("type"), str) for body in told):
        return [*found, f"every event must be a JSON object with a type: {stream}"]
    kinds = [body["type"] for body in told]
    if (kinds[0], kinds[-1]) != ("response.created", "response.completed") or len({*CLOSING} & {*kinds}) != 1:
        return [*found, f"from response.created to response.completed: found {kinds[0]} to {kinds[-1]}: {stream}"]
    if any(event.name not in ("", kind) for event, kind in zip(stream.events, kinds, strict=False)):
        found.append(f"an event must have the name of its type: {stream}")
    if (numbers := [body.get("sequence_number") for body in told]) != [*range(len(told))]:
        found.append(f"sequence_number: found {numbers}, wanted 0 to {len(told) - 1}")
    final = told[-1].get("response") or {}
    if (final.get("status"), final.get("model")) != ("completed", served):
        found.append(f"status and model: found {final.get('status')!r} of {final.get('model')!r}, wanted of {served!r}")
    pieces_ = [str(body.get("delta")) for body in told if body["type"] == "response.output_text.delta"]
    if "".join(pieces_) != (said := response_said(stream)) or len(pieces_) < 2:
        found.append(f"the pieces {pieces_} do not make the text {said!r}")
    if dialect.streams_output and output_text(final) != said:
        found.append(f"the final text: found {output_text(final)!r}, wanted {said!r}")
    return found + response_usage_problems(final.get("usage"), counted=dialect.counts_responses)


CLOSING = ("response.completed", "response.incomplete", "response.failed", "error")
"""Events that end a stream of `/v1/responses`."""


def drip_problems(stream: Stream, whole: Answer) -> list[str]:
    """A stream must not take much longer than the whole answer."""
    most = max(SLOWER_S, SLOWER * whole.seconds)
    if stream.seconds <= most:
        return []
    return [f"the stream took {stream.seconds:.1f} s, the whole answer {whole.seconds:.1f} s: at most {most:.1f} s"]


def closing(stream: Stream) -> Mapping[str, Any]:
    """The last choice of a stream, which says why it ended; empty when there is none."""
    return next(reversed(spoken_choices(stream)), {})


def finish_of(stream: Stream) -> str | None:
    """The finish_reason of the first choice of a stream."""
    reasons = [choice.get("finish_reason") for choice in spoken_choices(stream)]
    return next((str(reason) for reason in reasons if reason), None)
