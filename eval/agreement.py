"""How alike two orders are, and how a place follows another. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.systems import Order


def kendall_tau(order: Order, other: Order) -> float | None:
    """Kendall's tau (1938) of two orders over the ids that both hold, None below two of them.

    The share of pairs that stand in the same order, less that of pairs that stand in the other.
    """
    places = {item_id: place for place, item_id in enumerate(other)}
    common = np.array([places[item_id] for item_id in order if item_id in places])
    n = len(common)
    if n < 2:
        return None
    turned = int(np.triu(common[:, None] > common[None, :]).sum())
    return 1 - 4 * turned / (n * (n - 1))


def slope(at: Sequence[float], values: Sequence[float]) -> float | None:
    """The least-squares slope of the values over where they were taken; None below two different places."""
    if len(set(at)) < 2:
        return None
    off = np.asarray(at, dtype=float) - np.mean(at)
    return float(off @ np.asarray(values, dtype=float) / (off @ off))
