"""Record → CTRF JSON (Common Test Report Format), for tools that read no JUnit."""

from __future__ import annotations

import json
from datetime import datetime

from harness.record import Record, TestOutcome

VERSION = "0.0.0"
"""The specification's version; it is still before 1.0."""
STATUS = {"passed": "passed", "failed": "failed", "error": "failed", "skipped": "skipped"}


def render(record: Record) -> str:
    """The whole document; what CTRF has no place for stands in `extra`."""
    statuses = [STATUS[test.outcome] for test in record.tests]
    begun, ended = _ms(record.started), _ms(record.ended or record.started)
    document = {
        "reportFormat": "CTRF",
        "specVersion": VERSION,
        "timestamp": (record.ended or record.started).isoformat(),
        "generatedBy": f"gb10-acceptance {record.harness.version}",
        "results": {
            "tool": {"name": "pytest", "extra": {"harness": record.harness.model_dump()}},
            "summary": {
                "tests": len(statuses),
                **{status: statuses.count(status) for status in ("passed", "failed", "skipped")},
                "pending": 0,
                "other": 0,
                "start": begun,
                "stop": ended,
            },
            "tests": [_test(test) for test in record.tests],
            "environment": {
                "reportName": f"{record.variant.name} on {record.bench.name}",
                "testEnvironment": record.bench.name,
                "osPlatform": record.host.architecture,
                "osRelease": record.host.kernel,
                "osVersion": record.host.os,
            },
            "extra": {
                "record": record.record_id,
                "verdict": record.verdict.value,
                "reason": record.reason,
                "image": record.image.model_dump(include={"ref", "id", "digest"}) if record.image else None,
                "vllm": record.vllm_version,
                "measurements": [m.model_dump() for m in record.measurements],
            },
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _test(test: TestOutcome) -> dict[str, object]:
    said = {"message": test.message.partition("\n")[0], "trace": test.message} if test.message else {}
    return {
        "name": test.requirement or test.nodeid or "unnamed",
        "status": STATUS[test.outcome],
        "rawStatus": test.outcome,
        "duration": round(test.seconds * 1000),
        "suite": [test.nodeid.partition("::")[0] or "unnamed"],
        "filePath": test.nodeid.partition("::")[0],
        **said,
        "extra": {"nodeid": test.nodeid, "reproduce": test.reproduce},
    }


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
