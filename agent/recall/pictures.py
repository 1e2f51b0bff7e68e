"""The index of items' pictures: one more collection, beside that of what items say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from agent.recall.index import Index
from agent.recall.ledger import Ledger
from agent.recall.shelf import Shelf
from agent.types import Item, Vector


class Contents:
    """The vectors of pictures by the hash of their bytes, under the name of what looked at them: an embedder of hashes.

    `dimensions` is 0 until one is known.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.dimensions = 0
        self._vectors: dict[str, Vector] = {}

    def learn(self, vectors: dict[str, Vector]) -> None:
        """Take in more of them, all of one length."""
        self._vectors |= vectors
        self.dimensions = next((vector.size for vector in vectors.values()), self.dimensions)

    def passages(self, texts: Sequence[str]) -> Vector:
        """The vectors under these hashes, shape (len(texts), dimensions). Raises KeyError for one that is not known."""
        rows = [self._vectors[mark] for mark in texts]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)

    queries = passages


class PictureIndex(Index):
    """Cosine search over pictures: as `Index`, of items whose `image` is the hash of a content that is known."""

    room = "pictures"

    def __init__(self, embedder: Contents, shelf: Shelf, ledger: Ledger, **options: Any) -> None:
        super().__init__(embedder, shelf, ledger, **options)
        if self._state is not None:
            embedder.dimensions = self._state.mean.size

    @property
    def problem(self) -> str:
        """Why no picture can be found by it, empty where it can be used."""
        if self._state is None:
            return "no pictures are indexed yet"
        return self._problem or self._other_embedder()

    def _embedded(self, items: Sequence[Item], done: Callable[[int], None]) -> Vector:
        matrix: Vector = self._embedder.passages([item.image or "" for item in items])
        done(len(items))
        return matrix
