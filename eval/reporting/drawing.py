"""Diffs, cases and gates drawn in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.commands.render import count, duration, facts, out, plain
from eval.agreement import kendall_tau
from eval.metrics import change_in
from eval.plan.prices import money
from eval.reporting.diffing import CellDiff, Change, Diff
from eval.reporting.gating import Gate
from eval.reporting.showing import Checked, Shown
from eval.results import interval_text
from eval.running.answers import Permuted
from eval.systems import MODEL

NAMED = 10  # wins and losses that are listed
STYLES = {"+": "green", "-": "red", "@": "cyan"}
MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "too few": ("?", "yellow")}


def draw_diff(diff: Diff, named: int = NAMED) -> None:
    """Draw a diff: for each pair of cells the metrics, the largest wins and losses, the prompts; the verdicts last."""
    console = out()
    for cell in diff.cells:
        console.print(Text(plain(" against ".join(diff.names(cell))), style="bold"))
        console.print(_metrics(cell))
        cost = diff.cost(cell)
        console.print(facts([*_shared(cell), *([("cost", cost)] if cost else [])]))
        for word, changes in (("better", cell.wins), ("worse", cell.losses)):
            _draw_changes(console, word, changes, named)
        for lines in cell.prompts.values():
            _draw_lines(console, lines)
    for cell in diff.cells:
        console.print(plain(diff.sentence(cell)), soft_wrap=True)
    for note in diff.notes:
        console.print(Text(plain(note), style="dim"))


def draw_gate(gate: Gate) -> None:
    """Draw a gate: a line a condition, then what came of it."""
    console = out()
    for judgement in gate.judgements:
        mark, style = MARKS[judgement.outcome]
        line = plain(f"{judgement.condition}: {judgement.sentence}")
        console.print(Text.assemble((f"{mark} ", style), line), soft_wrap=True)
    console.print(Text(f"the gate {_outcome(gate)}", style="bold"))


def draw_shown(shown: Sequence[Shown]) -> None:
    """Draw the answers to a case, one after another: what was asked and answered, where the relevant items came."""
    console = out()
    for one in shown:
        answer = one.answer
        again = f", repeat {answer.repeat}" if answer.repeat else ""
        console.print(Text(plain(f"{answer.case_id}, {answer.cell}{again}"), style="bold cyan"))
        console.print(facts(list(_asked(one))))
        for n, call in enumerate(answer.trace, start=1):
            console.print(Text(plain(f"call {n}: {call.get('method', '')}"), style="bold"))
            for key in ("prompt", "reply"):
                console.print(Text(key, style="dim"))
                _draw_text(console, str(call.get(key, "")))
        if one.read:
            console.print(
                facts([("model alone", "; ".join(f"{n}. {title}" for n, title in enumerate(one.read, start=1)))])
            )
        if one.relevant and any(placed.places for placed in one.relevant):
            console.print(_places(one))
        for checked in one.rationales:
            console.print(plain(f"{checked.title}: {checked.sentence}"), soft_wrap=True)
            console.print(Text(plain(_claims(checked)), style="dim"), soft_wrap=True)
        console.print()


def _outcome(gate: Gate) -> str:
    met = f"passed: {count(len(gate.judgements), 'condition')} met"
    return {"passed": met, "failed": "failed", "too few": "cannot be decided: too few cases"}[gate.outcome]


def _metrics(cell: CellDiff) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("metric")
    for name in ("difference [95 %]", "p (Holm)", "better", "worse", "detectable"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, found in cell.metrics.items():
        seen = cell.detectable[name]
        table.add_row(
            change_in(name),
            f"{found.value:+.3f}{interval_text(found)}",
            f"{cell.p_holm[name]:.3g}",
            f"{found.wins:,}",
            f"{found.losses:,}",
            "-" if seen is None else f"{seen:.3f}",
        )
    return table


def _shared(cell: CellDiff) -> Iterator[tuple[str, object]]:
    yield "shared", count(cell.n, "case")
    lacking = {"base only": cell.only_base, "new only": cell.only_new, "asked otherwise": cell.changed}
    told = ", ".join(f"{name} {n:,}" for name, n in lacking.items() if n)
    if told:
        yield "not compared", told


def _draw_changes(console: Console, word: str, changes: Sequence[Change], named: int) -> None:
    if not changes:
        return
    told = ", ".join(f"{plain(c.case_id)} {c.by:+.3f}" for c in changes[:named])
    more = f", and {len(changes) - named:,} more" if len(changes) > named else ""
    console.print(Text.assemble((f"{word} on {count(len(changes), 'case')}: ", "bold"), told, more), soft_wrap=True)


def _draw_lines(console: Console, lines: str) -> None:
    for line in lines.splitlines():
        console.print(Text(_kept(line), style=STYLES.get(line[:1], "")), soft_wrap=True)


def _draw_text(console: Console, text: str) -> None:
    """Prompts and replies keep their lines, which `plain` would join."""
    for line in text.splitlines():
        console.print(Text(f"  {_kept(line)}"), soft_wrap=True)


def _kept(line: str) -> str:
    """The line without what a terminal obeys, its indentation as it is."""
    return line[: len(line) - len(line.lstrip(" "))] + plain(line)


def _asked(one: Shown) -> Iterator[tuple[str, object]]:
    answer = one.answer
    yield "person", answer.user_id
    yield "history", ", ".join(one.history) or "none"
    if one.wish:
        yield "wish", one.wish
    yield "candidates", f"{answer.n_candidates:,}"
    if answer.failed:
        yield "failed", answer.failed
    for reason in answer.degraded:
        yield "degraded", reason
    flaws = ", ".join(f"{name} {n}" for name, n in answer.validity.items() if n)
    yield "reply", flaws or "nothing missing, foreign or repeated"
    calls = ", ".join(f"{name} {n}" for name, n in answer.calls.items() if n)
    yield "model calls", calls or "none"
    yield "time", duration(answer.ms) if answer.ms else "kept answers"
    if answer.tokens:
        yield "tokens", ", ".join(f"{name} {n:,}" for name, n in answer.tokens.items())
    if one.currency:
        yield "cost", money(one.cost, one.currency)
    for again in answer.permuted[1:]:
        yield "other order", again.failed or _moved(answer.permuted[0], again)


def _moved(first: Permuted, again: Permuted) -> str:
    """How far the answer to a case moved in another order of its candidates."""
    tau = kendall_tau(first.orders.get(MODEL, ()), again.orders.get(MODEL, ()))
    return "no order" if tau is None else f"Kendall's tau to the first {tau:+.3f}"


def _places(one: Shown) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("relevant item, its place in", overflow="fold")
    names = list(dict.fromkeys(name for placed in one.relevant for name in placed.places))
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for placed in one.relevant:
        table.add_row(plain(placed.title), *(str(placed.places.get(name) or "-") for name in names))
    return table


def _claims(checked: Checked) -> str:
    if checked.supported is None or checked.unsupported is None:
        return "not checked: its data set is no longer there"
    borne, unborne = ", ".join(checked.supported) or "nothing", ", ".join(checked.unsupported)
    return f"{checked.source}; borne out: {borne}" + (f"; not borne out: {unborne}" if unborne else "")
