"""One pass over a run's answers: orders and values by system and case, times, troubles, in little memory.

Cases of several data sets are told apart by the data set's name, "films/c1"; with one data set they bear their own ids.
So are systems: "films random". A cell's parts are called "<cell>/without-model", and "without-model" where it is alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from eval.metrics import PerCase, per_case
from eval.plan.cells import Cell
from eval.running.answers import Answer
from eval.running.packed import Column, Lists, Names
from eval.systems import LIKELIHOOD_ONLY, MODEL, RECALL_ONLY, WITHOUT_MODEL, Kind, Order, System

BLOCK = 5_000  # orders that are scored at once
ABOUT: Mapping[str, tuple[Kind, str]] = {
    MODEL: ("whole", "the whole blend"),
    RECALL_ONLY: ("part", "the order of recall alone"),
    WITHOUT_MODEL: ("part", "all signals but the language model's"),
    LIKELIHOOD_ONLY: ("part", "the language model's scores alone"),
}

Judging = Callable[[Answer], Mapping[str, float]]
"""Values of an answer by metric, where it is no order that is scored."""


@dataclass
class Scored:
    """What one system gave: its first order for each case, and each metric summed over the answers to it."""

    system: System
    cell: str | None
    orders: Lists
    sums: dict[str, Column]


@dataclass
class OfData:
    """The cases of one data set and all systems over them, by name. `counts` has each cell's answers by case."""

    name: str
    prefix: str
    relevant: Lists
    histories: Lists
    users: dict[str, str] = field(default_factory=dict)
    systems: dict[str, Scored] = field(default_factory=dict)
    counts: dict[str, Column] = field(default_factory=dict)

    @property
    def cases(self) -> list[str]:
        """The cases that every cell has answered that has answered any, in the order in which they came."""
        return [case for case in self.relevant if all(case in count for count in self.counts.values())]


@dataclass
class Troubles:
    """Times and troubles of all answers by case, or by cell and case where there are several cells.

    Timed are whole answers made just now: with a kept call or a failure one says nothing of time.
    """

    ms: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    degraded: Counter[str] = field(default_factory=Counter)
    n_degraded: int = 0


class Collection:
    """What the answers of these cells come to. `names` has each cell's data set; `judging` scores what is no order."""

    def __init__(
        self,
        cells: Sequence[Cell],
        names: Mapping[str, str],
        metrics: Sequence[str],
        judging: Mapping[str, Judging] | None = None,
    ) -> None:
        self.alone = len(cells) == 1
        self.metrics = tuple(metrics)
        self.troubles = Troubles()
        self._names, self._judging = names, judging
        self._cases, self._ids = Names(), Names()
        self.data = {name: self._of_data(name) for name in dict.fromkeys(names.values())}
        self._pending: list[tuple[Scored, str, Order, Order]] = []

    def take(self, answer: Answer) -> None:
        """Count one more answer, of one of the cells."""
        data = self.data[self._names[answer.cell]]
        case = data.prefix + answer.case_id
        if case not in data.relevant:
            data.relevant.put(case, answer.relevant)
            data.histories.put(case, answer.history)
            data.users[case] = answer.user_id
        data.counts.setdefault(answer.cell, Column(self._cases)).add(case, 1)
        self._take_troubles(answer, case)
        if self._judging is not None:
            self._take_judged(data, answer, case, self._judging[answer.cell])
            return
        for part in dict.fromkeys((MODEL, *answer.orders)):
            self._take_order(data, answer, case, part)

    def take_baselines(self, row: Mapping[str, object], systems: Sequence[System]) -> None:
        """Count the orders of one case that need no model, for these systems of its data set."""
        data, orders = self.data[str(row["data"])], row["orders"]
        case = data.prefix + str(row["case_id"])
        if self._judging is not None or case not in data.relevant or not isinstance(orders, Mapping):
            return
        for system in systems:
            order = tuple(map(str, orders.get(system.name, ())))
            self._add(data, self._scored(data, self._called(data, system.name), None, system), case, order)

    def end(self) -> None:
        """Score what was not scored yet."""
        self._flush()

    def values(self, data: OfData, cases: Sequence[str]) -> dict[str, PerCase]:
        """Each system's metrics for these cases: the mean over a cell's answers, 0 where a system has none."""
        ones = Column(self._cases)
        for case in cases:
            ones.add(case, 1)
        return {
            name: {m: c.per(data.counts[s.cell] if s.cell else ones, cases) for m, c in s.sums.items()}
            for name, s in data.systems.items()
        }

    def _of_data(self, name: str) -> OfData:
        prefix = f"{name}/" if len(set(self._names.values())) > 1 else ""
        return OfData(name, prefix, Lists(self._cases, self._ids), Lists(self._cases, self._ids))

    def _called(self, data: OfData, name: str) -> str:
        return f"{data.name} {name}" if data.prefix else name

    def _take_judged(self, data: OfData, answer: Answer, case: str, judging: Judging) -> None:
        scored = self._scored(data, answer.cell, answer.cell, _system(answer.cell, MODEL))
        if answer.rationales and case not in scored.orders:
            scored.orders.put(case, [str(one["item_id"]) for one in answer.rationales])
        for metric, value in judging(answer).items():
            if metric in scored.sums:
                scored.sums[metric].add(case, value)

    def _take_order(self, data: OfData, answer: Answer, case: str, part: str) -> None:
        """Recall is that of the first cell that has it: it stands above the cells, as the baselines do."""
        order = tuple(answer.orders.get(part, ()))
        shared = part == RECALL_ONLY
        name = self._called(data, part) if shared else self._part_name(answer.cell, part)
        scored = self._scored(data, name, None if shared else answer.cell, _system(name, part))
        if not shared or (order and case not in scored.orders):
            self._add(data, scored, case, order)

    def _part_name(self, cell: str, part: str) -> str:
        if part == MODEL:
            return cell
        return part if self.alone else f"{cell}/{part}"

    def _scored(self, data: OfData, name: str, cell: str | None, system: System) -> Scored:
        if name not in data.systems:
            columns = {metric: Column(self._cases) for metric in self.metrics}
            named = System(name, system.kind, system.about, system.order)
            data.systems[name] = Scored(named, cell, Lists(self._cases, self._ids), columns)
        return data.systems[name]

    def _add(self, data: OfData, scored: Scored, case: str, order: Order) -> None:
        if not order:
            return
        scored.orders.put(case, order)
        self._pending.append((scored, case, order, data.relevant[case]))
        if len(self._pending) >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        """Score the orders that wait, those of each system together."""
        waiting: defaultdict[int, list[tuple[Scored, str, Order, Order]]] = defaultdict(list)
        for one in self._pending:
            waiting[id(one[0])].append(one)
        self._pending.clear()
        for rows in waiting.values():
            orders = {str(n): order for n, (_, _, order, _) in enumerate(rows)}
            relevant = {str(n): wanted for n, (_, _, _, wanted) in enumerate(rows)}
            for metric, values in per_case(orders, relevant, self.metrics).items():
                for (scored, case, _, _), value in zip(rows, values.values(), strict=True):
                    scored.sums[metric].add(case, value)

    def _take_troubles(self, answer: Answer, case: str) -> None:
        key = case if self.alone else f"{answer.cell}: {case}"
        if answer.failed is not None:
            self.troubles.failed.setdefault(key, answer.failed)
        elif answer.ms > 0 and not answer.calls.get("kept"):
            self.troubles.ms.setdefault(key, answer.ms)
        self.troubles.n_degraded += bool(answer.degraded)
        self.troubles.degraded.update(answer.degraded)


def _system(name: str, part: str) -> System:
    kind, about = ABOUT.get(part, ("part", part))
    return System(name, kind, about, lambda _case, _slate: ())
