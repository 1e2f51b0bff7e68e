"""A gate as JUnit XML, which continuous-integration servers draw: a suite a cell, a test a condition. Pure."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from eval.reporting.gating import Gate, Judgement

_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(gates: Sequence[Gate]) -> str:
    """The gates as one XML document. A condition that so few cases cannot decide is an error, not a failure."""
    root = ET.Element("testsuites", _counts([j for gate in gates for j in gate.judgements]))
    for gate in gates:
        for cell in dict.fromkeys(judgement.cell for judgement in gate.judgements):
            root.append(_suite(gate.run, cell, [j for j in gate.judgements if j.cell == cell]))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(run: str, cell: str, judgements: Sequence[Judgement]) -> ET.Element:
    suite = ET.Element("testsuite", {"name": _text(f"{run} {cell}"), **_counts(judgements)})
    for judgement in judgements:
        case = ET.SubElement(suite, "testcase", {"classname": _text(run), "name": _text(judgement.condition)})
        if judgement.outcome != "passed":
            kind = "failure" if judgement.outcome == "failed" else "error"
            ET.SubElement(case, kind, {"message": _text(judgement.sentence), "type": judgement.outcome})
        ET.SubElement(case, "system-out").text = _text(judgement.sentence)
    return suite


def _counts(judgements: Sequence[Judgement]) -> dict[str, str]:
    outcomes = [judgement.outcome for judgement in judgements]
    found = {"tests": len(outcomes), "failures": outcomes.count("failed"), "errors": outcomes.count("too few")}
    return {name: str(n) for name, n in found.items()}


def _text(text: str) -> str:
    return _UNWRITABLE.sub("", text)
