"""Who took up which items, in which order: all that is learned from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Columns = NDArray[np.int32]


@dataclass(frozen=True)
class Behaviour:
    """Histories of people over `items`: person n took up `columns[starts[n]:starts[n + 1]]`, oldest first, none twice.

    Columns are places in `items`. Nobody is named.
    """

    items: tuple[str, ...]
    columns: Columns
    starts: NDArray[np.int64]

    @property
    def n_people(self) -> int:
        """How many people took up anything."""
        return len(self.starts) - 1

    @property
    def matrix(self) -> csr_matrix:
        """People by items, 1 where the person took the item up; 32-bit floats."""
        ones = np.ones(len(self.columns), dtype=np.float32)
        return csr_matrix((ones, self.columns, self.starts), shape=(self.n_people, len(self.items)))

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many people took up each item."""
        return np.bincount(self.columns, minlength=len(self.items))


def behaviour_of(histories: Iterable[Sequence[str]], items: Iterable[str]) -> Behaviour:
    """The histories, each oldest first, over the items of a catalogue.

    Items that are not in it are passed over; one that comes again counts at its first place; people left with nothing
    are left out.
    """
    ids = tuple(items)
    place = {item_id: n for n, item_id in enumerate(ids)}
    known = (_known(history, place) for history in histories)
    rows = [row for row in known if len(row)]
    columns = np.concatenate(rows) if rows else np.empty(0, dtype=np.int32)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Behaviour(ids, columns, starts)


def _known(history: Sequence[str], place: Mapping[str, int]) -> Columns:
    found = dict.fromkeys(place[item_id] for item_id in history if item_id in place)
    return np.fromiter(found, dtype=np.int32, count=len(found))
