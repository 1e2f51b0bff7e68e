"""Runs and fits drawn in a terminal: one table, then what it means in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from agent.commands.render import count, facts, out, plain
from eval.beyond import CALIBRATION, COVERAGE, GINI, NOVELTY, POPULARITY, TAG_DIVERSITY, VECTOR_DIVERSITY, K, Missing
from eval.results import Result, Results, interval_text, not_worse_sentence, verdict
from eval.statistics import rate

if TYPE_CHECKING:
    from eval.cases import DataSet
    from eval.fitting import Report

USUAL = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20")
COLUMNS = 4  # of metrics in one table, for a terminal of 80 columns
BEYOND = {
    COVERAGE: ("coverage", ".3f"),
    GINI: ("gini", ".3f"),
    NOVELTY: ("novelty", ".2f"),
    POPULARITY: ("popular", ".4g"),
    TAG_DIVERSITY: ("diverse", ".3f"),
    VECTOR_DIVERSITY: ("vectors", ".3f"),
    CALIBRATION: ("off-mix", ".3f"),
}


def draw_results(
    results: Results,
    about: Sequence[tuple[str, object]],
    *,
    shown: Sequence[str] = USUAL,
    margin: float | None = None,
    beyond: bool = True,
) -> None:
    """Draw results: every system with its metrics, the verdicts, then `about`, named values that they hold for.

    `shown` are the metrics to draw; with a margin each pair is also judged by it (see `not_worse_sentence`). Without
    `beyond` what the orders do besides hitting is left out.
    """
    console = out()
    for table in _tables(results, shown):
        console.print(table)
    if results.shelf and beyond:
        console.print(_beyond_table(results.results))
    for pair in results.comparisons:
        console.print(plain(verdict(pair, results.headline)), soft_wrap=True)
        if margin is not None:
            console.print(plain(not_worse_sentence(pair, margin, results.headline)), soft_wrap=True)
    rows = [*_detectable(results), *_not_given(results.results), *_unanswered(results)]
    console.print(facts([*rows, *about]))


def draw_fit(report: Report) -> None:
    """Draw a fit: what the weights are worth on unseen cases, the weights, and what must be known about them."""
    console = out()
    for table in _tables(report.results, USUAL):
        console.print(table)
    for pair in report.results.comparisons:
        console.print(plain(verdict(pair)), soft_wrap=True)
    for name in ("prior", "blend"):
        weights = ", ".join(f"{plain(signal)} {weight:+.3f}" for signal, weight in report.tables[name].items())
        console.print(f"{name}: {weights}", soft_wrap=True)
    for note in report.notes:
        console.print(note, soft_wrap=True)


def about_rows(
    model: Mapping[str, object], prompts: Mapping[str, str], dataset: DataSet, n_run: int
) -> list[tuple[str, object]]:
    """What figures hold for, as named values to draw: the model, the prompts, and so many cases of the data set."""
    marks = ", ".join(f"{name} {mark[:12]}" for name, mark in prompts.items())
    return [
        ("model", f"{model.get('reference')} {str(model.get('fingerprint') or '')[:12]}".strip()),
        ("prompts", marks or "none"),
        ("data set", f"{dataset.name} {dataset.sha256[:12]}, {n_run} of {count(dataset.n_cases, 'case')}"),
    ]


def _tables(results: Results, shown: Sequence[str]) -> Iterator[Table]:
    """The metrics to show, a few a table, the headline with its interval."""
    for start in range(0, len(shown), COLUMNS):
        yield _table(results, shown[start : start + COLUMNS])


def _table(results: Results, shown: Sequence[str]) -> Table:
    table = _of_systems()
    for name in shown:
        table.add_column(f"{name} [95 %]" if name == results.headline else name, justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    for result in results.results:
        cells = (_cell(result, metric, results.headline) for metric in shown)
        _add(table, result, *cells, str(result.metrics[results.headline].n))
    return table


def _beyond_table(results: Sequence[Result]) -> Table:
    table = _of_systems(f"the first {K} places")
    known = {name: drawn for name, drawn in BEYOND.items() if name in results[0].beyond}
    for heading, _ in known.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        _add(table, result, *(_figure(result, name, form) for name, (_, form) in known.items()))
    return table


def _of_systems(heading: str = "system") -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column(heading, overflow="fold", min_width=15)
    return table


def _add(table: Table, result: Result, *cells: str) -> None:
    table.add_row(plain(result.system.name), *cells, style="bold" if result.system.kind == "whole" else None)


def _cell(result: Result, metric: str, headline: str) -> str:
    found = result.metrics[metric]
    return f"{found.value:.3f}{interval_text(found) if metric == headline else ''}"


def _figure(result: Result, name: str, form: str) -> str:
    found = result.beyond[name]
    return "–" if isinstance(found, Missing) else f"{found.value:{form}}"


def _detectable(results: Results) -> list[tuple[str, object]]:
    """How small a difference this run could have shown, pair by pair."""
    headline = results.headline
    told = [f"{p.system} / {p.against} {d:.3f}" for p in results.comparisons if (d := p.detectable[headline])]
    return [("detectable", f"{', '.join(told)} ({headline}, 80 % power, alpha .05, one pair)")] if told else []


def _not_given(results: Sequence[Result]) -> list[tuple[str, object]]:
    """Why figures are missing for every system that answered at all."""
    answered = [result for result in results if result.answered] or list(results)
    reasons: dict[str, list[str]] = {}
    for name, (heading, _) in BEYOND.items():
        found = [result.beyond.get(name) for result in answered]
        first = found[0]
        if isinstance(first, Missing) and all(isinstance(figure, Missing) for figure in found):
            reasons.setdefault(first.reason, []).append(heading)
    told = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
    return [("not given", told)] if told else []


def _unanswered(results: Results) -> list[tuple[str, object]]:
    missing = {r.system.name: r.metrics[results.headline].n - r.answered for r in results.results}
    told = ", ".join(f"{name} {n}" for name, n in missing.items() if n)
    return [("unanswered", f"{told} (they count as 0)")] if told else []


def rate_text(found: int, n: int) -> str:
    """`2 of 95 cases [0.6 %, 7.4 %]`, with Wilson's bounds."""
    bounds = rate(found, n)
    return f"{found:,} of {count(n, 'case')} [{100 * (bounds.low or 0):.1f} %, {100 * (bounds.high or 0):.1f} %]"
