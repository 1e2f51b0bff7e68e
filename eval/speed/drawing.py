"""Reports of speed drawn in a terminal: the rows, then the targets with what was reached; and quantisations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from agent.commands.render import duration, facts, out, plain
from eval.metrics import HEADLINE
from eval.results import interval_text
from eval.speed.bench import Measured
from eval.speed.figures import Ratio
from eval.speed.memory import MEMORY_CANDIDATES, Memory
from eval.speed.quantised import STRATEGY, Quantised
from eval.speed.report import (
    EFFICIENCY,
    EFFICIENT,
    MEMORY_MB,
    Comparison,
    Report,
    ndcg,
    tokens_decoded,
    tokens_per_s,
    valid_orders,
    walls,
)
from eval.statistics import percentile

_SHARES = "raw, FLOP: tokens decoded and operations done per second, as a share of pp512's. NDCG: at 10."
_MARKS = {True: ("met", "green"), False: ("missed", "red"), None: ("", "")}


def draw(report: Report) -> None:
    """Draw a report: a line a row and number of candidates, the targets, what failed, machine and model."""
    console = out()
    console.print(_rows(report))
    console.print(Text(_SHARES, style="dim"), soft_wrap=True)
    if report.judged:
        console.print(_judged(report))
    console.print(_targets(report))
    for one in report.measured:
        if one.failed:
            where = f" with {one.candidates} candidates" if one.candidates else ""
            console.print(plain(f"{one.row.name}{where} stopped: {one.failed}"), soft_wrap=True)
    console.print(facts(_about(report)))


def draw_quantised(found: Sequence[Quantised]) -> None:
    """Draw a line for each file, the published one first."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("kind", no_wrap=True)
    for name in ("MB", "read tok/s", "write tok/s", f"{HEADLINE} of {STRATEGY} [95 %]", "less published [95 %]", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        if one.failed:
            table.add_row(one.kind, Text(plain(one.failed), style="red"))
            continue
        table.add_row(
            one.kind,
            f"{one.bytes / 1e6:,.0f}",
            f"{one.reading:,.0f}",
            f"{one.writing:,.0f}",
            f"{one.ndcg.value:.3f}{interval_text(one.ndcg)}" if one.ndcg else "",
            f"{one.against.value:+.3f}{interval_text(one.against)}" if one.against else "",
            f"{one.against.p:.3f}" if one.against else "",
        )
    out().print(table)


def _rows(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("row", no_wrap=True)
    for name in ("N", "p50", "p95", "tokens", "tok/s", "raw", "FLOP", "NDCG"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in report.measured:
        table.add_row(*_cells(report, one), style="bold" if one.row.kind == "ours" else None)
    return table


def _cells(report: Report, one: Measured) -> list[str]:
    seconds = walls(one)
    tokens, rate = tokens_decoded(one), tokens_per_s(one)
    efficiency = (report.efficiency(one) if one.row.kind == "ours" else None) or {}
    found = ndcg(one)
    return [
        one.row.name,
        str(one.candidates or ""),
        duration(percentile(seconds, 0.5) * 1_000) if seconds else "-",
        duration(percentile(seconds, 0.95) * 1_000) if seconds else "-",
        "" if tokens is None else f"{tokens:,.0f}",
        f"{rate:,.0f}" if rate else "",
        *(f"{efficiency[name].value:.2f}" if name in efficiency else "" for name in EFFICIENCY),
        f"{found.value:.3f}" if found else "",
    ]


def _judged(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("row", no_wrap=True)
    for name in (f"{HEADLINE} [95 %]", "n", "whole orders"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in report.judged:
        found = ndcg(one)
        valid = valid_orders(one)
        table.add_row(
            one.row.name,
            f"{found.value:.3f}{interval_text(found)}" if found else "-",
            str(found.n if found else 0),
            f"{sum(valid)} of {len(valid)}" if valid else "",
        )
    return table


def _targets(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("time / time, and other figures")
    table.add_column("N", justify="right")
    table.add_column("reached [95 %]", justify="right", no_wrap=True)
    table.add_column("target", justify="right", no_wrap=True)
    table.add_column("")
    for found in report.comparisons:
        table.add_row(*_compared(found))
    efficient = report.of(EFFICIENT, report.headline)
    efficiency = (report.efficiency(efficient) if efficient else None) or {}
    for name, target in EFFICIENCY.items():
        if name in efficiency:
            reached = efficiency[name]
            words = f"efficiency of {EFFICIENT}, {name.replace('_', '-')}"
            table.add_row(
                words, str(report.headline), _ratio(reached, ""), f">= {target}", _mark(reached.value >= target)
            )
    if isinstance(report.memory, Memory):
        reached_mb = report.memory.above_mb
        row = ("memory above the weights", str(MEMORY_CANDIDATES), f"{reached_mb:,.0f} MB", f"<= {MEMORY_MB:,.0f} MB")
        table.add_row(*row, _mark(reached_mb <= MEMORY_MB))
    elif report.memory:
        table.add_row("memory above the weights", str(MEMORY_CANDIDATES), plain(report.memory), "", "")
    return table


def _compared(found: Comparison) -> tuple[str, str, str, str, Text]:
    compared = found.compared
    target = "" if compared.target is None else f"{'<=' if compared.at_most else '>='} {compared.target:g}x"
    words = f"{found.above} / {found.below}"
    return words, str(found.candidates or ""), _ratio(found.ratio, "x"), target, _mark(compared.met(found.ratio.value))


def _ratio(ratio: Ratio, unit: str) -> str:
    bounds = f" [{ratio.low:.2f}, {ratio.high:.2f}]" if ratio.low is not None and ratio.high is not None else ""
    return f"{ratio.value:.2f}{unit}{bounds}"


def _mark(met: bool | None) -> Text:
    word, style = _MARKS[met]
    return Text(word, style=style)


def _about(report: Report) -> list[tuple[str, object]]:
    machine, model, questions = (_mapping(report.about.get(key)) for key in ("machine", "model", "questions"))
    return [
        ("machine", f"{machine.get('processor')}, {machine.get('threads')} of {machine.get('cores')} cores"),
        ("model", f"{model.get('reference')}, {model.get('file')} {str(model.get('sha256'))[:12]}"),
        ("questions", f"{questions.get('source')}, {questions.get('repetitions')} repetitions"),
        ("at", report.about.get("at")),
    ]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
