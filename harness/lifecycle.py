"""What becomes of a deployment that is stopped, restarted or loses its engine. Each ends what it was before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.api import COMPLETIONS, Api
from harness.diagnosis import diagnose
from harness.engine import Engine
from harness.staging import KILL_ENGINE
from harness.types import Deployment, Diagnosis, Exit, Noun, Stream
from harness.verification import served_name
from harness.watch import END_S

GRACE_S = 90
"""Seconds after SIGTERM until SIGKILL."""
PATIENCE_S = 20
"""Seconds without a byte after which a client gives up, as real ones do.

vLLM 0.32 kills its engine at once and then waits for the connections to close. Now and then it forgets to end a stream
that was under way: only the client's going lets it exit.
"""
LONG = {"prompt": "The capital of France is", "max_tokens": 256, "ignore_eos": True, "stream": True}
"""A completion that is still under way when the server is told to stop."""


class Stopped(Noun):
    """How a deployment ended on SIGTERM."""

    exit_code: int
    stop_s: float
    stream: Stream | None
    """What a client saw that was being answered; None when its call never came back."""

    @property
    def left_hanging(self) -> bool:
        """Whether the client had to give up: the server sent it neither an end nor an error."""
        return self.stream is not None and "ReadTimeout" in self.stream.broken


class Died(Noun):
    """How the death of the engine process became known."""

    statuses: tuple[int | None, ...]
    """What `/health` answered on the way, without repetitions; None is no answer."""
    exit_code: int | None
    """None: the container went on."""
    exit_s: float
    diagnosis: Diagnosis | None


def stop(engine: Engine, deployment: Deployment) -> Stopped:
    """`docker stop` while a stream is under way, whose client waits PATIENCE_S seconds for the next byte."""
    with Api(deployment.base_url, timeout_s=PATIENCE_S) as api, _streaming(api, deployment) as came:
        begun = time.monotonic()
        engine.stop(deployment.container_id, GRACE_S)
        stop_s = time.monotonic() - begun
    container = engine.find(deployment.container_id)
    ended = container.exited() if container else None
    return Stopped(exit_code=ended.code if ended else -1, stop_s=stop_s, stream=came[0] if came else None)


class Recovery(Noun):
    """What came of a start again: after `seconds` `/health` was 200, or else the container's `end`, or the budget's."""

    seconds: float
    healthy: bool
    end: Exit | None = None

    @property
    def trouble(self) -> str:
        """Why it did not recover; empty when it did."""
        if self.healthy:
            return ""
        if self.end is not None:
            return f"the container ended again after {self.seconds:.0f} s with exit code {self.end.code}"
        return f"no /health 200 within the start budget of {self.seconds:.0f} s"


def recovery(api: Api, ended: Callable[[], Exit | None], budget_s: float) -> Recovery:
    """Wait until `/health` of a container that was started again is 200, it has `ended`, or `budget_s` seconds are
    over."""
    begun = time.monotonic()
    while True:
        healthy, waited_s = api.health().status == 200, time.monotonic() - begun
        end = None if healthy else ended()
        if healthy or end is not None or waited_s >= budget_s:
            return Recovery(seconds=waited_s, healthy=healthy, end=end)
        time.sleep(0.25)  # nobody announces it


def kill_the_engine(engine: Engine, api: Api, deployment: Deployment, log_before: int) -> Died:
    """SIGKILL for the engine process alone, and what is seen of it. `log_before`: bytes of log of earlier starts."""
    engine.execute(deployment.container_id, ["python3", "-c", KILL_ENGINE])
    container = engine.find(deployment.container_id)
    begun, statuses = time.monotonic(), list[int | None]()
    ended = None
    while ended is None and time.monotonic() - begun < END_S:
        status = api.health().status
        if [status] != statuses[-1:]:
            statuses.append(status)
        ended = container.exited() if container else None
        time.sleep(0.1)
    log = b"".join(engine.logs(container))[log_before:] if container else b""
    return Died(
        statuses=tuple(statuses),
        exit_code=ended.code if ended else None,
        exit_s=time.monotonic() - begun,
        diagnosis=diagnose(log, exit_code=ended.code if ended else None, container=deployment.flags.name),
    )


@contextmanager
def _streaming(api: Api, deployment: Deployment) -> Iterator[list[Stream]]:
    """A client in the midst of a long stream; after the block it has GRACE_S seconds to come back."""
    came: list[Stream] = []
    body = LONG | {"model": served_name(deployment.variant)}
    client = threading.Thread(target=lambda: came.append(api.stream(COMPLETIONS, body)), daemon=True)
    client.start()
    deadline = time.monotonic() + GRACE_S
    while api.metrics().get("vllm:num_requests_running", 0) < 1 and time.monotonic() < deadline and not came:
        time.sleep(0.1)  # metrics are asked, they do not tell
    yield came
    client.join(GRACE_S)
