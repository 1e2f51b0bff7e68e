"""What a run would take and what it could show, told before it begins. No model is asked.

The smallest difference that n people show with 80 % power is that of the intervals a run gives (`eval.intervals`), s
being the spread of the paired differences: 0.3 where nothing was observed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from eval.cases import Case
from eval.intervals import planned, spread_behind
from eval.plan.cells import NO_MODEL, Cell
from eval.plan.costs import calls_of

SPREAD = 0.3  # of paired differences of NDCG@10: two orders of 20 candidates of one person differ by so much
Timed = Callable[[Cell, Sequence[str]], Sequence[float]]
"""The milliseconds that answers of a cell took which are kept, among those to these cases and repeats."""


@dataclass(frozen=True)
class CellPlan:
    """A cell before it is run. `kept` answers need no model; `seconds` is None where nothing like it was ever timed.

    `asked` times a case is asked that is not kept; `cost` is what that takes at most, None where it is not known.
    """

    cell: str
    data: str
    answers: int
    calls: int
    kept: int
    seconds: float | None
    asked: int = 0
    cost: float | None = None


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

    @property
    def cost(self) -> float | None:
        """About what it costs at most, None where it is not known of every cell."""
        known = [cell.cost for cell in self.cells if cell.cost is not None]
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
            "cost": self.cost,
            "detectable": [asdict(one) for one in self.detectable],
        }


def cell_plan(
    cell: Cell,
    data: str,
    cases: Iterable[Case],
    *,
    repeat: int,
    n_items: Callable[[Case], int],
    timed: Timed,
    orders: int = 1,
) -> CellPlan:
    """What a cell takes on these cases, each asked `repeat` times, the first of them in so many `orders`.

    `n_items` says how many items a case asks about.
    """
    keys, calls = [], 0
    for case in cases:
        calls += (cell.model != NO_MODEL) * (repeat + orders - 1) * calls_of(cell.task, cell.strategy, n_items(case))
        keys += [answer_key(case.case_id, n) for n in range(repeat)]
    times = timed(cell, keys)
    left = len(keys) - len(times) + (orders - 1) * len(keys) // repeat
    seconds = left * sum(times) / len(times) / 1_000 if times else None
    return CellPlan(cell.name, data, len(keys), calls, len(times), seconds if left else 0.0, left)


def with_others(plans: Sequence[CellPlan], cells: Sequence[Cell]) -> tuple[CellPlan, ...]:
    """The plans, those never timed taking as long for an answer as cells of the same model and strategy do."""
    pace: dict[tuple[str, str], float] = {}
    alike = {cell.name: (cell.model, cell.strategy) for cell in cells}
    for plan in plans:
        if plan.seconds and plan.asked:
            pace[alike[plan.cell]] = plan.seconds / plan.asked
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
    return Detectable(data, len(users), n, s, planned(s, n), source)


def observed_spread(smallest: float, n_users: int) -> float:
    """The spread of paired differences behind the smallest difference that a run of two users or more could show."""
    return spread_behind(smallest, n_users)


def _paced(plan: CellPlan, seconds_each: float | None) -> CellPlan:
    if plan.seconds is not None or seconds_each is None:
        return plan
    return replace(plan, seconds=plan.asked * seconds_each)
