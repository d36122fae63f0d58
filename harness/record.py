"""The deployment record: the only thing a run writes its findings into, and the one source of every report."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, ValidationError

from harness import __version__
from harness.redact import Redactor
from harness.types import (
    Bench,
    Changes,
    Check,
    Diagnosis,
    DockerFlags,
    Exit,
    Expectation,
    Finding,
    Host,
    Judged,
    Judgement,
    Measurement,
    MemoryPoint,
    Noun,
    Text,
    Variant,
    Verdict,
)

SCHEMA = "gb10-deployment-record"
LOADS = "load-c*.json.gz"
"""Files beside a record: the load's client's own figures, request by request."""
SCHEMA_VERSION = "1.1"
FILE = "record.json"
SHARED = ("memory_back_after_stop", "soak_memory_kept")
"""Measurements that another process on the machine can spoil: over the limit they are nobody's proven fault."""
UNFINISHED = "the run did not reach its end"
NIGHT_UNDER_WAY = "under way; if nothing runs on this machine any more, the night was cut off"
NIGHT_HALF = "half-finished: it was cut off (power, kill -9, a crash) before its end"
LARGEST = 64 << 20
"""Bytes of the largest record that is read; a real one has some hundred thousand."""
LOST = "the host restarted during this run: the host was lost, which judges no model"
KERNEL_KILLS = "kernel_oom_kills"
"""Measurement: processes that the kernel killed for memory during the run."""
ROOT = Path(__file__).resolve().parent.parent
_OWN = re.compile(
    rf'\s*{{\s*"schema_name":\s*"{SCHEMA}",\s*"schema_version":\s*"{re.escape(SCHEMA_VERSION)}",'.encode()
)


class RecordError(Exception):
    """A record that can't be read: which file, what is wrong, what to do."""


class Harness(Noun):
    """The harness that judged."""

    version: str
    commit: str | None
    """Git commit, or None outside a checkout."""
    dirty: bool | None
    """Whether the checkout had changes of its own."""


class ImageFacts(Noun):
    """The image that ran. `digest` is the registry's, None for an image made on this machine."""

    ref: str
    id: str
    digest: str | None
    architecture: str
    labels: dict[str, str]
    created: str | None = None
    torch: str | None = None
    """PyTorch's version as the image's labels or environment say; None: they don't."""
    cuda: str | None = None


class Weights(Noun):
    """The weights that lay in the Hugging Face cache when the deployment was started."""

    revision: str
    """The snapshot's commit."""
    files: int
    bytes: int
    sha256: str | None
    """SHA-256 over `<name> <sha256>\\n` of every weights file, by name; None where that would mean reading the real
    weights."""


class Phase(Noun):
    """A start-up phase, in seconds from the container's start."""

    name: str
    at_s: float
    deadline_s: float | None = None
    """Seconds after `at_s` from which the phase counted as hung; None where the record does not say."""


class TestOutcome(Noun):
    """One test with the requirement it checks."""

    __test__ = False  # not for pytest to collect

    nodeid: str
    requirement: str
    outcome: Literal["passed", "failed", "error", "skipped"]
    seconds: float
    message: str = ""
    reproduce: str = ""
    """The command that runs this test alone."""


class RemedyProof(Noun):
    """What happened when exactly the stated remedy was applied."""

    remedy: str
    """What was applied: the command, or the `docker run` line."""
    healthy: bool
    failed_after_s: float
    start_s: float
    """Seconds from the mended start to its outcome."""


class Attachment(Noun):
    """A file beside the record."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")
    """A file name, never a path."""
    bytes: int
    sha256: str


class Record(Noun):
    """One deployment attempt on one bench, from preflight to teardown. Times are UTC, durations seconds."""

    model_config = ConfigDict(title="Deployment record")

    schema_name: Literal["gb10-deployment-record"] = "gb10-deployment-record"
    schema_version: Literal["1.1"] = "1.1"
    record_id: str
    harness: Harness
    verdict: Verdict
    reason: str
    """Why this verdict, in one sentence."""
    started: AwareDatetime
    ended: AwareDatetime | None = None
    bench: Bench
    host: Host
    variant: Variant
    expectation: Expectation
    declared: DockerFlags
    """The flags that the variant's entry asks for on this bench."""
    effective: DockerFlags | None = None
    """The flags that `docker inspect` showed; None when no container came to be."""
    replay: str
    """The `docker run` line that starts the same deployment."""
    image: ImageFacts | None = None
    vllm_version: str | None = None
    """As served by /version, else as the log says; None: unknown."""
    weights: Weights | None = None
    """None: not in the cache, or it could not be read."""
    dialect: str = ""
    """The row of `harness.dialects` that the suites went by, and why that one when the version was not read."""
    preflight: tuple[Check, ...] = ()
    phases: tuple[Phase, ...] = ()
    engine_facts: dict[str, str] = Field(default_factory=dict)
    """What the engine logged about itself, kernel backends among it."""
    resolved: dict[str, str] = Field(default_factory=dict)
    """The engine's settings as it logged to have resolved them from the flags, the model and the machine."""
    measurements: tuple[Measurement, ...] = ()
    client: tuple[str, ...] = ()
    """The flags of the load's client, without addresses, paths and this record's name: speeds compare only among the
    same."""
    conditions: tuple[Text, ...] = ()
    """What was wrong with the box while speed was measured; empty: nothing."""
    page_cache: Literal["cold", "warm"] | None = None
    """Whether the weights lay in memory already when they were loaded; None where the record does not say."""
    judgements: tuple[Judged, ...] = ()
    """What was said of the deployment's speed, value by value."""
    findings: tuple[Finding, ...] = ()
    """What the deployment exposes."""
    memory: tuple[MemoryPoint, ...] = ()
    """The host's memory from the container's start to its end."""
    memory_floor_gib: float | None = None
    """GiB of available memory below which the harness kills the deployment; None where the record does not say."""
    tests_available: int = 0
    """How many tests there are for this variant; fewer were run when the user selected."""
    tests: tuple[TestOutcome, ...] = ()
    diagnosis: Diagnosis | None = None
    remedy_proof: RemedyProof | None = None
    exit: Exit | None = None
    since: Changes | None = None
    """What changed since the last accepted record of this variant on this bench; None: there was none."""
    attachments: tuple[Attachment, ...] = ()


class Summary(Noun):
    """One record in the fields that a list of records and its trends need."""

    directory: str
    started: datetime
    ended: datetime | None
    running: bool = False
    """Not ended, and the process that writes it lives: as it was when the list was made."""
    verdict: Verdict
    reason: str
    variant: str
    bench: str
    image: str
    """Reference, and the beginning of its digest or ID."""
    driver: str | None
    vllm: str | None
    passed: int
    tests: int
    values: dict[str, Measurement]
    """Measurement by name, and `memory_least`: the least available host memory."""


class NightRecord(Noun):
    """One record of a night, and what its comparison with the last accepted record said."""

    directory: str
    variant: str
    bench: str
    verdict: Verdict
    reason: str
    since: Literal["first", "same", "changed", "regressed"]
    """`first`: no earlier record of this variant on this bench was accepted."""
    worse: tuple[str, ...] = ()
    """What got worse, one sentence each."""


class Night(Noun):
    """One night: `python -m harness nightly` from its beginning to its end. Times are UTC."""

    schema_name: Literal["gb10-night"] = "gb10-night"
    schema_version: Literal["1.0"] = "1.0"
    night_id: str
    host: str
    started: AwareDatetime
    ended: AwareDatetime | None = None
    """When everything was judged; None: under way, or half-finished."""
    phase: Literal["preflight", "prepare", "qualify", "compare", "publish", "notify", "prune", "done"] = "preflight"
    """Where it is; of a half-finished night, how far it got."""
    verdict: Verdict = Verdict.INTERRUPTED
    reason: str = NIGHT_UNDER_WAY
    every_days: float = 1
    """Days from one night to the next: more than that is a missed night."""
    judged: tuple[NightRecord, ...] = ()
    notes: tuple[str, ...] = ()
    """What the operator must know beyond the verdict: missed nights, a week without a record, what went wrong."""
    webhook: Literal["none", "sent", "failed"] = "none"
    deleted: int = 0
    """Old records that were deleted."""

    @property
    def regressed(self) -> bool:
        """Whether a variant got worse since its last accepted record."""
        return any(one.since == "regressed" for one in self.judged)


class _Named(Noun, extra="ignore"):
    name: str


class _ListedBench(_Named):
    image: str


class _ListedHost(Noun, extra="ignore"):
    driver: str | None = None


class _ListedImage(Noun, extra="ignore"):
    ref: str
    id: str
    digest: str | None


class _ListedTest(Noun, extra="ignore"):
    outcome: str


class _Listed(Noun, extra="ignore"):
    """What a list needs of a record's JSON: to read no more than that takes a quarter of the time."""

    verdict: Verdict
    reason: str
    started: AwareDatetime
    ended: AwareDatetime | None = None
    bench: _ListedBench
    host: _ListedHost
    variant: _Named
    image: _ListedImage | None = None
    vllm_version: str | None = None
    measurements: tuple[Measurement, ...] = ()
    memory: list[dict[str, float | None]] = Field(default_factory=list)
    """Points as they are, not as nouns: there are hundreds."""
    memory_floor_gib: float | None = None
    tests: tuple[_ListedTest, ...] = ()


def summary(record: Record, directory: str) -> Summary:
    """The summary of a record that lies in `directory`."""
    return _summary(_Listed.model_validate_json(record.model_dump_json()), directory)


def read_summary(directory: Path) -> Summary:
    """The summary of the record in `directory`. Raises RecordError for what is wrong with what it reads: of a record
    that this version wrote, only what a list needs is looked at."""
    data, what = _bytes(directory / FILE), str(directory / FILE)
    if _OWN.match(data):
        with suppress(ValidationError):
            return _summary(_Listed.model_validate_json(data), directory.name)
    return summary(parse(data, what), directory.name)


def _summary(listed: _Listed, directory: str) -> Summary:
    image = listed.image
    least = min((gib for point in listed.memory if (gib := point.get("available_gib")) is not None), default=None)
    values = {m.name: m for m in listed.measurements}
    if least is not None:
        values["memory_least"] = Measurement(
            name="memory_least", value=least, unit="GiB", limit=listed.memory_floor_gib
        )
    return Summary(
        directory=directory,
        started=listed.started,
        ended=listed.ended,
        verdict=listed.verdict,
        reason=listed.reason,
        variant=listed.variant.name,
        bench=listed.bench.name,
        image=f"{image.ref} ({(image.digest or image.id).rpartition(':')[2][:12]})" if image else listed.bench.image,
        driver=listed.host.driver,
        vllm=listed.vllm_version,
        passed=sum(test.outcome == "passed" for test in listed.tests),
        tests=len(listed.tests),
        values=values,
    )


def blocking(record: Record) -> list[Check]:
    """The failed preflight checks, without those that the entry's fault fails on purpose."""
    fault = record.expectation.fault
    return [c for c in record.preflight if not c.ok and not (fault and c.name in fault.despite)]


def judge(record: Record, *, interrupted: bool = False, boot_id: str | None = None) -> tuple[Verdict, str]:
    """The verdict of what a record holds so far, with its reason; `boot_id` is the host's at the end. Pure."""
    failing = blocking(record)
    failed = [test for test in record.tests if test.outcome in ("failed", "error")]
    over = [m for m in record.measurements if not m.ok]
    late = [m for m in over if m.name not in SHARED]
    expects = record.expectation.expects
    if boot_id and record.host.boot_id not in (None, boot_id):
        return Verdict.INTERRUPTED, f"{LOST} (boot {record.host.boot_id}, then {boot_id})"
    if interrupted:
        return Verdict.INTERRUPTED, UNFINISHED
    if failing:
        return Verdict.BLOCKED, "; ".join(f"preflight {c.name}: {c.found} → {c.remedy}" for c in failing)
    if record.diagnosis is not None and record.diagnosis.rule != expects:
        wanted = "" if expects == "healthy" else f" (expected: {expects})"
        kills = sum(int(m.value) for m in record.measurements if m.name == KERNEL_KILLS)
        killed = f"; the kernel killed {kills} processes for memory meanwhile" if kills else ""
        return Verdict.REJECTED, f"{record.diagnosis.rule}: {record.diagnosis.cause.en}{wanted}{killed}"
    if record.diagnosis is None and expects != "healthy":
        return Verdict.REJECTED, f"healthy, where {expects} was expected"
    if failed:
        return Verdict.REJECTED, f"{len(failed)} of {len(record.tests)} tests failed, first {failed[0].nodeid}"
    if late:
        return Verdict.REJECTED, "; ".join(f"{m.name}: {m.value:.1f} {m.unit}, limit {m.limit} {m.unit}" for m in late)
    if over:
        told = "; ".join(f"{m.name}: not within {m.limit:.0f} {m.unit}" for m in over)
        return Verdict.INCONCLUSIVE, f"{told}: an orphan of the deployment has it, or another process took it"
    slow = [one for one in record.judgements if one.verdict is Judgement.FAILED]
    open_ = [one for one in record.judgements if one.verdict in (Judgement.UNCONFIRMED, Judgement.INCONCLUSIVE)]
    if slow or open_:
        told = "; ".join(one.reason.en for one in slow or open_)
        return Verdict.REJECTED if slow else Verdict.INCONCLUSIVE, told
    passed = sum(test.outcome == "passed" for test in record.tests)
    if not passed:
        return Verdict.INCONCLUSIVE, "no test was run against the deployment"
    selected = "" if passed == record.tests_available else f" ({record.tests_available - passed} more were not run)"
    return Verdict.ACCEPTED, f"{passed} tests passed{selected}"


class Recorder:
    """Keeps one record and its directory; every change is on disk, atomically, before the call returns.

    What is on disk holds no secret, as far as `redactor` knows them: `written` is that record. Until `finish` a lock
    on the directory, which dies with this process, tells every reader that the run is under way.
    """

    def __init__(self, record: Record, directory: Path, redactor: Redactor | None = None) -> None:
        self.record, self.directory, self._redactor = record, directory, redactor or Redactor()
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self._unlock = weakref.finalize(self, os.close, lock)
        with suppress(OSError):  # a file system without locks: its records look interrupted until they end
            fcntl.flock(lock, fcntl.LOCK_SH)
        self.update()

    @property
    def log(self) -> Path:
        """Where the container's log goes."""
        return self.directory / "container.log"

    def update(self, **changes: Any) -> Record:
        """Change fields of the record and write it."""
        self.record = Record.model_validate(dict(self.record) | changes)
        self.written = Record.model_validate(self._redactor.value(self.record.model_dump(mode="json")))
        write_atomically(self.directory / FILE, self.written.model_dump_json(indent=2) + "\n")
        return self.record

    def add(self, *seen: Measurement | Finding) -> None:
        """Write what a test or a step measured or found."""
        record = self.record
        self.update(
            measurements=(*record.measurements, *(one for one in seen if isinstance(one, Measurement))),
            findings=(*record.findings, *(one for one in seen if isinstance(one, Finding))),
        )

    def finish(self, *, interrupted: bool = False, boot_id: str | None = None, **changes: Any) -> Record:
        """Attach the log, judge, write the record. `boot_id`: the host's, now."""
        self.update(
            attachments=tuple(
                attach(path) for path in (self.log, *sorted(self.directory.glob(LOADS))) if path.exists()
            ),
            **changes,
        )
        verdict, reason = judge(self.record, interrupted=interrupted, boot_id=boot_id)
        ended = self.update(verdict=verdict, reason=reason, ended=datetime.now(UTC))
        self._unlock()
        return ended


def under_way(directory: Path) -> bool:
    """Whether a process that lives writes the record in `directory`: its recorder holds the directory's lock."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def new_directory(reports: Path, variant: Variant, bench: Bench, now: datetime) -> Path:
    """Make and return `reports/<utc>-<variant>-<bench>`; raises RecordError when it can't be made."""
    name = f"{now:%Y%m%dT%H%M%SZ}-{variant.name}-{bench.name}"
    for count in range(1, 1000):
        directory = reports / (name if count == 1 else f"{name}-{count}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            if not reports.is_dir():
                raise RecordError(f"{reports} is not a directory → name another with --reports") from None
            continue
        except OSError as error:
            raise RecordError(
                f"no report can be written to {reports} ({error.strerror}) → mend its permissions or name another "
                "directory with --reports"
            ) from error
        return directory
    raise RecordError(f"{reports} already holds 999 records called {name} → clear it")


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that a reader, or a crash, sees the old file or the new one. RecordError loses nothing."""
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise RecordError(
            f"{path} could not be written ({error.strerror}) → free space or mend permissions; what was "
            "written before is still there"
        ) from error


def attach(path: Path) -> Attachment:
    """Size and digest of a file beside the record."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Attachment(name=path.name, bytes=path.stat().st_size, sha256=digest)


def read(path: Path) -> Record:
    """The record at `path` (the file, or its directory), of this or any older version.

    Raises RecordError for anything else: unreadable, cut short, hand-edited, too large, from a newer harness.
    """
    file = path / FILE if path.is_dir() else path
    return parse(_bytes(file), str(file))


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(min(os.fstat(opened.fileno()).st_size, LARGEST) + 1)
    except OSError as error:
        raise RecordError(f"{file} can't be read ({error.strerror}) → name a record.json or its directory") from error
    if len(data) > LARGEST:
        raise RecordError(f"{file} is larger than {LARGEST >> 20} MiB → no harness wrote that; take another record")
    return data


def parse(data: bytes, what: str) -> Record:
    """The record in `data`, migrated to this version; `what` names it in the RecordError for anything else."""
    if _OWN.match(data):  # as this version writes it: half the time; what is wrong with it is said below
        with suppress(ValidationError):
            return Record.model_validate_json(data)
    try:
        raw = json.loads(data)
        if b"\\u" in data:
            json.dumps(raw, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except RecursionError as error:
        raise RecordError(f"{what} is nested too deeply to be a record → take another record") from error
    except ValueError as error:
        raise RecordError(f"{what} is not JSON ({error}) → it was cut short or edited; take another record") from error
    if not isinstance(raw, dict) or raw.get("schema_name") != SCHEMA:
        raise RecordError(f"{what} is not a deployment record: it does not say schema_name {SCHEMA!r}")
    try:
        while raw["schema_version"] in MIGRATIONS:
            raw = MIGRATIONS[raw["schema_version"]](raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{what} is malformed: {error!r} while its version was read → take another record") from error
    if raw["schema_version"] != SCHEMA_VERSION:
        raise RecordError(
            f"{what} has record version {raw['schema_version']!r}; this harness ({__version__}) reads "
            f"{', '.join((*MIGRATIONS, SCHEMA_VERSION))} → it is from a newer harness: update this checkout, or read "
            f"it with the one that wrote it: {raw.get('harness')!r}"
        )
    try:
        return Record.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        told = f"is malformed at {where}: {first['msg']} ({error.error_count()} in all) → take another record"
        raise RecordError(f"{what} {''.join(c if c.isprintable() else '�' for c in told)}") from error


def _from_1_0(raw: Mapping[str, Any]) -> dict[str, Any]:
    """1.1 says the deadline of each phase; a 1.0 record holds the budgets that were its deadlines."""
    expectation = raw["expectation"]
    budgets = expectation.get("phase_budgets_s", {})
    phases = [
        {**phase, "deadline_s": budgets.get(phase["name"], expectation["start_budget_s"])}
        for phase in raw.get("phases", ())
    ]
    return {**raw, "schema_version": "1.1", "phases": phases}


MIGRATIONS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {"1.0": _from_1_0}
"""Older version → the pure function that makes the next version's JSON of it. A golden record of each is in tests/."""


def schema() -> str:
    """The JSON Schema (2020-12) of a record, as committed in reports/record.schema.json."""
    generated = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Record.model_json_schema()}
    return json.dumps(generated, indent=2, ensure_ascii=False) + "\n"


def this_harness() -> Harness:
    """Version and commit of this checkout."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ("git", "-C", str(ROOT), *arguments), capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    changes = git("status", "--porcelain", "--untracked-files=no")
    return Harness(
        version=__version__,
        commit=git("rev-parse", "HEAD"),
        dirty=None if changes is None else bool(changes),
    )
