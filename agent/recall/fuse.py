"""Several ranked lists into one. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from agent.types import Candidate

DAMPING = 60


def fuse(
    lists: Sequence[Sequence[Candidate]], weights: Sequence[float] | None = None, *, damping: int = DAMPING
) -> list[Candidate]:
    """Merge ranked lists by weighted reciprocal rank: an item scores `sum(weight / (damping + rank))`.

    Candidates come best first with ids unique and source `fuse`, ties broken by item_id, so the order of the lists
    does not matter. Empty lists add nothing. Weights default to 1. Raises ValueError when damping < 1.
    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion", SIGIR 2009.
    """
    if damping < 1:
        raise ValueError("damping must be at least 1")
    scores: defaultdict[str, float] = defaultdict(float)
    for candidates, weight in zip(lists, weights or [1.0] * len(lists), strict=True):
        for candidate in candidates:
            scores[candidate.item_id] += weight / (damping + candidate.rank)
    ordered = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Candidate(item_id=i, source="fuse", rank=rank, score=s) for rank, (i, s) in enumerate(ordered, start=1)]
