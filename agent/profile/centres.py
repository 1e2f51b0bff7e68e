"""The centres of a taste that is more than one: clusters of liked items' vectors. Pure and without chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.profile.taste import units
from agent.types import Vector

FEW = 6  # liked items below which a taste is one
HEAVIEST = 60  # liked items that are looked at: those that weigh most
_ROUNDS = 20

Labels = NDArray[np.intp]


@dataclass(frozen=True)
class Centre:
    """One cluster: its unit vector, its share of all weight, and the places of its items, heaviest first."""

    vector: Vector
    mass: float
    members: tuple[int, ...]


def centres_of(vectors: Sequence[Vector], weights: Sequence[float], most: int) -> list[Centre]:
    """One to `most` centres of weighted, centred item vectors, by mass; as many as have the best mean silhouette.

    Spherical k-means (Dhillon and Modha 2001) from the item nearest to the mean, then each time the heavy item farthest
    from all before; silhouettes by cosine distance (Rousseeuw 1987). One centre where items are few or none beats one;
    none without items.
    """
    if not len(vectors):
        return []
    mass = np.asarray(weights, dtype=np.float32)
    places = np.sort(np.argsort(-mass, kind="stable")[:HEAVIEST])
    rows, heavy = units([vectors[place] for place in places]), mass[places]
    labels = _clustered(rows, heavy, most) if len(places) >= FEW and heavy.sum() > 0 else np.zeros(len(places), np.intp)
    found = [_centre(rows, heavy, places, labels == label) for label in np.unique(labels)]
    return sorted(found, key=lambda centre: (-centre.mass, centre.members))


def _clustered(rows: Vector, weights: Vector, most: int) -> Labels:
    """The cluster of each row under the best number of clusters; all 0 where no split has a positive silhouette."""
    best, chosen = 0.0, np.zeros(len(rows), dtype=np.intp)
    apart = 1.0 - rows @ rows.T
    for k in range(2, min(most, len(rows) // 2) + 1):
        labels = _spherical_k_means(rows, weights, apart, k)
        if (worth := silhouette(apart, labels)) > best:
            best, chosen = worth, labels
    return chosen


def _spherical_k_means(rows: Vector, weights: Vector, apart: Vector, k: int) -> Labels:
    seeds = [int(np.argmax(rows @ (weights @ rows)))]
    while len(seeds) < k:
        seeds.append(int(np.argmax(apart[seeds].min(axis=0) * weights)))
    centres, labels = rows[seeds], np.full(len(rows), -1, dtype=np.intp)
    for _ in range(_ROUNDS):
        nearest = np.argmax(rows @ centres.T, axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        sums = [weights[labels == n] @ rows[labels == n] for n in range(k)]
        centres = units([row if row.any() else centres[n] for n, row in enumerate(sums)])
    return labels


def silhouette(apart: Vector, labels: Labels) -> float:
    """The mean silhouette of rows whose distances are `apart`, in [-1, 1]; -1 for one cluster, 0 for a row alone."""
    names, own = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return -1.0
    sums = np.stack([apart[:, own == n].sum(axis=1) for n in range(len(names))], axis=1)
    sizes, rows = np.bincount(own), np.arange(len(own))
    inner = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    means = sums / sizes
    means[rows, own] = np.inf
    outer = means.min(axis=1)
    widths = (outer - inner) / np.maximum(np.maximum(inner, outer), 1e-12)
    return float(np.where(sizes[own] > 1, widths, 0.0).mean())


def _centre(rows: Vector, weights: Vector, places: Labels, within: NDArray[np.bool_]) -> Centre:
    own = places[within]
    heaviest = own[np.argsort(-weights[within], kind="stable")]
    share = float(weights[within].sum() / weights.sum()) if weights.sum() > 0 else 1.0
    return Centre(units([weights[within] @ rows[within]])[0], share, tuple(int(place) for place in heaviest))
