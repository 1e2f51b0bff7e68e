"""A person's taste as a vector among item vectors: what each liked item weighs in it, by place or by time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from agent.types import Vector

DECAY = 0.3  # per later liked item; measured on LLMRank's MovieLens histories (centred vectors, nDCG@10)
AVERSION = 0.05  # how much the mean of disliked items is subtracted; on MovieLens-100K more costs recall
_FEW = 3.0  # likes of a session at which it has half of its weight
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Pace:
    """How fast taste moves, as of `now`: acts of the session count by their place, all acts by their age.

    The session is the run of acts up to `now` with gaps below `gap`. It gets `session` of the weight, times n / (n + 3)
    for its n likes, so that a single click does not outweigh a year.
    """

    now: datetime
    half_life: timedelta = timedelta(days=30)
    gap: timedelta = timedelta(minutes=30)
    session: float = 0.5


def recency_weights(strengths: Sequence[float]) -> Vector:
    """`strength * exp(-DECAY * age)` for strengths oldest first, the newest of age 0; sums to 1, or is empty."""
    ages = np.arange(len(strengths) - 1, -1, -1)
    return _shares(np.asarray(strengths, dtype=np.float32) * np.exp(-DECAY * ages))


def paced_weights(
    times: Sequence[datetime], strengths: Sequence[float], acts: Iterable[datetime], pace: Pace
) -> Vector:
    """What likes at these times weigh, oldest first: the session's by place and all by half-life, blended; sums to 1.

    `acts` are the times of everything the person did, newest first: they bound the session. What is newer than `now`
    counts as of now. Empty without likes.
    """
    if not len(times):
        return np.zeros(0, dtype=np.float32)
    at_s = np.array([min(at, pace.now).timestamp() for at in times])
    ages = (at_s.max() - at_s) / _DAY_S
    lasting = _shares(np.asarray(strengths) * np.exp2(-ages / (pace.half_life / timedelta(days=1))))
    begun = session_start(acts, pace)
    now = np.zeros(len(times), dtype=bool) if begun is None else at_s >= begun.timestamp()
    n = int(now.sum())
    if not n:
        return lasting
    weight = pace.session * n / (n + _FEW)
    passing = np.zeros(len(times), dtype=np.float32)
    passing[now] = recency_weights([s for s, within in zip(strengths, now, strict=True) if within])
    return np.asarray(weight * passing + (1 - weight) * lasting, dtype=np.float32)


def session_start(acts: Iterable[datetime], pace: Pace) -> datetime | None:
    """When the session that goes on at `now` began; None where the newest of the acts is `gap` or more ago.

    `acts` run newest first.
    """
    begun, last = None, pace.now
    for at in (min(act, pace.now) for act in acts):
        if last - at >= pace.gap:
            break
        begun = last = at
    return begun


def taste_vector(
    liked: Sequence[Vector], weights: Sequence[float] | Vector, disliked: Sequence[Vector] = ()
) -> Vector | None:
    """The weighted mean of liked items' unit vectors, less AVERSION times that of disliked ones; unit length.

    Vectors are centred item vectors. None without liked items, or where everything cancels out.
    """
    if not len(liked):
        return None
    taste = np.asarray(weights, dtype=np.float32) @ units(liked)
    if len(disliked):
        taste = taste - AVERSION * units(disliked).mean(axis=0)
    length = float(np.linalg.norm(taste))
    return (taste / length).astype(np.float32) if length > 1e-6 else None


def units(vectors: Sequence[Vector] | Vector) -> Vector:
    """The vectors as rows of unit length; zero rows stay."""
    stacked = np.stack(list(vectors)).astype(np.float32)
    return np.asarray(stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _shares(weights: Vector) -> Vector:
    total = weights.sum()
    return np.asarray(weights / total if total > 0 else weights, dtype=np.float32)
