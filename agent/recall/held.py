"""Rows held in memory and compared one by one: for few rows exact, and faster than a graph of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np

from agent.recall.nearest import Hit, rounded
from agent.types import Vector

EXACT_MAX_ROWS = 20_000
"""A collection of more rows is searched through Chroma's graph. So many of 384 numbers are 30 MB."""
_TIE = 2e-6  # cosines this near may be equal once they are rounded


class Held:
    """Vectors by id, in the order they were added: a copy of a small collection's. It never changes."""

    def __init__(self, ids: Sequence[str] = (), matrix: Vector | None = None) -> None:
        self._ids = list(ids)
        self._matrix = np.empty((0, 0), np.float32) if matrix is None else matrix
        self._places = {item_id: place for place, item_id in enumerate(self._ids)}
        self._lengths = np.linalg.norm(self._matrix, axis=1)

    def __len__(self) -> int:
        return len(self._ids)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """What `save` wrote; None where there is no such file or it cannot be read."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                ids = arrays["ids"].tobytes().decode()
                return cls(ids.split("\n") if ids else (), arrays["rows"])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None

    def save(self, path: Path) -> None:
        """Write all rows to a file, whole or not at all. Raises OSError."""
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            np.savez(file, ids=np.frombuffer("\n".join(self._ids).encode(), np.uint8), rows=self._matrix)
        fresh.replace(path)

    def with_rows(self, ids: Sequence[str], vectors: Vector) -> Held:
        """These rows and those, whose ids are new."""
        rows = np.asarray(vectors, np.float32)
        return Held([*self._ids, *ids], np.concatenate([self._matrix, rows]) if self._ids else rows.copy())

    def without(self, ids: Collection[str]) -> Held:
        """All rows but those; ids that are not there are ignored."""
        left = [place for place, item_id in enumerate(self._ids) if item_id not in ids]
        return Held([self._ids[place] for place in left], self._matrix[left])

    def nearest(self, vector: Vector, n: int) -> list[Hit]:
        """The n rows of greatest cosine and those that tie with the last of them, in no order."""
        unit = np.asarray(vector, np.float32) / np.linalg.norm(vector)
        scores = (self._matrix @ unit) / self._lengths
        places = np.arange(len(scores))
        if n < len(scores):
            edge = np.partition(scores, -n)[-n] - _TIE
            places = np.flatnonzero(scores >= edge)
        return [Hit(self._ids[p], score) for p, score in zip(places.tolist(), rounded(scores[places]), strict=True)]

    def vectors(self, ids: Collection[str]) -> dict[str, Vector]:
        """The rows as they were added, by id; ids that are not there are absent."""
        return {item_id: self._matrix[self._places[item_id]] for item_id in ids if item_id in self._places}
