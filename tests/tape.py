"""What a deployment answered to the suites, kept, and played again with one fault planted: a real HTTP server.

`python -m tests.capture` records it with a proxy between the suites and a deployment on the CPU bench.
"""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.listening import listening

MOST = 40
"""Answers to one and the same request that are kept."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """One answer. `asked` is the request's JSON, or None; `cut` says that the connection breaks before its end."""

    path: str
    asked: Any
    status: int
    kind: str
    """Content type."""
    text: str
    cut: bool = False
    raw: bytes | None = None
    """Bytes instead of `text`."""

    @property
    def body(self) -> Any:
        """The JSON of the answer, or None."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def having(self, body: Any) -> Played:
        """The same answer with another JSON."""
        return replace(self, text=json.dumps(body, ensure_ascii=False))

    @property
    def streamed(self) -> bool:
        """Whether it is a stream of events."""
        return self.kind.startswith("text/event-stream")

    def events(self) -> list[str]:
        """The data of its events."""
        return [block.removeprefix("data: ") for block in self.text.split("\n\n") if block.startswith("data: ")]

    def saying(self, events: list[str]) -> Played:
        """The same stream with other events."""
        return replace(self, text="".join(f"data: {event}\n\n" for event in events))


Fault = Callable[[Played], Played]


def key(method: str, path: str, content: bytes) -> str:
    """One request, whatever the order of its fields."""
    try:
        content = json.dumps(json.loads(content), sort_keys=True).encode()
    except ValueError:
        pass
    return f"{method} {path} {hashlib.sha256(content).hexdigest()[:16]}" if content else f"{method} {path}"


@dataclass
class Tape:
    """Request → its answers in order; the last one goes on."""

    answers: dict[str, list[list[Any]]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it, compressed."""
        path.write_bytes(zlib.compress(json.dumps(self.answers, ensure_ascii=False).encode(), 9))

    @classmethod
    def load(cls, path: Path) -> Tape:
        """Read it."""
        return cls(json.loads(zlib.decompress(path.read_bytes())))


@contextmanager
def recording(host: str, port: int, tape: Tape) -> Iterator[str]:
    """A proxy in front of `host:port` that keeps every answer; yields its address."""
    lock = threading.Lock()

    class Proxy(_Handler):
        def answer(self, content: bytes) -> None:
            up = HTTPConnection(host, port, timeout=300)
            try:
                headers = {n: v for n, v in self.headers.items() if n.lower() not in ("host", "connection")}
                up.request(self.command, self.path, content or None, headers)
                response: HTTPResponse = up.getresponse()
                kind = response.headers.get("content-type", "")
                pieces = []
                try:
                    self.begin(response.status, kind)
                    while piece := response.read1(65536):
                        pieces.append(piece)
                        self.piece(piece)
                    self.end()
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client left; so does the upstream's connection below
            finally:
                up.close()
            text = b"".join(pieces).decode("utf-8", "replace")
            if self.path == "/metrics":
                text = "".join(
                    f"{line}\n"
                    for line in text.splitlines()
                    if line.startswith(("vllm:", "# TYPE vllm:")) and "_bucket" not in line and "_created" not in line
                )
            with lock:
                kept = tape.answers.setdefault(key(self.command, self.path, content), [])
                if len(kept) < MOST:
                    kept.append([response.status, kind, text])

    with _serving(Proxy) as address:
        yield address


@contextmanager
def playing(tape: Tape, fault: Fault = lambda played: played) -> Iterator[str]:
    """A server that answers as the tape says, each answer changed by `fault`; yields its address.

    A request that is not on the tape is refused as vLLM refuses what it can't read.
    """
    lock, places = threading.Lock(), dict[str, int]()
    unknown = [400, "application/json", json.dumps({"error": REFUSAL})]

    class Player(_Handler):
        def answer(self, content: bytes) -> None:
            asked = key(self.command, self.path, content)
            with lock:
                at = places[asked] = places.get(asked, -1) + 1
            kept = tape.answers.get(asked) or [unknown]
            status, kind, text = kept[min(at, len(kept) - 1)]
            try:
                body = json.loads(content)
            except ValueError:
                body = None
            played = fault(Played(path=self.path, asked=body, status=status, kind=kind, text=text))
            data = played.text.encode() if played.raw is None else played.raw
            try:
                self.begin(played.status, played.kind)
                self.piece(data[: len(data) // 2] if played.cut else data)
                if not played.cut:
                    self.end()
            except (BrokenPipeError, ConnectionResetError):
                pass  # a client that leaves is part of the suites

    with _serving(Player) as address:
        yield address


REFUSAL = {"message": "not on the tape", "type": "BadRequestError", "param": None, "code": 400}


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with chunks, one connection a request."""

    protocol_version = "HTTP/1.1"

    def answer(self, content: bytes) -> None:
        """Answer one request."""
        raise NotImplementedError

    def _any(self) -> None:
        self.close_connection = True
        self.answer(self.rfile.read(int(self.headers.get("content-length") or 0)))

    do_GET = do_POST = do_OPTIONS = do_HEAD = _any  # noqa: N815

    def begin(self, status: int, kind: str) -> None:
        """Status and headers."""
        self.send_response(status)
        if kind:
            self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")
        self.end_headers()

    def piece(self, data: bytes) -> None:
        """One chunk."""
        if data and self.command != "HEAD":
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

    def end(self) -> None:
        """The last chunk."""
        if self.command != "HEAD":
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with listening(_Server(("127.0.0.1", 0), handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"
