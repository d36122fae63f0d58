"""What `vllm` is in a saboteur's image: the real one on an inner port, the proxy on the outer. Standard library only.

The fault is named by the variable SABOTEUR of the image; without one the container behaves as without the proxy.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.saboteurs.faults import find
from tests.saboteurs.proxy import LIMIT, Fault, Proxy

REAL = "/usr/local/bin/vllm"
OUTER, INNER = 8000, 18000
READY = b"Application startup complete."
STARTED = Path("/var/tmp/saboteur-started")


def main(arguments: list[str]) -> int:
    """Run `vllm ARGUMENTS`; returns its exit code."""
    if arguments[:1] != ["serve"]:
        os.execv(REAL, [REAL, *arguments])
    name = os.environ.get("SABOTEUR", "")
    fault = find(name) if name else None
    if fault and fault.life == "once":
        if STARTED.exists():
            print("RuntimeError: this container starts only once", file=sys.stderr)
            return 1
        STARTED.touch()
    if fault and fault.life == "later" and not STARTED.exists():
        STARTED.touch()
        fault = None
    return asyncio.run(serve(arguments, fault))


async def serve(arguments: list[str], fault: Fault | None) -> int:
    """Serve through the proxy until the real server has ended."""
    life = fault.life if fault else ""
    inner = ["--host", "127.0.0.1", "--port", str(INNER)]
    vllm = await asyncio.create_subprocess_exec(
        REAL, *arguments, *inner, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, limit=LIMIT
    )
    loop = asyncio.get_running_loop()
    on_term = {"deaf": lambda: None, "abrupt": vllm.kill}.get(life, vllm.terminate)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_term)
    proxy = Proxy(("127.0.0.1", INNER), fault)
    server = None
    assert vllm.stdout is not None
    async for line in vllm.stdout:
        if READY in line:
            server = await proxy.listen("0.0.0.0", OUTER)
        told = hidden(line.decode("utf-8", "replace"))
        sys.stdout.write(fault.log(told) if fault and fault.log else told)
        sys.stdout.flush()
    code = await vllm.wait()
    while life in ("deaf", "undead"):
        await asyncio.Event().wait()
    if server is not None:
        await proxy.close(server)
    if life == "sour":
        return 1
    return code if code >= 0 else 128 - code


def hidden(line: str) -> str:
    """The line as it stands without the proxy."""
    for inner in (f", 'host': '127.0.0.1', 'port': {INNER}", f"'host': '127.0.0.1', 'port': {INNER}, "):
        line = line.replace(inner, "")
    return line.replace(f"127.0.0.1:{INNER}", f"0.0.0.0:{OUTER}")
