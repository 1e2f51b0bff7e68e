"""How good a set of reasons is, in figures: grounded, varied, short. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from agent.types import Rationale


@dataclass(frozen=True, slots=True)
class Quality:
    """Shares in [0, 1] over `n` rationales; all 0 where n is 0.

    `grounded`: pass the check. `written`: in the model's own words. `unique`: different sentences among all (the
    unique-sentence ratio of PETER's authors). `openings`: different first three words among all. `words`: mean length.
    """

    n: int
    grounded: float
    written: float
    unique: float
    openings: float
    words: float


def quality_of(rationales: Sequence[Rationale], passes: Sequence[bool]) -> Quality:
    """The quality of these rationales; `passes` says for each whether the check let it pass."""
    if not rationales:
        return Quality(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    words = [rationale.sentence.split() for rationale in rationales]
    return Quality(
        n=len(rationales),
        grounded=fmean(passes),
        written=fmean(rationale.source == "written" for rationale in rationales),
        unique=len({rationale.sentence for rationale in rationales}) / len(rationales),
        openings=len({" ".join(one[:3]).casefold() for one in words}) / len(rationales),
        words=fmean(len(one) for one in words),
    )
