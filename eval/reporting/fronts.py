"""Which cells no other one beats in all that counts: the Pareto front of quality against time, or cost. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of the points (quality, price) on the front, the cheapest first, ties by quality, best last.

    A point is beaten by one that is as good and cheaper, or better and as cheap. Equal points are on it together.
    """
    kept = [n for n, one in enumerate(points) if not any(_beats(other, one) for other in points)]
    return sorted(kept, key=lambda n: (points[n][1], points[n][0]))


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] >= other[0] and one[1] <= other[1]
