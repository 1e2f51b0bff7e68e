"""What Chroma misses of the nearest rows, for the very vectors that recall asks it with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from agent.learn.acts import FACTORS
from agent.parts.parts import Parts
from agent.path.stages import searched
from agent.people.person import Person
from agent.recall.collaborative import Collaborative
from agent.recall.index import Index
from agent.recall.nearest import through_graph
from agent.recall.weights import family_of
from agent.types import Candidate, Item, Vector
from eval.speed.finding.exact import Exact, K, shares
from eval.speed.finding.figures import recall_of
from eval.statistics import Estimate

_PAGE = 2_000

Asked = Sequence[tuple[Person, str]]


def against_exact(parts: Parts, items: Sequence[Item], asked: Asked) -> dict[str, Estimate]:
    """By kind of question the mean recall at 50: Chroma's answers held against every row compared.

    The questions are those of these people with these wishes, and the people's factors where some were learned.
    """
    listening = _Listening(parts)
    for person, wish in asked:
        searched(cast(Parts, listening), person, wish, None, K)
    heard, index = listening.heard, parts.fresh_index
    found = [index.through_graph(vector, K) for _, vector in heard]
    exact = Exact(np.array([vector for _, vector in heard]), K)
    for start in range(0, len(items), _PAGE):
        rows = index.vectors([item.item_id for item in items[start : start + _PAGE]])
        exact.add(list(rows), np.array(list(rows.values())))
    by_kind: dict[str, list[float]] = defaultdict(list)
    for (source, _), share in zip(heard, shares(found, exact.best()), strict=True):
        by_kind[family_of(source)].append(share)
    every: Mapping[str, list[float]] = {**by_kind, **_factors(parts, asked)}
    return {kind: recall_of(of_kind) for kind, of_kind in every.items() if of_kind}


class _Listening:
    """Parts that note with which vectors the index is searched."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.heard: list[tuple[str, Vector]] = []
        self.fresh_index = _ListeningIndex(parts.fresh_index, self.heard)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parts, name)


class _ListeningIndex:
    def __init__(self, index: Index, heard: list[tuple[str, Vector]]) -> None:
        self._index, self._heard = index, heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def search(self, vector: Vector, k: int, *, source: str, **others: Any) -> list[Candidate]:
        """What the index finds."""
        self._heard.append((source, np.asarray(vector, dtype=np.float32)))
        return self._index.search(vector, k, source=source, **others)


def _factors(parts: Parts, asked: Asked) -> dict[str, list[float]]:
    learned = parts.collaborative
    if learned is None or learned.rows is None:
        return {}
    compared, rows, found, best = Collaborative(learned.learned), learned.rows, [], []
    for person, _ in asked:
        history = person.taste.history
        vector = learned.learned.person(history)
        best.append(frozenset(c.item_id for c in compared.factors(history, K)))
        found.append([] if vector is None or not vector.any() else through_graph(rows, vector, K))
    return {FACTORS: shares(found, best)}
