"""Who met what, as a matrix of persons by items: what systems that learn from behaviour are fitted on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eval.past import Past

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from eval.cases import Case

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Interactions:
    """Persons by items of the catalogue, 1 where the person met the item: however often, and whatever they thought.

    A poor rating counts as well: it tells what a person comes across, which is what such systems predict.
    """

    past: Past

    @cached_property
    def columns(self) -> dict[str, int]:
        """The column of each item of the catalogue."""
        return {item_id: place for place, item_id in enumerate(self.past.items)}

    @cached_property
    def matrix(self) -> csr_matrix:
        """The matrix itself, shape (persons, items)."""
        from scipy.sparse import csr_matrix

        acts = self.past.acts
        shape = (len(acts.users), len(self.past.items))
        found = csr_matrix((np.ones(len(acts), dtype=np.float32), (acts.user, acts.item)), shape=shape)
        found.sum_duplicates()
        found.data[:] = 1.0
        return found

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many persons met each item."""
        return self.past.met_by

    def known_of(self, case: Case) -> list[int]:
        """The columns that a case's person is known to have met: from the past, the history, what was mentioned."""
        return sorted(self._met_by(case.user_id) | self._columns((*case.history, *case.mentioned)))

    def seen_by(self, case: Case) -> list[int]:
        """The columns that no answer to a case may hold: what its person has met, other than by a click or a skip."""
        return sorted(self._columns((*self.past.met(case.user_id), *case.history, *case.mentioned)))

    def row(self, columns: Sequence[int]) -> csr_matrix:
        """One person as a matrix of one row."""
        from scipy.sparse import csr_matrix

        ones = np.ones(len(columns), dtype=np.float32)
        return csr_matrix((ones, (np.zeros(len(columns), dtype=np.int32), columns)), shape=(1, len(self.columns)))

    def _met_by(self, user_id: str) -> set[int]:
        user = self.past.users.get(user_id)
        return set() if user is None else set(self.matrix[[user]].indices.tolist())

    def _columns(self, item_ids: Iterable[str]) -> set[int]:
        return {self.columns[item_id] for item_id in item_ids if item_id in self.columns}
