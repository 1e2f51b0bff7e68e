"""Lists of many cases as arrays, in which any choice is fused and judged in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agent.recall.fuse import DAMPING
from agent.recall.weights import BEHAVIOUR
from eval.resampling import Floats
from eval.tuning.gathering import Lists
from eval.tuning.space import Choice

Places = NDArray[np.intp]
NOWHERE = np.iinfo(np.intp).max


@dataclass(frozen=True)
class Packed:
    """What was found, entry by entry: the items of a case one after another, by item id, those of all cases in a row.

    `rows` hold what each row gives an entry at weight 1, `wished` which entries are beside a wish. A hit is a relevant
    item that any source found: `hits` are their entries, `hit_case` the cases. The entries of a hit's case are
    `rivals[begins[n] : begins[n + 1]]`. Only cases with a hit have entries.
    """

    rows: Mapping[str, Floats]
    wished: NDArray[np.bool_]
    hits: Places
    hit_case: Places
    rivals: Places
    begins: Places
    relevant: Floats

    @cached_property
    def earlier(self) -> NDArray[np.bool_]:
        """Which rivals come before their hit where both score alike."""
        return np.asarray(self.rivals < np.repeat(self.hits, np.diff(self.begins)))

    @classmethod
    def of(cls, cases: Sequence[Lists]) -> Packed:
        """The lists of cases, in their order."""
        entries = [_entries(case) for case in cases]
        starts = np.cumsum([0, *map(len, entries)])
        names = dict.fromkeys(row for case in cases for row in case.rows)
        rows = {name: np.zeros(starts[-1]) for name in names}
        wished = np.zeros(starts[-1], dtype=bool)
        hits, hit_case, rivals = [], [], [np.zeros(0, dtype=np.intp)]
        for number, (case, places, start) in enumerate(zip(cases, entries, starts.tolist(), strict=False)):
            if not places:
                continue
            _fill(rows, case, places, start)
            own = np.arange(start, start + len(places))
            wished[own] = case.wished
            for item_id in sorted(places.keys() & set(case.relevant)):
                hits.append(start + places[item_id])
                hit_case.append(number)
                rivals.append(own)
        begins = np.cumsum([0, *map(len, rivals[1:])])
        relevant = np.array([len(set(case.relevant)) for case in cases], dtype=np.float64)
        flat = (np.array(hits, dtype=np.intp), np.array(hit_case, dtype=np.intp), np.concatenate(rivals))
        return cls(rows, wished, *flat, begins, relevant)

    def scores(self, choice: Choice) -> Floats:
        """Each entry's score in the fusion (see `agent.recall.fuse`); 0 where no source of the choice found it."""
        total, behaviour = np.zeros(len(self.wished)), np.where(self.wished, choice.beside_wish, 1.0)
        for row, weight in choice.rows.items():
            if row in self.rows:
                total += weight * (self.rows[row] * behaviour if row in BEHAVIOUR else self.rows[row])
        return total

    def ranks(self, choice: Choice) -> Places:
        """The rank of every hit among all that the choice finds for its case; NOWHERE where it does not find it."""
        if not len(self.hits):
            return np.zeros(0, dtype=np.intp)
        scores = self.scores(choice)
        theirs, limit = scores[self.rivals], np.repeat(scores[self.hits], np.diff(self.begins))
        ahead = np.where(self.earlier, theirs >= limit, theirs > limit)
        ranks = np.add.reduceat(ahead, self.begins[:-1], dtype=np.intp) + 1
        return np.where(scores[self.hits] > 0, ranks, NOWHERE)

    def recall(self, choice: Choice, *cuts: int) -> list[Floats]:
        """The recall of every case at each of the cuts."""
        ranks, n = self.ranks(choice), len(self.relevant)
        return [np.bincount(self.hit_case, weights=ranks <= cut, minlength=n) / self.relevant for cut in cuts]


def _entries(case: Lists) -> dict[str, int]:
    """The place of every item found, by item id; none where nothing relevant was found."""
    found = {item_id for theirs in case.rows.values() for one in theirs for item_id in one.ids}
    if found.isdisjoint(case.relevant):
        return {}
    return {item_id: place for place, item_id in enumerate(sorted(found))}


def _fill(rows: Mapping[str, Floats], case: Lists, places: Mapping[str, int], start: int) -> None:
    for row, theirs in case.rows.items():
        for one in theirs:
            at = np.array([start + places[item_id] for item_id in one.ids], dtype=np.intp)
            rows[row][at] += one.share / (DAMPING + np.arange(1, len(at) + 1))
