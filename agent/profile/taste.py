"""A person's taste as a vector among item vectors. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent.types import Vector

DECAY = 0.3  # per later liked item; measured on LLMRank's MovieLens histories (centred vectors, nDCG@10)
AVERSION = 0.5  # how much the mean of disliked items is subtracted


def recency_weights(strengths: Sequence[float]) -> Vector:
    """`strength * exp(-DECAY * age)` for strengths oldest first, the newest of age 0; sums to 1, or is empty."""
    ages = np.arange(len(strengths) - 1, -1, -1)
    weights = np.asarray(strengths, dtype=np.float32) * np.exp(-DECAY * ages)
    total = weights.sum()
    return np.asarray(weights / total if total > 0 else weights, dtype=np.float32)


def taste_vector(liked: Sequence[Vector], strengths: Sequence[float], disliked: Sequence[Vector] = ()) -> Vector | None:
    """The recency-weighted mean of liked items' unit vectors, less AVERSION times that of disliked ones; unit length.

    Vectors are centred item vectors, `liked` oldest first with its strengths (above 0). None without liked items, or
    where everything cancels out.
    """
    if not len(liked):
        return None
    taste = recency_weights(strengths) @ _units(liked)
    if len(disliked):
        taste = taste - AVERSION * _units(disliked).mean(axis=0)
    length = float(np.linalg.norm(taste))
    return (taste / length).astype(np.float32) if length > 1e-6 else None


def _units(vectors: Sequence[Vector]) -> Vector:
    stacked = np.stack(vectors).astype(np.float32)
    return np.asarray(stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-9), dtype=np.float32)
