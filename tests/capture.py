"""Captures what a deployment on the CPU bench answers, for tests/test_controls.py: `python -m tests.capture [PORT]`.

A deployment must be up (`python -m harness up gpt-oss-120b`). Values of variables passed by name are left out.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.api import Api
from harness.bench import Choice, choose
from harness.engine import Engine
from harness.host import read_host
from harness.launch import leftovers
from harness.types import Answer
from harness.variants import PORT, find
from harness.verification import ANSWER_TOKENS, CAPITAL
from tests.tape import Tape, recording

INSPECTED = "gpt-oss-120b"
"""The variant whose container's inspection is kept."""
CAPTURED = Path(__file__).parent / "captured"


def main() -> int:
    """Write tests/captured/<variant>.tape of what is up, and gpt-oss's <variant>.json with what Docker shows."""
    bench = choose(Choice(port=int(sys.argv[1]) if len(sys.argv) > 1 else PORT), read_host())
    with Engine(bench.docker_host) as engine, Api(f"http://127.0.0.1:{bench.port}") as api:
        holder = next(h for h in leftovers(engine) if h.state == "running")
        container = engine.find(holder.id)
        assert container is not None
        assert holder.variant is not None
        variant = find(holder.variant)
        served = variant.argument("--served-model-name") or ""
        inspect = container.inspect()
        image = engine.image(inspect["Config"]["Image"])
        assert image is not None
        answers: dict[str, Answer] = {
            "health": api.health(),
            "models": api.models(),
            "version": api.get("/version"),
            "chat": api.chat(served, CAPITAL.messages(), max_tokens=ANSWER_TOKENS),
            "unknown": api.chat("no-such-model", CAPITAL.messages()),
        }
    captured = {
        "variant": variant.name,
        "inspect": inspect,
        "image": image.raw,
        "holders": [holder.model_dump(mode="json")],
        "answers": {name: answer.model_dump(mode="json") for name, answer in answers.items()},
    }
    text = json.dumps(captured, indent=1, ensure_ascii=False)
    text = re.sub(r'"HF_TOKEN=[^"]*"', '"HF_TOKEN=***"', text)
    text = text.replace(bench.vllm_home, "/home/user/vllm").replace(
        str(Path(bench.vllm_home).parent), "/home/user/bench"
    )
    CAPTURED.mkdir(exist_ok=True)
    if variant.name == INSPECTED:
        (CAPTURED / f"{variant.name}.json").write_text(text + "\n")
    return record(variant.name, bench.port)


def record(name: str, port: int) -> int:
    """Run the suites against what is up, with a recorder between, and keep tests/captured/<variant>.tape."""
    tape = Tape()
    mark = " and ".join(find(name).marks)
    with recording("127.0.0.1", port, tape) as address, tempfile.TemporaryDirectory() as reports:
        arguments = ["-q", "--deployed", address, "--port", str(port), "-m", mark, "--fuzz", "2", "--reports", reports]
        done = subprocess.run([sys.executable, "-m", "pytest", "suites/", *arguments], check=False)
    tape.save(CAPTURED / f"{name}.tape")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
