"""Record → Markdown: verdict first, then what an operator asks next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.difference import sentence
from harness.record import Night, Record
from harness.types import Changes, Measurement, Verdict

LARGEST = 64 * 1024
"""Bytes of the page: what a comment on a pull request may hold; a step summary takes more."""
SHOWN = 40
"""Changes that are listed."""
SYMBOLS = {
    Verdict.ACCEPTED: "✅",
    Verdict.REJECTED: "❌",
    Verdict.BLOCKED: "⛔",
    Verdict.INCONCLUSIVE: "❔",
    Verdict.INTERRUPTED: "⏹",
}


def render(record: Record) -> str:
    """The whole page. Everything that came from outside is escaped."""
    bench, host, image = record.bench, record.host, record.image
    parts = [
        f"# {SYMBOLS[record.verdict]} {record.verdict.value}: {escape(record.variant.title)} on the {bench.name} bench",
        f"{escape(record.reason)}.",
        f"This verdict speaks about {escape(bench.proves)}.",
    ]
    if record.diagnosis is not None:
        found = record.diagnosis
        parts += [
            "## Diagnosis",
            f"**{escape(found.rule)}** ({found.stage.value}): {escape(found.cause.en)}",
            f"**What to do:** {escape(found.remedy.en)}",
            fence(f"{line.line:>6} | {line.text}" for line in found.evidence),
        ]
    if record.remedy_proof is not None:
        proof = record.remedy_proof
        parts += [
            f"**The remedy was applied:** {escape(proof.remedy)}. Failed after {proof.failed_after_s:.1f} s; with the "
            f"remedy {'healthy' if proof.healthy else 'NOT healthy'} after {proof.start_s:.1f} s."
        ]
    if record.expectation.unproven:
        parts += ["## Not shown here", *bullets(record.expectation.unproven)]
    if record.expectation.note:
        parts += ["## Known about this variant", escape(record.expectation.note)]
    parts += [
        "## Deployment",
        table(
            ("", ""),
            (
                ("started", f"{record.started:%Y-%m-%d %H:%M:%S} UTC"),
                ("bench", f"{bench.name} ({bench.chosen})"),
                ("host", f"{host.product or 'unknown product'}, {host.architecture}, {host.os}, kernel {host.kernel}"),
                ("GPU", f"{host.gpu}, driver {host.driver}" if host.gpu else "none seen"),
                ("image", image.ref if image else f"{bench.image} (not there)"),
                ("image digest", (image.digest or f"{image.id} (made here)") if image else "unknown"),
                ("vLLM", record.vllm_version or "unknown"),
                *((("judged as", record.dialect),) if record.dialect else ()),
                ("model", record.variant.model),
                ("exit", f"code {record.exit.code}, OOM-killed {record.exit.oom_killed}" if record.exit else "none"),
                (
                    "harness",
                    f"{record.harness.version}, commit {record.harness.commit or 'unknown'}"
                    + (" with changes" if record.harness.dirty else ""),
                ),
            ),
        ),
        *since(record.since),
        "The same deployment again:",
        fence([record.replay]),
        "## Preflight",
        table(
            ("check", "", "found", "wanted"),
            ((c.name, "ok" if c.ok else f"failed → {c.remedy}", c.found, c.wanted) for c in record.preflight),
        ),
        "## Times and limits",
        table(
            ("measurement", "value", "limit", ""),
            ((m.name, f"{m.value:.3g} {m.unit}", limit(m), "ok" if m.ok else "over") for m in record.measurements),
        ),
    ]
    if record.findings:
        parts += [
            "## What it exposes",
            table(
                ("finding", "", "what", "seen"),
                ((f.id, "FORBIDDEN" if f.forbidden else "allowed", f.what, f.seen) for f in record.findings),
            ),
        ]
    if record.memory:
        least = min(record.memory, key=lambda point: point.available_gib)
        parts.append(f"Least host memory: {least.available_gib:.1f} GiB available, {least.at_s:.0f} s after the start.")
    if record.phases:
        parts.append(
            table(("start-up phase", "seconds from start"), ((p.name, f"{p.at_s:.1f}") for p in record.phases))
        )
    parts += [
        f"## Tests ({len(record.tests)} of {record.tests_available})",
        table(
            ("test", "outcome", "requirement"),
            (
                (t.nodeid, t.outcome, t.requirement + (f" — {first_line(t.message)}" if t.message else ""))
                for t in record.tests
            ),
        ),
        "## Files",
        *bullets([f"{a.name}, {a.bytes} bytes, sha256 {a.sha256}" for a in record.attachments]),
    ]
    return capped("\n\n".join(parts) + "\n")


def night(told: Night) -> str:
    """One night, for a terminal or the step summary of a CI system."""
    worse = [f"{one.variant}: {sentence}" for one in told.judged for sentence in one.worse]
    parts = [
        f"# {SYMBOLS[told.verdict]} {told.verdict.value}: the night of {told.started:%Y-%m-%d %H:%M} UTC"
        f" on {escape(told.host)}",
        f"{escape(told.reason)}.",
        *bullets(told.notes),
        table(
            ("variant", "bench", "verdict", "since the last accepted", "reason", "record"),
            (
                (j.variant, j.bench, f"{SYMBOLS[j.verdict]} {j.verdict.value}", j.since, j.reason[:300], j.directory)
                for j in told.judged
            ),
        ),
        *(["## Worse than the last accepted record", *bullets(worse[:SHOWN])] if worse else []),
    ]
    return capped("\n\n".join(parts) + "\n")


def capped(page: str, limit: int = LARGEST) -> str:
    """The page, or as many of its lines as fit into `limit` bytes, with a note that the rest is elsewhere."""
    if len(page.encode()) <= limit:
        return page
    note = f"The rest of this page does not fit into {limit // 1024} KiB: see index.html or record.json.\n"
    kept = page.encode()[: limit - len(note.encode()) - 64].decode(errors="ignore").rpartition("\n")[0]
    fences = re.findall(r"^(`{3,})", kept, re.MULTILINE)
    closing = f"\n{fences[-1][:60]}" if len(fences) % 2 else ""
    return f"{kept}{closing}\n\n{note}"


def since(changes: Changes | None) -> list[str]:
    """What changed since the last accepted record."""
    if changes is None:
        return []
    told = [f"{'worse: ' if c.worse else ''}{c.section}: {sentence(c)}"[:300] for c in changes.changes[:SHOWN]]
    more = len(changes.changes) - SHOWN
    return [
        f"## Since the last accepted record, {escape(changes.before)}",
        *(bullets([*told, *([f"and {more} more"] if more > 0 else [])]) or ["Nothing changed."]),
    ]


def limit(measurement: Measurement) -> str:
    """The limit beside the value; `none` when it is only recorded."""
    return "none" if measurement.limit is None else f"{measurement.limit:.3g} {measurement.unit}"


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line for line in text.splitlines() if line.strip()), "")


def escape(text: str) -> str:
    """Text that can't start markup: Markdown and HTML characters, and control characters, are made harmless."""
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]<>|~])", r"\\\1", text)


def fence(lines: Iterable[str]) -> str:
    """A code block that its content can't end."""
    body = "\n".join(re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", line) for line in lines)
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", body)), default=2) + 1)
    ticks = ticks if len(ticks) > 2 else "```"
    return f"{ticks}\n{body}\n{ticks}"


def bullets(items: Sequence[str]) -> list[str]:
    """One list, or nothing."""
    return ["\n".join(f"- {escape(item)}" for item in items)] if items else []


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; `none` when it has no rows."""
    body = [f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows]
    if not body:
        return "none"
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body])
