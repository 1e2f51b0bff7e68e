"""A stored run read back for whatever is to be said of it: its figures, its counts, and the names of its items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agent.errors import PalateError
from agent.types import Item
from eval.beyond import Shelf
from eval.cases import Case, Stock
from eval.comparisons import Comparison, compare
from eval.metrics import valued
from eval.plan.cells import Cell, data_names
from eval.plan.config import EXPLAIN
from eval.results import Results
from eval.running.folder import RunFolder
from eval.running.packed import Values
from eval.running.standing import Catalogues, shelf_of_run
from eval.running.summary import Summary
from eval.running.tally import Tally
from eval.runs import Run
from eval.systems import RECALL_ONLY

RANK = "rank"


@dataclass(frozen=True)
class Catalogue:
    """The items of a run's data sets; none of those whose data set is no longer there."""

    datasets: Mapping[Path, Stock]

    @classmethod
    def of(cls, folder: RunFolder, catalogues: Catalogues | None = None) -> Catalogue:
        """The items of every data set of the run that can still be read; those that were read are not read again."""
        catalogues, found = catalogues or Catalogues(), {}
        for path in dict.fromkeys(cell.data for cell in folder.cells()):
            with suppress(PalateError):
                found[path] = catalogues.stock(path)
        return cls(found)

    def items(self, data: Path) -> Mapping[str, Item]:
        """The items of that data set by id; none where it is no longer there."""
        return self.datasets[data].items if data in self.datasets else {}

    def case(self, data: Path, case_id: str) -> Case | None:
        """The case of that data set, None where it is no longer there."""
        cases = self.datasets[data].cases() if data in self.datasets else ()
        return next((case for case in cases if case.case_id == case_id), None)


def title_of(items: Mapping[str, Item], item_id: str) -> str:
    """What a person would call the item; its id where it is none of these."""
    item = items.get(item_id)
    return item.name if item else item_id


@dataclass(frozen=True)
class Reading:
    """One run: its figures and its counts by cell. No model is asked, and answers are streamed, never held."""

    summary: Summary

    @classmethod
    def of(cls, path: Path, metrics: Sequence[str] | None = None) -> Reading:
        """The run in the folder, by these metrics or those of its plan.

        Raises ConfigError when there is no run, when it has no answers, or for a name that is no metric.
        """
        return cls(Summary.of(RunFolder.open(path), metrics))

    @property
    def folder(self) -> RunFolder:
        """Where it is stored."""
        return self.summary.folder

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.path.resolve().name

    @property
    def about(self) -> Mapping[str, object]:
        """The run's run.json."""
        return self.folder.about

    @cached_property
    def method(self) -> Mapping[str, object]:
        """How the figures came about: formulas, statistics, versions."""
        found = self.summary.as_json()["method"]
        return found if isinstance(found, Mapping) else {}

    @property
    def results(self) -> Results:
        """The figures of every system."""
        return self.summary.found.results

    @property
    def run(self) -> Run:
        """The orders of every system, and whose each case is."""
        return self.summary.found.run

    @property
    def headline(self) -> str:
        """The metric that verdicts are given on."""
        return self.results.headline

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """The counts of every cell of the plan, by name."""
        return self.summary.tallies

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells that have answers, in the order of the plan."""
        return tuple(self.summary.cells)

    def baseline(self, cell: str) -> str | None:
        """What a cell is compared with: the plan's `versus`; None where that is the cell, or has other cases."""
        return self.system(self.summary.plan.versus, cell)

    def system(self, name: str, cell: str) -> str | None:
        """The system of this name over the cell's data set; None where that is the cell itself, or has other cases.

        With several data sets, baselines bear the name of theirs, and need not be called so here.
        """
        data = self._data.get(cell)
        full = name if name in self.results.per_case else f"{data} {name}"
        return full if full != cell and self._alike(full, cell) else None

    def peers(self, cell: str) -> list[str]:
        """Every system over the same cases, in the order of the results, the cell too."""
        return [r.system.name for r in self.results.results if self._alike(r.system.name, cell)]

    def n_people(self, cell: str, metric: str | None = None) -> int:
        """How many people the cases of a system are of that have a value of the metric (the headline)."""
        return len({self.run.users.get(case, case) for case in self._valued(cell, metric or self.headline)})

    def unanswered(self, system: str) -> int:
        """How many cases the system gave nothing for."""
        found = next(result for result in self.results.results if result.system.name == system)
        return len(self.results.per_case[system][self.headline]) - found.answered

    def candidates(self, cell: str, case: str) -> frozenset[str]:
        """What a case of the task rank gave to be ordered; empty where nothing ordered it, and for other tasks."""
        if self.summary.plan.task != RANK:
            return frozenset()
        order = self.run.orders[cell].get(case)
        recall = self.system(RECALL_ONLY, cell)
        return frozenset(order or (self.run.orders[recall].get(case) if recall else None) or ())

    def against(self, systems: Sequence[str], baseline: str, metric: str | None = None) -> tuple[Comparison, ...]:
        """The systems against one over the same cases, on one metric (the headline), as one family."""
        measured = metric or self.headline
        values = {name: {measured: self.results.per_case[name][measured]} for name in (*systems, baseline)}
        clusters = [self.run.users.get(case, case) for case in values[baseline][measured]]
        return compare([(name, baseline) for name in systems], values, clusters)

    def case_id(self, cell: str, case: str) -> str:
        """The id that a case bears in its data set; among several data sets it is called "films/c1" in results."""
        return case.removeprefix(f"{self._data[cell]}/") if len(set(self._data.values())) > 1 else case

    @cached_property
    def _data(self) -> Mapping[str, str]:
        """The name of each cell's data set."""
        return data_names(self.folder.cells())

    def _valued(self, cell: str, metric: str) -> Mapping[str, float]:
        return valued(self.results.per_case[cell][metric])

    def _alike(self, one: str, other: str) -> bool:
        known = self.results.per_case
        return one in known and other in known and _same(known[one][self.headline], known[other][self.headline])

    @cached_property
    def catalogue(self) -> Catalogue:
        """The items that the run is about."""
        return Catalogue.of(self.folder, self.summary.found.catalogues)

    def title(self, cell: str, item_id: str) -> str:
        """What a person would call the item of a cell's data set; its id where that is no longer there."""
        data = next(one.data for one in self.folder.cells() if one.name == cell)
        return title_of(self.catalogue.items(data), item_id)

    def shelf(self, cell: str) -> Shelf | None:
        """The catalogue that a cell's orders are over; None where it is gone, and for tasks without orders."""
        return self._shelves[self._data[cell]]

    @cached_property
    def _shelves(self) -> Mapping[str, Shelf | None]:
        """Those of the data sets by name; that of a single one was opened when the run was scored."""
        cells = {self._data[cell.name]: cell for cell in self.folder.cells()}
        if len(cells) == 1 or self.summary.plan.task == EXPLAIN:
            return dict.fromkeys(cells, self.results.shelf)
        found = {
            name: shelf_of_run(self.folder, name, cell, self.summary.found.catalogues) for name, cell in cells.items()
        }
        return {name: None if isinstance(shelf, str) else shelf for name, shelf in found.items()}


def _same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether the two are of the same cases, in the same order."""
    if isinstance(one, Values) and isinstance(other, Values):
        return one.cases == other.cases
    return list(one) == list(other)
