"""Strategies made of strategies: a weighted sum, and a cascade in which one polishes the head of the other's order.

A part that gives no opinion is left out of the whole, and what it says of itself is passed on under its name. All parts
share one deadline, in the order written: a part that takes all the time leaves none to the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from agent.deadline import Deadline
from agent.rerank.base import Ranking, Reranker
from agent.rerank.blend import blend
from agent.types import Degradation, Item

BEST = 10  # how many a cascade hands on


class Summed:
    """The weighted sum of the parts' z-scored scores. `name` is how it is written, such as `0.7*likelihood+pointwise`.

    Parts without a weight in it are all told apart in the ranking's `parts`: whoever blends may weigh each as it was
    fitted. `counts` and `extras` are the parts', each as `part.what`.
    """

    def __init__(self, name: str, parts: Sequence[tuple[float, Reranker]]) -> None:
        self.name = name
        self._parts = tuple(parts)

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        """What each part can; see `Reranker.precompute`."""
        for _, part in self._parts:
            part.precompute(items, deadline)

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        """The sum for each candidate, around 0; see `Reranker.rank`. A part whose scores are all equal adds nothing."""
        rankings = [part.rank(history, candidates, wish, deadline) for _, part in self._parts]
        signals = {str(n): ranking.scores for n, ranking in enumerate(rankings)}
        weights = {str(n): weight for n, (weight, _) in enumerate(self._parts)}
        scores = tuple(float(score) for score in blend(signals, weights))
        named = [(part.name, ranking) for (_, part), ranking in zip(self._parts, rankings, strict=True)]
        apart = {name: ranking.scores for name, ranking in named}
        to_be_weighed = len(apart) == len(named) and set(weights.values()) == {1.0}
        return replace(_merged(scores, named), parts=apart if to_be_weighed else {})


class Cascaded:
    """`then` reorders the `best` of `first`; nobody that it did not see climbs over those, and none of those falls.

    For `name`, `counts` and `extras` see `Summed`.
    """

    def __init__(self, name: str, first: Reranker, then: Reranker, *, best: int = BEST) -> None:
        self.name = name
        self._first = first
        self._then = then
        self._best = best

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        """What `first` can: `then` sees a few of the items only. See `Reranker.precompute`."""
        self._first.precompute(items, deadline)

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        """For each candidate how many stand below it, those it ties with counted half; see `Reranker.rank`.

        Where `then` ties two, `first` decides; where `first` ties at the edge of the best, the prior does. Where `then`
        has no opinion, the scores are those of `first`.
        """
        first = self._first.rank(history, candidates, wish, deadline)
        order = sorted(range(len(candidates)), key=lambda n: -first.scores[n])
        best = order[: self._best]
        then = self._then.rank(history, [candidates[n] for n in best], wish, deadline)
        scores = first.scores
        if len(set(then.scores)) > 1:
            polished = dict(zip(best, then.scores, strict=True))
            scores = places([(n in polished, polished.get(n, 0.0), score) for n, score in enumerate(first.scores)])
        return _merged(scores, [(self._first.name, first), (self._then.name, then)])


def places(keys: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """For each key how many are lower, equal ones counted half: from 0 to n - 1."""
    counted = Counter(keys)
    below: dict[tuple[float, ...], float] = {}
    lower = 0
    for key in sorted(counted):
        below[key] = lower + (counted[key] - 1) / 2
        lower += counted[key]
    return tuple(below[key] for key in keys)


def _merged(scores: tuple[float, ...], parts: Sequence[tuple[str, Ranking]]) -> Ranking:
    """One ranking with what all the parts say of themselves."""
    return Ranking(
        scores,
        degraded=tuple(
            one if _is_made_of_parts(name) else Degradation(stage=one.stage, reason=f"{name}: {one.reason}")
            for name, ranking in parts
            for one in ranking.degraded
        ),
        prompts={key: value for _, ranking in parts for key, value in ranking.prompts.items()},
        counts={_key(name, key): value for name, ranking in parts for key, value in ranking.counts.items()},
        extras={_key(name, key): value for name, ranking in parts for key, value in ranking.extras.items()},
    )


def _key(part: str, what: str) -> str:
    return what if _is_made_of_parts(part) else f"{part}.{what}"


def _is_made_of_parts(name: str) -> bool:
    """Whether this part has put the names of its own parts on all it says."""
    return "+" in name or ">" in name
