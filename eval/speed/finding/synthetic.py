"""Vectors that lie as texts' vectors do: in clusters of unequal size, few directions wide. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from agent.types import Vector

DIMENSIONS = 384
CLUSTERS = 1_000
SPREAD = 0.7  # of a cluster, where the clusters' centres have spread 1
_DECAY = 0.5  # the n-th direction is n ** -0.5 as wide as the first: about 60 of 384 carry half of the variance
ABOUT = (
    f"{CLUSTERS:,} clusters of unequal size (Zipf), spread {SPREAD:g} of their centres', directions of falling width;"
    " questions are drawn likewise and are no rows"
)


def blocks(n: int, seed: int, rows: int) -> Iterator[Vector]:
    """N vectors of 384 numbers, so many rows at a time; equal arguments give equal vectors."""
    chance = np.random.default_rng([seed, 0])
    centres = _centres(seed)
    for start in range(0, n, rows):
        yield _drawn(chance, centres, min(rows, n - start))


def questions(n: int, seed: int) -> Vector:
    """N vectors drawn as the rows of the same seed are, none of them a row."""
    return _drawn(np.random.default_rng([seed, 1]), _centres(seed), n)


def _centres(seed: int) -> Vector:
    return np.asarray(np.random.default_rng([seed, 2]).standard_normal((CLUSTERS, DIMENSIONS)), dtype=np.float32)


def _drawn(chance: np.random.Generator, centres: Vector, n: int) -> Vector:
    sizes = 1.0 / np.arange(1, CLUSTERS + 1)
    members = chance.choice(CLUSTERS, n, p=sizes / sizes.sum())
    noise = chance.standard_normal((n, DIMENSIONS), dtype=np.float32)
    widths = np.arange(1, DIMENSIONS + 1, dtype=np.float32) ** -_DECAY
    return np.asarray((centres[members] + SPREAD * noise) * widths, dtype=np.float32)
