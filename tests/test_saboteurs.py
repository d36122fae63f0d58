"""The saboteurs: the proxy is transparent without a fault, and each kind of fault changes what it says it changes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from harness.flags import differences, resolve
from harness.variants import find as find_variant
from tests import samples
from tests.listening import listening
from tests.saboteurs.faults import FAULTS, SLOWER, find
from tests.saboteurs.planted import PLANTED, Planted, planted
from tests.saboteurs.proxy import Exchange, Memory, Proxy, standing

if TYPE_CHECKING:
    from harness.engine import Engine

CHAT = "/v1/chat/completions"
PIECES = ("Sie", " sagt", " „台北“", ".")
ASKED = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


def event(**more: object) -> bytes:
    """One chunk of a chat."""
    return (
        f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', **more}, ensure_ascii=False)}\n\n".encode()
    )


STREAM = (
    event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]),
    *(event(choices=[{"index": 0, "delta": {"content": p}, "finish_reason": None}]) for p in PIECES),
    event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    event(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}),
    b"data: [DONE]\n\n",
)
WHOLE = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(PIECES)}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5},
}


class Server(ThreadingHTTPServer):
    """A server that answers like vLLM, and tells when a client has left an endless stream."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.left = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """Whole, streamed, endless."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """/health and whatever."""
        self.answer(200 if self.path == "/health" else 404, b"", "text/plain")

    def do_POST(self) -> None:
        """A chat."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            asked = json.loads(body)
        except ValueError:
            self.answer(400, b'{"error": {"code": 400}}')
            return
        if not asked.get("stream"):
            self.answer(200, json.dumps(WHOLE | {"asked": asked}, ensure_ascii=False).encode())
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                for piece in STREAM:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                if not asked.get("endless"):
                    break
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:
            self.server.left.set()

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        """A whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    """The server behind."""
    with listening(Server()) as serving:
        yield serving


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """The proxy before it."""
    with standing(("127.0.0.1", server.server_port)) as stood:
        yield stood


@pytest.fixture
def client(proxy: Proxy) -> Iterator[httpx.Client]:
    """A client of the proxy."""
    with httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", timeout=10, trust_env=False) as opened:
        yield opened


def test_names_are_unique_and_make_a_tag() -> None:
    names = [fault.name for fault in FAULTS] + [fault.name for fault in PLANTED]
    assert len(names) == len({*names})
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) for name in names)


def test_without_a_fault_nothing_is_changed(client: httpx.Client) -> None:
    assert client.get("/health").status_code == 200
    assert client.get("/nowhere").status_code == 404
    assert client.post(CHAT, json=ASKED).json() == WHOLE | {"asked": ASKED}
    assert client.post(CHAT, content=b"{").status_code == 400
    streamed = client.post(CHAT, json=ASKED | {"stream": True})
    assert streamed.content == b"".join(STREAM)
    assert "event-stream" in streamed.headers["content-type"]


def test_what_is_no_http_reaches_the_server(proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port)) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert b"400" in raw.makefile("rb").read()


def test_a_client_that_leaves_takes_its_request_along(client: httpx.Client, server: Server) -> None:
    with client.stream("POST", CHAT, json=ASKED | {"stream": True, "endless": True}) as answer:
        next(answer.iter_bytes())
    assert server.left.wait(10)


def test_a_kept_slot_goes_on_without_its_client(client: httpx.Client, server: Server, proxy: Proxy) -> None:
    proxy.plant(find("slots-kept"))
    with client.stream("POST", CHAT, json=ASKED | {"stream": True, "endless": True}) as answer:
        next(answer.iter_bytes())
    assert not server.left.wait(1)


def test_a_request_and_an_answer_are_changed(client: httpx.Client, proxy: Proxy) -> None:
    proxy.plant(find("max-tokens-ignored"))
    assert client.post(CHAT, json=ASKED | {"max_tokens": 3}).json()["asked"] == ASKED
    proxy.plant(find("usage-does-not-add-up"))
    assert client.post(CHAT, json=ASKED).json()["usage"]["total_tokens"] == 1


@pytest.mark.parametrize("name", ["short-sighted", "system-ignored", "turns-ignored"])
def test_a_request_of_the_wrong_shape_goes_on_as_it_is(client: httpx.Client, proxy: Proxy, name: str) -> None:
    """A fault that breaks the connection there would be caught by tests of something else."""
    asked = ASKED | {"messages": ["no object"]}
    proxy.plant(find(name))
    assert client.post(CHAT, json=asked).json() == WHOLE | {"asked": asked}


def test_a_fault_may_begin_later(client: httpx.Client, proxy: Proxy) -> None:
    proxy.plant(find("exclamation-after-five"))
    said = [client.post(CHAT, json=ASKED).json()["choices"][0]["message"]["content"] for _ in range(6)]
    assert said == ["".join(PIECES)] * 5 + ["!!!!!"]


@pytest.mark.parametrize(
    "name",
    [
        *("done-missing", "after-done", "role-missing", "role-last", "order-swapped", "piece-lost", "piece-twice"),
        *("finish-missing", "usage-chunk-missing", "ids-differ", "error-inside-stream", "canned", "truncated-utf8"),
        *("spaces-lost", "mojibake", "ascii-only", "null", "empty", "harmony-leak", "wrong-object"),
    ],
)
def test_a_stream_is_changed(client: httpx.Client, proxy: Proxy, name: str) -> None:
    proxy.plant(find(name))
    assert client.post(CHAT, json=ASKED | {"stream": True}).content != b"".join(STREAM)


def test_a_stream_is_cut(client: httpx.Client, proxy: Proxy) -> None:
    proxy.plant(find("stream-cut"))
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(CHAT, json=ASKED | {"stream": True})


def test_a_slower_stream_says_the_same_a_fifth_later() -> None:
    async def events(gap_s: float) -> AsyncIterator[bytes]:
        for event in STREAM:
            await asyncio.sleep(gap_s)
            yield event

    async def timed() -> float:
        assert SLOWER.stream is not None
        begun = asyncio.get_running_loop().time()
        exchange = Exchange("POST", CHAT, [], b"{}", Memory())
        assert [event async for event in SLOWER.stream(exchange, events(0.05))] == list(STREAM)
        return asyncio.get_running_loop().time() - begun

    with ThreadPoolExecutor(1) as pool:  # the browser of other tests keeps a loop running in this thread
        assert pool.submit(lambda: asyncio.run(timed())).result() >= 1.2 * 0.05 * len(STREAM)


@pytest.mark.engine
@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.name)
def test_flags_planted_in_a_real_container_are_seen(engine_or_skip: Engine, fault: Planted) -> None:
    """The engine's own inspect of a container with the changed line differs from what is declared."""
    from harness import cpu_bench

    image = engine_or_skip.image(cpu_bench.locate().image)
    assert image is not None
    bench = samples.CPU.model_copy(update={"image": image.ref})
    flags = resolve(find_variant("gpt-oss-120b"), bench).model_copy(update={"name": "saboteur-flags"})
    with planted(fault, flags, engine_or_skip.docker_host, {"HF_TOKEN": "placeholder"}) as inspect:
        assert differences(flags, inspect, image.raw)


STAND_IN = """#!/usr/bin/env python3
import http.server, signal, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Alive(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path == "/die":
            import os
            os._exit(0)
    def do_POST(self):
        body = b'{"choices": [{"message": {"content": "Paris."}}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Alive)
print("INFO: quantization=mxfp4", "Application startup complete.", sep=chr(10), flush=True)
server.serve_forever()
"""


@contextmanager
def container(tmp_path: Path, fault: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """What runs in a saboteur's container, with a stand-in for the real server, and its address."""
    real = tmp_path / "vllm"
    real.write_text(STAND_IN)
    real.chmod(0o755)
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            ports.append(probe.getsockname()[1])
    script = (
        "import sys, pathlib; from tests.saboteurs import entry; "
        f"entry.REAL, entry.OUTER, entry.INNER = {str(real)!r}, {ports[0]}, {ports[1]}; "
        f"entry.STARTED = pathlib.Path({str(tmp_path / 'started')!r}); sys.exit(entry.main(['serve', 'm']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "SABOTEUR": fault},
        start_new_session=True,
    ) as process:
        try:
            yield process, f"http://127.0.0.1:{ports[0]}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the stand-in too


def ready(process: subprocess.Popen[str]) -> list[str]:
    """What it logs until it serves."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "startup complete" in line:
            break
    return lines


def test_the_container_serves_and_ends_like_its_server(tmp_path: Path) -> None:
    with container(tmp_path, "log-not-quantised") as (process, url):
        assert "mxfp4" not in "".join(ready(process))
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
        process.terminate()
        assert process.wait(10) == 0


def test_the_container_may_be_deaf(tmp_path: Path) -> None:
    with container(tmp_path, "deaf") as (process, _):
        ready(process)
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)


def test_the_container_may_outlive_its_server(tmp_path: Path) -> None:
    with container(tmp_path, "undead") as (process, url):
        ready(process)
        httpx.get(f"{url}/die", trust_env=False)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200


def test_the_container_may_end_with_an_error(tmp_path: Path) -> None:
    with container(tmp_path, "sour") as (process, _):
        ready(process)
        process.terminate()
        assert process.wait(10) == 1


def test_the_container_may_be_another_after_its_first_end(tmp_path: Path) -> None:
    for said in (True, False):
        with container(tmp_path, "another-after-a-restart") as (process, url):
            ready(process)
            body = httpx.post(f"{url}{CHAT}", json=ASKED, trust_env=False).json()
            assert (body["choices"][0]["message"]["content"] == "Paris.") is said


def test_the_container_may_start_only_once(tmp_path: Path) -> None:
    for code in (0, 1):
        with container(tmp_path, "once") as (process, _):
            ready(process)
            process.terminate()
            assert process.wait(10) == code
