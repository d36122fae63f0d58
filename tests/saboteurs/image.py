"""Images of saboteurs: the bench's image with the proxy before its server, one tag a fault. Seconds each."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from tests.saboteurs.faults import find

HERE = Path(__file__).parent
REPOSITORY = "gb10-acceptance/saboteur"
HEALTHY = "none"
"""The tag without a fault."""
INSIDE = ("__init__.py", "entry.py", "faults.py", "proxy.py")
VLLM = """#!/usr/bin/python3
import sys
sys.path.insert(0, "/opt/saboteurs")
from tests.saboteurs.entry import main
sys.exit(main(sys.argv[1:]))
"""
DOCKERFILE = """FROM {image}
COPY saboteurs /opt/saboteurs/tests/saboteurs
COPY vllm /usr/local/sbin/vllm
ENV SABOTEUR={fault}
"""


def build(docker_host: str, image: str, name: str) -> str:
    """Build `gb10-acceptance/saboteur:NAME` on `image`; `none` is the one without a fault. Returns the tag.

    Raises CalledProcessError with the engine's words.
    """
    if name != HEALTHY:
        find(name)
    files = {f"saboteurs/{inside}": (HERE / inside).read_bytes() for inside in INSIDE}
    files |= {"vllm": VLLM.encode()}
    files |= {"Dockerfile": DOCKERFILE.format(image=image, fault="" if name == HEALTHY else name).encode()}
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    tag = f"{REPOSITORY}:{name}"
    # The legacy builder: Debian's engine has no other, and a newer one knows it still.
    subprocess.run(
        ["docker", "--host", docker_host, "build", "--quiet", "--tag", tag, "-"],
        input=context.getvalue(),
        env={"DOCKER_BUILDKIT": "0", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    return tag
