"""What a place of the slate is worth besides its score: calibration, diversity, novelty. Pure.

Each term tells what every candidate would add to the places already taken, one number a candidate, higher is better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.types import Item, Vector

Floats = NDArray[np.float64]
ALPHA = 0.01  # how much of the interests is mixed into the slate's tags, so that the divergence stays finite (Steck)


class Term(Protocol):
    """One part of the gain of a place."""

    @property
    def values(self) -> Floats:
        """What each candidate would add now."""
        ...

    def take(self, n: int) -> None:
        """Candidate n has got a place; a copy made before does not hear of it."""
        ...


class Fixed:
    """A term that does not depend on the places taken."""

    def __init__(self, values: Floats) -> None:
        self.values = values

    def take(self, n: int) -> None:
        """See `Term.take`."""


class Calibration:
    """How far the slate's mix of tags would be from the person's interests: -weight * KL(p || q~), in nats, at most 0.

    p are the interests by tag, summing to 1; q~ = (1 - alpha) q + alpha p, where q has the tags of the slate with the
    candidate, each tagged item sharing its 1 evenly among its tags (Steck, Calibrated Recommendations, RecSys 2018).
    Without interests 0 for all.
    """

    def __init__(self, interests: Mapping[str, float], items: Sequence[Item], weight: float = 1.0) -> None:
        places: dict[str, int] = {}
        for item in items:
            for tag in item.tags:
                if interests.get(tag, 0.0) > 0:
                    places.setdefault(tag, len(places))
        self._wanted = np.array([interests[tag] for tag in places])
        self._shares = _shares_of(items, places)
        self._tagged = np.array([bool(item.tags) for item in items], dtype=np.float64)
        self._unborne = sum(share for tag, share in interests.items() if tag not in places) * -math.log(ALPHA)
        self._sum, self._n, self._weight = np.zeros(len(places)), 0.0, weight

    @property
    def values(self) -> Floats:
        """See `Term.values`."""
        n = np.maximum(self._n + self._tagged, 1.0)[:, None]
        mixed = (1 - ALPHA) * (self._sum + self._shares) / n + ALPHA * self._wanted
        divergence = np.log(self._wanted / mixed) @ self._wanted + self._unborne
        return np.asarray(-self._weight * divergence)

    def take(self, n: int) -> None:
        """See `Term.take`."""
        self._sum = self._sum + self._shares[n]
        self._n += self._tagged[n]


class Diversity:
    """How near each candidate is to the nearest item of the slate: -weight * the greatest cosine, in [-1, 1].

    The second part of maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998). `vectors` are centred; a
    candidate without one is near to nothing. 0 for all while the slate is empty.
    """

    def __init__(self, vectors: Mapping[str, Vector], items: Sequence[Item], weight: float = 1.0) -> None:
        known = {n: vectors[item.item_id] for n, item in enumerate(items) if item.item_id in vectors}
        rows = np.zeros((len(items), len(next(iter(known.values()))) if known else 1), dtype=np.float32)
        for n, vector in known.items():
            rows[n] = vector
        self._units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        self._nearest: Floats | None = None
        self._weight = weight

    @property
    def values(self) -> Floats:
        """See `Term.values`."""
        return np.zeros(len(self._units)) if self._nearest is None else -self._weight * self._nearest

    def take(self, n: int) -> None:
        """See `Term.take`."""
        cosines = (self._units @ self._units[n]).astype(np.float64)
        self._nearest = cosines if self._nearest is None else np.maximum(self._nearest, cosines)


def novelty(popularity: Mapping[str, float], items: Sequence[Item]) -> Floats:
    """How much of a surprise it is to meet each item, from 0 for the best known to 1 for the least known of them.

    The self-information -log2((c + 1) / (C + n)) of an item met c times (Zhou et al. 2010, smoothed) on a scale of its
    own: what all of the catalogue share falls out of it. Unknown popularity counts as the mean of the others; where all
    are alike, 0.
    """
    known = [item.item_id in popularity for item in items]
    logs = np.array([math.log2(popularity.get(item.item_id, 0.0) + 1) for item in items])
    if not any(known):
        return np.zeros(len(items))
    logs[~np.array(known)] = logs[known].mean()
    return 1 - scaled(logs) if np.ptp(logs) > 0 else np.zeros(len(items))


def scaled(values: Floats) -> Floats:
    """The values from 0 for the least to 1 for the greatest; 0 where all are alike."""
    span = float(np.ptp(values)) if len(values) else 0.0
    return np.asarray((values - values.min()) / span) if span > 0 else np.zeros(len(values))


def _shares_of(items: Sequence[Item], places: Mapping[str, int]) -> Floats:
    shares = np.zeros((len(items), len(places)))
    for n, item in enumerate(items):
        tags = set(item.tags)
        for tag in tags & places.keys():
            shares[n, places[tag]] = 1 / len(tags)
    return shares
