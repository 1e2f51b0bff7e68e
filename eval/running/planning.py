"""What is asked, told before it is run: cells, answers, calls, time, and what the cases could show."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from math import isnan
from pathlib import Path

from rich import box
from rich.table import Table

from agent.commands.render import count, duration, facts, out, plain
from eval.cases import Case
from eval.plan.cells import Cell
from eval.plan.config import EXPLAIN
from eval.plan.estimate import CellPlan, Detectable, Estimate, cell_plan, detectable, observed_spread, with_others
from eval.plan.prices import FREE, money, price_for
from eval.plan.weighing import WEIGHED, tokens_a_case
from eval.running.asked import Asked
from eval.running.folder import RunFolder
from eval.running.runner import OPEN
from eval.running.scoring import reckon
from eval.running.timings import timings_for
from eval.statistics import mean
from eval.tasks.explain import EXPLAINED


def estimate_of(asked: Asked, like: Path | None = None) -> Estimate:
    """What the run would take, and what it could show; with a run that was `like` it, by the spread observed there.

    Raises ConfigError where there is no such run, or one without answers or comparisons.
    """
    plan, names = asked.evaluation, asked.names
    spread = _spread(like) if like else None
    source = f"observed in {like}" if like else "stated, nothing was observed"
    timings = timings_for(asked)
    with closing(timings):
        plans = [
            cell_plan(
                cell,
                names[cell.data],
                asked.datasets[cell.data].cases(plan.limit),
                repeat=plan.repeat,
                n_items=lambda case, cell=cell: _n_items(asked, cell, case),  # type: ignore[misc]  # bound now
                timed=timings.timed,
                orders=plan.orders,
            )
            for cell in asked.cells
        ]
    plans = [replace(one, cost=_cost(asked, cell, one)) for cell, one in zip(asked.cells, plans, strict=True)]
    told = [
        detectable(names[folder], [case.user_id for case in dataset.cases(plan.limit)], spread, source)
        for folder, dataset in asked.datasets.items()
    ]
    return Estimate(with_others(plans, asked.cells), tuple(told))


def draw_plan(asked: Asked, found: Estimate) -> None:
    """Draw it: a line a cell, then what they come to."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("cell", overflow="fold", min_width=12)
    priced = bool(asked.evaluation.prices)
    for heading in ("data", "answers", "calls\nat most", "kept", "time", *(["cost\nat most"] if priced else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in found.cells:
        figures = [f"{n:,}" for n in (cell.answers, cell.calls, cell.kept)]
        cost = [money(cell.cost, asked.evaluation.currency)] if priced else []
        table.add_row(plain(cell.cell), plain(cell.data), *figures, _time(cell.seconds), *cost)
    out().print(table)
    rows: list[tuple[str, object]] = [
        ("all", f"{count(found.total('answers'), 'answer')}, {count(found.total('calls'), 'model call')} at most"),
        ("kept", f"{count(found.total('kept'), 'answer')} of earlier runs, which need no model"),
        ("time", _time(found.seconds)),
        *([("cost", f"at most about {money(found.cost, asked.evaluation.currency)}")] if priced else []),
        *(("detectable", _sentence(one, asked.evaluation.headline)) for one in found.detectable),
        ("gate", f"{count(len(asked.evaluation.gate), 'condition')}"),
    ]
    out().print(facts(rows))


def _cost(asked: Asked, cell: Cell, plan: CellPlan) -> float | None:
    """What the cell costs at most: free where its model is, None where its price or its tokens are not known."""
    price = price_for(cell.model, asked.evaluation.prices)
    if price == FREE or not plan.asked:
        return 0.0
    if price is None or cell.task == EXPLAIN:
        return None
    dataset, settings = asked.datasets[cell.data], asked.settings_of(cell)
    if cell.task in OPEN and settings.recall.generated:  # queries that the model writes are not weighed
        return None
    cases = dataset.cases(min(WEIGHED, asked.evaluation.limit or WEIGHED))
    if cell.task in OPEN:
        cases = (case.model_copy(update={"candidates": ()}) for case in cases)
    return plan.asked * price.of(tokens_a_case(settings, dataset, cases))


def _n_items(asked: Asked, cell: Cell, case: Case) -> int:
    """How many items a case asks about."""
    if cell.task == EXPLAIN:
        return min(EXPLAINED, len(case.candidates)) or len(case.relevant)
    return len(case.candidates) or asked.settings_of(cell).recall.n_candidates


def _spread(like: Path) -> float:
    """The mean spread of the paired differences of a run's comparisons."""
    found = reckon(RunFolder.open(like))
    results, users = found.results, found.run.users
    known = [
        (one.detectable[results.headline], _people(results.per_case[one.system][results.headline], users))
        for one in results.comparisons
    ]
    spreads = [observed_spread(smallest, len(people)) for smallest, people in known if smallest]
    return mean(spreads) or 0.0


def _people(values: Mapping[str, float], users: Mapping[str, str]) -> set[str]:
    """Whose the cases are that have a value."""
    return {users[case] for case, value in values.items() if not isnan(value)}


def _time(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"about {duration(1_000 * seconds)}"


def _sentence(one: Detectable, metric: str) -> str:
    people = "" if one.users == one.cases else f" of {count(one.users, 'person')}"
    return (
        f"{one.data}: {count(one.cases, 'case')}{people} show a difference of {one.smallest:.3f} {metric} or more"
        f" (80 % power, alpha .05; spread {one.spread:.2g}, {one.source})"
    )
