"""The systems that are compared: each turns a case, and the slate a ranker gave for it, into an order of item ids.

One call of the ranker feeds several of them: the whole blend, and its parts read off the path that every
recommendation carries. So a part costs no second run, and saw exactly the same candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from agent.types import Slate
from eval.cases import Case
from eval.chance import SEED, best_first, drawn

Order = tuple[str, ...]
Kind = Literal["floor", "baseline", "part", "whole", "ceiling", "reference"]

PLACES = 100
"""How deep an order of a whole catalogue goes; nothing below this place is scored."""

RANDOM, RECALL_ONLY, LIKELIHOOD_ONLY = "random", "recall-only", "likelihood-only"
WITHOUT_MODEL, MODEL, ORACLE = "without-model", "model", "oracle"
PRIOR_NOW, BLEND_NOW = "without-model, weights now", "model, weights now"  # what a fit is to beat

RECALL, PRIOR, RERANK = "recall", "prior", "rerank"  # the stages that a path names
RECALL_SOURCES = ("fuse", "taste", "wish", "popular")  # whose order is that of recall: the first of them that is there


@dataclass(frozen=True, slots=True)
class System:
    """One line of the comparison. `order` gives item ids best first, empty where the system has no answer.

    Its slate is None where the ranker failed.
    """

    name: str
    kind: Kind
    about: str
    order: Callable[[Case, Slate | None], Order]


def built_in(seed: int = SEED) -> tuple[System, ...]:
    """The systems that every run compares, from the floor to the ceiling."""
    return (
        System(RANDOM, "floor", f"the candidates shuffled, seed {seed}", lambda case, _: _shuffled(case, seed)),
        System(RECALL_ONLY, "part", "the order of recall alone", recall_order),
        System(WITHOUT_MODEL, "part", "all signals but the language model's", lambda c, s: stage_order(c, s, PRIOR)),
        System(LIKELIHOOD_ONLY, "part", "the language model's scores alone", lambda c, s: stage_order(c, s, RERANK)),
        System(MODEL, "whole", "the whole blend", slate_order),
        System(ORACLE, "ceiling", "relevant candidates first", lambda case, _: _ideal(case)),
    )


def references(names: Iterable[str]) -> tuple[System, ...]:
    """Systems whose orders stand in the data set. A case without one is a case without an answer."""
    return tuple(_reference(name) for name in names)


def slate_order(case: Case, slate: Slate | None) -> Order:
    """The slate's item ids, best first; where the case gives candidates, those that are none of them are left out."""
    ids = (recommendation.item.item_id for recommendation in slate or ())
    return tuple(item_id for item_id in ids if not case.candidates or item_id in case.candidates)


def stage_order(case: Case, slate: Slate | None, stage: str, source: str | None = None) -> Order:
    """The items by the score that one stage gave them, highest first; empty where it has none or gave all the same.

    Ties are drawn by lot, alike in every run, so that neither another stage nor the order of the case decides them.
    Where there are no candidates, items that the stage was not shown follow in the slate's order.
    `source` narrows the stage to one of its sources; without it an item's first step of the stage counts.
    """
    scores = {}
    for recommendation in slate or ():
        steps = (s for s in recommendation.path if s.stage == stage and source in (None, s.source))
        if step := next(steps, None):
            scores[recommendation.item.item_id] = step.score
    if len(scores) > 1 and len(set(scores.values())) == 1:
        return ()
    order = best_first(scores, case.case_id)
    others = () if case.candidates or not order else slate_order(case, slate)
    return order + tuple(item_id for item_id in others if item_id not in scores)


def recall_order(case: Case, slate: Slate | None) -> Order:
    """The order of recall alone: its fused list, else closeness to the taste, to the wish, popularity."""
    orders = (stage_order(case, slate, RECALL, source) for source in RECALL_SOURCES)
    return next((order for order in orders if order), ())


def _reference(name: str) -> System:
    return System(name, "reference", "orders that the data set holds", lambda case, _: case.reference.get(name, ()))


def _shuffled(case: Case, seed: int) -> Order:
    """The candidates in an order that depends on the seed and the case alone."""
    return tuple(sorted(case.candidates, key=lambda item_id: drawn(seed, case.case_id, item_id)))


def _ideal(case: Case) -> Order:
    return tuple(sorted(case.candidates, key=lambda item_id: item_id not in case.relevant))
