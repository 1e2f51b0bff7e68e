"""Which items are taken up together: co-occurrence, shrunk and cut to each item's strongest neighbours. Pure.

Two items that one person took up count for `exp(-gap / TAU)`, where `gap` is how many places apart they stand in the
person's history: what is taken up at one time belongs together more than what years lie between. With n the number of
people who took an item up, the sum c over all people becomes the weight `c / (sqrt(n_i n_j) + SHRINKAGE)`: the cosine
of the two items' people, shrunk towards 0 where few people vouch for it.

Sarwar, Karypis, Konstan and Riedl, "Item-based collaborative filtering recommendation algorithms" (WWW 2001) for the
cosine; Bell and Koren, "Scalable collaborative filtering with jointly derived neighborhood interpolation weights"
(ICDM 2007) for the shrinkage. It needs no items-by-items inverse, so its memory is that of the pairs that occur.
Measured against EASE in docs/decisions/012-learning-from-behaviour.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from agent.learn.behaviour import Behaviour

TAU, WINDOW = 30.0, 90  # places of a history: the scale, and how far apart two items may stand to be counted
SHRINKAGE = 30.0  # people
DECAY = 0.3  # per later item: how much less an older item of a person asks for its neighbours
_PAIRS_AT_ONCE = 4_000_000  # 12 bytes each

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Neighbours:
    """Each item's neighbours: row n of `weights`, shape (items, items), holds those of item n; its diagonal is 0."""

    weights: csr_matrix

    @property
    def n_pairs(self) -> int:
        """How many weights are held, at 8 bytes each."""
        return int(self.weights.nnz)

    def together(self, columns: Sequence[int]) -> Floats:
        """How much what a person took up, oldest first, speaks for each item; 0 where nothing does."""
        asked = [n for n in columns if self.weights.indptr[n] < self.weights.indptr[n + 1]]
        found = np.zeros(self.weights.shape[1], dtype=np.float32)
        for age, column in enumerate(reversed(asked)):
            weight = np.exp(-DECAY * age)
            if weight < 1e-4:
                break
            row = slice(self.weights.indptr[column], self.weights.indptr[column + 1])
            found[self.weights.indices[row]] += np.float32(weight) * self.weights.data[row]
        return found

    def shares(self, columns: Sequence[int], target: int) -> list[float]:
        """How much each of what a person took up, oldest first, adds to `together` at one item."""
        weights = np.exp(-DECAY * np.arange(len(columns) - 1, -1, -1, dtype=np.float64))
        return [float(weight * self.weights[column, target]) for weight, column in zip(weights, columns, strict=True)]

    def closeness(self, counts: NDArray[np.int64], column: int, target: int) -> float:
        """The sum over people that a pair's weight came from, `counts` being how many people took each item up.

        Nobody adds more than 1 to it, so that more than 1 means two people at least.
        """
        return float(self.weights[column, target]) * (float(np.sqrt(counts[column] * counts[target])) + SHRINKAGE)


def neighbours_of(behaviour: Behaviour, most: int) -> Neighbours:
    """The neighbours of each item: a pair is kept where it is among the `most` strongest of either of the two."""
    pairs = _counted(behaviour).tocoo()
    people = behaviour.counts.astype(np.float32)
    weights = pairs.data / (np.sqrt(people[pairs.row] * people[pairs.col]) + np.float32(SHRINKAGE))
    whole = csr_matrix((weights.astype(np.float32), (pairs.row, pairs.col)), shape=pairs.shape)
    kept = _strongest(whole, most)
    found = kept.maximum(kept.T).tocsr()
    found.sort_indices()
    return Neighbours(found)


def _counted(behaviour: Behaviour) -> csr_matrix:
    """How often each two items stand together, by how close, both ways."""
    n = len(behaviour.items)
    person = np.repeat(np.arange(behaviour.n_people), np.diff(behaviour.starts))
    total = csr_matrix((n, n), dtype=np.float32)
    left: list[NDArray[np.int32]] = []
    right: list[NDArray[np.int32]] = []
    counts: list[Floats] = []
    waiting = 0
    for gap in range(1, WINDOW + 1):
        same = person[gap:] == person[:-gap]
        if not same.any():
            break
        left.append(behaviour.columns[:-gap][same])
        right.append(behaviour.columns[gap:][same])
        counts.append(np.full(int(same.sum()), np.exp(-gap / TAU), dtype=np.float32))
        waiting += len(counts[-1])
        if waiting > _PAIRS_AT_ONCE:
            total = total + _summed(left, right, counts, n)
            left, right, counts, waiting = [], [], [], 0
    total = total + _summed(left, right, counts, n)
    return (total + total.T).tocsr()


def _summed(
    left: Sequence[NDArray[np.int32]], right: Sequence[NDArray[np.int32]], counts: Sequence[Floats], n: int
) -> csr_matrix:
    if not counts:
        return csr_matrix((n, n), dtype=np.float32)
    rows = (np.concatenate(counts), (np.concatenate(left), np.concatenate(right)))
    return csr_matrix(rows, shape=(n, n))


def _strongest(weights: csr_matrix, most: int) -> csr_matrix:
    """The `most` greatest weights of each row; ties by column."""
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    order = np.lexsort((weights.indices, -weights.data, rows))
    place = np.arange(len(order)) - weights.indptr[rows]
    kept = order[place < most]
    return csr_matrix((weights.data[kept], (rows[kept], weights.indices[kept])), shape=weights.shape)
