"""Candidates drawn by chance that repeats. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable

from eval.chance import drawn


def strangers(ids: Iterable[str], met: Collection[str], n: int, *, seed: int, user_id: str) -> list[str]:
    """`n` of the ids, none of them met, each equally likely, in the order drawn; fewer where fewer are left.

    What is drawn depends on seed, person and ids alone, so that more ids or people do not change the chance of others.
    """
    return heapq.nsmallest(n, (each for each in ids if each not in met), key=lambda each: drawn(seed, user_id, each))
