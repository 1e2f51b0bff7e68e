"""Tables of the field drawn in a terminal: published lines first, then what was measured, each value with interval."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from agent.commands.render import count, duration, facts, out, plain
from eval.results import Result, interval_text, verdict
from eval.statistics import percentile
from eval.tables.measure import Measured
from eval.tables.published import PublishedRow, Section


def draw(measured: Measured) -> None:
    """Draw a table: what others published, what was measured here, the verdicts, and all that it holds for."""
    console, published = out(), measured.published
    console.print(Text(plain(published.title), style="bold"), soft_wrap=True)
    for section in published.sections_for(measured.dataset.name):
        if section.rows:
            console.print(_published(section, published.metrics))
    if published.source:
        console.print(plain(f"Published, not measured here: {published.source}"), style="dim", soft_wrap=True)
    console.print(_measured(measured, published.metrics))
    for pair in measured.comparisons:
        console.print(plain(verdict(pair, published.headline)), soft_wrap=True)
    for note in published.notes:
        console.print(plain(note), style="dim", soft_wrap=True)
    console.print(facts(_about(measured)))


def _published(section: Section, metrics: Sequence[str]) -> Table:
    table = _table(f"published, {section.name}", metrics)
    table.add_column("trained on")
    table.add_column("source")
    for row in section.rows:
        table.add_row(plain(row.system), *(_value(row, name) for name in metrics), row.trained, row.where)
    return table


def _measured(measured: Measured, metrics: Sequence[str]) -> Table:
    table = _table(f"measured, {measured.dataset.name} [95 %]", metrics)
    table.add_column("n", justify="right", no_wrap=True)
    for result in measured.summary.found.results.results:
        cells = (_estimate(result, name) for name in metrics)
        n = str(result.metrics[metrics[0]].n)
        table.add_row(plain(result.system.name), *cells, n, style="bold" if result.system.kind == "whole" else None)
    return table


def _table(heading: str, metrics: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(plain(heading), overflow="fold", min_width=15)
    for name in metrics:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _value(row: PublishedRow, metric: str) -> str:
    return f"{row.values[metric]:.3f}" if metric in row.values else "–"


def _estimate(result: Result, metric: str) -> str:
    """The value with its 95 % interval under it, so that four of them fit a terminal."""
    found = result.metrics[metric]
    interval = interval_text(found, 2).strip().replace("0.", ".").replace("1.00", "1")
    return f"{found.value:.3f}\n{interval}".strip()


def _about(measured: Measured) -> list[tuple[str, object]]:
    summary, dataset = measured.summary, measured.dataset
    models = _dict(summary.folder.about.get("models"))
    run, machine = summary.found.run, measured.machine
    times = [ms for tally in summary.tallies.values() for ms in tally.times_ms]
    return [
        *((name, _model(facts_of)) for name, facts_of in models.items()),
        *(("learned from", _learned(told)) for told in _dict(summary.folder.about.get("learn")).values()),
        ("data set", f"{dataset.name} {dataset.sha256[:12]}, {run.n} of {count(dataset.n_cases, 'case')}"),
        ("time a case", _times([ms for ms in times if ms])),
        ("failed", f"{summary.flawed('failed')} of {count(summary.n, 'answer')}"),
        ("measured", f"{measured.at[:10]} on {machine['cores']} cores of {machine['processor']}"),
    ]


def _times(times_ms: Sequence[float]) -> str:
    """Those of answers that were asked for; kept ones took no time."""
    if not times_ms:
        return "all answers were kept"
    return f"p50 {duration(percentile(times_ms, 0.5))}, p95 {duration(percentile(times_ms, 0.95))}"


def _dict(found: object) -> dict[str, object]:
    return found if isinstance(found, dict) else {}


def _learned(told: object) -> str:
    """What behaviour the systems learned from before they answered."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in _dict(told).items())


def _model(found: object) -> str:
    named = _dict(found)
    told = (named.get("reference"), str(named.get("fingerprint") or "")[:12], named.get("strategy"))
    return ", ".join(str(one) for one in told if one)
