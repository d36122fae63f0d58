"""What a log says about the course of things: literal tables, no code. `harness.diagnosis` reads them.

Phases and facts of a start, that the engine listens, serves, is stopped or has died; whose lines count, and which never
do. What a failure is stands in `harness.rules`. Wordings: vLLM's source, versions 0.6 to 0.33.
"""

from __future__ import annotations

READY: tuple[str, ...] = ("Application startup complete.",)
"""The engine listens."""

SERVES: tuple[str, ...] = (
    r"Avg prompt throughput",
    r"EngineCore encountered a fatal error",
    r"Exception in ASGI application",
    r"(?:Aborted|Finished|Received) request [\w-]*[0-9a-f]{8}",
    r", in run_(?:engine|busy)_loop\b",
    r"self\.run_engine_loop\(\)",
    r"engine_core\.run_busy_loop\(\)",
    r", in _run_engine\b",
    r"\._run_engine\(",
    r", in add_request\b",
    r", in _add_request\b",
    r", in _validate_and_add_requests\b",
    r", in engine_step\b",
    r", in create_chat_completion\b",
    r", in create_completion\b",
    r", in chat_completion_stream_generator\b",
    r", in extract_tool_calls\b",
    r", in extract_tool_calls_streaming\b",
    r", in run_endpoint_function\b",
    r", in wrapped_app\b",
    r"/starlette/middleware/",
    r"/fastapi/routing\.py\", line \d+, in (?:app|serialize_response)\b",
    r"/vllm/entrypoints/\S+, line \d+, in (?:\w+_generator\b|_?create_(?:chat|completion|responses|embedding|score))",
    r"Error in extracting tool call",
    r"Processed prompts: +\d+%",
    r"\"(?:GET|POST) /\S* HTTP/1\.[01]\" \d{3}",
)
"""The engine serves: it must have listened before, although the log does not begin early enough to say so."""

REQUESTS: tuple[str, ...] = (
    r"(?:serving(?:_\w+)?|basic|error_response|server_utils|exception_handler|\w*(?:tool|reasoning)_parser)\.py:\d+\]",
    r"\[vllm\.entrypoints\.[\w.]*serving\w*\]",
)
"""What such a part of vLLM logs is about one request; a traceback there is no failed start."""

HARMLESS = (
    "Exception ignored in",
    "--- Logging error ---",
    "NVLink detection failed",
    "XGMI detection failed",
    "Failed to load plugin",
    "Error saving model info cache",
    "Error during atomic write",
)
"""Stands above a traceback that ended nothing: Python's of a finalizer or of a log call, vLLM's of what it can do
without."""

CLIENTS = (
    r"/(?:site|dist)-packages/(?:openai|litellm|langchain\w*|llama_index|autogen\w*|gradio_client|locust)/.*:(?!<)"
)
"""An exception raised in a function there is a client's, whose output stands in the same log; one at their import is
the server's, which has some of them, too."""

STOPPING: tuple[str, ...] = (
    "INFO:     Shutting down",
    "Shutting down FastAPI HTTP server",
    "Waiting for application shutdown",
    "Application shutdown complete",
    "API server: shutdown triggered",
    "KeyboardInterrupt",
    "Received SIGTERM",
    "trigger received signal=SIG",
)
"""Somebody stopped the deployment: what a log says after these is no failure, unless the engine had died before."""

BY_HAND = r"\^C(?:\(\w+ |INFO|WARNING|ERROR)"
"""A terminal shows so that somebody interrupted what runs in it, and that wrote on. A `^C` alone may have ended no more
than somebody's look at the log."""

ENDED = "Shutdown initiated (timeout="
"""The engine was told to end: a stop while it serves. The server of a start that fails ends its engine as well."""

AGAIN = "Started server process"
"""After a stop: somebody started a server again, whose start need not be in the log."""

DEATH: tuple[str, ...] = (
    r"Engine core initialization failed",
    r"EngineCore failed to start",
    r"EngineCore hit an exception",
    r"WorkerProc failed to start",
    r"Failed to start engine",
    r"WorkerProc hit an exception",
    r"WorkerProc initialization failed",
    r"Engine process failed to start",
    r"[Gg]ot fatal signal from worker processes",
    r"dependency failed to start: container \S+ exited",
    r"Error response from daemon: ",
    r"declared as external, but could not be found",
    r"kubelet .*Error: ",
    r"failed to create fsnotify watcher",
    r"has no healthcheck configured",
    r"no configuration file provided",
    r"TTY-enabled container because stdin",
    r"libgomp: Thread creation failed",
    r"blas_thread_init: pthread_create failed",
    r"flag requires a valid instance of",
)
"""The start fails. Never the cause: that stands elsewhere, and these lines only say that there is one."""

COMPLAINTS: tuple[str, ...] = (
    r"^\s*(?:docker|podman|nerdctl|kubectl|docker-compose): ",
    r"^\s*(?:Error(?: response| from server|:)|ERROR: |error: |FATAL?\b|fatal: |panic: |Failed to )",
    r"^\s*[\w./-]+: (?:error: (?!\*\*\* .* CANCELLED AT \S+ \*\*\*)|unrecognized option|line \d+: )",
    r"^\s*[\w./-]+: .*: (?:Permission denied|Read-only file system|Operation not permitted|No such file or directory"
    r"|Not a directory|Is a directory|Connection refused|Cannot allocate memory|command not found|not found)$",
    r"^\s*\[ERROR\] ",
    r"^\s*E\d{4} \d\d:\d\d:\d\d\.\d+ .*\.go:\d+\]",
    r"^\s*Warning\s+(?:Failed\w*|BackOff|Evicted)\s",
    r"^\s*(?:Reason:\s+(?:Error|CrashLoopBackOff|Evicted|OutOf\w+)|Exit Code:\s+[1-9])",
    r"\b(?:exited (?:unexpectedly )?with (?:exit )?code:?|exit(?: code|:)?|code=exited, status=) ?[1-9]",
    r"\bFailed with result '|\bfailed because the control process\b|\bDependency failed for\b",
    r"\b(?:is|was) (?:forbidden|invalid|refused|not running)\b",
    r"\bblocked for more than \d+ seconds\b",
)
"""A command complains: where no server has said anything, its words are all there is."""

HINTS: tuple[tuple[str, str], ...] = (
    (r"No platform detected, vLLM is running on UnspecifiedPlatform", "gpu-runtime-missing"),
    (r"Not enough free disk space to download the file", "disk-full"),
    (r"Cache directory not found: ", "hf-missing"),
)
"""What a start may survive → the rule it points to, when it came no further and nothing says more."""

CAME_UP = r"\bNormal\s+(?:Scheduled|Started)\b"
"""Kubernetes tells that what it complained of before is over."""

KILLED: tuple[str, ...] = (r"^Killed\s*$", r"\d+ Killed\s+(?:vllm|python)", r"line \d+:\s+\d+ Killed\b")
"""A shell says that the process ended by SIGKILL: as good as its exit code, and no better. vLLM up to 0.9 killed itself
this way after any exception of its engine."""

VERSION: tuple[str, ...] = (
    r"vLLM API server version (\S+)",
    r"vLLM server version ([^\s,]+)",
    r"LLM engine \(v([^\s)]+)\) with config",
    r"█\s+version (\d\S+)",
    r"vLLM Version\s*:\s*(\d\S*)",
)

MARKERS: tuple[tuple[str, str], ...] = (
    ("vLLM API server version", "starting"),
    ("vLLM server version", "starting"),
    ("Resolved architecture:", "model"),
    ("LLM engine (v", "engine"),
    ("Starting to load model", "weights"),
    ("Loading model from scratch", "weights"),
    ("Loading weights took", "weights loaded"),
    ("Model loading took", "weights loaded"),
    ("for vLLM's torch.compile", "compile"),
    ("Dynamo bytecode transform time", "compile"),
    ("torch.compile takes", "compiled"),
    ("torch.compile took", "compiled"),
    ("Available KV cache memory", "kv cache"),
    ("GiB for KV cache on node", "kv cache"),
    ("KV cache size:", "kv cache"),
    ("Capturing CUDA graph", "graphs"),
    ("Graph capturing finished", "graphs captured"),
    ("init engine (profile", "engine ready"),
    ("Supported_tasks:", "engine ready"),
    ("Supported tasks:", "engine ready"),
    ("Starting vLLM API server", "http"),
    ("Starting vLLM server on", "http"),
    ("Application startup complete.", "listening"),
)
"""Literal in a log line → the phase that begins with it, in the order of a start (vLLM 0.10.1.1 to 0.32)."""

FACTS: dict[str, str] = {
    "architecture": r"Resolved architecture: (\w+)",
    "model": r"Starting to load model (\S+?)\.\.\.",
    "checkpoint": r"with config: model='([^']+)', speculative_config",
    "max_model_len": r"Using max model len (\d+)",
    "dtype": r"\bdtype=(?:torch\.)?(\w+)",
    "quantization_flag": r"\bquantization=(\w+)",
    "weights_s": r"Loading weights took ([\d.]+) seconds",
    "model_gib": r"Model loading took ([\d.]+) GiB",
    "compile_s": r"torch\.compile (?:takes|took) ([\d.]+) s in total",
    "kv_cache_gib": r"Available KV cache memory: (-?[\d.]+) GiB",
    "kv_cache_tokens": r"KV cache size: ([\d,]+) tokens",
    "max_concurrency": r"Maximum concurrency for [\d,]+ tokens per request: ([\d.]+)x",
    "graph_capture_s": r"Graph capturing finished in (\d+) secs",
    "graph_capture_gib": r"Graph capturing finished in \d+ secs, took (-?[\d.]+) GiB",
    "init_engine_s": r"init engine \(profile.*?\) took ([\d.]+) s",
    "mxfp4_gemm": r"Using (\w+) for MXFP4 GEMM",
    "moe_backend": r"Using '?(\w+)'? Mxfp4 MoE backend",
    "moe_backend_old": r"Using (Triton|Marlin) backend$",
    "attention_backend": r"Using (\S+) attention backend",
}
"""Name → expression whose first group is the value."""

NOISE: tuple[str, ...] = (
    r"retrying \d+ of \d+",
    r"[Rr]etrying in ",
    r"local file already exists",
    r"\[Autotuner\]: ",
    r"daemon: No such container: ",  # what a launcher hears that removes the last one first
    r"Ignored error while|Will ignore error and continue|Returning existing local_dir",
    r"(?:timed out|in name resolution|[Cc]onnection\w*\W* \w+).* thrown while requesting ",
    r"Error while downloading from ",
    r"^\s*\d+ [\w.]+ = ",  # a notebook shows the lines around the one that failed
    r"Received request ",
    r"\bprompt: ['\"]",
    r"HTTP/1\.[01]\" \d{3}",
    r"DeprecationWarning|FutureWarning|UserWarning|CancelledError|BrokenPipeError|Python is likely shutting down",
    r"Cannot use FA version",
    r"NCCL WARN Call to bind failed",
    r"^\s*(?:\d+ )?(?:import|from|print|raise|return|if|logger|except)\b",
)
"""A line with one of these is never a failure, whatever words it carries."""

HOST_SOURCES: frozenset[str] = frozenset(
    {"kernel", "systemd", "dockerd", "containerd", "docker", "earlyoom", "systemd-oomd"}
)
"""Writers in a journal whose word about the deployment counts, although they are not vLLM."""
