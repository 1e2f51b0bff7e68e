"""All systems over the cases of one data set: how they are ordered, what they are compared with, what they show."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agent.errors import PalateError
from eval.beyond import Shelf, beyond
from eval.cases import Stock
from eval.plan.cells import Cell
from eval.popularity import shelf_of
from eval.results import COMPARED, Result, answered_rate, estimates
from eval.running.collecting import Collection, OfData
from eval.running.folder import RunFolder
from eval.running.orders import Orders
from eval.running.packed import Labels, Picked
from eval.running.vectors import kept_vectors
from eval.systems import LIKELIHOOD_ONLY, System

Pair = tuple[str, str]

_ALONE = {"floor": 0, "baseline": 0, "part": 1, "cell": 2, "ceiling": 3, "reference": 4}
_SEVERAL = {"floor": 0, "baseline": 0, "part": 1, "ceiling": 2, "reference": 3, "cell": 4}


class Standing:
    """The systems over the cases of one data set that every cell has answered that was begun. `cells` are those.

    With a shelf, `results` also says what the orders do besides hitting; `shelf_of_run` gives one.
    """

    def __init__(self, collection: Collection, data: OfData, cells: list[Cell], path: Path) -> None:
        self.data = data
        self.cells = [cell.name for cell in cells if cell.name in data.counts]
        self.shelf: Shelf | None = None
        self.cases = data.cases()
        self.values = collection.values(data, self.cases)
        self.relevant = Picked(self.cases, data.relevant)
        self.histories = Picked(self.cases, data.histories)
        self.disliked = Picked(self.cases, data.disliked)
        self.users = Labels(self.cases, data.people, data.users)
        self.orders = {
            name: Orders(self.cases, path / one.file, one.starts, one.reads) for name, one in data.systems.items()
        }
        self._alone = collection.alone

    @property
    def clusters(self) -> Sequence[int]:
        """Whose each case is, by number, in the order of the cases."""
        return array("q", self.users.codes.tolist())

    @property
    def systems(self) -> list[System]:
        """Alone: the floor, recall, the cell's parts, the cell, the ceiling, references. With several: cells last."""
        return sorted((scored.system for scored in self.data.systems.values()), key=self._place)

    def results(self) -> Iterator[Result]:
        """Each system's figures, in the order of the systems."""
        for system in self.systems:
            firsts = self.data.systems[system.name].firsts
            shown = Picked(self.cases, firsts)
            told = beyond(shown, self.histories, self.shelf, users=self.users) if self.shelf else {}
            figures = estimates(self.values[system.name], self.clusters)
            answered = [firsts.has(number) for number in self.cases.numbers.tolist()]
            yield Result(system, sum(answered), figures, told, answered_rate(answered, self.clusters))

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


class Catalogues:
    """The items of a run's data sets, each read once, when they are first asked for; `known` ones are read already."""

    def __init__(self, known: Mapping[Path, Stock] | None = None) -> None:
        self._found: dict[Path, Stock | PalateError] = dict(known or {})

    def stock(self, data: Path) -> Stock:
        """That of the data set in this folder. Raises PalateError where it is no longer there, or is broken."""
        if data not in self._found:
            try:
                self._found[data] = Stock.of(data)
            except PalateError as error:
                self._found[data] = error
        found = self._found[data]
        if isinstance(found, PalateError):
            raise found
        return found


def shelf_of_run(folder: RunFolder, name: str, cell: Cell, catalogues: Catalogues) -> Shelf | str:
    """The catalogue of a cell's data set, called `name`, or why there is none: it is gone, or no longer the same."""
    told = folder.about.get("datasets")
    row = told.get(name) if isinstance(told, Mapping) else None
    try:
        stock = catalogues.stock(cell.data)
        if isinstance(row, Mapping) and row.get("sha256") not in (None, stock.sha256):
            return f"what the orders do besides hitting cannot be told: {name} has changed since the run"
        return replace(shelf_of(stock), vectors=kept_vectors(folder.path, name))
    except PalateError as error:
        return f"what the orders do besides hitting cannot be told: {error}"
