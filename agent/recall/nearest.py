"""The nearest rows under a filter: exact where rows are held, else how much to ask of a graph to get enough."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.recall.where import Facts, Where
from agent.types import Vector

_FIRST_EXTRA = 32  # rows fetched beyond k at first, for ties and for rows left out
_DECIMALS = 6  # of a cosine in 32 bits: so far, both ways of comparing agree


@dataclass(frozen=True, slots=True)
class Hit:
    """One row found: `score` is its cosine with the question, in [-1, 1], to six decimals."""

    item_id: str
    score: float


class Rows(Protocol):
    """What a collection of vectors can be asked."""

    def count(self) -> int:
        """How many rows there are."""
        ...

    def nearest(self, vector: Vector, n: int) -> list[Hit]:
        """About the n rows of greatest cosine, fewer where the graph does not reach them."""
        ...

    def nearest_held(self, vector: Vector, n: int) -> list[Hit] | None:
        """Exactly the n rows of greatest cosine, and what ties with the last; None where rows are not in memory."""
        ...

    def compared(self, vector: Vector, ids: Sequence[str] | None) -> list[Hit]:
        """The rows with these ids, all rows for None, each compared with the vector exactly."""
        ...

    def ids_where(self, chroma_filter: Mapping[str, Any], limit: int) -> list[str]:
        """At most `limit` ids of the rows that pass Chroma's filter."""
        ...

    def facts(self, ids: Sequence[str]) -> Mapping[str, Facts]:
        """What filters may ask about the rows with these ids."""
        ...


def nearest(
    rows: Rows, vector: Vector, k: int, *, where: Where | None, exclude: Collection[str], pushdown_max_rows: int
) -> list[Hit]:
    """The k nearest rows that pass and are not excluded, best first, ties by item_id; fewer only where there are fewer.

    A filter that leaves at most `pushdown_max_rows` rows is applied inside the index, and those rows are compared one
    by one. Otherwise more and more rows are fetched, from memory or through the graph, and the filter is applied to
    them afterwards; where they run out, every row is compared. All give the same answer, as far as the graph finds what
    is near.
    """
    inside = where.to_chroma() if where is not None else None
    if where is not None and inside is not None:
        ids = rows.ids_where(inside, pushdown_max_rows + 1)
        if len(ids) <= pushdown_max_rows:
            passing = _passing(rows, ids, None if where.exact_in_chroma else where, exclude)
            return _ordered(rows.compared(vector, passing), passing)[:k]
    n, total = 2 * k + _FIRST_EXTRA, rows.count()
    while n < total:
        held = rows.nearest_held(vector, n)
        found = rows.nearest(vector, n) if held is None else held
        kept = _ordered(found, _passing(rows, [hit.item_id for hit in found], where, exclude))
        if len(kept) >= k and kept[k - 1].score > min(hit.score for hit in found):
            return kept[:k]
        n *= 2
    found = rows.compared(vector, None)
    return _ordered(found, _passing(rows, [hit.item_id for hit in found], where, exclude))[:k]


def through_graph(rows: Rows, vector: Vector, k: int) -> list[str]:
    """The ids of the k nearest rows that the graph alone finds, in the order of `nearest` and asked as there."""
    hits = rows.nearest(vector, min(2 * k + _FIRST_EXTRA, rows.count()))
    return [hit.item_id for hit in _ordered(hits, [hit.item_id for hit in hits])[:k]]


def cosines(vector: Vector, matrix: Vector) -> list[float]:
    """The cosine of the vector with each row, none of them zero."""
    unit = vector / np.linalg.norm(vector)
    return rounded((matrix @ unit) / np.linalg.norm(matrix, axis=1))


def rounded(scores: NDArray[np.floating[Any]]) -> list[float]:
    """Cosines with the digits that 32 bits can vouch for, so that equal rows tie; never -0.0."""
    found: list[float] = (np.round(np.clip(scores.astype(np.float64), -1.0, 1.0), _DECIMALS) + 0.0).tolist()
    return found


def _passing(rows: Rows, ids: Sequence[str], where: Where | None, exclude: Collection[str]) -> list[str]:
    left = [item_id for item_id in ids if item_id not in exclude]
    if where is None or not left:
        return left
    facts = rows.facts(left)
    return [item_id for item_id in left if (fact := facts.get(item_id)) is not None and where.holds(fact)]


def _ordered(hits: Sequence[Hit], ids: Collection[str]) -> list[Hit]:
    wanted = frozenset(ids)
    return sorted((hit for hit in hits if hit.item_id in wanted), key=lambda hit: (-hit.score, hit.item_id))
