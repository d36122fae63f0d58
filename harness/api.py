"""The served HTTP API, as a client sees it. Every call answers with a value, also when nobody answers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from harness.types import Answer, Event, Stream

TIMEOUT_S = 240.0
"""Longest silence in one call: the first inference may still compile, and four hundred tokens of Gemma take two minutes
at the three or four a second that a GB10 is said to give in BF16."""
KEEPALIVE_S = 1.0
"""How long a connection may lie idle before another is taken: vLLM closes it after 5 s, and what is asked just then is
never answered."""
CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"

Messages = Sequence[Mapping[str, Any]]


class Api:
    """One deployment's API at `base_url`, e.g. `http://127.0.0.1:8000`. Threads may share it."""

    def __init__(self, base_url: str, *, timeout_s: float = TIMEOUT_S, transport: Any = None) -> None:
        # trust_env=False: a proxy set for the internet must not stand between the harness and this machine
        self.base_url = base_url
        self.http = httpx.Client(
            base_url=base_url,
            timeout=timeout_s,
            trust_env=False,
            transport=transport,
            limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEPALIVE_S),
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET `path`."""
        return self.call("GET", path, headers=headers)

    def post(self, path: str, body: object) -> Answer:
        """POST `body` as JSON to `path`."""
        return self.call("POST", path, json=body)

    def health(self) -> Answer:
        """GET /health: 200 and an empty body when the engine says it lives."""
        return self.get("/health")

    def models(self) -> Answer:
        """GET /v1/models."""
        return self.get("/v1/models")

    def version(self) -> str | None:
        """vLLM's version as served, or None."""
        body = self.get("/version").body
        version = body.get("version") if isinstance(body, dict) else None
        return version if isinstance(version, str) else None

    def metrics(self) -> dict[str, float]:
        """GET /metrics: sample name → sum over its labels; empty when it does not answer 200."""
        answer = self.get("/metrics")
        return samples(answer.text) if answer.status == 200 else {}

    def chat(self, model: str, messages: Messages, **more: object) -> Answer:
        """POST /v1/chat/completions at temperature 0 unless `more` says otherwise."""
        return self.post(CHAT, {"model": model, "messages": list(messages), "temperature": 0} | more)

    def chat_stream(self, model: str, messages: Messages, **more: object) -> Stream:
        """The same as a stream, with its usage."""
        return self.stream(CHAT, {"model": model, "messages": list(messages), "temperature": 0} | STREAM | more)

    def complete(self, model: str, prompt: str, **more: object) -> Answer:
        """POST /v1/completions at temperature 0 unless `more` says otherwise."""
        return self.post(COMPLETIONS, {"model": model, "prompt": prompt, "temperature": 0} | more)

    def complete_stream(self, model: str, prompt: str, **more: object) -> Stream:
        """The same as a stream, with its usage."""
        return self.stream(COMPLETIONS, {"model": model, "prompt": prompt, "temperature": 0} | STREAM | more)

    def respond(self, model: str, given: str | Sequence[Mapping[str, Any]], **more: object) -> Answer:
        """POST /v1/responses at temperature 0 unless `more` says otherwise."""
        return self.post(RESPONSES, {"model": model, "input": given, "temperature": 0} | more)

    def respond_stream(self, model: str, given: str, **more: object) -> Stream:
        """The same as a stream, with its usage in the last event."""
        return self.stream(RESPONSES, {"model": model, "input": given, "temperature": 0, "stream": True} | more)

    def tokenize(self, model: str, **more: object) -> Answer:
        """POST /tokenize with a `prompt` or `messages`."""
        return self.post("/tokenize", {"model": model} | more)

    def stream(self, path: str, body: object) -> Stream:
        """POST `body` and collect the events to the end of the stream."""
        begun, url = time.monotonic(), str(self.http.base_url.join(path))
        events: list[Event] = []
        status, text, broken = None, "", ""
        try:
            with self.http.stream("POST", path, json=body) as response:
                status = response.status_code
                if response.headers.get("content-type", "").startswith("text/event-stream"):
                    for event in read_events(response.iter_bytes(), begun):
                        events.append(event)  # noqa: PERF402 (what came before a break is kept)
                else:
                    text = response.read().decode("utf-8", "replace")
        except (httpx.HTTPError, BrokenStreamError) as error:
            broken = f"{type(error).__name__}: {error}"
        return Stream(
            method="POST",
            url=url,
            status=status,
            text=text,
            events=tuple(events),
            broken=broken,
            seconds=time.monotonic() - begun,
        )

    @contextmanager
    def streaming(self, path: str, body: object) -> Iterator[Iterator[Event]]:
        """The events of a stream as they arrive; leaving closes the connection, whatever is still to come.

        Raises httpx.HTTPError when there is no stream.
        """
        begun = time.monotonic()
        with self.http.stream("POST", path, json=body) as response:
            response.raise_for_status()
            yield read_events(response.iter_bytes(), begun)

    def call(self, method: str, path: str, **more: Any) -> Answer:
        """One request; `more` goes to httpx."""
        begun = time.monotonic()
        url = str(self.http.base_url.join(path))
        try:
            response = self.http.request(method, path, **more)
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}"
            return Answer(method=method, url=url, status=None, text=reason, seconds=time.monotonic() - begun)
        return Answer(
            method=method,
            url=url,
            status=response.status_code,
            text=response.text,
            seconds=time.monotonic() - begun,
            headers={name.lower(): value for name, value in response.headers.items()},
        )


STREAM: dict[str, object] = {"stream": True, "stream_options": {"include_usage": True}}


class BrokenStreamError(Exception):
    """A stream that is none: which event, and what is wrong with it."""


def read_events(pieces: Iterator[bytes], begun: float) -> Iterator[Event]:
    """Server-sent events out of the pieces of a body, however they were cut; `begun` is the request's monotonic time.

    Raises BrokenStreamError for bytes that are no UTF-8, and for a last event without its end.
    """
    pending, count = b"", 0
    for piece in pieces:
        *blocks, pending = re.split(rb"\r?\n\r?\n", pending + piece)
        for block in blocks:
            count += 1
            try:
                lines = re.split(r"\r\n|\n|\r", block.decode())  # splitlines would cut at U+2028 too
            except UnicodeDecodeError as error:
                raise BrokenStreamError(f"event {count} is no UTF-8 ({error.reason} at byte {error.start})") from error
            fields = [line.partition(":")[::2] for line in lines]
            data = [value.removeprefix(" ") for name, value in fields if name == "data"]
            if data:
                name = next((value.strip() for name, value in fields if name == "event"), "")
                yield Event(at_s=time.monotonic() - begun, name=name, data="\n".join(data))
    if pending.strip():
        raise BrokenStreamError(f"the stream ended inside event {count + 1}: {pending[-80:]!r}")


def announce(url: str, body: object, timeout_s: float = 20.0) -> str:
    """POST `body` as JSON to a webhook, through the proxy that is set; returns why it failed, or an empty text.

    The address may hold a secret: it is in no text that comes back.
    """
    try:
        with httpx.stream("POST", url, json=body, timeout=timeout_s) as response:
            return "" if response.is_success else f"HTTP {response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # ValueError: a proxy's address that is none
        return type(error).__name__


def samples(text: str) -> dict[str, float]:
    """Prometheus text → sample name → sum over its labels."""
    found: dict[str, float] = {}
    for name, value in re.findall(r"^([A-Za-z_:][\w:]*)(?:\{.*\})? (\S+)", text, re.MULTILINE):
        found[name] = found.get(name, 0.0) + float(value)
    return found
