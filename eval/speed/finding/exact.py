"""What comparing every row finds, to hold an approximate index against. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.types import Vector

K = 50


class Exact:
    """The k rows of greatest cosine for each of several questions, from blocks of rows added one after the other."""

    def __init__(self, questions: Vector, k: int = K) -> None:
        self._questions = _units(questions)
        self._k = k
        self._scores: NDArray[Any] = np.empty((len(questions), 0), dtype=np.float32)
        self._ids: NDArray[Any] = np.empty((len(questions), 0), dtype=object)

    def add(self, ids: Sequence[str], rows: Vector) -> None:
        """Look at these rows too; none of them may be zero."""
        scores = np.concatenate([self._scores, self._questions @ _units(rows).T], axis=1)
        names = np.broadcast_to(np.array(ids, dtype=object), (len(self._questions), len(ids)))
        every = np.concatenate([self._ids, names], axis=1)
        kept = np.argpartition(-scores, min(self._k, scores.shape[1]) - 1, axis=1)[:, : self._k]
        self._scores, self._ids = np.take_along_axis(scores, kept, axis=1), np.take_along_axis(every, kept, axis=1)

    def best(self) -> list[frozenset[str]]:
        """For each question the ids of the k best, fewer where there are fewer rows."""
        return [frozenset(row) for row in self._ids.tolist()]


def shares(found: Sequence[Sequence[str]], best: Sequence[frozenset[str]]) -> list[float]:
    """Recall of each question: the share of the best that was found; questions without any are left out."""
    return [len(right.intersection(ids)) / len(right) for ids, right in zip(found, best, strict=True) if right]


def _units(rows: Vector) -> Vector:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
