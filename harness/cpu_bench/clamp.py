"""OCI runtime of the private engine where limits cannot be raised: lowers `process.rlimits`, then becomes runc.

Without CAP_SYS_RESOURCE runc fails on `--ulimit memlock=-1` ("error setting rlimit type 8: operation not permitted").
Each limit is clamped to what this host allows, in the bundle's config.json (`create`, `run`) and in the file that
`docker exec` passes (`exec --process FILE`); what the engine records of the container stays as asked for.

Run as a script by the distribution's own Python, standard library only: the engine outlives any checkout.
"""

from __future__ import annotations

import json
import os
import resource
import sys

TYPE_CHECKING = False  # typing is slow to load, and this runs at every container start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

UNLIMITED = 2**64 - 1
"""How an OCI bundle writes -1."""


def clamp(process: dict[str, Any], hard_limit: Callable[[str], int | None]) -> bool:
    """Lower the limits of an OCI `process` to `hard_limit(name)` (None: unknown name). True if any changed."""
    changed = False
    for limit in process.get("rlimits") or ():
        most = hard_limit(limit["type"])
        if most is None:
            continue
        for bound in ("hard", "soft"):
            if limit[bound] > most:
                limit[bound] = most
                changed = True
    return changed


def host_limit(name: str) -> int | None:
    """This process's hard limit for `RLIMIT_…`, or None where Python doesn't know the name."""
    number = getattr(resource, name, None)
    if number is None:
        return None
    hard = resource.getrlimit(number)[1]
    return UNLIMITED if hard == resource.RLIM_INFINITY else hard


def rewrite(path: str, pick: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Clamp the process that `pick` finds in the JSON file, replacing the file in one step."""
    try:
        with open(path, encoding="utf-8") as f:
            document = json.load(f)
    except (OSError, ValueError):
        return  # runc reads it next and says what is wrong
    if clamp(pick(document) or {}, host_limit):
        with open(path + ".clamped", "w", encoding="utf-8") as f:
            json.dump(document, f)
        os.replace(path + ".clamped", path)


def option(arguments: list[str], *names: str) -> str | None:
    """The value of a command line option in either spelling, or None."""
    for here, following in zip(arguments, [*arguments[1:], None], strict=True):
        if here in names:
            return following
        for name in names:
            if here.startswith(name + "="):
                return here[len(name) + 1 :]
    return None


def main(runc: str, arguments: list[str]) -> None:
    """Clamp what this call is about, then exec runc with the same arguments."""
    if "create" in arguments or "run" in arguments:
        bundle = option(arguments, "--bundle", "-b") or "."
        rewrite(os.path.join(bundle, "config.json"), lambda document: document.get("process"))
    elif "exec" in arguments and (path := option(arguments, "--process", "-p")):
        rewrite(path, lambda document: document)
    os.execvp(runc, [runc, *arguments])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
