"""How well messages were understood, drawn in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.table import Table

from agent.commands.render import facts, out, plain
from agent.converse.state import Intent
from eval.results import interval_text
from eval.statistics import Estimate
from eval.understanding.messages import HALVES
from eval.understanding.report import ALL, Figures, Report
from eval.understanding.scoring import Outcome

DRAWN = {
    "where": "constraints right",
    "items": "films right",
    "feels": "feelings right",
    "skips": "refusals to answer right",
}


def draw(done: Report) -> None:
    """Draw accuracy by intent, who is taken for whom, certainty, and the other parts, language by language."""
    console = out()
    for language, halves in done.items():
        console.print(_accuracy(f"intents, {language}", halves))
        console.print(_confusion(halves[ALL]))
        console.print(facts(list(_about(halves[ALL]))))


def draw_wrong(outcomes: Sequence[Outcome]) -> None:
    """Draw what was misread in the half for development: the message, what it means, what it was taken for."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("message", "meant", "taken for", "sure"):
        table.add_column(name, overflow="fold")
    for one in outcomes:
        if one.message.half == HALVES[0] and not one.right:
            meant, found = one.message.intent.value, one.found.value
            table.add_row(plain(one.message.row.say), meant, found, f"{one.confidence:.2f}")
    out().print(table)


def _accuracy(heading: str, halves: Mapping[str, Figures]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column(heading, min_width=12)
    for half in halves:
        table.add_column(f"{half} [95 %]" if half == HALVES[-1] else half, justify="right", no_wrap=True)
    for intent in Intent:
        cells = (_cell(half, one.by_intent.get(intent)) for half, one in halves.items())
        table.add_row(intent.value, *cells)
    table.add_row("all intents", *(_cell(half, one.accuracy) for half, one in halves.items()), style="bold")
    return table


def _cell(half: str, found: Estimate | None) -> str:
    if found is None:
        return "–"
    return f"{found.value:.3f}{interval_text(found) if half == HALVES[-1] else ''}"


def _confusion(found: Figures) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column("meant, taken for", min_width=12)
    for intent in Intent:
        table.add_column(intent.value, justify="right", no_wrap=True)
    for meant, row in found.confusion.items():
        table.add_row(meant.value, *(str(row[intent] or "·") for intent in Intent))
    return table


def _about(found: Figures) -> Iterator[tuple[str, object]]:
    yield "certainty", f"off by {found.ece:.3f} on average; log-loss {found.log_loss:.3f} nats"
    for one in found.bins:
        held = f"{one.accuracy.value:.3f}{interval_text(one.accuracy)} right"
        yield f"  {one.low:.1f} to {one.high:.1f}", f"{one.certainty:.3f} sure, {held}, {one.accuracy.n} messages"
    for part, share in found.parts.items():
        yield DRAWN[part], f"{share.value:.3f}{interval_text(share)}, {share.n} messages"
    yield "a message", f"p50 {found.ms['p50']:.1f} ms, p95 {found.ms['p95']:.1f} ms"
