"""Recall by source, drawn in a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from agent.commands.render import count, duration, facts, out, plain
from eval.recall.asking import ALL
from eval.recall.measure import HEADLINE, METRICS, Measured, Row
from eval.results import interval_text, verdict

Facts = Mapping[str, object]


def draw(found: Measured, about: Facts) -> None:
    """Draw the table, one sentence on what each source adds, and all that it holds for."""
    console = out()
    console.print(table_of(found.rows, ALL))
    for pair in found.adds:
        console.print(plain(verdict(pair, HEADLINE)), soft_wrap=True)
    people = f"{count(found.n, 'case')} of {found.people:,} people"
    missing = {"less than asked": count(found.missing, "case")} if found.missing else {}
    console.print(facts({**about, "measured on": people, **missing}))


def table_of(rows: Sequence[Row], bold: str) -> Table:
    """The rows as a table for a terminal, the one of that name in bold."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("source [95 %]", overflow="fold", min_width=16)
    for name in (*METRICS, "p50", "p95"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(plain(row.name), *_cells(row), style="bold" if row.name == bold else None)
    return table


def as_json(found: Measured, about: Facts) -> dict[str, object]:
    """The documented JSON shape of `palate eval recall --json`."""
    return {
        **about,
        "sources": list(found.sources),
        "n": found.n,
        "people": found.people,
        "missing": found.missing,
        "results": [row.as_json() for row in found.rows],
        "adds": [pair.as_row(HEADLINE) for pair in found.adds],
    }


def _cells(row: Row) -> list[str]:
    values = [f"{row.metrics[name].value:.3f}\n{interval_text(row.metrics[name], 2).strip()}" for name in METRICS]
    return [*values, *("–" if ms is None else duration(ms) for ms in (row.p50_ms, row.p95_ms))]
