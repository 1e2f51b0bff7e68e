"""One pass over a run's answers: orders and values by system and case, times, troubles, in little memory.

Cases of several data sets are told apart by the data set's name, "films/c1"; with one data set they bear their own ids.
So are systems: "films random". A cell's parts are called "<cell>/without-model", and "without-model" where it is alone.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from eval.beyond import K
from eval.metrics import Found, PerCase, found_in, lower_is_better, values_of, worst
from eval.plan.cells import Cell
from eval.resampling import Floats
from eval.running.answers import Answer
from eval.running.folder import ANSWERS, BASELINES
from eval.running.orders import Reads, explained, order_of
from eval.running.packed import Cases, Firsts, Lists, Names, Sums, Values
from eval.systems import LIKELIHOOD_ONLY, MODEL, RECALL_ONLY, WITHOUT_MODEL, Kind, Order, System

BLOCK = 20_000  # orders that are scored at once
MAX_NAMED = 20  # cases that failed, by name
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
    """What one system gave: the first places of its first order for each case, and each metric summed over answers.

    Of a metric of which less is better, it is summed how far it stays below the worst, so that nothing given adds 0.
    The order itself stays in the run's `file`: `starts` says at which byte its line begins, from 1, `reads` reads it.
    """

    system: System
    cell: str | None
    firsts: Firsts
    sums: dict[str, Sums]
    reads: Reads
    file: str = ANSWERS
    starts: Sums = field(default_factory=lambda: Sums("Q"))


@dataclass
class OfData:
    """The cases of one data set, numbered as they came, and all systems over them, by name.

    `users` are numbers of `people`; `counts` has each cell's answers by case.
    """

    name: str
    prefix: str
    relevant: Lists
    histories: Lists
    disliked: Lists
    numbers: Names = field(default_factory=Names)
    people: Names = field(default_factory=Names)
    users: array[int] = field(default_factory=lambda: array("I"))
    systems: dict[str, Scored] = field(default_factory=dict)
    counts: dict[str, Sums] = field(default_factory=dict)

    def cases(self) -> Cases:
        """The cases that every cell has answered that has answered any, in the order in which they came."""
        known = Cases(self.numbers)
        there = [count.of(known) > 0 for count in self.counts.values()]
        return known if all(map(all, there)) else Cases(self.numbers, known.numbers[sum(there) == len(there)])

    def n_answered(self, cell: str, most: int) -> int:
        """How many answers of a cell there are, `most` a case at most."""
        count = self.counts.get(cell)
        return int(count.of(Cases(self.numbers)).clip(max=most).sum()) if count else 0


@dataclass
class Troubles:
    """Troubles of all answers. `failed` names the first cases, or cells and cases where there are several cells."""

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
        self._ids = Names()
        self.data = {name: self._of_data(name) for name in dict.fromkeys(names.values())}
        self._pending: list[tuple[Scored, int, Found]] = []

    def take(self, answer: Answer, start: int = 0) -> None:
        """Count one more answer, of one of the cells; its line begins at this byte of the file."""
        data = self.data[self._names[answer.cell]]
        case = data.prefix + answer.case_id
        number = data.numbers.known(case)
        if number is None:
            number = data.numbers.number(case)
            data.relevant.put(answer.relevant)
            data.histories.put(answer.history)
            data.disliked.put(answer.disliked)
            data.users.append(data.people.number(answer.user_id))
        data.counts.setdefault(answer.cell, Sums("I")).add(number, 1)
        self._take_troubles(answer, case)
        if self._judging is not None:
            self._take_judged(data, answer, number, start, self._judging[answer.cell])
            return
        for part in dict.fromkeys((MODEL, *answer.orders)):
            self._take_order(data, answer, number, start, part)

    def take_baselines(self, row: Mapping[str, object], systems: Sequence[System], start: int = 0) -> None:
        """Count the orders of one case that need no model, for these systems of its data set, as `take` does."""
        data, orders = self.data[str(row["data"])], row["orders"]
        number = data.numbers.known(data.prefix + str(row["case_id"]))
        if self._judging is not None or number is None or not isinstance(orders, Mapping):
            return
        for system in systems:
            scored = self._scored(data, self._called(data, system.name), None, system, system.name)
            scored.file = BASELINES
            if not scored.firsts.has(number):
                self._add(data, scored, number, tuple(map(str, orders.get(system.name, ()))), start)

    def end(self) -> None:
        """Score what was not scored yet."""
        self._flush()

    def values(self, data: OfData, cases: Cases) -> dict[str, PerCase]:
        """Each system's metrics for these cases: the mean over a cell's answers, where it has none 0, or the worst.

        NaN where a case has no value. To be asked once: what it is computed from is let go of.
        """
        found: dict[str, PerCase] = {}
        n_bad = data.disliked.sizes[cases.numbers].astype(np.float64)
        for name, one in data.systems.items():
            n = data.counts[one.cell].of(cases) if one.cell else 1
            means = {metric: one.sums.pop(metric).of(cases) / n for metric in tuple(one.sums)}
            found[name] = {metric: Values(cases, _levels(metric, mean, n_bad)) for metric, mean in means.items()}
        return found

    def _of_data(self, name: str) -> OfData:
        prefix = f"{name}/" if len(set(self._names.values())) > 1 else ""
        return OfData(name, prefix, Lists(self._ids), Lists(self._ids), Lists(self._ids))

    def _called(self, data: OfData, name: str) -> str:
        return f"{data.name} {name}" if data.prefix else name

    def _take_judged(self, data: OfData, answer: Answer, number: int, start: int, judging: Judging) -> None:
        scored = self._scored(data, answer.cell, answer.cell, _system(answer.cell, MODEL), MODEL)
        scored.reads = explained
        if answer.rationales and not scored.firsts.has(number):
            self._locate(scored, number, [str(one["item_id"]) for one in answer.rationales], start)
        for metric, value in judging(answer).items():
            if metric in scored.sums:
                scored.sums[metric].add(number, value)

    def _take_order(self, data: OfData, answer: Answer, number: int, start: int, part: str) -> None:
        """Recall is that of the first cell that has it: it stands above the cells, as the baselines do."""
        shared = part == RECALL_ONLY
        name = self._called(data, part) if shared else self._part_name(answer.cell, part)
        scored = self._scored(data, name, None if shared else answer.cell, _system(name, part), part)
        if not shared or not scored.firsts.has(number):
            self._add(data, scored, number, answer.orders.get(part, ()), start)

    def _part_name(self, cell: str, part: str) -> str:
        if part == MODEL:
            return cell
        return part if self.alone else f"{cell}/{part}"

    def _scored(self, data: OfData, name: str, cell: str | None, system: System, stored: str) -> Scored:
        if name not in data.systems:
            named = System(name, system.kind, system.about, system.order)
            sums = {metric: Sums() for metric in self.metrics}
            data.systems[name] = Scored(named, cell, Firsts(self._ids, K), sums, order_of(stored))
        return data.systems[name]

    def _add(self, data: OfData, scored: Scored, number: int, order: Order, start: int) -> None:
        if not order:
            return
        self._locate(scored, number, order, start)
        self._pending.append((scored, number, found_in(order, data.relevant[number], data.disliked[number])))
        if len(self._pending) >= BLOCK:
            self._flush()

    def _locate(self, scored: Scored, number: int, order: Sequence[str], start: int) -> None:
        """The first order of a case is the one that is kept."""
        if not scored.firsts.has(number):
            scored.firsts.put(number, order)
            scored.starts.add(number, start + 1)

    def _flush(self) -> None:
        """Score the orders that wait, those that are alike to metrics together."""
        scores = values_of((found for _, _, found in self._pending), self.metrics) if self._pending else {}
        for metric, values in scores.items():
            points = _below_worst(metric, values) if lower_is_better(metric) else values
            for scored, number, found in self._pending:
                scored.sums[metric].add(number, points[found])
        self._pending.clear()

    def _take_troubles(self, answer: Answer, case: str) -> None:
        if answer.failed is not None and len(self.troubles.failed) < MAX_NAMED:
            self.troubles.failed.setdefault(case if self.alone else f"{answer.cell}: {case}", answer.failed)
        self.troubles.n_degraded += bool(answer.degraded)
        self.troubles.degraded.update(answer.degraded)


def _below_worst(metric: str, values: Mapping[Found, float]) -> dict[Found, float]:
    """How far each value stays below the worst that it could be; 0 where there is no value."""
    n_bad = np.array([found.n_disliked for found in values], dtype=np.float64)
    points = np.nan_to_num(worst(metric, n_bad) - np.fromiter(values.values(), np.float64, len(values)))
    return dict(zip(values, points.tolist(), strict=True))


def _levels(metric: str, means: Floats, n_bad: Floats) -> Floats:
    """The values themselves, of metrics of which less is better too, by how many disliked items the cases have."""
    return worst(metric, n_bad) - means if lower_is_better(metric) else means


def _system(name: str, part: str) -> System:
    kind, about = ABOUT.get(part, ("part", part))
    return System(name, kind, about, lambda _case, _slate: ())
