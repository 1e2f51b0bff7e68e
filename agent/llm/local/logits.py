"""Numbers on rows of logits and runs of tokens. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from numpy.typing import NDArray

from agent.cores import available_cores

Row = NDArray[np.float32]

ROWS_AT_ONCE = 2  # so few stay in the processor's cache from one step to the next
WORTH_SHARING = 16  # rows from which several threads are quicker than one


def log_normalisers(logits: Row) -> Row:
    """log(sum(exp(logits))) of each row, in nats: what a logit exceeds its log-probability by.

    Shape (rows, vocabulary) gives (rows,), each from its row alone. Many rows are shared among this process's cores.
    """
    if len(logits) < WORTH_SHARING:
        return _log_normalisers(logits)
    return np.concatenate(list(_threads().map(_log_normalisers, np.array_split(logits, available_cores()))))


def _log_normalisers(logits: Row) -> Row:
    found = np.empty(len(logits), dtype=np.float32)
    room = np.empty((ROWS_AT_ONCE, logits.shape[1]), dtype=np.float32)
    for start in range(0, len(logits), ROWS_AT_ONCE):
        rows = logits[start : start + ROWS_AT_ONCE]
        most, terms = rows.max(axis=1), room[: len(rows)]
        np.exp(np.subtract(rows, most[:, None], out=terms), out=terms)
        found[start : start + ROWS_AT_ONCE] = most + np.log(terms.sum(axis=1))
    return found


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(available_cores(), thread_name_prefix="logits")


def log_sums(logits: Row, groups: Sequence[Sequence[int]]) -> Row:
    """log(sum(exp(logits))) over the tokens of each group alone, shape (rows, groups); no group may be empty."""
    found = np.empty((len(logits), len(groups)), dtype=np.float32)
    for n, group in enumerate(groups):
        found[:, n] = log_normalisers(logits[:, list(group)])
    return found


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """The length of the longest common beginning."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
