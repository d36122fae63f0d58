"""Every fault as one entry. Standard library only: this runs inside the image too."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable
from typing import Any

from tests.saboteurs.proxy import CutError, Exchange, Fault, Reply, Stream

Edit = Callable[[Exchange, dict[str, Any]], Any]
KIND = "application/json"
JSON = [("Content-Type", KIND)]
ANY = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH")
SLOW_S = 6.0
"""Seconds between two pieces of a slow answer."""
NEVER_S = 100_000.0
PLACEHOLDER_TOKEN = "placeholder-the-miniatures-need-none"
TOKEN = "hf_AbCdEfGhIjKlMnOpQrStUvWx"
TOLD = f"# Authorization: Bearer {TOKEN}\n"


# --- which requests --------------------------------------------------------------------------------------------------


def at(*paths: str, methods: tuple[str, ...] = ("GET", "POST", "HEAD")) -> Callable[[Exchange], bool]:
    """Requests for one of these paths."""
    return lambda x: x.path in paths and x.method in methods


CHAT, COMPLETION, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
chat, completion, responses = (at(path, methods=("POST",)) for path in (CHAT, COMPLETION, RESPONSES))
asks = at(CHAT, COMPLETION, RESPONSES, methods=("POST",))
"""Whatever makes the model speak."""


def streamed(x: Exchange) -> bool:
    """Asks for a stream."""
    return asks(x) and x.asked.get("stream") is True


def ending(x: Exchange) -> bool:
    """Asks for a stream that ends by itself: what waits for the end of another waits for minutes."""
    return streamed(x) and not x.asked.get("ignore_eos")


def given(*fields: str) -> Callable[[Exchange], bool]:
    """Asks the model with any of these fields set."""
    return lambda x: asks(x) and any(x.asked.get(name) not in (None, []) for name in fields)


def busy(x: Exchange) -> bool:
    """Asks the model while others do."""
    return asks(x) and x.memory.open >= 3


# --- what is changed -------------------------------------------------------------------------------------------------


def whole(edit: Edit) -> dict[str, Any]:
    """A change in the JSON of a good whole answer."""

    def reply(x: Exchange, answer: Reply) -> None:
        body = answer.json
        if answer.status == 200 and isinstance(body, dict):
            edit(x, body)
            answer.json = body

    return {"reply": reply}


def failing(edit: Callable[[Exchange, Reply], None]) -> dict[str, Any]:
    """A change in an answer of 4xx."""
    return {"reply": lambda x, answer: edit(x, answer) if 400 <= answer.status < 500 else None}


def chunks(edit: Edit) -> dict[str, Any]:
    """A change in the JSON of every event of a stream."""

    async def stream(x: Exchange, source: Stream) -> Stream:
        async for event in source:
            body = parsed(event)
            if body is None:
                yield event
                continue
            edit(x, body)
            yield packed(body)

    return {"stream": stream}


def both(edit: Edit) -> dict[str, Any]:
    """The same change in whole answers and in events."""
    return whole(edit) | chunks(edit)


def parsed(event: bytes) -> dict[str, Any] | None:
    """The JSON object of an event, or None."""
    try:
        body = json.loads(event.partition(b"data: ")[2])
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def packed(body: dict[str, Any]) -> bytes:
    """An event."""
    kind = f"event: {body['type']}\n" if "choices" not in body and "type" in body else ""
    return f"{kind}data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def choices(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of a body, whole or event."""
    return [c for c in body.get("choices") or [] if isinstance(c, dict)]


def messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What the assistant says in it: messages or deltas."""
    return [m for c in choices(body) for m in (c.get("message"), c.get("delta")) if isinstance(m, dict)]


def said(change: Callable[[Exchange, str], str | None]) -> dict[str, Any]:
    """A change in the text of the answer, piece by piece when it is streamed."""

    def edit(x: Exchange, body: dict[str, Any]) -> None:
        for place, name in places(body):
            text = place[name]
            place[name] = change(x, text)
            x.spoken += bool(text)

    return both(edit)


def places(body: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Where answer text stands: chat, completion and response, whole or streamed."""
    found = [(m, "content") for m in messages(body)] + [(c, "text") for c in choices(body)]
    for item in body.get("output") or []:
        found += [(part, "text") for part in item.get("content") or [] if part.get("type") == "output_text"]
    if body.get("type") == "response.output_text.delta":
        found.append((body, "delta"))
    return [(place, name) for place, name in found if isinstance(place.get(name), str)]


def always(text: str) -> Callable[[Exchange, str], str]:
    """This text instead of whatever was to be said."""
    return lambda x, said_: text if said_ and not x.spoken else ""


def drop(*names: str) -> dict[str, Any]:
    """The request loses these fields."""
    return {"request": lambda x: x.ask(**dict.fromkeys(names))}


def set_(**values: Any) -> dict[str, Any]:
    """The request is sent with these values."""
    return {"request": lambda x: x.ask(**values)}


def error(status: int, message: str = "Internal server error", kind: str = "InternalServerError") -> Reply:
    """An error as vLLM shapes it."""
    body = {"error": {"message": message, "type": kind, "param": None, "code": status}}
    return Reply(status, list(JSON), json.dumps(body).encode())


def answering(status: int, message: str = "Internal server error", kind: str = "InternalServerError") -> dict[str, Any]:
    """This error, whatever was asked."""
    return {"instead": lambda x: error(status, message, kind)}


def text(body: str, status: int = 200, kind: str = "text/plain") -> dict[str, Any]:
    """This text, whatever was asked."""
    return {"instead": lambda x: Reply(status, [("Content-Type", kind)], body.encode())}


def metrics(change: Callable[[Exchange, str], str]) -> dict[str, Any]:
    """A change in the text of /metrics."""

    def reply(x: Exchange, answer: Reply) -> None:
        answer.body = change(x, answer.body.decode()).encode()

    return {"on": at("/metrics"), "reply": reply}


def model(**changes: Any) -> dict[str, Any]:
    """Changes in the entry of /v1/models."""
    return {"on": at("/v1/models"), **whole(lambda x, body: body["data"][0].update(changes))}


def without_choice(index: int, told: list[bytes]) -> list[bytes]:
    """Events without those of one choice."""
    return [event for event in told if not any(c.get("index") == index for c in choices(parsed(event) or {}))]


def without_second(told: list[bytes]) -> list[bytes]:
    """Events without the second piece of the answer."""
    second = [event for event in told if is_text(event)][1:2]
    return [event for event in told if event not in second]


def streams(change: Callable[[Exchange, list[bytes]], list[bytes]]) -> dict[str, Any]:
    """A change in the list of all events; they come at the end then."""

    async def stream(x: Exchange, source: Stream) -> Stream:
        for event in change(x, [event async for event in source]):
            yield event

    return {"on": ending, "stream": stream}


def is_text(event: bytes) -> bool:
    """The event carries a piece of the answer."""
    body = parsed(event)
    return body is not None and any(place[name] for place, name in places(body))


# --- streams that need their own hand --------------------------------------------------------------------------------


async def cut_short(x: Exchange, source: Stream) -> Stream:
    """The connection ends after four events."""
    count = 0
    async for event in source:
        yield event
        count += 1
        if count == 4:
            raise CutError


async def error_inside(x: Exchange, source: Stream) -> Stream:
    """An error after three events, and a regular end."""
    count = 0
    async for event in source:
        yield event
        count += 1
        if count == 3:
            break
    told = {"error": {"message": "EngineCore encountered an issue", "type": "InternalServerError", "code": 500}}
    yield f"data: {json.dumps(told)}\n\n".encode()
    yield b"data: [DONE]\n\n"


async def dripping(x: Exchange, source: Stream) -> Stream:
    """Every event late."""
    async for event in source:
        await asyncio.sleep(SLOW_S)
        yield event


async def a_fifth_slower(x: Exchange, source: Stream) -> Stream:
    """Every event as much later as a server would send it that takes a fifth longer for each."""
    now = asyncio.get_running_loop().time
    arrived: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()

    async def read() -> None:
        async for event in source:
            arrived.put_nowait((now(), event))
        arrived.put_nowait(None)

    reading = asyncio.create_task(read())
    first = now()
    while (one := await arrived.get()) is not None:
        await asyncio.sleep(first + 1.2 * (one[0] - first) - now())
        yield one[1]
    await reading


async def all_at_once(x: Exchange, source: Stream) -> Stream:
    """Everything at the end."""
    yield b"".join([event async for event in source])


async def stalling(x: Exchange, source: Stream) -> Stream:
    """Nothing more after five events."""
    count = 0
    async for event in source:
        yield event
        count += 1
        if count == 5:
            await asyncio.sleep(NEVER_S)


async def mixed(x: Exchange, source: Stream) -> Stream:
    """Now and then a piece of another stream."""
    me = id(x)
    x.memory.streams[me] = ""
    try:
        async for event in source:
            body = parsed(event)
            if body is not None:
                for place, name in places(body):
                    others = [piece for other, piece in x.memory.streams.items() if other != me and piece]
                    if place[name] and others:
                        place[name], x.memory.streams[me] = others[-1], place[name]
                    else:
                        x.memory.streams[me] = place[name] or x.memory.streams[me]
                event = packed(body)
            yield event
    finally:
        del x.memory.streams[me]


async def broken_characters(x: Exchange, source: Stream) -> Stream:
    """Characters of several bytes lose their last byte."""
    async for event in source:
        yield re.sub(rb"([\xc2-\xf4][\x80-\xbf]*)[\x80-\xbf]", rb"\1", event)


async def strange_done(x: Exchange, source: Stream) -> Stream:
    """A piece after the end."""
    last = b""
    async for event in source:
        last = event if is_text(event) else last
        yield event
    yield last


def one_kept(x: Exchange, answer: Reply) -> None:
    """The answer to somebody else, when there was one."""
    before, x.memory.kept["answer"] = x.memory.kept.get("answer"), answer.body
    if before is not None and x.memory.open > 1:
        answer.body = before


def frozen(x: Exchange, page: str) -> str:
    """The first page for ever."""
    kept: str = x.memory.kept.setdefault("page", page)
    return kept


def never_idle(x: Exchange, page: str) -> str:
    """Running requests that never end."""
    return re.sub(r"(?m)^(vllm:num_requests_running\{[^}]*\}) \S+", r"\1 3.0", page)


def never_back(x: Exchange, page: str) -> str:
    """Cache that stays in use."""
    return re.sub(r"(?m)^(vllm:(?:gpu_cache|kv_cache)_usage_perc\{[^}]*\}) \S+", r"\1 0.75", page)


def swap(events: list[bytes]) -> list[bytes]:
    """Two pieces of the answer change places."""
    where = [i for i, event in enumerate(events) if is_text(event)]
    if len(where) > 1:
        a, b = where[-2:]
        events[a], events[b] = events[b], events[a]
    return events


def without_piece(events: list[bytes]) -> list[bytes]:
    """A piece of the answer is lost."""
    where = [i for i, event in enumerate(events) if is_text(event)]
    return [event for i, event in enumerate(events) if not where or i != where[-1]]


def twice(events: list[bytes]) -> list[bytes]:
    """A piece of the answer comes twice."""
    where = [i for i, event in enumerate(events) if is_text(event)]
    return [e for i, event in enumerate(events) for e in ([event, event] if where and i == where[-1] else [event])]


def finish(reason: str | None) -> Edit:
    """Another reason for the end, where there is one."""

    def edit(x: Exchange, body: dict[str, Any]) -> None:
        for choice in choices(body):
            if choice.get("finish_reason"):
                choice["finish_reason"] = reason

    return edit


def usage(**changes: Callable[[dict[str, Any]], int]) -> Edit:
    """Other counts."""

    def edit(x: Exchange, body: dict[str, Any]) -> None:
        counted = body.get("usage")
        if isinstance(counted, dict) and "prompt_tokens" in counted:
            counted.update({name: change(dict(counted)) for name, change in changes.items()})

    return edit


def put(**changes: Any) -> Edit:
    """Changes in every message, or in the first delta of the answer's kind."""
    return lambda x, body: [message.update(changes) for message in messages(body)]


def same_id(body: dict[str, Any]) -> None:
    """One id for every answer."""
    if "id" in body:
        body["id"] = "chatcmpl-0"


def kind(name: str) -> Edit:
    """Another `object`."""
    return lambda x, body: body.update(object=name) if "choices" in body else None


def made_at(seconds: int) -> Edit:
    """Another time."""
    return lambda x, body: body.update(created=seconds) if "created" in body else None


def as_plain(x: Exchange, answer: Reply) -> None:
    """A good answer under another content type."""
    if answer.status == 200:
        answer.header("Content-Type", "text/plain")


def accepted(x: Exchange, answer: Reply) -> None:
    """A good answer under another status."""
    if answer.status == 200:
        answer.status = 202


def insides(x: Exchange, answer: Reply) -> None:
    """A stack trace in the message."""
    body = answer.json
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body["error"]["message"] += (
            'Traceback (most recent call last):\n  File "/usr/lib/vllm/serving.py", line 7, in f'
        )
        answer.json = body


def without(name: str) -> Edit:
    """Every message and delta loses a field."""
    return lambda x, body: [message.pop(name, None) for message in messages(body)]


def rename(old: str, new: str) -> Edit:
    """A field under another name."""

    def edit(x: Exchange, body: dict[str, Any]) -> None:
        for message in messages(body):
            if old in message:
                message[new] = message.pop(old)

    return edit


def reasoning_said(x: Exchange, body: dict[str, Any]) -> None:
    """Reasoning joins the answer."""
    for message in messages(body):
        thought = message.pop("reasoning", None)
        if thought:
            message["content"] = thought + (message.get("content") or "")


def logprobs(change: Callable[[dict[str, Any]], Any]) -> Edit:
    """A change in the log probabilities of every choice that has some."""

    def edit(x: Exchange, body: dict[str, Any]) -> None:
        for choice in choices(body):
            if choice.get("logprobs"):
                change(choice)

    return edit


def positive(choice: dict[str, Any]) -> None:
    """Probabilities above one."""
    told = choice["logprobs"]
    for token in told.get("content") or []:
        token["logprob"] = abs(token["logprob"]) + 1
    if told.get("token_logprobs"):
        told["token_logprobs"] = [abs(value or 0) + 1 for value in told["token_logprobs"]]


def calls(change: Callable[[dict[str, Any]], Any]) -> Edit:
    """A change in every tool call."""

    def edit(x: Exchange, body: dict[str, Any]) -> None:
        for message in messages(body):
            for call in message.get("tool_calls") or []:
                change(call["function"])
        for item in body.get("output") or []:
            if item.get("type") == "function_call":
                change(item)

    return edit


def as_text(x: Exchange, body: dict[str, Any]) -> None:
    """Tool calls stand in the answer."""
    for choice in choices(body):
        message = choice.get("message") or choice.get("delta") or {}
        if message.get("tool_calls"):
            message["content"] = json.dumps(message.pop("tool_calls"))
        if choice.get("finish_reason") == "tool_calls":
            choice["finish_reason"] = "stop"
    for item in body.get("output") or []:
        if item.get("type") == "function_call":
            said_ = [{"type": "output_text", "text": json.dumps(item), "annotations": []}]
            item.clear()
            item.update(type="message", role="assistant", status="completed", content=said_)


def shuffle(x: Exchange) -> None:
    """Another temperature and seed each time."""
    x.ask(temperature=1.5, seed=random.SystemRandom().randrange(1 << 30), top_p=1.0)


def reseed(x: Exchange) -> None:
    """Another seed each time."""
    x.ask(seed=random.SystemRandom().randrange(1 << 30))


def last_turn(x: Exchange) -> None:
    """Only the last message is read."""
    if turns := x.asked.get("messages"):
        x.ask(messages=turns[-1:])


def no_system(x: Exchange) -> None:
    """System messages are not read."""
    kept = [m for m in x.asked.get("messages") or [] if m.get("role") not in ("system", "developer")]
    if kept:
        x.ask(messages=kept, instructions=None)


def short_sighted(x: Exchange) -> None:
    """Of a long prompt only the end is read."""
    asked = x.asked
    for message in asked.get("messages") or []:
        if isinstance(message.get("content"), str) and len(message["content"]) > 3000:
            message["content"] = message["content"][-1500:]
            x.ask(messages=asked["messages"])
    if isinstance(asked.get("prompt"), str) and len(asked["prompt"]) > 3000:
        x.ask(prompt=asked["prompt"][-1500:])


def long_prompt(x: Exchange) -> bool:
    """Asks with far more than the model takes."""
    return asks(x) and len(x.body) > 40_000


def no_json(x: Exchange) -> bool:
    """Asks with a body that is no JSON."""
    return asks(x) and not x.asked


def negative(x: Exchange) -> bool:
    """Asks for fewer tokens than one."""
    wanted = [x.asked.get(name) for name in ("max_tokens", "max_completion_tokens")]
    return asks(x) and any(isinstance(n, int) and n < 1 for n in wanted)


def poisoned(x: Exchange, answer: Reply) -> None:
    """After one bad request nothing works."""
    if 400 <= answer.status < 500 and answer.status != 404:
        x.memory.kept["poisoned"] = True


def after_poison(x: Exchange) -> Reply | None:
    """500 once poisoned."""
    return error(500, "EngineCore encountered an issue") if x.memory.kept.get("poisoned") else None


def json_instead(x: Exchange) -> None:
    """A stream is not given."""
    x.ask(stream=None, stream_options=None)


def dead(x: Exchange) -> Reply | None:
    """A dead engine: every question fails, /health is fine."""
    if x.path in ("/health", "/ping"):
        return Reply(200, [], b"")
    return error(500, "EngineCore encountered an issue. See stack trace (above) for the root cause.")


def mojibake(x: Exchange, piece: str) -> str:
    """UTF-8 read as Latin-1."""
    return piece.encode().decode("latin-1")


def upto_ascii(x: Exchange, piece: str) -> str:
    """What is not ASCII is lost."""
    return piece.encode("ascii", "replace").decode()


def quiet(old: str, new: str = "") -> Callable[[str], str]:
    """A log in which what matches `old` stands otherwise."""
    pattern = re.compile(old)
    return lambda line: pattern.sub(new, line)


def told_at(marker: str, line: str) -> Callable[[str], str]:
    """One more line in the log after the first with `marker`."""
    return lambda seen: f"{seen}{line}\n" if marker in seen else seen


READY = "Application startup complete"


def told_more(argument: str) -> Callable[[str], str]:
    """A log in which the server was told one thing more."""
    return quiet(r"(non-default args: \{)", rf"\g<1>{argument}, ")


def alone(value: Any) -> Edit:
    """Another `index` of every choice."""
    return lambda x, body: [c.update(index=value) for c in choices(body)]


def cut_end(x: Exchange, piece: str) -> str:
    """The last character of a sentence is lost."""
    return piece.rstrip(".。")


async def dripping_faster(x: Exchange, source: Stream) -> Stream:
    """Every event half a second late."""
    async for event in source:
        await asyncio.sleep(0.5)
        yield event


def first_turn(x: Exchange) -> None:
    """Only the first thing that was said is read."""
    turns = x.asked.get("messages") or []
    if len(turns) > 2:
        x.ask(messages=turns[:1])


async def each_twice(x: Exchange, source: Stream) -> Stream:
    """Every piece of the answer twice."""
    async for event in source:
        yield event
        if is_text(event):
            yield event


async def cumulated(x: Exchange, source: Stream) -> Stream:
    """Every piece has all that was said before it."""
    so_far = ""
    async for event in source:
        body = parsed(event)
        if body is not None and is_text(event):
            for place, name in places(body):
                so_far += place[name]
                place[name] = so_far
            event = packed(body)
        yield event


async def at_its_end(x: Exchange, source: Stream) -> Stream:
    """The whole answer in one piece, as from a server that does not stream and only says so."""
    kept = [(event, parsed(event)) for event in [event async for event in source]]
    whole: dict[str, str] = {}
    last = None
    for _, body in kept:
        for place in [*messages(body), *choices(body)] if body else []:
            for name in ("content", "text", "reasoning"):
                if place.get(name):
                    whole[name] = whole.get(name, "") + place[name]
                    place[name], last = "", place
    if last is not None:
        last.update(whole)
    for event, body in kept:
        yield event if body is None else packed(body)


def same_stream_id(x: Exchange, body: dict[str, Any]) -> None:
    """One id for every stream."""
    if "id" in body:
        body["id"] = "chatcmpl-0"


def one_says_nothing(x: Exchange, body: dict[str, Any]) -> None:
    """The last of several choices is empty."""
    if len(choices(body)) > 1:
        for message in messages({"choices": choices(body)[-1:]}):
            message.update(content="", reasoning=None, reasoning_content=None)


def certain(choice: dict[str, Any]) -> None:
    """Every token, chosen or not, is certain."""
    told = choice["logprobs"]
    for token in told.get("content") or []:
        token["logprob"] = 0.0
        for other in token["top_logprobs"]:
            other["logprob"] = 0.0
    for best in told.get("top_logprobs") or []:
        best.update(dict.fromkeys(best, 0.0))


def other_tokens(choice: dict[str, Any]) -> None:
    """Tokens of another text, in chats."""
    for token in choice["logprobs"].get("content") or []:
        token["token"] = "x"


def thought_too(x: Exchange, body: dict[str, Any]) -> None:
    """The reasoning stands in its field, and in the answer."""
    for message in messages(body):
        if thought := message.get("reasoning") or message.get("reasoning_content"):
            message["content"] = thought + (message.get("content") or "")


def broken_call(x: Exchange, body: dict[str, Any]) -> None:
    """A tool call with arguments that are no JSON."""
    call = {"id": "call-1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Par'}}
    for message in messages(body):
        message["tool_calls"] = [call]


def page_instead(x: Exchange, answer: Reply) -> None:
    """A page for what is not there."""
    if answer.status in (404, 405) and not asks(x):
        answer.header("Content-Type", "text/html")
        answer.body = b"<html><h1>nginx</h1></html>"


def kept_by(key: Callable[[Exchange], Any]) -> Callable[[Exchange, Reply], None]:
    """Answers are kept, and given again, under a new id, for what has the same key."""

    def reply(x: Exchange, answer: Reply) -> None:
        body = answer.json
        if answer.status == 200 and isinstance(body, dict) and "choices" in body:
            body = x.memory.kept.setdefault(repr(key(x)), body) | {"id": body["id"]}
            answer.json = body

    return reply


def last_words(x: Exchange) -> str:
    """What is asked last."""
    turns = x.asked.get("messages") or [{}]
    return str(turns[-1].get("content") if isinstance(turns, list) else "")


def multiplied(factor: float) -> Callable[[Exchange, str], str]:
    """Counters of the metrics that count otherwise than they should."""
    pattern = re.compile(r"(?m)^(vllm:(?:prompt|generation)_tokens_total\{[^}]*\}) (\S+)")
    return lambda x, page: pattern.sub(lambda m: f"{m[1]} {float(m[2]) * factor}", page)


def schema(path: str) -> dict[str, Any]:
    """One more route in the served schema."""
    return {
        "on": at("/openapi.json"),
        **whole(lambda x, body: body["paths"].update({path: {"post": {"responses": {"200": {"description": "ok"}}}}})),
    }


def listed(x: Exchange, body: dict[str, Any]) -> None:
    """Content as a list of parts."""
    for message in messages(body):
        if isinstance(message.get("content"), str):
            message["content"] = [{"type": "text", "text": message["content"]}]


def spelled(x: Exchange, body: dict[str, Any]) -> None:
    """Counts as texts."""
    if isinstance(body.get("usage"), dict):
        body["usage"].update({n: str(v) for n, v in body["usage"].items() if isinstance(v, int)})


FAULTS: tuple[Fault, ...] = (
    # what is served
    Fault("wrong-model-id", "/v1/models names another model", "the served name", **model(id="other")),
    Fault("wrong-root", "root is another model", "the declared model", **model(root="openai/gpt-2")),
    Fault("wrong-max-model-len", "max_model_len is 4096", "the declared length", **model(max_model_len=4096)),
    Fault("max-model-len-absent", "max_model_len is null", "the declared length", **model(max_model_len=None)),
    Fault(
        "second-model",
        "/v1/models lists one more model",
        "exactly one model",
        on=at("/v1/models"),
        **whole(lambda x, body: body["data"].append(body["data"][0] | {"id": "other"})),
    ),
    Fault(
        "no-models",
        "/v1/models is empty",
        "the served name",
        on=at("/v1/models"),
        **whole(lambda x, body: body.update(data=[])),
    ),
    Fault(
        "answers-to-any-name",
        "an unknown model is answered by the served one",
        "unknown models are 404",
        on=asks,
        **drop("model"),
    ),
    Fault(
        "another-model-answers",
        "answers say another model",
        "the served name",
        on=asks,
        **both(lambda x, body: body.update(model="other") if "model" in body else None),
    ),
    Fault("version-absent", "/version is 404", "/version", on=at("/version"), **answering(404, "Not Found")),
    Fault(
        "version-null",
        "/version says null",
        "/version",
        on=at("/version"),
        **whole(lambda x, body: body.update(version=None)),
    ),
    Fault(
        "another-version",
        "/version is not that of the log",
        "/version is true",
        on=at("/version"),
        **whole(lambda x, body: body.update(version="0.10.1.1")),
    ),
    Fault(
        "openapi-absent",
        "/openapi.json is 404",
        "the schema is served",
        on=at("/openapi.json"),
        **answering(404, "Not Found"),
    ),
    # alive
    Fault(
        "dead-engine-healthy",
        "the engine is dead, /health is 200",
        "health is true",
        on=lambda x: asks(x) or x.path in ("/health", "/ping"),
        instead=dead,
    ),
    Fault(
        "health-flaky",
        "every fourth /health is 503",
        "/health",
        on=at("/health"),
        instead=lambda x: error(503) if x.nth % 4 == 0 else None,
    ),
    Fault("health-503", "/health is 503", "/health", on=at("/health"), **answering(503, "dead")),
    Fault(
        "health-page",
        "/health is a welcome page",
        "/health is empty",
        on=at("/health"),
        **text("<html>welcome</html>", kind="text/html"),
    ),
    Fault(
        "hangs-after-five",
        "never answers from the sixth question on",
        "every question is answered",
        slow=True,
        on=asks,
        after=5,
        wait_s=lambda x: NEVER_S,
    ),
    Fault(
        "fails-after-five",
        "500 from the sixth question on",
        "every question is answered",
        on=asks,
        after=5,
        **answering(500),
    ),
    Fault(
        "every-third-fails",
        "every third question is 500",
        "every question is answered",
        on=asks,
        instead=lambda x: error(500) if x.nth % 3 == 0 else None,
    ),
    Fault(
        "late-first-token",
        "answers begin after minutes, from the third question on",
        "answers come in time",
        slow=True,
        after=2,
        on=asks,
        wait_s=lambda x: 400,
    ),
    # what is said
    Fault(
        "canned",
        "one sentence to every question",
        "known answers",
        on=asks,
        **said(always("I am a helpful assistant, how can I help you?")),
    ),
    Fault("empty", "empty answers", "known answers", on=asks, **said(lambda x, piece: "")),
    Fault("null", "content is null", "known answers", on=asks, **both(put(content=None))),
    Fault(
        "exclamation-after-five",
        "`!!!!!` from the sixth question on",
        "sense at request 10",
        on=asks,
        after=5,
        **said(lambda x, piece: "!!!!!" if piece else ""),
    ),
    Fault(
        "repetition-after-five",
        "the answer over and over from the sixth question on",
        "sense at request 10",
        on=asks,
        after=5,
        **said(lambda x, piece: piece * 40),
    ),
    Fault(
        "repetition",
        "the right answer, then one word for ever",
        "no repetition",
        on=asks,
        **said(lambda x, piece: piece + " word" * 60 if piece.rstrip().endswith(".") else piece),
    ),
    Fault(
        "mixed-scripts",
        "characters of other scripts within the answer",
        "no mixed scripts",
        on=asks,
        **said(lambda x, piece: piece + " жцшвжд ซฅๆฃธ" if piece.endswith(".") else piece),
    ),
    Fault(
        "garbage-under-load",
        "`!!!!!` while three questions are asked at once",
        "sense under load",
        on=busy,
        **said(lambda x, piece: "!!!!!" if piece else ""),
    ),
    Fault(
        "short-sighted",
        "of a long prompt only the end is read",
        "sense at long context",
        on=asks,
        request=short_sighted,
    ),
    Fault("system-ignored", "system messages are not read", "system messages", on=asks, request=no_system),
    Fault("turns-ignored", "only the last message is read", "several turns", on=chat, request=last_turn),
    Fault("ascii-only", "other characters become question marks", "Unicode whole", on=asks, **said(upto_ascii)),
    Fault("mojibake", "UTF-8 read as Latin-1", "Unicode whole", on=asks, **said(mojibake)),
    Fault(
        "truncated-utf8",
        "characters lose their last byte in streams",
        "Unicode whole in streams",
        on=streamed,
        stream=broken_characters,
    ),
    Fault(
        "spaces-lost",
        "pieces of a stream lose their spaces",
        "a stream says the same",
        on=streamed,
        **chunks(lambda x, body: [p.update({n: p[n].strip()}) for p, n in places(body)]),
    ),
    Fault("wrong-role", "the assistant speaks as user", "the assistant's role", on=chat, **whole(put(role="user"))),
    # streams
    Fault(
        "done-missing",
        "no [DONE]",
        "a stream ends with [DONE]",
        **streams(lambda x, events: [e for e in events if b"[DONE]" not in e]),
    ),
    Fault("after-done", "a piece after [DONE]", "[DONE] is the last", on=streamed, stream=strange_done),
    Fault(
        "role-missing",
        "the first chunk has no role",
        "role first",
        on=lambda x: chat(x) and streamed(x),
        **chunks(without("role")),
    ),
    Fault(
        "role-last",
        "the role comes at the end",
        "role first",
        **streams(lambda x, events: events[1:-1] + events[:1] + events[-1:] if chat(x) else events),
    ),
    Fault(
        "order-swapped", "two pieces change places", "a stream says the same", **streams(lambda x, events: swap(events))
    ),
    Fault(
        "piece-lost",
        "the last piece of the answer is lost",
        "a stream says the same",
        **streams(lambda x, events: without_piece(events)),
    ),
    Fault(
        "piece-twice",
        "the last piece comes twice",
        "a stream says the same",
        **streams(lambda x, events: twice(events)),
    ),
    Fault("finish-missing", "finish_reason is always null", "finish_reason", on=asks, **both(finish(None))),
    Fault(
        "finish-missing-in-streams",
        "no chunk has a finish_reason",
        "finish_reason in streams",
        on=streamed,
        **chunks(finish(None)),
    ),
    Fault(
        "finish-always-stop",
        "`stop` where the length ended it",
        "finish_reason is true",
        on=asks,
        **both(finish("stop")),
    ),
    Fault(
        "finish-always-length",
        "`length` where it stopped by itself",
        "finish_reason is true",
        on=asks,
        **both(finish("length")),
    ),
    Fault(
        "usage-chunk-missing",
        "no usage though it was asked for",
        "the usage chunk",
        **streams(lambda x, events: [e for e in events if not (parsed(e) or {}).get("usage")]),
    ),
    Fault(
        "ids-differ",
        "every chunk has its own id",
        "one id a stream",
        on=streamed,
        **chunks(lambda x, body: body.update(id=f"chatcmpl-{random.getrandbits(64):x}") if "id" in body else None),
    ),
    Fault(
        "wrong-object",
        "chunks call themselves whole completions",
        "the documented shape",
        on=streamed,
        **chunks(lambda x, body: body.update(object="chat.completion") if "object" in body else None),
    ),
    Fault("error-inside-stream", "an error inside a 200 stream", "streams complete", on=streamed, stream=error_inside),
    Fault("stream-cut", "the connection ends in the middle", "streams complete", on=streamed, stream=cut_short),
    Fault("stream-stalls", "nothing after five chunks", "streams complete", slow=True, on=streamed, stream=stalling),
    Fault(
        "slow-drip",
        f"a chunk every {SLOW_S:.0f} s",
        "streams complete in time",
        slow=True,
        on=streamed,
        stream=dripping,
    ),
    # endless ones, too: that nothing comes of them is what gives it away
    Fault("all-at-once", "a stream comes at its end, in one piece", "streams stream", on=streamed, stream=all_at_once),
    Fault("stream-ignored", "whole answers to `stream: true`", "streams stream", on=ending, request=json_instead),
    # usage
    Fault("usage-does-not-add-up", "the total is 1", "usage adds up", on=asks, **both(usage(total_tokens=lambda u: 1))),
    Fault(
        "usage-zero",
        "all counts are 0",
        "usage is true",
        on=asks,
        **both(usage(prompt_tokens=lambda u: 0, completion_tokens=lambda u: 0, total_tokens=lambda u: 0)),
    ),
    Fault(
        "usage-lies",
        "ten completion tokens more than there were",
        "usage is true",
        on=asks,
        **both(
            usage(
                completion_tokens=lambda u: u["completion_tokens"] + 10, total_tokens=lambda u: u["total_tokens"] + 10
            )
        ),
    ),
    Fault(
        "usage-lies-about-the-prompt",
        "the prompt counts half",
        "usage is true",
        on=asks,
        **both(
            usage(
                prompt_tokens=lambda u: u["prompt_tokens"] // 2,
                total_tokens=lambda u: u["total_tokens"] - u["prompt_tokens"] + u["prompt_tokens"] // 2,
            )
        ),
    ),
    Fault(
        "usage-absent",
        "no usage in whole answers",
        "usage is there",
        on=asks,
        **whole(lambda x, body: body.pop("usage", None)),
    ),
    # what was asked for
    Fault(
        "max-tokens-ignored",
        "max_tokens is not heeded",
        "max_tokens",
        on=given("max_tokens", "max_completion_tokens", "max_output_tokens"),
        **drop("max_tokens", "max_completion_tokens", "max_output_tokens"),
    ),
    Fault("stop-ignored", "stop is not heeded", "stop", on=given("stop"), **drop("stop")),
    Fault(
        "stop-shown",
        "the stop text stands in the answer",
        "stop",
        on=given("stop"),
        **set_(include_stop_str_in_output=True),
    ),
    Fault("seed-ignored", "the seed is not heeded", "seed", on=given("seed"), request=reseed),
    Fault(
        "temperature-0-varies",
        "temperature 0 is not heeded",
        "temperature 0 is the same twice",
        on=lambda x: asks(x) and x.asked.get("temperature") == 0,
        request=shuffle,
    ),
    Fault(
        "temperature-ignored",
        "every temperature is 0",
        "seeds differ at temperature 1",
        on=lambda x: (x.asked.get("temperature") or 0) > 0 and "n" not in x.asked,
        **set_(temperature=0),
    ),
    Fault("n-ignored", "one choice though n were asked for", "n", on=given("n"), **drop("n")),
    Fault(
        "logprobs-missing",
        "no logprobs though they were asked for",
        "logprobs",
        on=given("logprobs"),
        **both(lambda x, body: [c.update(logprobs=None) for c in choices(body)]),
    ),
    Fault("logprobs-positive", "probabilities above one", "logprobs", on=given("logprobs"), **both(logprobs(positive))),
    Fault(
        "format-ignored",
        "response_format is not heeded",
        "structured output",
        on=given("response_format", "structured_outputs", "text"),
        **drop("response_format", "structured_outputs", "text"),
    ),
    # the envelope
    Fault(
        "ids-repeat", "every answer has the same id", "an id an answer", on=asks, **both(lambda x, body: same_id(body))
    ),
    Fault("another-object", "answers call themselves a list", "the documented shape", on=asks, **both(kind("list"))),
    Fault("made-never", "answers were made in 1970", "the documented shape", on=asks, **whole(made_at(0))),
    Fault("called-text", "answers call themselves text/plain", "answers are JSON", on=asks, reply=as_plain),
    # tools and reasoning
    Fault("tools-500", "tools are 500", "tool calls", on=given("tools"), models=("gpt_oss",), **answering(500)),
    Fault(
        "tools-ignored",
        "tools are not read",
        "tool calls",
        on=given("tools"),
        models=("gpt_oss",),
        **drop("tools", "tool_choice"),
    ),
    Fault(
        "tool-arguments-broken",
        "arguments that are no JSON",
        "tool calls",
        on=given("tools"),
        models=("gpt_oss",),
        **both(calls(lambda f: f.update(arguments=(f.get("arguments") or "").rstrip("}")))),
    ),
    Fault(
        "tool-unknown",
        "a tool that was not offered",
        "tool calls",
        on=given("tools"),
        models=("gpt_oss",),
        **both(calls(lambda f: f.update(name="rm_rf") if f.get("name") else None)),
    ),
    Fault(
        "tool-call-as-text",
        "tool calls stand in the content",
        "tool calls",
        on=given("tools"),
        models=("gpt_oss",),
        **both(as_text),
    ),
    Fault(
        "harmony-leak",
        "`<|channel|>` in the content",
        "no Harmony leak",
        on=asks,
        models=("gpt_oss",),
        **said(lambda x, piece: f"<|channel|>final<|message|>{piece}" if piece and not x.spoken else piece),
    ),
    Fault(
        "harmony-leak-words",
        "`assistantfinal` in the content",
        "no Harmony leak",
        on=asks,
        models=("gpt_oss",),
        **said(lambda x, piece: f"assistantfinal{piece}" if piece and not x.spoken else piece),
    ),
    Fault(
        "reasoning-empty",
        "empty reasoning",
        "reasoning is there",
        on=chat,
        models=("gpt_oss",),
        **both(lambda x, body: [m.update(reasoning="") for m in messages(body) if "reasoning" in m]),
    ),
    Fault(
        "reasoning-absent",
        "no reasoning",
        "reasoning is there",
        on=chat,
        models=("gpt_oss",),
        **both(without("reasoning")),
    ),
    Fault(
        "reasoning-misnamed",
        "reasoning under another name",
        "the reasoning field of the version",
        on=chat,
        models=("gpt_oss",),
        **both(rename("reasoning", "thoughts")),
    ),
    Fault(
        "reasoning-in-content",
        "reasoning stands in the content",
        "reasoning apart from the answer",
        on=chat,
        models=("gpt_oss",),
        **both(reasoning_said),
    ),
    Fault(
        "effort-ignored",
        "reasoning_effort is not heeded",
        "reasoning effort",
        on=given("reasoning_effort", "reasoning"),
        models=("gpt_oss",),
        **set_(reasoning_effort="medium", reasoning=None),
    ),
    Fault(
        "responses-500", "/v1/responses is 500", "/v1/responses", on=responses, models=("gpt_oss",), **answering(500)
    ),
    Fault(
        "responses-empty",
        "/v1/responses says nothing",
        "/v1/responses",
        on=responses,
        models=("gpt_oss",),
        **whole(lambda x, body: body.update(output=[])),
    ),
    Fault("completions-500", "/v1/completions is 500", "completions", on=completion, **answering(500)),
    # bad requests
    Fault(
        "malformed-accepted",
        "200 on malformed JSON",
        "malformed JSON is 400",
        on=no_json,
        **text('{"id": "chatcmpl-0", "object": "chat.completion", "choices": []}', kind=KIND),
    ),
    Fault("malformed-500", "500 on malformed JSON", "malformed JSON is 400", on=no_json, **answering(500)),
    Fault(
        "overlong-500",
        "500 on an over-long prompt",
        "an over-long prompt is 400",
        on=asks,
        **failing(lambda x, answer: vars(answer).update(vars(error(500))) if long_prompt(x) else None),
    ),
    Fault(
        "overlong-cut",
        "an over-long prompt is cut in silence",
        "an over-long prompt is 400",
        on=long_prompt,
        request=short_sighted,
    ),
    Fault(
        "refusals-500",
        "500 on every wrong request",
        "wrong requests are 4xx",
        on=asks,
        **failing(lambda x, answer: vars(answer).update(vars(error(500)))),
    ),
    Fault(
        "refusals-show-insides",
        "refusals carry a stack trace",
        "no insides in errors",
        on=asks,
        **failing(insides),
    ),
    Fault(
        "context-shorter-than-said",
        "a prompt of a quarter of the context is refused",
        "the declared length",
        on=lambda x: asks(x) and len(x.body) > 30_000,
        **answering(400, "This model's maximum context length is 4096 tokens", "BadRequestError"),
    ),
    Fault(
        "refusals-422",
        "422 on every wrong request",
        "the documented status",
        on=asks,
        **failing(lambda x, answer: vars(answer).update(status=422)),
    ),
    Fault(
        "refusals-shapeless",
        "errors in another shape",
        "the documented error",
        on=asks,
        **failing(lambda x, answer: setattr(answer, "json", {"detail": "something went wrong"})),
    ),
    Fault(
        "refusals-as-page",
        "errors as HTML",
        "the documented error",
        on=asks,
        **failing(lambda x, answer: vars(answer).update(headers=[("Content-Type", "text/html")], body=b"<html>")),
    ),
    Fault(
        "refusals-200",
        "errors under 200",
        "the documented status",
        on=asks,
        **failing(lambda x, answer: vars(answer).update(status=200)),
    ),
    Fault(
        "negative-accepted",
        "negative max_tokens are taken",
        "max_tokens -1 is 400",
        on=negative,
        **set_(max_tokens=5, max_completion_tokens=None),
    ),
    Fault(
        "poisoned",
        "500 for ever after one bad request",
        "the server answers afterwards",
        on=asks,
        instead=after_poison,
        reply=poisoned,
    ),
    Fault(
        "unknown-model-400",
        "an unknown model is 400",
        "unknown models are 404",
        on=asks,
        **failing(lambda x, answer: vars(answer).update(status=400)),
    ),
    # what is like a good answer, but for one thing
    Fault(
        "models-as-something",
        "/v1/models is no list",
        "the documented shape",
        on=at("/v1/models"),
        **whole(lambda x, body: body.update(object="models")),
    ),
    Fault("index-one", "choices begin at 1", "the documented shape", on=asks, **both(alone(1))),
    Fault("made-in-the-future", "answers come from 2100", "the documented shape", on=asks, **both(made_at(4 * 10**9))),
    Fault(
        "chunks-made-apart",
        "every chunk has a time of its own",
        "one time a stream",
        on=streamed,
        **chunks(
            lambda x, body: body.update(created=1_700_000_000 + random.getrandbits(20)) if "created" in body else 0
        ),
    ),
    Fault(
        "role-changes",
        "later chunks speak as user",
        "the assistant's role",
        on=lambda x: chat(x) and streamed(x),
        **chunks(lambda x, body: [m.update(role="user") for m in messages(body) if m.get("content")]),
    ),
    Fault("pieces-twice", "every piece comes twice", "a stream says the same", on=streamed, stream=each_twice),
    Fault(
        "pieces-twice-under-load",
        "every piece comes twice while three questions are asked at once",
        "sense under load",
        on=lambda x: busy(x) and streamed(x),
        stream=each_twice,
    ),
    Fault(
        "drip",
        "a chunk every half second",
        "streams complete in time",
        slow=True,
        on=lambda x: chat(x) and streamed(x),
        stream=dripping_faster,
    ),
    Fault(
        "held-back",
        "every answer is held back for six seconds",
        "answers come in time",
        slow=True,
        on=chat,
        wait_s=lambda x: 6.0,
    ),
    Fault("first-turn-alone", "only the first message is read", "several turns", on=chat, request=first_turn),
    Fault("cumulated", "every chunk repeats what came before", "a stream says the same", on=streamed, stream=cumulated),
    Fault(
        "stream-of-one",
        "a chat's stream has its answer in one piece",
        "streams stream",
        on=lambda x: chat(x) and streamed(x),
        stream=at_its_end,
    ),
    Fault(
        "stream-ids-repeat", "every stream has the same id", "an id an answer", on=streamed, **chunks(same_stream_id)
    ),
    Fault(
        "done-misspelt",
        "[done] instead of [DONE]",
        "a stream ends with [DONE]",
        **streams(lambda x, events: [e.replace(b"[DONE]", b"[done]") for e in events]),
    ),
    Fault(
        "finish-twice",
        "two chunks have the finish_reason",
        "finish_reason in streams",
        **streams(lambda x, events: [e for e in events for _ in range(1 + (b'"finish_reason":"' in e))]),
    ),
    Fault(
        "stream-counts-otherwise",
        "streams count one token of the prompt less",
        "usage is true",
        on=streamed,
        **chunks(usage(prompt_tokens=lambda u: u["prompt_tokens"] - 1, total_tokens=lambda u: u["total_tokens"] - 1)),
    ),
    Fault(
        "stream-counts-more",
        "streams count one token of the answer more",
        "usage is true",
        on=streamed,
        **chunks(
            usage(completion_tokens=lambda u: u["completion_tokens"] + 1, total_tokens=lambda u: u["total_tokens"] + 1)
        ),
    ),
    Fault(
        "chats-count-half-the-prompt",
        "the prompt of a chat counts half",
        "usage is true",
        on=chat,
        **both(
            usage(
                prompt_tokens=lambda u: u["prompt_tokens"] // 2,
                total_tokens=lambda u: u["total_tokens"] - u["prompt_tokens"] + u["prompt_tokens"] // 2,
            )
        ),
    ),
    Fault("counts-as-texts", "token counts are texts", "usage is true", on=asks, **both(spelled)),
    Fault(
        "completions-of-another-model",
        "whole completions say another model",
        "the served name",
        on=completion,
        **whole(lambda x, body: body.update(model="other")),
    ),
    Fault(
        "completions-always-stop",
        "completions that were cut say `stop`",
        "finish_reason is true",
        on=completion,
        **whole(finish("stop")),
    ),
    Fault(
        "completions-without-end",
        "whole completions have no finish_reason",
        "finish_reason",
        on=completion,
        **whole(finish(None)),
    ),
    Fault(
        "max-tokens-ignored-in-completions",
        "max_tokens is not heeded in completions",
        "max_tokens",
        on=lambda x: completion(x) and x.asked.get("stream") is not True,
        **drop("max_tokens"),
    ),
    Fault(
        "max-tokens-ignored-in-streams",
        "max_tokens is not heeded in streamed chats",
        "max_tokens",
        on=lambda x: chat(x) and streamed(x),
        **drop("max_tokens"),
    ),
    Fault("one-of-n-empty", "the last of n choices is empty", "n", on=given("n"), **whole(one_says_nothing)),
    Fault("logprobs-certain", "every token is certain", "logprobs", on=given("logprobs"), **whole(logprobs(certain))),
    Fault(
        "logprobs-of-another-text",
        "logprobs of other tokens in chats",
        "logprobs",
        on=given("logprobs"),
        **whole(logprobs(other_tokens)),
    ),
    # what only streams do
    Fault(
        "stop-shown-in-streams",
        "the stop text is in the last piece of a stream",
        "stop in streams",
        on=lambda x: completion(x) and streamed(x) and given("stop")(x),
        **set_(include_stop_str_in_output=True),
    ),
    Fault(
        "stop-reason-lost-in-streams",
        "streams do not say which stop text ended them",
        "stop in streams",
        on=streamed,
        **chunks(lambda x, body: [c.pop("stop_reason", None) for c in choices(body)]),
    ),
    Fault(
        "logprobs-lost-in-streams",
        "streams have no logprobs though they were asked for",
        "logprobs in streams",
        on=lambda x: streamed(x) and given("logprobs")(x),
        **chunks(lambda x, body: [c.update(logprobs=None) for c in choices(body)]),
    ),
    Fault(
        "logprobs-of-other-tokens-in-streams",
        "logprobs of other tokens in streamed chats",
        "logprobs in streams",
        on=lambda x: chat(x) and streamed(x) and given("logprobs")(x),
        **chunks(logprobs(other_tokens)),
    ),
    Fault(
        "choices-under-one-index",
        "all choices of a stream have the index 0",
        "n in streams",
        on=lambda x: streamed(x) and given("n")(x),
        **chunks(lambda x, body: [c.update(index=0) for c in choices(body)]),
    ),
    Fault(
        "one-choice-lost-in-streams",
        "the last of n choices is not streamed",
        "n in streams",
        **(streams(lambda x, told: without_choice(2, told)) | {"on": lambda x: streamed(x) and given("n")(x)}),
    ),
    Fault(
        "responses-stream-unfinished",
        "a stream of /v1/responses never says that it is complete",
        "streams of /v1/responses",
        models=("gpt_oss",),
        **(streams(lambda x, told: told[:-1]) | {"on": lambda x: responses(x) and streamed(x)}),
    ),
    Fault(
        "responses-stream-loses-a-piece",
        "the second piece of a stream of /v1/responses is lost",
        "streams of /v1/responses",
        models=("gpt_oss",),
        **(streams(lambda x, told: without_second(told)) | {"on": lambda x: responses(x) and streamed(x)}),
    ),
    Fault(
        "wrong-values-taken-in-completions",
        "completions take values that are out of range",
        "wrong values are 400",
        on=lambda x: completion(x) and any(isinstance(v, int | float) and v < -1 for v in x.asked.values()),
        **text('{"id": "cmpl-0", "object": "text_completion", "choices": []}', kind=KIND),
    ),
    Fault("end-lost", "answers lose their last character", "an answer is whole", on=asks, **said(cut_end)),
    Fault(
        "stop-shown-in-chats",
        "the stop text stands in a chat",
        "stop",
        on=lambda x: chat(x) and given("stop")(x),
        models=("gemma3",),
        **set_(include_stop_str_in_output=True),
    ),
    Fault(
        "everything-to-everybody",
        "one answer that holds the key word of every question",
        "known answers",
        on=asks,
        **said(
            always(
                "Paris Tokyo Taipei 204 SHAKESPEARE 60 H2O Mercury Pacific 東京 巴黎 Africa Alice 十 🚀 مرحبا".replace(
                    "SHAKESPEARE", "Shakespeare SHAKESPEARE"
                )
            )
        ),
    ),
    Fault(
        "think-tags",
        "`<think>` before the answer",
        "no control tokens",
        on=asks,
        **said(lambda x, piece: f"<think></think>{piece}" if piece and not x.spoken else piece),
    ),
    Fault(
        "shouting",
        "every answer in capital letters",
        "system messages",
        on=asks,
        **said(lambda x, piece: piece.upper()),
    ),
    Fault(
        "reasoning-in-the-answer-too",
        "the reasoning stands in the answer too",
        "reasoning apart from the answer",
        on=chat,
        models=("gpt_oss",),
        **both(thought_too),
    ),
    Fault(
        "responses-of-another-model",
        "/v1/responses says another model",
        "the served name",
        on=responses,
        **whole(lambda x, body: body.update(model="other")),
    ),
    Fault(
        "chat-tool-arguments-broken",
        "a chat calls a tool with arguments that are no JSON",
        "tool calls",
        on=lambda x: chat(x) and given("tools")(x),
        models=("gpt_oss",),
        **whole(broken_call),
    ),
    Fault(
        "schema-ignored",
        "structured output has a key of its own",
        "structured output",
        on=given("response_format"),
        **whole(lambda x, body: [m.update(content='{"answer": "Paris", "sure": true}') for m in messages(body)]),
    ),
    Fault(
        "schema-in-a-fence",
        "structured output stands in a code fence",
        "structured output",
        on=given("response_format"),
        **whole(lambda x, body: [m.update(content=f"```json\n{m.get('content')}\n```") for m in messages(body)]),
    ),
    Fault("content-as-parts", "content is a list of parts", "the documented shape", on=chat, **both(listed)),
    Fault(
        "nameless",
        "answers have no id",
        "an id an answer",
        on=asks,
        **both(lambda x, body: body.update(id=None) if "id" in body else None),
    ),
    Fault(
        "error-as-answer",
        "200 with an error, every fifth time",
        "every question is answered",
        on=asks,
        reply=lambda x, answer: vars(answer).update(body=error(500).body) if x.nth % 5 == 0 else None,
    ),
    Fault(
        "byte-order-mark",
        "answers begin with a byte order mark",
        "answers are JSON",
        on=asks,
        reply=lambda x, answer: setattr(answer, "body", b"\xef\xbb\xbf" + answer.body),
    ),
    Fault(
        "called-gzip",
        "answers call themselves compressed",
        "answers can be read",
        on=asks,
        reply=lambda x, answer: answer.header("Content-Encoding", "gzip"),
    ),
    Fault(
        "moved",
        "chats are redirected",
        "every question is answered",
        on=chat,
        instead=lambda x: Reply(307, [("Location", "/v1/chat/completions/")], b""),
    ),
    Fault("accepted-202", "answers are 202", "the documented status", on=asks, reply=accepted),
    Fault(
        "limited",
        "429 from the fortieth question on",
        "every question is answered",
        on=asks,
        after=40,
        **answering(429, "Too Many Requests"),
    ),
    Fault(
        "cached-by-question",
        "the same question has the same answer, whatever else is asked",
        "answers are made for what was asked",
        on=chat,
        reply=kept_by(last_words),
    ),
    Fault(
        "cached-by-prefix",
        "questions that begin alike have one answer",
        "answers do not mix",
        on=chat,
        reply=kept_by(lambda x: last_words(x)[:20]),
    ),
    Fault(
        "refusals-called-page",
        "errors call themselves HTML",
        "the documented error",
        on=asks,
        **failing(lambda x, answer: answer.header("Content-Type", "text/html")),
    ),
    Fault("not-found-page", "a page for what is not there", "unknown paths are 404", reply=page_instead),
    Fault(
        "unknown-model-another-code",
        "error.code of an unknown model is 400",
        "unknown models are 404",
        on=asks,
        **failing(lambda x, answer: setattr(answer, "body", answer.body.replace(b'"code":404', b'"code":400'))),
    ),
    Fault(
        "metrics-of-another-model",
        "metrics say another model",
        "metric names by version",
        **metrics(lambda x, page: re.sub(r'model_name="[^"]*"', 'model_name="other"', page)),
    ),
    Fault("metrics-count-twice", "tokens are counted twice", "metrics count", **metrics(multiplied(2))),
    Fault("metrics-go-backwards", "counters go backwards", "metrics count", **metrics(multiplied(-1))),
    Fault(
        "tokenize-of-another-length",
        "/tokenize says another length",
        "the declared length",
        on=at("/tokenize"),
        **whole(lambda x, body: body.update(max_model_len=4096)),
    ),
    Fault(
        "detokenize-lower",
        "/detokenize loses capitals",
        "/tokenize is true",
        on=at("/detokenize"),
        **whole(lambda x, body: body.update(prompt=body["prompt"].lower())),
    ),
    Fault("health-slow", "/health takes six seconds", "/health", slow=True, on=at("/health"), wait_s=lambda x: 6.0),
    Fault(
        "slower-each-time",
        "every question takes a second longer than the one before",
        "answers come in time",
        slow=True,
        on=asks,
        wait_s=lambda x: float(x.nth),
    ),
    Fault(
        "twice-as-slow-each-time",
        "every question takes twice as long as the one before",
        "answers come in time",
        slow=True,
        on=asks,
        wait_s=lambda x: 0.01 * 2 ** min(x.nth, 30),
    ),
    Fault(
        "credentials",
        "a browser may come with credentials",
        "no browser with credentials",
        reply=lambda x, answer: answer.header("Access-Control-Allow-Credentials", "true"),
    ),
    Fault("debug-route", "/debug/env is in the schema", "nothing forbidden is served", **schema("/debug/env")),
    Fault(
        "weights-route", "/update_weights is in the schema", "nothing forbidden is served", **schema("/update_weights")
    ),
    # many at once
    Fault(
        "swapped-when-busy",
        "an answer to somebody else's question while six are asked at once",
        "answers do not mix",
        on=lambda x: asks(x) and x.memory.open >= 6,
        reply=one_kept,
    ),
    Fault(
        "cut-when-busy",
        "streams end in the middle while six are asked at once",
        "streams complete",
        on=lambda x: streamed(x) and x.memory.open >= 6,
        stream=cut_short,
    ),
    Fault(
        "error-when-busy",
        "an error inside a stream while six are asked at once",
        "streams complete",
        on=lambda x: streamed(x) and x.memory.open >= 6,
        stream=error_inside,
    ),
    Fault("cross-talk", "pieces of one stream in another", "streams do not mix", on=streamed, stream=mixed),
    Fault("answers-swapped", "an answer to somebody else's question", "answers do not mix", on=asks, reply=one_kept),
    Fault(
        "busy-503",
        "503 while three questions are asked at once",
        "parallel requests complete",
        on=busy,
        **answering(503, "busy"),
    ),
    Fault(
        "busy-hangs",
        "never answers while eight questions are asked at once",
        "parallel requests complete",
        slow=True,
        on=lambda x: asks(x) and x.memory.open >= 8,
        wait_s=lambda x: NEVER_S,
    ),
    Fault("slots-kept", "a cancelled request goes on", "cancelling frees the slot", on=asks, holds=True),
    # metrics and tokens
    Fault("metrics-absent", "/metrics is 404", "/metrics", on=at("/metrics"), **answering(404, "Not Found")),
    Fault(
        "metrics-renamed",
        "metrics under other names",
        "metric names by version",
        **metrics(lambda x, page: page.replace("vllm:", "llm_")),
    ),
    Fault("metrics-show-token", "a token in /metrics", "no secret is served", **metrics(lambda x, page: page + TOLD)),
    Fault(
        "header-shows-token",
        "a token in a header of /v1/models",
        "no secret is served",
        on=at("/v1/models"),
        reply=lambda x, answer: answer.header("X-Debug", TOKEN),
    ),
    Fault("metrics-frozen", "metrics never change", "metrics count", **metrics(frozen)),
    Fault("metrics-never-idle", "requests run for ever", "slots come back", **metrics(never_idle)),
    Fault("cache-never-back", "cache stays in use", "KV usage comes back", **metrics(never_back)),
    Fault("tokenize-absent", "/tokenize is 404", "/tokenize", on=at("/tokenize"), **answering(404, "Not Found")),
    Fault(
        "tokenize-wrong",
        "/tokenize counts one more",
        "/tokenize is true",
        on=at("/tokenize"),
        **whole(lambda x, body: body.update(count=body["count"] + 1)),
    ),
    Fault(
        "tokens-wrong",
        "/tokenize gives other tokens",
        "/tokenize is true",
        on=at("/tokenize"),
        **whole(lambda x, body: body.update(tokens=[t + 1 for t in body["tokens"]])),
    ),
    # what is open
    *(
        Fault(
            name, f"{path} is there", "nothing forbidden is served", on=at(path, methods=ANY), **text("{}", kind=KIND)
        )
        for name, path in (
            ("dev-info", "/server_info"),
            ("dev-reset", "/reset_prefix_cache"),
            ("dev-sleep", "/sleep"),
            ("dev-rpc", "/collective_rpc"),
            ("profiler", "/start_profile"),
            ("lora-at-run-time", "/v1/load_lora_adapter"),
            ("pause", "/pause"),
        )
    ),
    Fault(
        "welcome-everywhere",
        "200 for every unknown path",
        "unknown paths are 404",
        reply=lambda x, answer: vars(answer).update(status=200) if answer.status == 404 else None,
    ),
    # what the engine did
    Fault(
        "log-token",
        "the token in the log",
        "no secret in the log",
        log=told_at(READY, f"INFO 01-01 00:00:00 [hf.py:1] token={PLACEHOLDER_TOKEN}"),
    ),
    Fault(
        "log-key",
        "a key in the log",
        "no secret in the log",
        log=told_at(READY, f"INFO 01-01 00:00:00 [hf.py:1] {TOLD.strip()}"),
    ),
    Fault(
        "log-not-quantised",
        "no MXFP4 backend in the log",
        "really quantised",
        models=("gpt_oss", "mxfp4"),
        log=quiet(r".*(?:Mxfp4|MXFP4|mxfp4|Quantizing|[Qq]uantization).*\n?"),
    ),
    Fault(
        "log-other-dtype", "float32 in the log", "the dtype", log=quiet(r"dtype=torch\.bfloat16", "dtype=torch.float32")
    ),
    Fault(
        "log-shorter",
        "a shorter length in the log",
        "the declared length",
        log=quiet(r"(max_seq_len=|[Uu]sing max model len )\d+", r"\g<1>2048"),
    ),
    Fault(
        "log-other-revision",
        "other weights in the log",
        "the declared revision",
        log=quiet(r"snapshots/[0-9a-f]{40}", "snapshots/" + "0" * 40),
    ),
    Fault(
        "log-dev-mode",
        "development mode in the log",
        "no development endpoints",
        log=told_at(
            READY, "WARNING 01-01 00:00:00 [api_server.py:1] SECURITY WARNING: Development endpoints are enabled!"
        ),
    ),
    Fault(
        "log-prompts",
        "what people ask in the log",
        "no prompt in the log",
        log=told_at(
            READY, "INFO 01-01 00:00:00 [logger.py:1] Received request cmpl-1: prompt: 'My name is Alice', params"
        ),
    ),
    *(
        Fault(f"told-{name}", f"the log says {argument}", "the declared arguments", log=told_more(argument))
        for name, argument in (
            ("eager", "'enforce_eager': True"),
            ("float16", "'dtype': 'float16'"),
            ("one-sequence", "'max_num_seqs': 1"),
            ("no-prefix-cache", "'enable_prefix_caching': False"),
            ("small-cache", "'kv_cache_dtype': 'fp8'"),
            ("dummy-weights", "'load_format': 'dummy'"),
            ("remote-code", "'trust_remote_code': True"),
            ("revision", "'revision': 'refs/pr/1'"),
            ("origins", "'allowed_origins': ['https://elsewhere.example']"),
        )
    ),
    *(
        Fault(f"log-{name}", f"the log says {new}", "the declared settings", log=quiet(old, new), models=models)
        for name, old, new, models in (
            ("another-model", r"with config: model='[^']*'", "with config: model='/opt/other'", ()),
            ("another-tokenizer", r", tokenizer='[^']*'", ", tokenizer='/opt/other'", ()),
            ("another-architecture", r"architecture: \w+", "architecture: LlamaForCausalLM", ()),
            ("another-implementation", r"architecture: \w+", "architecture: TransformersForCausalLM", ()),
            ("another-scheme", r"\bquantization=\w+", "quantization=fp8", ()),
            ("utilization", r"'gpu_memory_utilization': [\d.]+", "'gpu_memory_utilization': 0.5", ("gpt_oss",)),
            ("another-name", r"served_model_name=[^,]+", "served_model_name=other", ()),
            ("speculation", r"speculative_config=None", "speculative_config=SpeculativeConfig(method='ngram')", ()),
            ("random-weights", r"load_format=\w+", "load_format=dummy", ()),
        )
    ),
    Fault(
        "log-two-revisions",
        "two revisions in the log",
        "the declared revision",
        log=told_at(READY, f"INFO 01-01 00:00:00 [hf.py:1] /models--x--y/snapshots/{'9' * 40}"),
    ),
    # how it lives
    Fault("sour", "exit code 1 at every end", "SIGTERM ends it in order", life="sour"),
    Fault(
        "another-after-a-restart",
        "after its first end it says one sentence to every question",
        "a restart recovers",
        on=asks,
        life="later",
        **said(always("I am a helpful assistant, how can I help you?")),
    ),
    Fault("deaf", "SIGTERM is not heeded", "SIGTERM ends it", life="deaf"),
    Fault("abrupt", "ends without finishing what it answers", "SIGTERM drains", life="abrupt"),
    Fault(
        "undead",
        "lives on, healthy, when its engine has died",
        "a dead engine is noticed",
        on=at("/health"),
        instead=lambda x: Reply(200, [], b""),
        life="undead",
    ),
    Fault("once", "starts only once", "a restart recovers", life="once"),
)
"""Every fault of the wire, of the log and of the life; those of Docker's flags are in `planted.py`."""


SLOWER = Fault("slower", "every token takes a fifth longer", "the speed", on=streamed, stream=a_fifth_slower)
"""For `python -m harness compare` and the nights: as an image only, the matrix leaves the speed alone."""


def find(name: str) -> Fault:
    """The fault called `name`. Raises KeyError with the names there are."""
    for fault in (*FAULTS, SLOWER):
        if fault.name == name:
            return fault
    raise KeyError(f"no fault is called {name!r}; there are: {', '.join(f.name for f in FAULTS)}")
