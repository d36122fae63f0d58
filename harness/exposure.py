"""What a deployment exposes, as findings. A secret itself is never part of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from harness.redact import MARK, NAMES, SHORTEST, Redactor
from harness.types import Answer, Deployment, Dialect, DockerFlags, Finding

if TYPE_CHECKING:
    from harness.api import Api

ORIGIN = "http://elsewhere.example"
OPEN = (
    *(("GET", path) for path in ("/v1/models", "/metrics", "/version", "/load", "/docs", "/openapi.json")),
    *(("POST", path) for path in ("/v1/chat/completions", "/tokenize", "/invocations")),
)
"""What a client without a key may try, harmlessly: POSTs are sent without a body."""
FORBIDDEN = {
    "dev-endpoint": ("/server_info", "/sleep", "/wake_up", "/is_sleeping", "/collective_rpc", "/reset_prefix_cache"),
    "profiler": ("/start_profile", "/stop_profile"),
    "runtime-lora": ("/v1/load_lora_adapter", "/v1/unload_lora_adapter"),
    "pause": ("/pause", "/resume"),
}
"""Finding → paths that no deployment may serve. They are looked up in the served schema and asked with a method that
does nothing: 404 is absent, 405 is there."""
UNSAFE_ROUTE = re.compile(
    r"^/(?:reset_\w+|update_\w*weights?\w*|(?:init|start|finish)_weight\w*|destroy_weight\w*|abort_requests"
    r"|debug\b.*|shutdown|exec\w*|shell|env(?:iron)?|admin\b.*)$"
)
"""Other routes of development mode, and of nobody's: looked up in the served schema alone."""
UNSAFE_ENV = {
    "VLLM_SERVER_DEV_MODE": "development endpoints",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "adapters can be loaded by anyone",
    "VLLM_ALLOW_INSECURE_SERIALIZATION": "code can be sent by pickle",
    "VLLM_TORCH_PROFILER_DIR": "the profiler can be called by anyone",
    "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH": "the server outlives its engine",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "more context than the model has",
}
"""Variable → what it opens or hides when it is set, the image's own ones included."""
DANGEROUS = ("--trust-remote-code", "--enable-sleep-mode", "--allowed-local-media-path")
PROMPT_LOGGED = re.compile(rb"Received request \S+: prompt: |Generated response \S+: output: ")
"""What `--enable-log-requests` writes, from 0.10.1.1 to 0.32; without it no line has the words of a request."""


def from_http(api: Api, deployment: Deployment, environ: Mapping[str, str], dialect: Dialect) -> list[Finding]:
    """What answers at the port. `environ` holds the values that no answer may show."""
    spec = api.get("/openapi.json").body
    served = set(spec.get("paths", ())) if isinstance(spec, dict) else set()
    found = []
    for name, paths in FORBIDDEN.items():
        there = [path for path in paths if path in served or api.call("OPTIONS", path).status not in (404, None)]
        if there:
            found.append(
                _finding(
                    name,
                    f"{', '.join(there)} can be called by anyone",
                    "route",
                    forbidden=name != "pause" or not dialect.opens_pause,
                )
            )
    if unsafe := sorted(path for path in served if UNSAFE_ROUTE.search(path)):
        found.append(_finding("dev-endpoint", f"{', '.join(unsafe)} can be called by anyone", "schema", forbidden=True))
    answers = {path: api.call(method, path) for method, path in OPEN}
    if shown := [path for path, answer in answers.items() if _shows_secret(answer, _redactor(environ))]:
        found.append(_finding("secret-served", "a secret in an answer", ", ".join(shown), forbidden=True))
    keyless = [path for path, answer in answers.items() if answer.status not in (401, 403, 404, None)]
    if "/v1/models" in keyless:
        found.append(_finding("no-api-key", "everybody who reaches the port may use the model", "GET /v1/models"))
    else:
        found.append(_finding("open-without-key", f"open although a key is asked for: {', '.join(keyless)}", "routes"))
    cors = api.get("/v1/models", headers={"Origin": ORIGIN}).headers
    origin = cors.get("access-control-allow-origin")
    if cors.get("access-control-allow-credentials", "").lower() == "true":
        found.append(_finding("cors-credentials", "a web page may use it as its reader", "a header", forbidden=True))
    if origin in ("*", ORIGIN):
        found.append(_finding("cors-any-origin", "any web page may use it through a browser", f"allows {origin}"))
    if "/openapi.json" in keyless:
        found.append(_finding("schema-served", "the API describes itself", "GET /openapi.json"))
    if "gemma3" in deployment.variant.marks:
        found.append(
            _finding(
                "media-urls",
                "a served vision model fetches any http(s) image_url from the server's side",
                "no --allowed-media-domains"
                if "--allowed-media-domains" not in deployment.flags.command
                else "limited",
            )
        )
    return found


def from_inspect(flags: DockerFlags, inspect: Mapping[str, Any]) -> list[Finding]:
    """What `docker inspect` shows."""
    made, host = inspect["Config"], inspect["HostConfig"]
    found = []
    bindings = [b for bound in (host.get("PortBindings") or {}).values() for b in bound or ()]
    if any((b.get("HostIp") or "0.0.0.0") in ("0.0.0.0", "::") for b in bindings):
        found.append(_finding("bound-to-all", "reachable from the network, not only from this machine", "HostConfig"))
    told = [*(made.get("Cmd") or ()), *(made.get("Entrypoint") or ()), *map(str, (made.get("Labels") or {}).values())]
    if _secret(told) or "--api-key" in told:
        found.append(_finding("secret-in-command", "a secret in the command or a label", "Config", forbidden=True))
    env = dict(entry.partition("=")[::2] for entry in made.get("Env") or ())
    secret = sorted(name for name in NAMES if env.get(name))
    if secret:
        found.append(_finding("secret-in-env", f"{', '.join(secret)}, as `-e NAME` does", "Config.Env"))
    if other := sorted(n for n, v in env.items() if n not in flags.env and n not in NAMES and _secret([v])):
        found.append(_finding("secret-undeclared", f"a secret in {', '.join(other)}", "Config.Env", forbidden=True))
    for name, what in UNSAFE_ENV.items():
        if env.get(name, "").lower() not in ("", "0", "false"):
            found.append(_finding("unsafe-variable", what, f"Config.Env.{name}", forbidden=True))
    if env.get("VLLM_USE_V1") == "0":
        found.append(_finding("old-engine", "VLLM_USE_V1=0", "Config.Env", forbidden=True))
    if dangerous := [flag for flag in DANGEROUS if flag in told]:
        found.append(_finding("dangerous-flag", ", ".join(dangerous), "Config.Cmd", forbidden=True))
    return found


def from_log(lines: Iterable[bytes], environ: Mapping[str, str]) -> list[Finding]:
    """What the unredacted log shows."""
    redactor, found = _redactor(environ), []
    for number, line in enumerate(lines, 1):
        if MARK.encode() not in line and redactor.data(line) != line:
            found.append(_finding("secret-in-log", "a secret in clear text", f"log line {number}", forbidden=True))
        if PROMPT_LOGGED.search(line):
            found.append(_finding("prompt-in-log", "what people ask", f"log line {number}", forbidden=True))
        if b"Development endpoints are enabled" in line:
            found.append(_finding("dev-mode", "development endpoints", f"log line {number}", forbidden=True))
    return found


def _redactor(environ: Mapping[str, str]) -> Redactor:
    """One that knows the values of the secret variables."""
    return Redactor([environ[name] for name in NAMES if len(environ.get(name) or "") >= SHORTEST])


def _shows_secret(answer: Answer, redactor: Redactor) -> bool:
    texts = (answer.text, *answer.headers.values())
    return any(redactor.text(text) != text for text in texts)


def _secret(texts: Iterable[str]) -> bool:
    redactor = Redactor()
    return any(redactor.text(text) != text for text in texts)


def _finding(name: str, what: str, seen: str, *, forbidden: bool = False) -> Finding:
    return Finding(id=name, what=what, seen=seen, forbidden=forbidden)
