"""How good a set of reasons is, in figures: grounded, varied, short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from agent.deadline import Deadline
from agent.explain.grounding import Grounds
from agent.explain.person import person_from
from agent.explain.rationale import Explainer
from agent.types import Event, Item, Profile, Rationale


@dataclass(frozen=True, slots=True)
class Case:
    """One slate to be explained: the arguments of `Explainer.explain`."""

    profile: Profile
    liked: Mapping[str, Item]
    items: Sequence[Item]
    wish: str | None = None
    events: Sequence[Event] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    """Shares in [0, 1] over `n` rationales; all 0 where n is 0.

    `grounded`: claim nothing that is not known. `written`: in the model's own words. `unique`: different sentences
    among all (the unique-sentence ratio, USR). `openings`: different first three words among all. `words`: mean length.
    """

    n: int
    grounded: float
    written: float
    unique: float
    openings: float
    words: float


def quality_of(rationales: Sequence[Rationale], grounded: Sequence[bool]) -> Quality:
    """The quality of these rationales; `grounded` says for each whether the check found nothing unknown."""
    if not rationales:
        return Quality(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    words = [rationale.sentence.split() for rationale in rationales]
    return Quality(
        n=len(rationales),
        grounded=fmean(grounded),
        written=fmean(rationale.source == "written" for rationale in rationales),
        unique=len({rationale.sentence for rationale in rationales}) / len(rationales),
        openings=len({" ".join(one[:3]).casefold() for one in words}) / len(rationales),
        words=fmean(len(one) for one in words),
    )


def measured(explainer: Explainer, cases: Iterable[Case]) -> tuple[Quality, list[Rationale]]:
    """The quality of an explainer's rationales over the cases, checked anew, and the rationales in order."""
    rationales: list[Rationale] = []
    grounded: list[bool] = []
    for case in cases:
        told = explainer.explain(case.profile, case.liked, case.items, case.wish, Deadline.never(), events=case.events)
        person = person_from(case.profile, case.liked, case.items, case.wish, case.events)
        given = [one.rating for one in person.cited if one.rating] + ([person.usual.value] if person.usual else [])
        grounds = Grounds([one.item for one in person.cited], case.wish, explainer.vocabulary)
        for item, rationale in zip(case.items, told.rationales, strict=True):
            rationales.append(rationale)
            grounded.append(grounds.check(rationale.sentence, item, given).grounded)
    return quality_of(rationales, grounded), rationales
