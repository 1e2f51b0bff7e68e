"""From what a model thinks of labels in blocks to what it thinks of items: the slot's part is taken away. Pure.

Language models prefer some labels and places whatever stands there. Each value is taken as

    value - mean of its block = item + slot + noise,    less what the others of its block have of the same

and solved for items and slots at once by ridge regression. Where every item has stood in every slot, this is the mean
over the slots less the slot's mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from agent.rerank.presentations import Block

Floats = NDArray[np.float64]

LOWEST = -50.0  # nats: a label that a model rules out altogether is no worse than this
RIDGE = 0.1  # so little that items and slots are told apart, and what no block tells apart stays near 0


def position_bias(values: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """For each slot, its mean excess over the mean of its block: what a model gives the place, whatever stands there.

    One row of values (log-probabilities, say) for each block, in slot order; blocks may differ in length. Fair only
    where items take turns in the slots. Empty without blocks.
    """
    rows = [_excess(row) for row in values]
    longest = max(map(len, rows), default=0)
    return tuple(float(np.mean([row[slot] for row in rows if slot < len(row)])) for slot in range(longest))


def item_scores(blocks: Sequence[Block], values: Sequence[Sequence[float]], n: int) -> tuple[float, ...]:
    """The score of each of n items, around 0, in the unit of the values and to 9 decimals: higher is better.

    Items that no block shows get 0, as do all where the slots explain everything.
    """
    n_slots = max(map(len, blocks), default=0)
    design = np.zeros((sum(map(len, blocks)), n + n_slots))
    start = 0
    for block in blocks:
        rows = np.arange(start, start + len(block))
        design[rows, list(block)] = 1
        design[rows, n + np.arange(len(block))] = 1
        design[rows] -= design[rows].mean(axis=0)
        start += len(block)
    excess = np.fromiter(chain.from_iterable(_excess(row) for row in values), dtype=np.float64)
    ridge = RIDGE * np.eye(n + n_slots)
    found = np.linalg.solve(design.T @ design + ridge, design.T @ excess)
    return tuple(round(float(score), 9) + 0.0 for score in found[:n])


def _excess(row: Sequence[float]) -> Floats:
    values = np.maximum(np.asarray(row, dtype=np.float64), LOWEST)
    return values - values.mean() if values.size else values
