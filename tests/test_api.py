"""Which connections the client uses, with a real HTTP server. What is made of answers: tests/test_controls_api.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from harness import api as module
from harness.api import Api
from harness.dialects import DIALECTS, OLDEST, SERVED
from harness.fuzz import UNCHECKED, fuzz, is_known
from harness.types import Answer, Dialect
from tests.listening import listening


def taking(schema: dict[str, Any]) -> dict[str, Any]:
    """An endpoint that takes such a body."""
    content = {"application/json": {"schema": schema}}
    responses = {"200": {"description": "ok"}}
    return {"post": {"requestBody": {"content": content, "required": True}, "responses": responses}}


TOKENS = {"type": "array", "items": {"type": "integer"}, "minItems": 1}
PROMPT = {
    "type": "object",
    "properties": {
        "prompt": {"anyOf": [TOKENS, {"type": "array", "items": TOKENS}]},
        "prompt_embeds": {"type": "string"},
        "min_tokens": {"type": "integer"},
    },
}
SCHEMA = {
    "openapi": "3.1.0",
    "info": {"title": "x", "version": "1"},
    "paths": {"/v1/completions": taking(PROMPT | {"required": ["prompt"]}), "/x": taking({"type": "integer"})},
}


class Server(ThreadingHTTPServer):
    """Remembers of each request its connection, what it wanted done with it, and its body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[int, str]] = []
        self.bodies: list[bytes] = []


class Handler(BaseHTTPRequestHandler):
    """Answers everything with the schema."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """The schema, or whatever."""
        self.server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.asked.append((self.client_address[1], self.headers.get("Connection", "")))
        body = json.dumps(SCHEMA).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """The same."""
        self.do_GET()


@pytest.fixture
def server() -> Iterator[Server]:
    """The server, listening."""
    with listening(Server()) as serving:
        yield serving


def connections(server: Server, keepalive_s: float, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many connections two questions take."""
    monkeypatch.setattr(module, "KEEPALIVE_S", keepalive_s)
    with Api(f"http://127.0.0.1:{server.server_port}") as api:
        assert [api.health().status, api.health().status] == [200, 200]
    return len({port for port, _ in server.asked})


def test_an_idle_connection_is_given_up_long_before_vllm_closes_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM closes it after 5 s. A connection whose time is over is not used again; one that is fresh is."""
    assert module.KEEPALIVE_S <= 2
    assert connections(server, 60, monkeypatch) == 1
    server.asked.clear()
    assert connections(server, 0, monkeypatch) == 2


def test_every_made_up_request_has_a_connection_of_its_own(server: Server) -> None:
    """A server may close one after an answer, unannounced; the next request must not be lost on it."""
    with Api(f"http://127.0.0.1:{server.server_port}") as api:
        assert fuzz(api, 5, DIALECTS[-1]).requests > 1
    _, *made_up = server.asked  # the first one asks for the schema
    assert {wish for _, wish in made_up} == {"close"}


@pytest.mark.parametrize("looked_at", [True, False])
def test_a_prompt_with_tokens_below_0_is_made_up_only_where_they_are_looked_at(server: Server, looked_at: bool) -> None:
    """Where nobody looks at them they end the engine, and a run would reject every deployment of that version."""
    with Api(f"http://127.0.0.1:{server.server_port}") as api:
        fuzz(api, 4, DIALECTS[-1].model_copy(update={"checks_tokens": looked_at}))
    bodies = [body for body in map(parsed, server.bodies) if isinstance(body, dict)]
    assert any(body.keys() & set(UNCHECKED) for body in bodies) == looked_at
    prompts = [body["prompt"] for body in bodies if "prompt" in body]
    assert prompts
    assert any(token < 0 for prompt in prompts for token in tokens_of(prompt)) == looked_at


def bad(status: int | None, text: str) -> Answer:
    """What came instead of an answer."""
    return Answer(method="POST", url="/v1/x", status=status, text=text, seconds=1)


DROPPED = bad(None, "RemoteProtocolError: peer closed connection without sending complete message body (x)")


@pytest.mark.parametrize(
    ("answer", "label", "row", "known"),
    [
        (bad(500, "Internal Server Error"), SERVED[0], OLDEST, True),
        (bad(500, ""), SERVED[1], OLDEST, True),
        (bad(500, "Internal Server Error"), SERVED[0], DIALECTS[-1], False),
        (bad(500, '{"error": "Internal Server Error, and more"}'), SERVED[0], OLDEST, False),
        (bad(502, ""), SERVED[0], OLDEST, False),
        (bad(None, ""), SERVED[0], OLDEST, False),
        (DROPPED, "POST /v1/responses", DIALECTS[-1], True),
        (DROPPED, "POST /v1/completions", DIALECTS[-1], False),
        (bad(500, '{"error": {"message": "list index out of range"}}'), SERVED[0], DIALECTS[-1], True),
        (bad(500, '{"error": {"message": "list index out of range"}}'), SERVED[1], DIALECTS[-1], False),
    ],
)
def test_only_what_a_version_is_known_for_is_excused(answer: Answer, label: str, row: Dialect, known: bool) -> None:
    """By the endpoint and by what was said: a connection that ends is no bare 500."""
    assert is_known(answer, label, row) == known


def parsed(body: bytes) -> Any:
    """The JSON of a request, None when it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def tokens_of(prompt: Any) -> list[float]:
    """The tokens of a prompt, or of several."""
    if isinstance(prompt, list):
        return [token for part in prompt for token in tokens_of(part)]
    return [prompt] if isinstance(prompt, int | float) else []
