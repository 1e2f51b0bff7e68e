"""Bounds that hold where nobody differs, and where a resampled interval would have no width. Pure.

Of m people who are all alike, up to `rate(0, m).high` (Wilson) may be otherwise, and these as far off as can be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from eval.statistics import Difference, Estimate, rate

Found = TypeVar("Found", Estimate, Difference)


def is_flat(found: Estimate | Difference) -> bool:
    """Whether the interval has no width: everybody has the same value."""
    return found.low is not None and found.low == found.high


def widened(found: Found, people: int) -> Found:
    """The same with bounds for so many people where its interval has no width, as it is where it has one.

    A level lies in [0, 1], a difference in [-1, 1]. Raises ValueError for no people.
    """
    if not is_flat(found):
        return found
    others = rate(0, people).high or 0.0
    least = -1.0 if isinstance(found, Difference) else 0.0
    low, high = (found.value + others * (end - found.value) for end in (least, 1.0))
    return replace(found, low=low, high=high)
