"""Record → one self-contained HTML page, and the list of all records. No request leaves either.

Everything that came from outside is escaped by jinja2 and freed from control characters; the content security policy
allows the page's own style and script by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.comparison import Comparison
from harness.difference import SECTIONS, outcome
from harness.history import Listing, missed, quiet
from harness.judgement import TITLES
from harness.record import Night, Record, Summary, blocking
from harness.release import Release
from harness.report import charts, texts
from harness.report.log import Excerpt
from harness.types import Changes, DockerFlags, Text, Verdict

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
PARTS = (
    *("diagnosis", "speed", "start-up", "memory", "measurements", "tests", "findings"),
    *("since", "replay", "identity", "flags", "preflight", "log", "files"),
)
"""The parts of a record's page, in order."""
ROWS = 100
"""Records that the list shows at once; a browser takes minutes to lay out ten thousand."""
CHANGES = 12
"""Changes of a section that a difference shows at once."""
WORDS = frozenset({"passed", "failed", "error", "skipped", "verdict", "diagnosis", "not run", "run only now", *Verdict})
"""What the changes of tests say in words that are labels."""
NIGHTS = 14
"""Nights that the list shows at once, and times without a record."""
TREND_RUNS = 200
"""Runs of one variant on one bench that a trend shows, the newest."""
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]")
"""Control characters, and those that turn the direction of the text around them."""


def page(record: Record, log: Excerpt | None) -> str:
    """The page of one record. `log` is what is shown of the container's log."""
    shown = {line.number for line in log.parts if not isinstance(line, int)} if log else set()
    start = next((m for m in record.measurements if m.name == "start"), None)
    there = {
        "diagnosis": record.diagnosis,
        "speed": record.judgements or record.conditions,
        "memory": start or record.memory,
        "measurements": record.measurements,
        "findings": record.findings,
    }
    return _render(
        "record.html",
        record=record,
        parts=[name for name in PARTS if there.get(name, True)],
        changes=record.since,
        reason=texts.reason(record),
        about=texts.about(record),
        blocking=blocking(record),
        bars=charts.timeline(record),
        memory=charts.memory(record),
        judged=[(one, charts.judged(one)) for one in record.judgements],
        least=min(record.memory, key=lambda point: point.available_gib, default=None),
        start=start,
        counts={o: sum(t.outcome == o for t in record.tests) for o in ("passed", "failed", "error", "skipped")},
        repeated={r for r, count in Counter(t.requirement for t in record.tests).items() if count > 1},
        flags=flags(record),
        log=log,
        shown=shown,
        evidence={line.line for line in record.diagnosis.evidence} if record.diagnosis else set(),
        embedded=embedded(record.model_dump_json()),
    )


def difference(changes: Changes) -> str:
    """The page of what is not the same in two records."""
    return _render("difference.html", changes=changes, outcome=outcome(changes))


def comparison(compared: Comparison) -> str:
    """The page of two images' speeds."""
    return _render("comparison.html", compared=compared, spread=charts.spread)


def release(gated: Release) -> str:
    """The page of a release's verdict, as it lies in its bundle."""
    return _render("release.html", release=gated, spread=charts.spread)


def index(listing: Listing, nights: Sequence[Night] = ()) -> str:
    """The page that lists every record and night under one directory, newest first. `nights` come the newest last."""
    newest = sorted(listing.records, key=lambda one: (one.started, one.directory), reverse=True)
    lines = [line_of(one) for one in newest]
    choices = {name: sorted({str(line[name]) for line in lines}) for name in ("variant", "bench", "image", "verdict")}
    return _render(
        "index.html",
        lines=lines,
        newest=newest[0].started if newest else None,
        data=embedded(json.dumps([[*line.values()] for line in lines], ensure_ascii=False)),
        unreadable=listing.unreadable,
        rows_at_once=ROWS,
        trends=trends(newest),
        nights=lines_of(nights),
        nights_at_once=NIGHTS,
        quiet=quiet(listing)[: -NIGHTS - 1 : -1],
        choices=choices,
        blanks=[
            dict.fromkeys(lines[0], "") | {"verdict": state, "href": None if state == "running" else ""}
            for state in choices["verdict"]
        ],
    )


def fleet(
    units: Sequence[str],
    newest: Sequence[tuple[tuple[str, str], Any]],
    campaigns: Sequence[Any],
    records: Mapping[str, Sequence[Summary]],
) -> str:
    """The page of many boxes: the newest result of each variant with an image on each unit, the campaigns, trends.

    A result has `job`, `unit`, `verdict`, `reason`, `record`; a campaign has `id`, `started`, `results`. `records` are
    each unit's, the newest first.
    """
    drawn = [(unit, groups) for unit, every in records.items() if (groups := trends(every))]
    return _render("fleet.html", units=units, newest=newest, campaigns=campaigns, trends=drawn)


def lines_of(nights: Sequence[Night]) -> list[dict[str, Any]]:
    """A line a night, the newest first, and one for those that were missed between two of them."""
    made: list[dict[str, Any]] = []
    for at, night in enumerate(nights):
        gap = missed(nights[at - 1].started, night.started, night.every_days) if at else 0
        made += [{"missed": gap, "since": nights[at - 1].started, "until": night.started}] if gap else []
        found = {one.since for one in night.judged}
        compared = next((word for word in ("regressed", "changed", "same", "first") if word in found), "")
        accepted = sum(one.verdict is Verdict.ACCEPTED for one in night.judged)
        made.append({"missed": 0, "night": night, "compared": compared, "accepted": accepted})
    return made[::-1]


def trends(newest: Sequence[Summary]) -> list[dict[str, Any]]:
    """For each variant on each bench: its runs from old to new, what changed between them, a chart a measurement."""
    groups: dict[tuple[str, str], list[Summary]] = {}
    for one in newest:
        groups.setdefault((one.variant, one.bench), []).insert(0, one)
    made = []
    for (variant, bench), every in sorted(groups.items()):
        runs = every[-TREND_RUNS:]
        names = dict.fromkeys(name for run in runs for name in run.values if _drawn(name))
        drawn = {name: _trend(name, runs) for name in names if sum(name in run.values for run in runs) > 1}
        if drawn:
            changes = [(at, told) for at in range(1, len(runs)) if (told := _changed(runs[at - 1], runs[at]))]
            made.append(
                {
                    "variant": variant,
                    "bench": bench,
                    "runs": len(runs),
                    "charts": drawn,
                    "changes": [(runs[at].started, told) for at, told in changes],
                }
            )
    return made


def _drawn(name: str) -> bool:
    """Of a load's many figures those that are judged, of everything else all."""
    return not name.startswith("perf.") or name.rpartition(".")[2] in TITLES


def _trend(name: str, runs: Sequence[Summary]) -> tuple[charts.Trend, str]:
    having = [run for run in runs if name in run.values]
    changed = [at for at in range(1, len(having)) if _changed(having[at - 1], having[at])]
    last = having[-1].values[name]
    values = [(run.values[name].value, run.verdict.value) for run in having]
    return charts.trend(values, last.limit, changed), last.unit


def _changed(before: Summary, after: Summary) -> str:
    """Image and driver, where they differ from the run before."""
    pairs = (("image", before.image, after.image), ("driver", before.driver, after.driver))
    return ", ".join(f"{what} {old or '?'} → {new or '?'}" for what, old, new in pairs if old != new)


def flags(record: Record) -> list[dict[str, str]]:
    """Every flag: as declared, as `docker inspect` showed it, as the engine resolved it; the last two may be empty."""

    def options(flags: DockerFlags) -> dict[str, str]:
        told = {
            "--gpus": flags.gpus,
            "--ipc": flags.ipc,
            "--publish": f"{flags.port}:8000",
            "--restart": flags.restart,
            **({"--memory": flags.memory} if flags.memory else {}),
            **{f"--ulimit {limit.name}": str(limit.value) for limit in flags.ulimits},
            **{f"--volume {mount.target}": f"{mount.source} ({mount.mode})" for mount in flags.mounts},
            **{f"--env {name}": "(passed by name)" if value is None else value for name, value in flags.env.items()},
        }
        words = list(flags.command)
        program = words.index("serve") + 2 if "serve" in words else len(words)
        told["command"] = " ".join(words[:program])
        rest = words[program:]
        for at, word in enumerate(rest):
            if word.startswith("--"):
                follows = rest[at + 1] if at + 1 < len(rest) and not rest[at + 1].startswith("--") else ""
                told[word] = follows
        return told

    declared = options(record.declared)
    effective = options(record.effective) if record.effective else {}
    names = dict.fromkeys((*declared, *effective))
    engine = {"max_model_len": "max_seq_len"}
    return [
        {
            "name": name,
            "declared": declared.get(name, ""),
            "effective": effective.get(name, ""),
            "resolved": record.resolved.get(engine.get(setting := name.lstrip("-").replace("-", "_"), setting), ""),
            "differs": "yes" if record.effective and declared.get(name) != effective.get(name) else "",
        }
        for name in names
    ]


def line_of(one: Summary) -> dict[str, object]:
    """What a line of the list shows, as text: first what it is filtered by, in the order of the page's script."""
    reason, start = cut(texts.told(one.reason), 120), one.values.get("start")
    line = {
        "variant": one.variant,
        "bench": one.bench,
        "image": one.image,
        "verdict": "running" if one.running else one.verdict.value,
        "href": None if one.running else f"{quote(one.directory)}/index.html",
        "en": "" if one.running else reason.en,
        "zh": "" if one.running else reason.zh_tw,
        "started": f"{one.started:%Y-%m-%d %H:%M}",
        "start": seconds(start.value) if start else "–",
        "tests": f"{one.passed} / {one.tests}",
        "vllm": one.vllm or "–",
    }
    return {name: None if value is None else plain(value) for name, value in line.items()}


def cut(text: Text, longest: int) -> Text:
    """The text, or the beginning of a language that is longer."""
    english, chinese = (one if len(one) <= longest else f"{one[:longest]} …" for one in (text.en, text.zh_tw))
    return Text(en=english, zh_tw=chinese)


def embedded(text: str) -> Markup:
    """JSON for a script element that can't be ended from within."""
    from markupsafe import Markup

    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # no character of it can start markup


def plain(value: object) -> object:
    """Text without control characters; anything else as it is. Every value of every template passes through here."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return _UNSAFE.sub("\ufffd", value)
    return "" if value is None else value


@lru_cache(maxsize=4096)
def both(text: Text | str) -> Markup:
    """A text, or the label of a key, in both languages; the page shows one of them."""
    from markupsafe import Markup

    said = texts.label(text) if isinstance(text, str) else text
    if said.en == said.zh_tw:
        return Markup('<span lang="en">{}</span>').format(prose(said.en))
    return Markup('<span class="t" lang="en">{}</span><span class="t" lang="zh-Hant-TW">{}</span>').format(
        prose(said.en), prose(said.zh_tw)
    )


def unit(name: str) -> Markup | str:
    """A unit: a word in both languages, a symbol as it is."""
    return both(f"unit:{name}") if f"unit:{name}" in texts.LABELS else name


def prose(text: str) -> Markup:
    """A sentence in which what stands between backticks is code."""
    from markupsafe import Markup, escape

    parts = str(plain(text)).split("`")
    whole = len(parts) % 2 == 1  # else a backtick is alone, and the last one stays as it is
    return Markup().join(
        Markup("<code>{}</code>").format(part) if at % 2 and (whole or at < len(parts) - 1) else escape(part)
        for at, part in enumerate(parts)
    )


def size(count: int) -> str:
    """Bytes for a reader: 1.5 GiB."""
    for unit, width in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << width:
            return f"{count / (1 << width):.1f} {unit}"
    return f"{count} B"


def number(value: float) -> str:
    """Three significant digits, without an exponent between a thousandth and a thousand million."""
    if 0 < abs(value) < 0.001:
        return "< 0.001"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def seconds(value: float) -> str:
    """A duration for a reader: 0.8 s, 93 s, 7 min 49 s."""
    if value < 10:
        return "< 0.1 s" if 0 < value < 0.05 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{value:.0f} s" if value < 120 else f"{minutes} min {rest} s" if rest else f"{minutes} min"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"size": size, "number": number, "seconds": seconds, "cut": cut}
    made.globals |= {
        "t": both,
        "label": texts.label,
        "told": texts.told,
        "requirement": texts.requirement,
        "unit": unit,
        "against_limit": charts.against_limit,
        "words": WORDS,
        "at_once": CHANGES,
        "sections": SECTIONS,
    }
    return made


def _render(template: str, **values: Any) -> str:
    from markupsafe import Markup

    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    own = {"style": Markup(style), "script": Markup(script)}  # files of this package
    return _environment().get_template(template).render(policy=policy, **own, **values) + "\n"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
