"""(Record, Record) → Changes: what is not the same, in the order of suspicion. Pure.

What differs in every run (times, ids, the boot, free memory, paths of a log) is no change. A measurement has changed
when it moved by more than its noise: with enough accepted records behind it, that is what they show; without, a band.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Literal, get_args

from harness.flags import LABEL
from harness.record import Record
from harness.types import Change, Changes, DockerFlags, Measurement, Verdict

Section = Literal["machine", "image", "flags", "settings", "tests", "measurements", "harness"]
SECTIONS: tuple[Section, ...] = get_args(Section)
VOLATILE = {"boot_id", "oom_kills", "memory_available_gib"}
"""Of the host, what differs in every run."""
MEASURED_SETTINGS = re.compile(r"_s$|_gib$|kv_cache_tokens|max_concurrency|seed|instance_id|[Pp]ort|address|path$|dir$")
"""Of what the engine says of itself, what is measured or made up at each start."""
ENOUGH, WINDOW = 5, 10
"""Accepted records from which on they say what noise is, and how many of the newest are asked."""
LEAST = 0.03
"""Share of the median that is noise whatever the records show."""
BAND = 0.10
"""Share that is noise while there are too few records; seconds also have `BAND_S`."""
BAND_S = 0.5
BAD = ("failed", "error")
FEW = 3
"""Tests that only one of the records has and that are named one by one."""


def compare(before: Record, after: Record, past: Sequence[Mapping[str, float]] = ()) -> Changes:
    """What changed from `before` to `after`. `past` are the measurements of accepted records, the newest last."""
    alike = (before.variant.name, before.bench.name) == (after.variant.name, after.bench.name)
    found = [
        *_unlike("machine", _machine(before), _machine(after)),
        *_unlike("image", _image(before), _image(after)),
        *_unlike("flags", _flags(before), _flags(after)),
        *_unlike("settings", _settings(before), _settings(after)),
        *_tests(before, after, alike=alike),
        *_measurements(before, after, past, alike=alike),
        *_unlike("harness", _flat(before.harness.model_dump()), _flat(after.harness.model_dump())),
    ]
    return Changes(before=before.record_id, after=after.record_id, changes=tuple(found))


def outcome(changes: Changes) -> Literal["same", "changed", "regressed"]:
    """The whole comparison in one word."""
    return "regressed" if changes.regressed else "changed" if changes.changes else "same"


def text(changes: Changes) -> str:
    """For a terminal: one line a change, under its section."""
    lines = [f"{changes.before} → {changes.after}: {outcome(changes)}"]
    for section in SECTIONS:
        here = [change for change in changes.changes if change.section == section]
        lines += [section] if here else []
        lines += [f"  {'WORSE ' if change.worse else ''}{sentence(change)}" for change in here]
    return "\n".join(lines)


def sentence(change: Change) -> str:
    """`what: before → after (note)`."""
    before, after = (_shown(value) for value in (change.before, change.after))
    return f"{change.what}: {before} → {after}{f' ({change.note})' if change.note else ''}"


def _shown(value: str | None) -> str:
    return "(not there)" if value is None else value or "(empty)"


def measured(record: Record) -> dict[str, Measurement]:
    """A record's measurements by name, with the least available memory among them."""
    least = min((point.available_gib for point in record.memory), default=None)
    own = {m.name: m for m in record.measurements}
    return own if least is None else own | {"memory_least": Measurement(name="memory_least", value=least, unit="GiB")}


def _unlike(section: Section, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for what in dict.fromkeys((*before, *after)):
        if before.get(what) != after.get(what):
            yield Change(section=section, what=what, before=before.get(what), after=after.get(what))


def _machine(record: Record) -> dict[str, str]:
    host = {name: value for name, value in record.host.model_dump().items() if name not in VOLATILE}
    total = record.host.memory_total_gib
    host["memory_total_gib"] = None if total is None else round(total, 1)
    docker = next((check.found for check in record.preflight if check.name == "docker"), None)
    return {"bench": record.bench.name} | _flat(host | ({"docker": docker} if docker else {}))


def _image(record: Record) -> dict[str, str]:
    image = record.image.model_dump(exclude={"ref"}) if record.image else {}  # one image may have several names
    weights = record.weights.model_dump() if record.weights else {}
    return (
        _flat(image)
        | ({"vllm": record.vllm_version} if record.vllm_version else {})
        | {"model": record.variant.model}
        | _flat(weights, "weights.")
    )


def _flags(record: Record) -> dict[str, str]:
    flags = record.effective or record.declared
    return {"variant": record.variant.name, **told(flags)}


def told(flags: DockerFlags) -> dict[str, str]:
    """Every flag by name, the image and this run's labels apart."""
    return {
        "--name": flags.name,
        "--gpus": flags.gpus,
        "--ipc": flags.ipc,
        "--memory": flags.memory or "none",
        "--restart": flags.restart,
        "-p": str(flags.port),
        **{f"--ulimit {limit.name}": str(limit.value) for limit in flags.ulimits},
        **{f"-e {name}": "(by name)" if value is None else value for name, value in sorted(flags.env.items())},
        **{f"-v {m.target}": f"{m.source} ({m.mode})" for m in flags.mounts},
        **{f"--label {k}": v for k, v in flags.labels.items() if not k.startswith(LABEL)},
        **_arguments(flags.command),
    }


def _arguments(command: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = "command"
    for word in command:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found[name] = value if equals else ""
        else:
            found[name] = f"{found.get(name, '')} {word}".strip()
    return found


def _settings(record: Record) -> dict[str, str]:
    said = record.engine_facts | record.resolved
    return {name: value for name, value in sorted(said.items()) if not MEASURED_SETTINGS.search(name)}


def _tests(before: Record, after: Record, *, alike: bool) -> Iterator[Change]:
    if before.verdict is not after.verdict:
        worse = alike and before.verdict is Verdict.ACCEPTED
        yield Change(
            section="tests", what="verdict", before=before.verdict.value, after=after.verdict.value, worse=worse
        )
    rules = [record.diagnosis.rule if record.diagnosis else "none" for record in (before, after)]
    if rules[0] != rules[1]:
        yield Change(section="tests", what="diagnosis", before=rules[0], after=rules[1])
    outcomes = [{test.nodeid: test.outcome for test in record.tests} for record in (before, after)]
    changes = list(_unlike("tests", outcomes[0], outcomes[1]))
    for what, side, other in (("not run", "before", "after"), ("run only now", "after", "before")):
        alone = [one for one in changes if getattr(one, other) is None and getattr(one, side) not in BAD]
        if len(alone) > FEW:  # another selection: one change, however many tests it made
            note = ", ".join((*(one.what for one in alone[:FEW]), "…"))
            both = {"before": None, "after": None} | {side: f"{len(alone)} tests"}
            yield Change(section="tests", what=what, before=both["before"], after=both["after"], note=note)
            changes = [one for one in changes if one not in alone]
    for change in changes:
        yield change.model_copy(update={"worse": alike and change.after in BAD and change.before not in BAD})


def _measurements(
    before: Record, after: Record, past: Sequence[Mapping[str, float]], *, alike: bool
) -> Iterator[Change]:
    was, now = measured(before), measured(after)
    for name in dict.fromkeys((*was, *now)):
        old, new = was.get(name), now.get(name)
        if old is None or new is None:
            yield Change(section="measurements", what=name, before=_value(old), after=_value(new))
            continue
        values = [one[name] for one in past[-WINDOW:] if name in one] if alike else []
        centre, noise, why = band(old, values)
        moved = new.value - centre
        broken = alike and old.ok and not new.ok
        if abs(moved) <= noise and not broken:
            continue
        note = f"{moved / centre:+.1%}, {why}" if centre else f"{moved:+.3g} {new.unit}, {why}"
        yield Change(
            section="measurements",
            what=name,
            before=_value(old),
            after=_value(new),
            worse=broken or (alike and abs(moved) > noise and moved * _worse_way(new.unit) > 0),
            note=f"{note}, over its limit" if broken else note,
        )


def band(old: Measurement, values: Sequence[float]) -> tuple[float, float, str]:
    """(what to compare with, how far from it is noise, why), in the measurement's unit."""
    if len(values) >= ENOUGH:
        centre = median(values)
        noise = max(LEAST * abs(centre), 3 * median(abs(value - centre) for value in values))
        return centre, noise, f"noise of {len(values)} accepted records ±{noise:.3g} {old.unit} around {centre:.3g}"
    noise = max(BAND * abs(old.value), BAND_S if old.unit == "s" else 0.0)
    return old.value, noise, f"too few accepted records to know the noise, ±{noise:.3g} {old.unit} assumed"


def _worse_way(unit: str) -> int:
    """1 when more is worse, -1 when less is, 0 when neither is."""
    if "/s" in unit or unit == "GiB":
        return -1
    return 1 if unit in ("s", "ms", "processes") else 0


def _value(measurement: Measurement | None) -> str | None:
    return None if measurement is None else f"{measurement.value:.4g} {measurement.unit}"


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, held in value.items():
        if isinstance(held, Mapping):
            found |= _flat(held, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = "unknown" if held is None else str(held)
    return found
