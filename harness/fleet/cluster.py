"""The scheduler, a box's worker, and the controller's connection: all there is to say to distributed.

The scheduler port executes what it is sent: it listens on the lab's address only, and only with certificates.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.fleet import box
from harness.fleet.certificates import check, files
from harness.fleet.inventory import CA, CONTROLLER, Inventory

if TYPE_CHECKING:
    from distributed import Client, Security

RESOURCE = "gb10"
ANSWER_S = 5.0
"""Seconds within which whoever is there answers."""
LOG = logging.getLogger("gb10-acceptance.fleet")


class SchedulerAwayError(Exception):
    """The scheduler does not answer: where, and what to do."""


def settle(inventory: Inventory) -> None:
    """Tell distributed how this project uses it: a lost box is a verdict, and nothing is moved or tried again."""
    import dask.config

    ttl = f"{inventory.scheduler.worker_ttl_s}s"
    dask.config.set(
        {
            "distributed.scheduler.allowed-failures": 0,
            "distributed.scheduler.worker-ttl": ttl,
            "distributed.scheduler.work-stealing": False,
            "distributed.scheduler.active-memory-manager.start": False,
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            "distributed.worker.profile.enabled": False,
            "distributed.diagnostics.nvml": False,
            "distributed.comm.require-encryption": True,
            "distributed.comm.timeouts.connect": "5s",
            "distributed.comm.timeouts.tcp": f"{max(20, inventory.scheduler.worker_ttl_s):g}s",
        }
    )


def security(inventory: Inventory, name: str) -> Security:
    """TLS with the lab's authority and nobody else's, as `name`."""
    from distributed import Security

    certificate, key = map(str, files(inventory, name))
    return Security(
        require_encryption=True,
        tls_ca_file=str(files(inventory, CA)[0]),
        **{f"tls_{role}_cert": certificate for role in ("client", "scheduler", "worker")},
        **{f"tls_{role}_key": key for role in ("client", "scheduler", "worker")},
    )


async def schedule(inventory: Inventory) -> None:
    """Be the scheduler until a signal says stop."""
    from distributed import Scheduler

    check(inventory, [CONTROLLER])
    settle(inventory)
    stop = _stopping()
    async with Scheduler(
        host=inventory.scheduler.host,
        port=inventory.scheduler.port,
        protocol="tls",
        security=security(inventory, CONTROLLER),
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    ):
        LOG.warning("scheduler at %s", inventory.scheduler.url)
        await stop.wait()


async def work(inventory: Inventory, unit: str, outbox: Path) -> None:
    """Be the worker of `unit` until a signal says stop; then the running job is ended first.

    When the scheduler goes away, the job goes on and the worker comes back when the scheduler does.
    """
    from distributed import Worker
    from distributed.worker import DEFAULT_METRICS, DEFAULT_STARTUP_INFORMATION

    settle(inventory)
    _, head = inventory.head(unit)
    box.KEEPER = own = box.Keeper(inventory, unit, outbox)
    loop, stop = asyncio.get_running_loop(), _stopping()
    recovering = asyncio.create_task(asyncio.to_thread(own.recover))
    while not stop.is_set():
        check(inventory, [unit])  # at each turn: an expired certificate is refused at once, again and again
        with tempfile.TemporaryDirectory() as scratch:
            worker = Worker(
                inventory.scheduler.url,
                name=f"{unit}.{secrets.token_hex(3)}",  # its ghost may still be there when it comes back
                host=head.address,
                protocol="tls",
                security=security(inventory, unit),
                nthreads=1,
                memory_limit=0,
                resources={RESOURCE: 1},
                local_directory=scratch,
                dashboard_address="127.0.0.1:0",
                metrics={**DEFAULT_METRICS, "gb10": lambda worker: own.phase()},  # noqa: ARG005 (distributed's signature)
                startup_information={
                    **DEFAULT_STARTUP_INFORMATION,
                    "gb10_harness": lambda worker: __version__,  # noqa: ARG005
                    "gb10_unit": lambda worker: unit,  # noqa: ARG005
                },
            )

            def told(worker: Any = worker) -> None:
                """Say at once that the box is free."""
                loop.call_soon_threadsafe(lambda: asyncio.ensure_future(worker.heartbeat()))

            with suppress(asyncio.CancelledError, OSError):
                if not await _before(stop, worker):
                    break
                own.idle = told
                LOG.warning("worker %s at %s", unit, inventory.scheduler.url)
                await _before(stop, worker.finished())
            own.idle = lambda: None
            if stop.is_set():
                break
            LOG.warning("the scheduler at %s is away; what runs here goes on", inventory.scheduler.url)
    if running := own.running:
        running.end("the worker on this box was stopped")
        await asyncio.wrap_future(running.done)
    recovering.cancel()
    with suppress(OSError, UnboundLocalError):
        await asyncio.wait_for(worker.close(executor_wait=False, nanny=False), 5)


async def _before(stop: asyncio.Event, awaited: Any) -> bool:
    """Await something unless `stop` comes first; whether it came to its end."""
    task, stopped = asyncio.ensure_future(awaited), asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task not in done:
        task.cancel()
        return False
    task.result()
    return True


def _stopping() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def connected(inventory: Inventory) -> AsyncIterator[Client]:
    """The controller's connection. Raises SchedulerAwayError when no scheduler answers in time."""
    from distributed import Client

    settle(inventory)
    client = Client(
        inventory.scheduler.url,
        security=security(inventory, CONTROLLER),
        asynchronous=True,
        timeout=ANSWER_S,
        set_as_default=False,
    )
    try:
        await client
    except (OSError, TimeoutError) as error:
        raise SchedulerAwayError(
            f"no scheduler answers at {inventory.scheduler.address} within {ANSWER_S:g} s ({error}) → python -m "
            f"harness fleet up --inventory {inventory.place}"
        ) from error
    try:
        yield client
    finally:
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(client._close(fast=True), ANSWER_S)  # noqa: SLF001 (close waits for an absent scheduler)


async def workers(client: Client) -> dict[str, list[dict[str, Any]]]:
    """Unit → the workers that call themselves so, each with its `address`. Raises SchedulerAwayError."""
    try:
        scheduler: Any = client.scheduler
        told = await asyncio.wait_for(scheduler.identity(n_workers=-1), ANSWER_S)
    except (OSError, TimeoutError) as error:
        raise SchedulerAwayError(f"the scheduler has gone away ({type(error).__name__})") from error
    found: dict[str, list[dict[str, Any]]] = {}
    for address, worker in told["workers"].items():
        found.setdefault(str(worker.get("gb10_unit", worker["name"])), []).append(worker | {"address": address})
    return found


async def certified(inventory: Inventory, address: str) -> str:
    """The name in the certificate of whoever listens at a worker's `address`. Raises OSError, ssl's among it."""
    context = ssl.create_default_context(cafile=str(files(inventory, CA)[0]))
    context.check_hostname = False  # the name is what is asked for here
    context.load_cert_chain(*files(inventory, CONTROLLER))
    host, _, port = address.removeprefix("tls://").rpartition(":")
    _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port), ssl=context), ANSWER_S)
    peer = writer.get_extra_info("peercert") or {}
    writer.close()
    return next((value for pairs in peer.get("subject", ()) for key, value in pairs if key == "commonName"), "")
