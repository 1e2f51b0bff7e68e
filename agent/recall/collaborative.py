"""What everyone's behaviour finds for a person: items taken up together with theirs, near to them, by many."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.errors import StoreError
from agent.learn.acts import FACTORS, POPULARITY, TOGETHER
from agent.recall.nearest import Rows, nearest, rounded
from agent.recall.weights import SHIPPED
from agent.types import Candidate, Vector

if TYPE_CHECKING:
    from agent.learn.factors import Factors
    from agent.learn.learned import Learned

WEIGHTS: Mapping[str, float] = {name: SHIPPED[name] for name in (TOGETHER, FACTORS, POPULARITY)}
"""What each weighs in the fusion as shipped, where taste among texts weighs 1."""
WHY: Mapping[str, str] = {
    TOGETHER: "people who chose what you chose also chose this",
    FACTORS: "people with a taste like yours chose this",
    POPULARITY: "many people chose this",
}


@dataclass(frozen=True)
class Collaborative:
    """What was learned, ready to find items. `rows` are the factors in an index; none: they are compared one by one.

    `catalogue` is the version of the catalogue it was learned over, empty where that does not change.
    """

    learned: Learned
    rows: Rows | None = None
    catalogue: str = ""

    def search(self, source: str, history: Sequence[str], n: int, exclude: Collection[str] = ()) -> list[Candidate]:
        """What one of the sources in `WEIGHTS` finds for a person."""
        if source == POPULARITY:
            return self.popular(n, exclude)
        return (self.together if source == TOGETHER else self.factors)(history, n, exclude)

    def together(self, history: Sequence[str], n: int, exclude: Collection[str] = ()) -> list[Candidate]:
        """Up to n items that are taken up together with what the person took up, oldest first; best first."""
        return self._best(TOGETHER, self.learned.together(history), n, exclude)

    def factors(self, history: Sequence[str], n: int, exclude: Collection[str] = ()) -> list[Candidate]:
        """Up to n items near to the person among the factors of items; scores are cosines."""
        person = self.learned.person(history)
        if person is None or self.learned.factors is None or not person.any():
            return []
        if self.rows is None:
            return self._compared(self.learned.factors, person, n, exclude)
        try:
            hits = nearest(self.rows, person, n, where=None, exclude=exclude, pushdown_max_rows=0)
        except StoreError:  # the collection was replaced meanwhile; the factors themselves are here, and exact
            return self._compared(self.learned.factors, person, n, exclude)
        return [Candidate(item_id=h.item_id, source=FACTORS, rank=k, score=h.score) for k, h in enumerate(hits, 1)]

    def _compared(self, factors: Factors, person: Vector, n: int, exclude: Collection[str]) -> list[Candidate]:
        """As the collection answers: the n items with factors that are nearest, ties within its digits by item_id."""
        items, places = self.learned.items, np.flatnonzero(factors.lengths)
        scores = rounded(factors.cosines(person)[places])
        near = zip(scores, (items[p] for p in places.tolist()), strict=True)
        best = sorted((-score, item_id) for score, item_id in near if item_id not in exclude)[:n]
        return [Candidate(item_id=i, source=FACTORS, rank=k, score=-s) for k, (s, i) in enumerate(best, start=1)]

    def popular(self, n: int, exclude: Collection[str] = ()) -> list[Candidate]:
        """Up to n items that the most people took up; scores are how many did."""
        counts, items = self.learned.counts, self.learned.items
        found = [p for p in self.learned.popular[: n + len(exclude)].tolist() if items[p] not in exclude][:n]
        return [
            Candidate(item_id=items[p], source=POPULARITY, rank=k, score=float(counts[p]))
            for k, p in enumerate(found, start=1)
        ]

    def _best(self, source: str, scores: np.ndarray[Any, Any], n: int, exclude: Collection[str]) -> list[Candidate]:
        """The n items of greatest score above 0 that are not excluded, ties by item_id."""
        items, wanted = self.learned.items, n + len(exclude)
        places = np.flatnonzero(scores > 0)
        if len(places) > wanted:
            edge = np.partition(scores[places], -wanted)[-wanted]
            places = places[scores[places] >= edge]
        best = sorted((-float(scores[p]), items[p]) for p in places.tolist() if items[p] not in exclude)[:n]
        return [Candidate(item_id=i, source=source, rank=k, score=-s) for k, (s, i) in enumerate(best, start=1)]
