"""The fleet's page: variants × boxes, the newest result of each, and the campaigns. It follows from their files."""

from __future__ import annotations

from pathlib import Path

from harness.fleet.jobs import Campaign, Result
from harness.history import listing
from harness.record import write_atomically
from harness.report import html

PAGE = "fleet.html"


def campaigns(reports: Path) -> list[Campaign]:
    """Every campaign whose state lies under `reports`, the newest first."""
    found = [Campaign.model_validate_json(path.read_text()) for path in (reports / "fleet").glob("*.json")]
    return sorted(found, key=lambda one: one.started, reverse=True)


def write(reports: Path) -> Path:
    """Write the page; returns it. Raises RecordError when it can't be written."""
    every = campaigns(reports)
    units = sorted({unit for one in every for unit in one.units})
    newest: dict[tuple[str, str], dict[str, Result]] = {}
    for campaign in reversed(every):
        for result in campaign.results:
            row = newest.setdefault((result.job.variant, result.job.image or ""), {})
            if result.unit:
                row[result.unit] = result
    homes = {result.record: result.unit for one in every for result in one.results if result.record}
    listed = [one for one in listing(reports).records if one.directory in homes]
    listed.sort(key=lambda one: one.started, reverse=True)
    records = {unit: [one for one in listed if homes[one.directory] == unit] for unit in units}
    write_atomically(reports / PAGE, html.fleet(units, sorted(newest.items()), every, records))
    return reports / PAGE
