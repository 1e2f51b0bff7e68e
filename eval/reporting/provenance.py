"""The page's last part: the prompts with what differs between them, formulas, versions, hashes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from eval.reporting.diffing import prompt_diffs, texts_of
from eval.reporting.markup import Child, Markup, element, joined
from eval.reporting.parts import box, named, soft
from eval.reporting.report import Report


def prompts_section(report: Report) -> Markup:
    """What differs between the prompts of the cells and those of the first, then all texts; nothing where unknown."""
    reading = report.reading
    first = reading.cells[0].name
    diffs = [
        box(f"{cell.name}: {name}, against {first}", drawn_diff(lines), is_open=True)
        for cell in reading.cells[1:]
        for name, lines in prompt_diffs(reading, reading, (first, cell.name)).items()
    ]
    texts = [
        box(f"{cell.name}: {name}", element("pre", text))
        for cell in reading.cells
        for name, text in texts_of(reading, cell.name).items()
    ]
    return joined([element("h3", "Prompts"), *diffs, *texts]) if texts else Markup()


def method_section(report: Report) -> Markup:
    """How every figure came about, with libraries and versions, and what was run, with hashes and seeds."""
    how = dict(report.reading.method)
    metrics = how.pop("metrics", {})
    how.pop("beyond", None)  # told where its figures are
    about = report.reading.about
    run = {key: value for key, value in about.items() if key not in ("prompts", "cells")}
    return joined(
        [
            element("h3", "How it was measured"),
            named(_formulas(metrics)),
            named((name, _words(value)) for name, value in how.items()),
            element("h3", "What was run"),
            named((key, _words(value)) for key, value in run.items()),
            soft("Made by Palate from the stored answers; no model was asked, nothing was fetched."),
        ]
    )


def drawn_diff(lines: str) -> Markup:
    """A unified diff with what was added and taken away in colour."""
    return element("pre", (_line(line) for line in lines.splitlines()))


def _line(line: str) -> Markup:
    is_head = line.startswith(("+++", "---"))
    kind = {"+": "added", "-": "taken"}.get(line[:1]) if not is_head else None
    return joined([element("span", line, class_=kind), "\n"])


def _formulas(metrics: object) -> Iterator[tuple[str, Child]]:
    for name, row in metrics.items() if isinstance(metrics, Mapping) else ():
        yield name, f"{row['formula']} ({row['library']})"


def _words(value: object) -> Child:
    if isinstance(value, str | int | float):
        return value
    return element("code", json.dumps(value, ensure_ascii=False, default=str))
