"""Runs and fits drawn in a terminal: one table, then what it means in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from agent.commands.render import count, duration, facts, out, plain
from eval.results import HEADLINE, Result, Results, interval_text, timings, verdict
from eval.systems import MODEL

if TYPE_CHECKING:
    from eval.cases import DataSet
    from eval.fitting import Report
    from eval.runs import Run

SHOWN = ("ndcg@1", "ndcg@5", HEADLINE, "ndcg@20")


def draw_run(results: Results, run: Run, dataset: DataSet, model: Mapping[str, object]) -> None:
    """Draw a run: every system with its metrics, the verdicts, then time, model and data set."""
    console = out()
    console.print(_table(results.results))
    for pair in results.comparisons:
        console.print(plain(verdict(pair)), soft_wrap=True)
    console.print(facts([*_unanswered(results.results), *_about(run, dataset, model)]))


def draw_fit(report: Report) -> None:
    """Draw a fit: what the weights are worth on unseen cases, the weights, and what must be known about them."""
    console = out()
    console.print(_table(report.results.results))
    for pair in report.results.comparisons:
        console.print(plain(verdict(pair)), soft_wrap=True)
    for name in ("prior", "blend"):
        weights = ", ".join(f"{plain(signal)} {weight:+.3f}" for signal, weight in report.tables[name].items())
        console.print(f"{name}: {weights}", soft_wrap=True)
    for note in report.notes:
        console.print(note, soft_wrap=True)


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("system", overflow="fold", min_width=15)
    for name in SHOWN:
        table.add_column(f"{name} [95 %]" if name == HEADLINE else name, justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    for result in results:
        name = plain(result.system.name)
        style = "bold" if result.system.name == MODEL else None
        table.add_row(name, *(_cell(result, metric) for metric in SHOWN), str(result.metrics[HEADLINE].n), style=style)
    return table


def _cell(result: Result, metric: str) -> str:
    found = result.metrics[metric]
    return f"{found.value:.3f}{interval_text(found) if metric == HEADLINE else ''}"


def _unanswered(results: Sequence[Result]) -> list[tuple[str, object]]:
    missing = {r.system.name: r.metrics[HEADLINE].n - r.answered for r in results}
    told = ", ".join(f"{name} {n}" for name, n in missing.items() if n)
    return [("unanswered", f"{told} (they count as 0)")] if told else []


def _about(run: Run, dataset: DataSet, model: Mapping[str, object]) -> list[tuple[str, object]]:
    took = timings(run)
    hashed = str(model.get("sha256") or model.get("fingerprint") or "")[:12]
    prompts = ", ".join(f"{name} {mark[:12]}" for name, mark in run.prompts.items())
    return [
        ("time a case", f"p50 {duration(took['p50'])}, p95 {duration(took['p95'])}"),
        ("degraded", f"{count(run.n_degraded, 'case')}, {len(run.failed)} failed"),
        ("model", f"{model.get('reference')} {hashed}".strip()),
        ("prompts", prompts or "none"),
        ("data set", f"{dataset.name} {dataset.sha256[:12]}, {run.n} of {count(dataset.n_cases, 'case')}"),
    ]
