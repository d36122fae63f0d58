"""Every noun of the harness: frozen, keyword-only values. Verbs live in the other modules."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Noun(BaseModel):
    """A frozen value that refuses unknown fields, so a typo in a data entry is an error. Numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Text(Noun):
    """One sentence for the operator in both languages of the project."""

    en: str
    zh_tw: str


class Verdict(StrEnum):
    """The outcome of one variant, keeping whose fault it is."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # the deployment's fault
    BLOCKED = "blocked"  # the bench's: preflight, daemon
    INCONCLUSIVE = "inconclusive"  # judged under bad conditions
    INTERRUPTED = "interrupted"  # the run did not reach its end


class Stage(StrEnum):
    """Where on the way from `docker run` to a served answer something was seen."""

    DAEMON = "daemon"  # the Docker CLI or daemon refused
    START = "start"  # process start, arguments, model and tokenizer lookup
    LOAD = "load"  # weights
    COMPILE = "compile"  # torch.compile, profiling, KV cache, graph capture
    SERVE = "serve"  # after the engine listened
    UNKNOWN = "unknown"


class Evidence(Noun):
    """One line that shows the cause. `line` counts from 1 in the text that was read."""

    line: int
    text: str


class Rule(Noun):
    """One known failure, as data.

    `cause` and `remedy` are templates: `{name}` is a named group of the pattern that matched, `{container}`,
    `{exit_code}`, `{phase}` and `{tail}` are always there, and `[[ ... ]]` is left out when a name inside is unknown.
    """

    id: str
    stage: Stage
    patterns: tuple[str, ...] = ()
    """Regular expressions, searched in one message without its prefixes; a space matches any white space or none."""
    cause: Text
    remedy: Text
    consequence_of: tuple[str, ...] = ()
    """Rules that, when they were seen too, are the cause of this one. `*` is every other rule."""
    serving: bool = False
    """Counts while the engine serves, although it lives on. Otherwise it counts there only if the engine died."""
    quiet: bool = False
    """Counts on lines of level WARNING, INFO or DEBUG too."""
    fatal: bool = False
    """The start cannot recover from it: a wait may end at the first such line."""
    exit_codes: tuple[int, ...] = ()
    """Exit codes of the container that mean this failure when the log shows no other."""
    oom_killed: bool = False
    """Docker's OOMKilled means this failure when the log shows no other."""
    timeout: bool = False
    """Running out of time means this failure when the log shows no other."""
    ratios: tuple[tuple[str, str, str], ...] = ()
    """Values made of two groups, (name, numerator, denominator): rounded down to two decimals, with some room."""


class Diagnosis(Noun):
    """Why a deployment failed: a value, so that it can be expected, recorded and shown.

    `rule` is a rule id of `harness.rules`, or `unexplained`.
    """

    rule: str
    stage: Stage
    cause: Text
    remedy: Text
    evidence: tuple[Evidence, ...] = ()
    vllm_version: str | None = None


class Mount(Noun):
    """A bind mount. A relative `source` lies under the bench's vLLM home (`~/vllm` by default)."""

    source: str
    target: str
    mode: Literal["rw", "ro"] = "rw"


class Ulimit(Noun):
    """A resource limit of the container; soft and hard are the same. -1 is unlimited; `stack` is in bytes."""

    name: str
    value: int


class DockerOptions(Noun):
    """The part of `docker run` that a variant declares, whatever the bench."""

    gpus: str
    ipc: str
    ulimits: tuple[Ulimit, ...]
    mounts: tuple[Mount, ...]
    env: dict[str, str | None]
    """Name → value; None passes the caller's variable by name, never by value."""
    memory: str = ""
    """`--memory`: the container's limit, e.g. `900m`; none by default."""

    def plus(self, *, mounts: tuple[Mount, ...] = (), env: dict[str, str | None] | None = None) -> DockerOptions:
        """The same options with more mounts and environment."""
        return self.model_copy(update={"mounts": self.mounts + mounts, "env": self.env | (env or {})})


class DockerFlags(DockerOptions):
    """Everything `docker run` is told, as one value: `harness.flags` renders it for the CLI and for docker-py.

    Mount sources are absolute here.
    """

    name: str
    image: str
    command: tuple[str, ...]
    port: int
    """Host port; the container's is always 8000."""
    restart: str = "no"
    labels: dict[str, str] = {}


class Fault(Noun):
    """What a failure entry does to a good variant: each field changes one thing of its start."""

    serve: tuple[str, ...] = ()
    """More arguments; of a repeated flag vLLM takes the last."""
    model: str = ""
    program: tuple[str, ...] = ()
    image: str = ""
    env: dict[str, str | None] = {}
    without_env: tuple[str, ...] = ()
    without_mounts: tuple[str, ...] = ()
    """Container paths whose mount is left out."""
    mounts: tuple[Mount, ...] = ()
    memory: str = ""
    docker_host: str = ""
    staging: str = ""
    """A scene of `harness.staging` that is set before the start, or played after it."""
    despite: tuple[str, ...] = ()
    """Preflight checks that this fails on purpose."""


class Mend(StrEnum):
    """How the suite applies the stated remedy of a failure to prove it."""

    NONE = ""  # the remedy is not a change of flags or an action on this machine
    FLAGS = "flags"  # the flags with values that the remedy names
    UNDO = "undo"  # start as declared, without the fault
    COMMAND = "command"  # the first command that the remedy names, then the same start
    SCENE = "scene"  # end the scene (free the port, start the engine), then the same start


class Load(Noun):
    """Requests of random tokens, as many at once as `streams`: what `vllm bench serve` is asked to send."""

    streams: int
    prompts: int
    input_tokens: int
    output_tokens: int


class Expectation(Noun):
    """What a variant does on one bench, and what that bench cannot show of it, each with its reason."""

    expects: str = "healthy"
    """`healthy`, or the rule id of the failure that must appear."""
    fault: Fault | None = None
    """What is done to make that failure appear."""
    mend: Mend = Mend.NONE
    start_budget_s: float
    """Seconds from `docker start` to a served `/health`."""
    phase_budgets_s: dict[str, float] = {}
    """Start-up phase (`harness.landmarks.MARKERS`) → seconds after which it counts as hung; others have the start's."""
    memory_gib: float | None = None
    """GiB that must be available; None means `--gpu-memory-utilization` x the host's total."""
    disk_gib: float = 1
    """GiB that the vLLM home needs while the weights are not there yet."""
    revision: str = ""
    """The snapshot of the model (40 hexadecimal digits) that must be served; empty: the cache's `refs/main`."""
    needle_tokens: int | None = None
    """Length of the prompt in which one sentence must be found, in tokens; None: nine tenths of `--max-model-len`."""
    loads: tuple[Load, ...] = ()
    """What speed is measured under; empty: it is not."""
    unproven: tuple[str, ...] = ()
    """What this bench cannot show."""
    note: str = ""


class Variant(Noun):
    """One way of serving one model: everything that is declared before a start."""

    name: str
    marks: tuple[str, ...]
    title: str
    model: str
    container: str
    program: tuple[str, ...] = ("vllm", "serve")
    """What comes before the model on the command line."""
    serve: tuple[str, ...]
    """Arguments after `vllm serve MODEL`."""
    docker: DockerOptions
    encodings: tuple[str, ...] = ()
    """Vocabulary files that must lie in the vLLM home's `encodings` directory."""
    benches: dict[str, Expectation]
    """Bench name → expectation."""

    @property
    def selection(self) -> str:
        """What pytest's `-m` takes to select this variant and no other."""
        return " and ".join(self.marks)

    def argument(self, flag: str) -> str | None:
        """The value that follows `flag` in the serve arguments, or None."""
        return self.serve[self.serve.index(flag) + 1] if flag in self.serve else None


class Host(Noun):
    """This machine. None means unknown: never guessed."""

    architecture: str
    os: str
    kernel: str
    cpus: int
    memory_total_gib: float | None
    memory_available_gib: float | None
    gpu: str | None = None
    """GPU name as nvidia-smi gives it."""
    driver: str | None = None
    boot_id: str | None = None
    oom_kills: int | None = None
    """Processes the kernel has killed for memory since boot."""
    product: str | None = None
    serial_sha256: str | None = None
    """SHA-256 of the unit's serial number: tells two boxes apart without naming either."""
    bios: str | None = None
    """Vendor, version and date of the firmware."""
    dgx_os: str | None = None
    """Release of DGX OS, where /etc/dgx-release says it."""
    name: str | None = None
    """The host's name: which box this is, where no serial number says it."""

    @property
    def is_gb10(self) -> bool:
        """A GB10 is aarch64 with `NVIDIA GB10` in nvidia-smi."""
        return self.architecture == "aarch64" and "NVIDIA GB10" in (self.gpu or "")


class Bench(Noun):
    """A place where variants run, resolved from the options."""

    name: Literal["gb10", "cpu"]
    chosen: str
    """Why this bench: an option, or what was found."""
    docker_host: str
    image: str
    vllm_home: str
    port: int
    env: dict[str, str | None] = {}
    """Environment this bench adds on top of the variant's."""
    proves: str
    """What an accepted verdict on this bench means."""


class Check(Noun):
    """One preflight question: what was found, what was wanted, what to do."""

    name: str
    ok: bool
    found: str
    wanted: str
    remedy: str = ""


class Measurement(Noun):
    """A number with its unit; the limit it was judged by stands beside it (None: recorded, not judged)."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    ok: bool = True


class Judgement(StrEnum):
    """What is said of one measured value of a deployment's speed."""

    PASSED = "passed"  # within what is noise
    WARNED = "warned"  # worse, from 3 %
    FAILED = "failed"  # worse, from 8 %, or impossible
    UNCONFIRMED = "unconfirmed"  # outside the band once: two redeployments say whether that was noise
    INCONCLUSIVE = "inconclusive"  # measured under bad conditions
    UNJUDGED = "unjudged"  # nothing to judge by: too little history, no ceiling on this bench


class Judged(Noun):
    """One measured value as it was judged, with everything it was judged by, in the measurement's unit."""

    name: str
    """The measurement's."""
    value: float
    """As judged: after confirming redeployments the median of the three."""
    unit: str
    verdict: Judgement
    reason: Text
    baseline: float | None = None
    """Median of the last good deployments like this one; None: there are too few."""
    mad: float | None = None
    """Their median absolute deviation from it."""
    ratio: float | None = None
    """`value` ÷ `baseline`."""
    limit: float | None = None
    """From here on the value fails."""
    past: tuple[float, ...] = ()
    """The values of those deployments, the newest last."""


class Change(Noun):
    """One thing that is not the same in two records. None: it is not in that record."""

    section: Literal["machine", "image", "flags", "settings", "tests", "measurements", "harness"]
    """In the order of suspicion."""
    what: str
    before: str | None
    after: str | None
    worse: bool = False
    """Whether it is a regression: a verdict, a test or a measurement beyond its noise."""
    note: str = ""
    """By how much, and what counts as noise."""


class Changes(Noun):
    """What is not the same in two records, in the order of suspicion."""

    before: str
    """The earlier record's id."""
    after: str
    changes: tuple[Change, ...] = ()

    @property
    def regressed(self) -> bool:
        """Whether anything got worse."""
        return any(change.worse for change in self.changes)


class MemoryPoint(Noun):
    """Host memory at one moment, seconds from the container's start."""

    at_s: float
    available_gib: float
    pressure: float | None = None
    """PSI `full avg10` in percent; None where the kernel has no PSI."""


class Deployment(Noun):
    """A running, healthy deployment."""

    variant: Variant
    bench: Bench
    flags: DockerFlags
    container_id: str
    base_url: str
    log: str
    """Path of the container log as it is being written."""
    started_s: float
    """Seconds from `docker start` until `/health` answered 200."""


class Image(Noun):
    """A local image. `raw` is the engine's inspect JSON."""

    ref: str
    id: str
    digests: tuple[str, ...]
    architecture: str
    labels: dict[str, str]
    raw: dict[str, Any]


class Holder(Noun):
    """A container that holds a name or a port."""

    id: str
    name: str
    state: str
    created: str
    variant: str | None
    """The variant it was started for, when it carries this harness's label; None: someone else's."""
    ports: tuple[int, ...]

    @property
    def ours(self) -> bool:
        """Started by this harness."""
        return self.variant is not None


class EngineSeen(Noun):
    """What preflight asks of the Docker Engine, at one moment."""

    version: str
    image: Image | None
    """The bench's image, None when it is not there."""
    holders: tuple[Holder, ...]
    """Every container, running or not."""


class Exit(Noun):
    """How a container ended."""

    code: int
    oom_killed: bool


class Answer(Noun):
    """What came back: `status` is None when nothing did, and `text` then says why."""

    method: str
    url: str
    status: int | None
    text: str
    seconds: float
    headers: dict[str, str] = {}
    """Names in lower case."""

    @property
    def body(self) -> Any:
        """The JSON body, or None when it is not JSON."""
        return _json(self.text)

    def __str__(self) -> str:
        what = f"HTTP {self.status}" if self.status is not None else "no answer"
        return f"{self.method} {self.url} → {what} after {self.seconds:.2f} s: {self.text[:400] or '(empty body)'}"


class Event(Noun):
    """One server-sent event, `at_s` seconds after its request."""

    at_s: float
    name: str = ""
    data: str

    @property
    def body(self) -> Any:
        """The JSON in it, or None when it is not JSON (`[DONE]`)."""
        return _json(self.data)


class Stream(Noun):
    """A streamed answer. `text` is what came instead of events; `broken` says how the stream itself was wrong."""

    method: str
    url: str
    status: int | None
    text: str = ""
    events: tuple[Event, ...] = ()
    broken: str = ""
    seconds: float

    @property
    def body(self) -> Any:
        """The JSON that came instead of events, or None."""
        return _json(self.text)

    @property
    def chunks(self) -> list[Any]:
        """The JSON of every event but the closing `[DONE]`; None for one that is not JSON."""
        return [event.body for event in self.events if event.data != "[DONE]"]

    def joined(self, *fields: str, index: int = 0) -> str:
        """What the deltas of choice `index` make when put together: of the first of `fields` that each carries."""
        parts = []
        for chunk in self.chunks:
            for choice in (chunk.get("choices") or ()) if isinstance(chunk, dict) else ():
                delta = choice.get("delta", choice)
                if choice.get("index") == index:
                    parts.append(next((delta[f] for f in fields if isinstance(delta.get(f), str)), ""))
        return "".join(parts)

    def __str__(self) -> str:
        what = f"HTTP {self.status}" if self.status is not None else "no answer"
        told = self.broken or self.text[:400] or " ".join(event.data for event in self.events[-3:])[:400]
        return f"{self.method} {self.url} → {what}, {len(self.events)} events in {self.seconds:.2f} s: {told}"


class Dialect(Noun):
    """What differs between vLLM versions, from `since` up to the next row of `harness.dialects`."""

    since: str
    reasoning: tuple[str, ...]
    """Fields of a message or delta that carry the reasoning; each of them does."""
    metrics: tuple[str, ...]
    """Metric families that `/metrics` must offer."""
    dead_status: int
    """What `/health` answers when the engine is dead."""
    ends_with_engine: bool
    """Whether the server exits when its engine is dead; otherwise it goes on and answers `dead_status` for ever."""
    chat_tools: bool
    """Whether gpt-oss is told of `tools` in chat completions."""
    dense_mxfp4: Literal["refused", "ignored", "applied"]
    """What `--quantization mxfp4` does to a dense checkpoint that is not quantised."""
    names_moe_backend: bool
    """Whether the log names the MXFP4 backend of the experts."""
    caps_n: bool
    """Whether a huge `n` is refused; without a cap it must not be tried."""
    counts_responses: bool
    """Whether `/v1/responses` counts the tokens of gpt-oss; its counts are all 0 otherwise."""
    streams_output: bool
    """Whether the last event of a stream of `/v1/responses` has all that gpt-oss said; it lacks messages otherwise."""
    checks_tokens: bool = False
    """Whether tokens that no vocabulary has are refused, below 0 too, and wherever they stand; otherwise they must not
    be tried: on a GPU they end the engine."""
    reports_aborts: bool = True
    """Whether the gauges of requests fall when clients leave; otherwise only with the next answer to anybody."""
    not_refused: tuple[str, ...] = ()
    """Wrong requests (cases of suites/test_limits.py) that this version does not refuse as documented: recorded."""
    opens_pause: bool = False
    """Whether anybody may call /pause and /resume, with no flag that shuts them: a finding then, no fault."""
    known_500: dict[str, tuple[str, ...]] = {}
    """Endpoint → texts of what goes wrong inside this version for requests nobody sends: recorded, not judged."""
    bare_500: bool = False
    """Whether the endpoints in `harness.dialects.SERVED` answer such requests with a 500 that says nothing."""
    note: str = ""
    """Why this row stands for a version that was not read."""


class Finding(Noun):
    """Something that the deployment exposes: to whom, where it was seen, and whether the variant forbids it."""

    id: str
    what: str
    seen: str
    """Where: a path, a header, a line; never the secret itself."""
    forbidden: bool


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
