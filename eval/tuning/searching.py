"""Coordinate search: one setting after another is set to the best that it may be, until none gains. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from eval.tuning.space import Choice, Space

SWEEPS = 20
LEAST = 1e-9  # what counts as a gain

Score = Callable[[Choice], float]


@dataclass(frozen=True)
class Best:
    """The best choice that was found, its score, and how many choices were looked at."""

    choice: Choice
    score: float
    looked_at: int


def search(space: Space, starts: Sequence[Choice], score: Score) -> Best:
    """The best choice that coordinate ascent reaches from any start; of equal ones the earliest start's.

    In the end sources that add nothing are left out, lightest first. Raises ValueError without a start.
    """
    if not starts:
        raise ValueError("a search starts somewhere")
    known = _Known(score)
    best = max((_ascent(space, start, known) for start in starts), key=known)
    lean = _lean(best, known)
    return Best(lean, known(lean), len(known.scores))


class _Known:
    """Scores, each reckoned once: choices that ask the same are the same."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self.scores: dict[Hashable, float] = {}

    def __call__(self, choice: Choice) -> float:
        key = (tuple(sorted(choice.rows.items())), choice.beside_wish)
        if key not in self.scores:
            self.scores[key] = self._score(choice)
        return self.scores[key]


def _ascent(space: Space, at: Choice, known: _Known) -> Choice:
    for _ in range(SWEEPS):
        before = known(at)
        for n in range(len(list(space.coordinates(at)))):
            coordinates = list(space.coordinates(at))
            if n < len(coordinates):
                best = max(coordinates[n], key=known)
                at = best if known(best) > known(at) + LEAST else at
        if known(at) <= before + LEAST:
            return at
    return at


def _lean(at: Choice, known: _Known) -> Choice:
    for family in sorted(at.families, key=lambda family: (at[family], family)):
        less = at.without(family)
        if less.rows and known(less) >= known(at) - LEAST:
            at = less
    return at
