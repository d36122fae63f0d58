"""Record → Markdown: verdict first, then what an operator asks next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.record import Record
from harness.types import Measurement, Verdict

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
    return "\n\n".join(parts) + "\n"


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
