"""A window that slides from the last candidates to the first, and the scores of the order that it leaves. Pure.

Source: Sun et al., "Is ChatGPT Good at Search?" (RankGPT, EMNLP 2023).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby


def windows(n: int, window: int, stride: int) -> list[tuple[int, int]]:
    """The (start, end) of each window over n places, the last places first; the final window starts at 0."""
    bounds = [(max(0, n - window), n)]
    while bounds[-1][0] > 0:
        end = bounds[-1][1] - stride
        bounds.append((max(0, end - window), end))
    return bounds


def scores_of(order: Sequence[int], placed: Collection[int]) -> tuple[float, ...]:
    """The score of each candidate 0..n-1, given all of them best first: how many stand below it.

    Candidates that are not in `placed` and stand side by side tie, at the mean of their places' scores.
    """
    scores = [0.0] * len(order)
    below = len(order)
    for _, tied in groupby(order, key=lambda candidate: candidate if candidate in placed else -1):
        group = list(tied)
        below -= len(group)
        for candidate in group:
            scores[candidate] = below + (len(group) - 1) / 2
    return tuple(scores)
