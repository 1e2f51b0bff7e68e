"""What a run would take and what it could show, told before it begins. No model is asked.

The smallest difference that n people show with 80 % power at a two-sided alpha of .05, by the normal approximation, is
(z(.975) + z(.8)) s / sqrt(n), s being the spread of the paired differences: 0.3 where nothing was observed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from scipy import stats

from eval.cases import Case
from eval.plan.cells import Cell
from eval.plan.costs import calls_of
from eval.statistics import POWER, Z

SPREAD = 0.3  # of paired differences of NDCG@10: two orders of 20 candidates of one person differ by so much
Timed = Callable[[Cell, Sequence[str]], Sequence[float]]
"""The milliseconds that answers of a cell took which are kept, among those to these cases and repeats."""


@dataclass(frozen=True)
class CellPlan:
    """A cell before it is run. `kept` answers need no model; `seconds` is None where nothing like it was ever timed."""

    cell: str
    data: str
    answers: int
    calls: int
    kept: int
    seconds: float | None


@dataclass(frozen=True)
class Detectable:
    """The smallest difference that a data set's cases could show, in the unit of the metric; `source` of the spread."""

    data: str
    cases: int
    users: int
    spread: float
    smallest: float
    source: str


@dataclass(frozen=True)
class Estimate:
    """All cells before they are run, and what the data sets could show."""

    cells: tuple[CellPlan, ...]
    detectable: tuple[Detectable, ...]

    @property
    def seconds(self) -> float | None:
        """About how long it takes, None where it is not known of every cell."""
        known = [cell.seconds for cell in self.cells if cell.seconds is not None]
        return sum(known) if len(known) == len(self.cells) else None

    def total(self, what: str) -> int:
        """The sum over the cells of `answers`, `calls` or `kept`."""
        return sum(int(getattr(cell, what)) for cell in self.cells)

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of `palate eval plan --json`."""
        return {
            "cells": [asdict(cell) for cell in self.cells],
            **{what: self.total(what) for what in ("answers", "calls", "kept")},
            "seconds": self.seconds,
            "detectable": [asdict(one) for one in self.detectable],
        }


def cell_plan(
    cell: Cell, data: str, cases: Iterable[Case], *, repeat: int, n_items: Callable[[Case], int], timed: Timed
) -> CellPlan:
    """What a cell takes on these cases, each asked `repeat` times. `n_items` says how many a case asks about."""
    keys, calls = [], 0
    for case in cases:
        calls += repeat * calls_of(cell.task, cell.strategy, n_items(case))
        keys += [answer_key(case.case_id, n) for n in range(repeat)]
    times = timed(cell, keys)
    seconds = (len(keys) - len(times)) * sum(times) / len(times) / 1_000 if times else None
    return CellPlan(cell.name, data, len(keys), calls, len(times), 0.0 if len(times) == len(keys) else seconds)


def with_others(plans: Sequence[CellPlan], cells: Sequence[Cell]) -> tuple[CellPlan, ...]:
    """The plans, those never timed taking as long for an answer as cells of the same model and strategy do."""
    pace: dict[tuple[str, str], float] = {}
    alike = {cell.name: (cell.model, cell.strategy) for cell in cells}
    for plan in plans:
        if plan.seconds and plan.answers > plan.kept:
            pace[alike[plan.cell]] = plan.seconds / (plan.answers - plan.kept)
    return tuple(_paced(plan, pace.get(alike[plan.cell])) for plan in plans)


def answer_key(case_id: str, repeat: int) -> str:
    """What an answer is called among those of its cell whose time is kept."""
    return f"{repeat}/{case_id}"


def detectable(
    data: str, users: Sequence[str], spread: float | None = None, source: str = "stated, nothing was observed"
) -> Detectable:
    """What so many cases of these users could show; people count, where they have several cases each.

    Raises ValueError where there are no cases.
    """
    if not users:
        raise ValueError("no cases show no difference")
    n, s = len(set(users)), SPREAD if spread is None else spread
    smallest = (Z + float(stats.norm.ppf(POWER))) * s / math.sqrt(n)
    return Detectable(data, len(users), n, s, smallest, source)


def observed_spread(smallest: float, n_users: int) -> float:
    """The spread of paired differences behind the smallest difference that a run of so many users could show."""
    return smallest * math.sqrt(n_users) / (Z + float(stats.norm.ppf(POWER)))


def _paced(plan: CellPlan, seconds_each: float | None) -> CellPlan:
    if plan.seconds is not None or seconds_each is None:
        return plan
    return CellPlan(
        plan.cell, plan.data, plan.answers, plan.calls, plan.kept, (plan.answers - plan.kept) * seconds_each
    )
