"""An embedder without a model, and small catalogues: for tests of what holds for any embedder."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent.types import Item

TAGS = ("Comedy", "Drama", "Action", "War", "Romance")


class HashEmbedder:
    """Unit vectors drawn from the hash of the text, all leaning the same way as real embedders' do."""

    def __init__(self, dimensions: int = 24, name: str = "hash") -> None:
        self.name = name
        self.dimensions = dimensions
        self.asked = 0

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += len(texts)
        rows = [self._vector(text) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.dimensions)

    passages = queries

    def _vector(self, text: str) -> NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
        drawn = np.random.default_rng(seed).normal(size=self.dimensions) + 1.5
        return np.asarray(drawn / np.linalg.norm(drawn))


def catalogue(n: int) -> list[Item]:
    """n items with tags, years from 1950 to 2019, two names each and a popularity."""
    return [
        Item(
            item_id=f"i{i:04}",
            title=f"Title {i}",
            tags=(TAGS[i % 5], TAGS[(i // 5 + 1 + i) % 5]),
            attributes={"year": 1950 + i % 70, "cast": (f"Actor {i % 9}", f"Actor {i % 7 + 9}"), "country": "FR"},
            language="en" if i % 3 else None,
            popularity=i % 11,
        )
        for i in range(n)
    ]
