"""All systems over the cases of one data set: how they are ordered, what they are compared with, what they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agent.errors import PalateError
from eval.beyond import Shelf, beyond
from eval.cases import DataSet
from eval.plan.cells import Cell
from eval.popularity import shelf_of
from eval.results import COMPARED, Result, estimates
from eval.running.collecting import Collection, OfData
from eval.running.folder import RunFolder
from eval.running.vectors import kept_vectors
from eval.systems import LIKELIHOOD_ONLY, System

Pair = tuple[str, str]

_ALONE = {"floor": 0, "baseline": 0, "part": 1, "cell": 2, "ceiling": 3, "reference": 4}
_SEVERAL = {"floor": 0, "baseline": 0, "part": 1, "ceiling": 2, "reference": 3, "cell": 4}


class Standing:
    """The systems over the cases of one data set that every cell has answered that was begun. `cells` are those.

    With a shelf, `results` also says what the orders do besides hitting; `shelf_of_run` gives one.
    """

    def __init__(self, collection: Collection, data: OfData, cells: list[Cell]) -> None:
        self.data = data
        self.cells = [cell.name for cell in cells if cell.name in data.counts]
        self.shelf: Shelf | None = None
        self.cases = data.cases
        self.values = collection.values(data, self.cases)
        self.relevant = data.relevant.only(self.cases)
        self.histories = data.histories.only(self.cases)
        self.orders = {name: scored.orders.only(self.cases) for name, scored in data.systems.items()}
        self.users = {case: data.users[case] for case in self.cases}
        self._alone = collection.alone

    @property
    def clusters(self) -> list[str]:
        """Whose each case is, in the order of the cases."""
        return list(self.users.values())

    @property
    def systems(self) -> list[System]:
        """Alone: the floor, recall, the cell's parts, the cell, the ceiling, references. With several: cells last."""
        return sorted((scored.system for scored in self.data.systems.values()), key=self._place)

    def results(self) -> Iterator[Result]:
        """Each system's figures, in the order of the systems."""
        for system in self.systems:
            orders = self.orders[system.name]
            told = beyond(orders, self.histories, self.shelf, users=self.users) if self.shelf else {}
            figures = estimates(self.values[system.name], self.clusters)
            yield Result(system, orders.n_filled(), figures, told)

    def pairs(self, versus: str) -> list[Pair]:
        """Every cell with `versus`, with the first cell (and its model's scores alone too), and with the references.

        A single one's parts are compared with recall, too.
        """
        against = versus if versus in self.values else f"{self.data.name} {versus}"
        references = [system.name for system in self.systems if system.kind == "reference"]
        found = [(cell, against) for cell in self.cells] + [(cell, self.cells[0]) for cell in self.cells[1:]]
        found += [(f"{cell}/{LIKELIHOOD_ONLY}", f"{self.cells[0]}/{LIKELIHOOD_ONLY}") for cell in self.cells[1:]]
        found += COMPARED if self._alone else ()
        found += [(cell, reference) for cell in self.cells for reference in references]
        known = (pair for pair in found if pair[0] != pair[1] and all(name in self.values for name in pair))
        return list(dict.fromkeys(known))

    def _place(self, system: System) -> tuple[int, int, bool]:
        cell = self.data.systems[system.name].cell
        places = _ALONE if self._alone else _SEVERAL
        if cell is None:
            return places[system.kind], 0, False
        return places["cell"], self.cells.index(cell), (system.kind == "whole") == self._alone


def shelf_of_run(folder: RunFolder, name: str, cell: Cell) -> Shelf | str:
    """The catalogue of a cell's data set, called `name`, or why there is none: it is gone, or no longer the same."""
    told = folder.about.get("datasets")
    row = told.get(name) if isinstance(told, Mapping) else None
    try:
        dataset = DataSet.open(cell.data, ())
    except PalateError as error:
        return f"what the orders do besides hitting cannot be told: {error}"
    if isinstance(row, Mapping) and row.get("sha256") not in (None, dataset.sha256):
        return f"what the orders do besides hitting cannot be told: {name} has changed since the run"
    return replace(shelf_of(dataset), vectors=kept_vectors(folder.path, name))
