"""Numbers on rows of logits and runs of tokens. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]

ROWS_AT_ONCE = 8


def log_normalisers(logits: Row) -> Row:
    """log(sum(exp(logits))) of each row, in nats: what a logit exceeds its log-probability by.

    Shape (rows, vocabulary) gives (rows,). Taken a few rows at a time, which then stay in the processor's cache.
    """
    found = np.empty(len(logits), dtype=np.float32)
    for start in range(0, len(logits), ROWS_AT_ONCE):
        rows = logits[start : start + ROWS_AT_ONCE]
        most = rows.max(axis=1)
        found[start : start + ROWS_AT_ONCE] = most + np.log(np.exp(rows - most[:, None]).sum(axis=1))
    return found


def log_sums(logits: Row, groups: Sequence[Sequence[int]]) -> Row:
    """log(sum(exp(logits))) over the tokens of each group alone, shape (rows, groups); no group may be empty."""
    found = np.empty((len(logits), len(groups)), dtype=np.float32)
    for n, group in enumerate(groups):
        found[:, n] = log_normalisers(logits[:, list(group)])
    return found


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """The length of the longest common beginning."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
