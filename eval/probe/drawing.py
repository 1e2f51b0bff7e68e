"""A probe drawn in a terminal: a row a change, then its figures in sentences and what must be known about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich import box
from rich.table import Table

from agent.commands.render import count, facts, out, plain
from eval.cases import DataSet
from eval.drawing import about_rows
from eval.metrics import HEADLINE
from eval.probe.report import Report, Row, sentence, told_by
from eval.results import interval_text
from eval.statistics import Difference, Estimate

INTERVAL = " [95 %]"
SHOWN = 10  # names of a list


def draw(done: Report, dataset: DataSet, model: Mapping[str, object]) -> None:
    """Draw the whole report; changes that apply to no case are left out of the table and named below."""
    console = out()
    console.print(_kinds(done) if done.groups else _table(done))
    for figure in told_by(done.probe):
        console.print(plain(sentence(figure, done.figures[figure.name])), soft_wrap=True)
    console.print(plain(verdict(done)), soft_wrap=True)
    about = about_rows(model, done.found.prompts, dataset, len(done.found.users))
    console.print(facts([*_facts(done), ("strategy", model.get("strategy")), *about]))


def verdict(done: Report) -> str:
    """Which changes are shown to move the watched item, in one plain sentence."""
    tested = [row for row in done.rows if row.lift is not None]
    found = [row for row in tested if row.moves]
    start = f"{len(found)} of {count(len(tested), 'change')} shown to move the item that is watched (Holm's p < .05)"
    told = (f"{row.variant.name} {_figure(row.lift, 2, interval=True)}" for row in found)
    return f"{start}: {'; '.join(told)}" if found else start


def _table(done: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(done.probe.name, overflow="fold", min_width=12)
    for name in (*done.probe.columns, "n"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in (row for row in done.rows if row.n):
        cells = (_cell(row, column) for column in done.probe.columns)
        table.add_row(plain(row.variant.name), *cells, str(row.n))
    return table


def _kinds(done: Report) -> Table:
    """A row for each kind of change, where the changes are too many for a row each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(done.probe.name, overflow="fold", min_width=9)
    shown = [*(one.name for one in done.probe.figures), *(one.name for one in done.probe.shares)]
    for n, name in enumerate(shown):
        table.add_column(f"{name.removesuffix('_first')}{'' if n else INTERVAL}", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    for kind, figures in done.groups.items():
        lead = figures[shown[0]]
        if lead is not None:
            cells = (_figure(figures[name], 2, interval=not n) for n, name in enumerate(shown))
            table.add_row(plain(kind), *cells, str(lead.n))
    return table


def _highest(done: Report) -> str:
    """The changes that lift the watched item most, at most five."""
    lifts = [(row.lift.value, row.variant.name) for row in done.rows if row.lift is not None and row.lift.value > 0]
    return ", ".join(f"{name} {lift:+.1f}" for lift, name in sorted(lifts, key=lambda one: (-one[0], one[1]))[:5])


def _cell(row: Row, column: str) -> str:
    name = column.removesuffix(INTERVAL)
    found, digits = {
        HEADLINE: (row.ndcg, 3),
        "change": (row.ndcg_change, 3),
        "place": (row.place, 1),
        "lift": (row.lift, 2),
        "tau": (row.tau, 2),
        "top changed": (row.top_changed, 2),
    }[name]
    return _figure(found, digits, interval=name != column)


def _figure(found: Estimate | Difference | None, digits: int, *, interval: bool = False) -> str:
    if found is None:
        return "-"
    sign = "+" if isinstance(found, Difference) else ""
    return f"{found.value:{sign}.{digits}f}{interval_text(found, digits) if interval else ''}"


def _facts(done: Report) -> Iterator[tuple[str, object]]:
    found = done.found
    yield "ids", ", ".join(f"{name} {n}" for name, n in found.ids.items()) or "none asked"
    if any(found.labels.values()):
        yield "labels of replies", ", ".join(f"{name} {n}" for name, n in found.labels.items())
    yield "asked", f"{count(found.n_asked, 'question')}, {found.n_undecided} undecided, {found.n_failed} failed"
    if done.groups:
        yield "highest lifts", _highest(done) or "none above 0"
    empty = [row.variant.name for row in done.rows if not row.n]
    if empty:
        yield (
            "without a case",
            ", ".join(empty[:SHOWN]) + (f" and {len(empty) - SHOWN} more" if len(empty) > SHOWN else ""),
        )
    for reason, n in found.skipped.items():
        yield "left out", f"{count(n, 'case')}: {reason}"
    for line in done.probe.notes:
        yield "note", line
