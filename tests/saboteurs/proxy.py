"""An HTTP proxy that stands in front of a real server and applies one fault, streams included. Standard library only.

Without a fault it is transparent: what it cannot parse goes on as bytes, a client that leaves takes its request along.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from http.client import responses
from typing import Any

HOP = ("connection", "content-length", "keep-alive", "transfer-encoding")
"""Headers that belong to one connection: the proxy writes its own."""
LIMIT = 64 * 1024 * 1024
"""Longest head or SSE event in bytes."""


class CutError(Exception):
    """The fault ends the connection here, in the middle of an answer."""


@dataclass
class Reply:
    """A whole answer; a fault changes it in place."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, or None."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value, ensure_ascii=False).encode()

    def header(self, name: str, value: str | None) -> None:
        """Set a header, or leave it out."""
        self.headers = [(n, v) for n, v in self.headers if n.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))


@dataclass
class Exchange:
    """One request on its way, and what the proxy remembers between requests."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    memory: Memory
    nth: int = 0
    """Counts, from 1, the requests that the fault is about."""
    spoken: int = 0
    """Pieces of the answer's text that a fault has seen so far."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def asked(self) -> dict[str, Any]:
        """The JSON object of the request; empty when it is none."""
        try:
            body = json.loads(self.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}

    def ask(self, **changes: Any) -> None:
        """Change fields of the request; None leaves a field out."""
        if asked := self.asked:
            self.body = json.dumps({k: v for k, v in (asked | changes).items() if v is not None}).encode()


@dataclass
class Memory:
    """What a fault may remember: how many requests there were and are, what was said."""

    count: int = 0
    open: int = 0
    kept: dict[str, Any] = field(default_factory=dict)
    streams: dict[int, str] = field(default_factory=dict)
    """Streams under way → what each has said last."""


Stream = AsyncIterator[bytes]
"""SSE events, each with its blank line."""


@dataclass(frozen=True)
class Fault:
    """One thing a bad deployment does, as data. Hooks left out change nothing."""

    name: str
    does: str
    breaks: str
    """The claim that is false then."""
    _: KW_ONLY
    on: Callable[[Exchange], bool] = lambda x: True
    """The requests it is about."""
    after: int = 0
    """So many of those are answered well before."""
    request: Callable[[Exchange], None] | None = None
    instead: Callable[[Exchange], Reply | None] | None = None
    """Answers without asking the server."""
    wait_s: Callable[[Exchange], float] | None = None
    """Seconds before anything is answered."""
    reply: Callable[[Exchange, Reply], None] | None = None
    stream: Callable[[Exchange, Stream], Stream] | None = None
    holds: bool = False
    """A client that leaves does not end its request."""
    log: Callable[[str], str] | None = None
    """A line of the container's log → what stands there."""
    models: tuple[str, ...] = ()
    """Marks of the variants it can be planted in; empty: all."""
    slow: bool = False
    """It costs the tests their patience: the first that catches it is enough."""
    life: str = ""
    """How the container behaves: `deaf` ignores SIGTERM, `undead` outlives its server, `abrupt` ends without draining,
    `once` starts only once, `later` has its fault from the second start on, `sour` ends with 1."""


class Reader(asyncio.StreamReader):
    """A stream reader that tells at once when the other side has gone."""

    def __init__(self) -> None:
        super().__init__(limit=LIMIT)
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: BaseException) -> None:
        super().set_exception(exc)  # type: ignore[arg-type]
        self.gone.set()


class Proxy:
    """A listening proxy to `upstream` (host, port); `fault` may be changed while it runs."""

    def __init__(self, upstream: tuple[str, int], fault: Fault | None = None) -> None:
        self.upstream = upstream
        self.port = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.log: list[Exchange] | None = None
        """What was asked, for who wants to know."""
        self.plant(fault)

    def plant(self, fault: Fault | None) -> None:
        """Apply `fault` from now on, and forget what was before."""
        self.fault, self.memory = fault, Memory()

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Start listening; port 0 takes a free one."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(Reader(), self._connected), host, port, backlog=2048
        )
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def close(self, server: asyncio.Server) -> None:
        """End listening, and every connection."""
        server.close()
        await server.wait_closed()
        for task in (tasks := list(self.tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reader, Reader)
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except asyncio.CancelledError:  # the proxy is closed
            writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError, CutError):
            pass  # either side has gone, or was meant to
        finally:
            await ended(writer)
            self.tasks.discard(task)

    async def _one(self, reader: Reader, writer: asyncio.StreamWriter) -> bool:
        """One request of a connection; False when it was the last."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            if not end.partial:
                return False
            await self._raw(end.partial, reader, writer)
            return False
        try:
            method, target, version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            headers = parse_headers(head)
            body = await read_body(reader, headers)
        except ValueError:
            await self._raw(head, reader, writer)
            return False
        exchange = Exchange(method=method, target=target, headers=headers, body=body or b"", memory=self.memory)
        if self.log is not None:
            self.log.append(replace(exchange, memory=Memory(open=self.memory.open)))
        fault = self.fault
        if fault is not None:
            about = applied(fault.on, exchange)
            if about:
                self.memory.count += 1
                exchange.nth = self.memory.count
            if not about or exchange.nth <= fault.after:
                fault = None
        lasting = {n.lower(): v.lower() for n, v in headers}.get("connection") != "close"
        work = asyncio.ensure_future(self._answer(exchange, fault, writer, lasting and version == "HTTP/1.1"))
        left = asyncio.ensure_future(reader.gone.wait())
        self.memory.open += 1
        try:
            await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not (fault and fault.holds):
                work.cancel()
            await work
        except asyncio.CancelledError:
            if not left.done():  # the proxy is being closed
                work.cancel()
                raise
            return False
        finally:
            self.memory.open -= 1
            left.cancel()
        return lasting and version == "HTTP/1.1"

    async def _raw(self, begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bytes to the server and back, for what is no HTTP."""
        up_reader, up_writer = await asyncio.open_connection(*self.upstream)
        up_writer.write(begun)

        async def copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                to.write(data)
                await to.drain()

        back = asyncio.ensure_future(copy(up_reader, writer))
        forth = asyncio.ensure_future(copy(reader, up_writer))
        try:
            await back
        finally:
            forth.cancel()
            await ended(up_writer)

    async def _answer(self, exchange: Exchange, fault: Fault | None, writer: asyncio.StreamWriter, last: bool) -> None:
        if fault is not None and fault.wait_s is not None:
            await asyncio.sleep(fault.wait_s(exchange))
        if fault is not None and fault.request is not None:
            applied(fault.request, exchange)
        if fault is not None and fault.instead is not None:
            own = applied(fault.instead, exchange)
            if own is not None:
                await send(writer, own, exchange.method, last)
                return
        up_reader, up_writer = await asyncio.open_connection(*self.upstream, limit=LIMIT)
        try:
            kept = [(n, v) for n, v in exchange.headers if n.lower() not in HOP and n.lower() != "expect"]
            lines = [f"{exchange.method} {exchange.target} HTTP/1.1", *(f"{n}: {v}" for n, v in kept)]
            if exchange.body or exchange.method in ("POST", "PUT", "PATCH"):
                lines.append(f"Content-Length: {len(exchange.body)}")
            lines += ["Connection: close", "", ""]
            up_writer.write("\r\n".join(lines).encode("latin-1") + exchange.body)
            await up_writer.drain()
            head = await up_reader.readuntil(b"\r\n\r\n")
            status, headers = int(head.split(b" ", 2)[1]), parse_headers(head)
            streamed = any(n.lower() == "content-type" and "event-stream" in v for n, v in headers)
            if streamed and exchange.method != "HEAD":
                source = events(pieces(up_reader, headers))
                altered = fault.stream(exchange, source) if fault and fault.stream else source
                try:
                    await send_stream(writer, status, headers, altered, last)
                except ConnectionError:
                    if not (fault and fault.holds):
                        raise
                    async for _ in altered:  # nobody listens, and the server goes on
                        pass
                return
            whole = exchange.method != "HEAD" and status not in (204, 304)
            body = b"".join([piece async for piece in pieces(up_reader, headers)]) if whole else b""
            answer = Reply(status, headers, body)
            if fault is not None and fault.reply is not None:
                applied(fault.reply, exchange, answer)
            await send(writer, answer, exchange.method, last)
        finally:
            await ended(up_writer)


def applied(hook: Callable[..., Any], *given: Exchange | Reply) -> Any:
    """What a hook answers; None, and nothing changed, where something has a shape that the fault does not know.

    A connection that breaks at a request of the wrong shape would be caught by the tests that send one, whatever the
    fault is about.
    """
    before = [dict(vars(one)) for one in given]
    try:
        return hook(*given)
    except (TypeError, AttributeError, KeyError):
        for one, kept in zip(given, before, strict=True):
            vars(one).update(kept)
        return None


async def ended(writer: asyncio.StreamWriter) -> None:
    """Close a connection to the end."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def parse_headers(head: bytes) -> list[tuple[str, str]]:
    """Names and values of a head. Raises ValueError for what is no header."""
    found = []
    for line in head.decode("latin-1").split("\r\n")[1:]:
        if line:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise ValueError(line)
            found.append((name, value.strip()))
    return found


async def read_body(reader: asyncio.StreamReader, headers: list[tuple[str, str]]) -> bytes:
    """The body of a request."""
    given = {n.lower(): v for n, v in headers}
    if "content-length" not in given and "transfer-encoding" not in given:
        return b""
    return b"".join([piece async for piece in pieces(reader, headers)])


async def pieces(reader: asyncio.StreamReader, headers: list[tuple[str, str]]) -> AsyncIterator[bytes]:
    """The body as it arrives: chunked, by length, or up to the end of the connection."""
    given = {n.lower(): v.lower() for n, v in headers}
    if "chunked" in given.get("transfer-encoding", ""):
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            yield (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    elif "content-length" in given:
        yield await reader.readexactly(int(given["content-length"]))
    else:
        while data := await reader.read(65536):
            yield data


async def events(source: AsyncIterator[bytes]) -> Stream:
    """Pieces → SSE events with their blank line; what follows the last one comes as it is."""
    kept = b""
    async for piece in source:
        *whole, kept = (kept + piece).split(b"\n\n")
        for event in whole:
            yield event + b"\n\n"
    if kept:
        yield kept


def head_of(status: int, headers: list[tuple[str, str]], last: bool, *own: str) -> bytes:
    """Status line and headers for the client."""
    kept = (f"{name}: {value}" for name, value in headers if name.lower() not in HOP)
    lines = [f"HTTP/1.1 {status} {responses.get(status, '')}", *kept, *own]
    return "\r\n".join([*lines, *(() if last else ("Connection: close",)), "", ""]).encode("latin-1")


async def send(writer: asyncio.StreamWriter, reply: Reply, method: str, last: bool) -> None:
    """A whole answer."""
    told = next((v for n, v in reply.headers if n.lower() == "content-length"), "0")
    length = () if reply.status in (204, 304) else (f"Content-Length: {told if method == 'HEAD' else len(reply.body)}",)
    writer.write(head_of(reply.status, reply.headers, last, *length) + reply.body)
    await writer.drain()


async def send_stream(
    writer: asyncio.StreamWriter, status: int, headers: list[tuple[str, str]], stream: Stream, last: bool
) -> None:
    """Events as they come, each as a chunk."""
    writer.write(head_of(status, headers, last, "Transfer-Encoding: chunked"))
    async for event in stream:
        if event:
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


@contextmanager
def standing(upstream: tuple[str, int], port: int = 0) -> Iterator[Proxy]:
    """A proxy on this machine, in a thread of its own, while the block lasts."""
    proxy = Proxy(upstream)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="saboteur")
    thread.start()
    server = asyncio.run_coroutine_threadsafe(proxy.listen("127.0.0.1", port), loop).result()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
