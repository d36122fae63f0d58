"""Record → JUnit XML: status for CI systems; measurements and identity as properties."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from harness.record import Record
from harness.types import Verdict

NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 can't hold."""


def render(record: Record) -> str:
    """One suite; a verdict that no test accounts for is a test case of its own, so it can't be overlooked."""
    failed = sum(t.outcome == "failed" for t in record.tests)
    errors = sum(t.outcome == "error" for t in record.tests)
    unexplained = record.verdict is not Verdict.ACCEPTED and not failed + errors
    suite = ET.Element(
        "testsuite",
        name=_text(f"{record.variant.name} on {record.bench.name}"),
        tests=str(len(record.tests) + unexplained),
        failures=str(failed),
        errors=str(errors + unexplained),
        skipped=str(sum(t.outcome == "skipped" for t in record.tests)),
        time=f"{sum(t.seconds for t in record.tests):.3f}",
        timestamp=record.started.isoformat(timespec="seconds"),
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(record):
        ET.SubElement(properties, "property", name=_text(name), value=_text(value))
    for test in record.tests:
        module, _, name = test.nodeid.partition("::")
        case = ET.SubElement(
            suite,
            "testcase",
            classname=_text(module.removesuffix(".py").replace("/", ".")),
            name=_text(name or module),
            time=f"{test.seconds:.3f}",
        )
        told = ET.SubElement(ET.SubElement(case, "properties"), "property", name="requirement")
        told.set("value", _text(test.requirement))
        if test.outcome != "passed":
            kind = {"failed": "failure", "error": "error", "skipped": "skipped"}[test.outcome]
            said = ET.SubElement(case, kind, message=_text(test.message.partition("\n")[0]))
            said.text = _text("\n".join(filter(None, (test.message, test.reproduce and f"again: {test.reproduce}"))))
    if unexplained:
        case = ET.SubElement(suite, "testcase", classname="harness", name="verdict", time="0")
        ET.SubElement(case, "error", message=_text(f"{record.verdict.value}: {record.reason}"))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _properties(record: Record) -> list[tuple[str, str]]:
    image, host = record.image, record.host
    rows = [
        ("record", record.record_id),
        ("verdict", record.verdict.value),
        ("reason", record.reason),
        ("variant", record.variant.name),
        ("bench", record.bench.name),
        ("proves", record.bench.proves),
        ("image", image.ref if image else record.bench.image),
        ("image.digest", (image.digest or image.id) if image else "unknown"),
        ("vllm", record.vllm_version or "unknown"),
        ("model", record.variant.model),
        ("model.revision", record.weights.revision if record.weights else "unknown"),
        ("host.kernel", host.kernel),
        ("host.gpu", host.gpu or "unknown"),
        ("host.driver", host.driver or "unknown"),
        ("replay", record.replay),
    ]
    for m in record.measurements:
        rows += [(f"measurement.{m.name}", f"{m.value:g} {m.unit}")]
        rows += [(f"measurement.{m.name}.limit", f"{m.limit:g} {m.unit}")] if m.limit is not None else []
    return rows


def _text(text: str) -> str:
    return NO_XML.sub("\ufffd", text)
