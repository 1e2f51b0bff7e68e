"""The report as one HTML file: it holds all it needs, runs no script, asks no network, and reads well on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.commands.render import count
from eval.metrics import change_in
from eval.reporting import breakdown, overview, provenance, slots, trading
from eval.reporting.diffing import Diff
from eval.reporting.markup import Child, Markup, element, joined
from eval.reporting.parts import box, figure, soft, table, tone_of
from eval.reporting.report import Report

STYLE = Path(__file__).with_name("style.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
SECTIONS = (
    overview.verdict_section,
    overview.gate_section,
    overview.forest_section,
    overview.systems_section,
    overview.rationales_section,
    trading.latency_section,
    trading.cost_section,
    slots.stability_section,
    slots.slots_section,
    breakdown.slices_section,
    breakdown.losses_section,
    breakdown.failures_section,
    provenance.prompts_section,
    provenance.method_section,
)


def page(reports: Sequence[Report], diffs: Sequence[Diff] = ()) -> str:
    """The page of these runs, in their order; what differs between runs comes first."""
    names = ", ".join(report.reading.name for report in reports)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", f"Evaluation: {names}"),
        element("style", Markup(STYLE.read_text(encoding="utf-8"))),
    )
    body = element("body", element("h1", "Evaluation"), map(_diff, diffs), (_run(r) for r in reports))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _run(report: Report) -> Markup:
    reading = report.reading
    told = [
        f"task {reading.summary.plan.task}",
        count(reading.run.n, "case"),
        *dict.fromkeys(cell.data.name for cell in reading.cells),
        f"Palate {reading.about.get('palate', '')}, {reading.about.get('at', '')}",
        *reading.summary.found.notes,
    ]
    sections = (section(report) for section in SECTIONS)
    return element("section", element("h2", reading.name), soft(" · ".join(told)), sections)


def _diff(found: Diff) -> Markup:
    """Two runs against each other: a verdict, every metric, and the prompts' differences, for each pair of cells."""
    parts: list[Child] = []
    for cell in found.cells:
        tone = tone_of(cell.metrics[found.headline], cell.p_holm[found.headline])
        rows = [
            (change_in(name), figure(change), f"{cell.p_holm[name]:.2g}", f"{change.wins:,}", f"{change.losses:,}")
            for name, change in cell.metrics.items()
        ]
        cost = found.cost(cell)
        parts += [
            element("div", element("p", f"{found.sentence(cell)}."), class_=f"verdict {tone}"),
            soft(f"Cost: {cost}.") if cost else None,
            table(["metric", "difference [95 %]", "p (Holm)", "wins", "losses"], rows),
            [box(name, provenance.drawn_diff(lines)) for name, lines in cell.prompts.items()],
        ]
    notes = soft("; ".join(found.notes)) if found.notes else None
    return element("section", element("h2", f"{found.new} against {found.base}"), joined(parts), notes)
