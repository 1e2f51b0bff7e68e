"""A simulation drawn in a terminal: a row a system, then what it means in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich import box
from rich.table import Table

from agent.commands.render import count, duration, facts, out, plain
from eval.cases import DataSet
from eval.drawing import about_rows
from eval.popularity import UNKNOWN
from eval.results import interval_text, verdict
from eval.simulating.dialogue import Dialogue
from eval.simulating.report import POPULARITY, SUCCESS, Report, Row, timings

EXAMPLES = 2


def draw(done: Report, dataset: DataSet, model: Mapping[str, object]) -> None:
    """Draw the whole report: success by turn for each system, the verdicts, two dialogues, and what they hold for."""
    console = out()
    console.print(_table(done))
    for pair in done.comparisons:
        console.print(plain(verdict(pair, SUCCESS)), soft_wrap=True)
    for dialogue in done.found.dialogues[:EXAMPLES]:
        for line in _lines(dialogue, dataset):
            console.print(plain(line), soft_wrap=True)
    console.print(facts([*_facts(done), *_about(model, dataset, len(done.found.users))]))


def _table(done: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("found within", overflow="fold", min_width=12)
    last = done.talk.turns
    for turn in sorted({1, (last + 1) // 2, last}):
        table.add_column(f"{count(turn, 'turn')}{' [95 %]' if turn == last else ''}", justify="right", no_wrap=True)
    table.add_column("mean turn", justify="right", no_wrap=True)
    table.add_column("people", justify="right", no_wrap=True)
    for row in done.rows:
        table.add_row(plain(row.system), *_cells(row, last))
    return table


def _cells(row: Row, last: int) -> Iterator[str]:
    for turn in sorted({1, (last + 1) // 2, last}):
        found = row.by_turn[turn - 1]
        yield f"{found.value:.3f}{interval_text(found) if turn == last else ''}"
    yield f"{row.turns.value:.1f}" if row.turns else "–"
    yield str(row.by_turn[-1].n)


def _lines(dialogue: Dialogue, dataset: DataSet) -> Iterator[str]:
    """One dialogue as a person would read it, with names in the place of ids."""
    items = dataset.items
    yield f"Sought: {items[dialogue.target].name}"
    for n, turn in enumerate(dialogue.turns, start=1):
        shown = ", ".join(items[item_id].name for item_id in turn.shown) or "nothing"
        yield f"  {n}. “{turn.wish}”: {shown}"
    end = f"found at turn {dialogue.found_at}" if dialogue.found_at else dialogue.failed or "not found"
    yield f"  {end}"


def _about(model: Mapping[str, object], dataset: DataSet, n: int) -> Iterator[tuple[str, object]]:
    for name, value in about_rows(model, {}, dataset, n):
        if name != "prompts":
            yield name, value if name != "model" or model.get("reference") else "none, the other signals alone"


def _facts(done: Report) -> Iterator[tuple[str, object]]:
    took = timings(done.found)
    yield "shown a turn", count(done.talk.k, "item")
    if POPULARITY not in done.found.found_at:
        yield "not given", f"{POPULARITY}: {UNKNOWN}"
    yield "time a turn", f"p50 {duration(took['p50'])}, p95 {duration(took['p95'])}"
    for reason, n in done.found.left_out.items():
        yield "left out", f"{count(n, 'case')}: {reason}"
    if done.found.failed:
        yield "failed", f"{count(len(done.found.failed), 'dialogue')} (they count as not found)"
