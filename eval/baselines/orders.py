"""From scores of items to the order that a task asks for: candidates, or the unseen part of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from eval.baselines.interactions import Interactions, Scores
from eval.chance import SEED, best_first, drawn
from eval.systems import PLACES

if TYPE_CHECKING:
    from agent.types import Slate
    from eval.cases import Case
    from eval.systems import Order

Ordering = Callable[["Case", "Slate | None"], "Order"]
Scorer = Callable[[Sequence[int]], Scores]
"""A score for each item of the catalogue, given the columns of what a person met; higher is better."""


def by_score(of: Interactions, task: str, scorer: Scorer) -> Ordering:
    """Items by their score, highest first; ties are drawn by lot, alike in every run.

    The case's candidates for `rank`, else the first 100 of the catalogue without what the person is known to have met.
    """
    lots = np.array(Random(SEED).sample(range(len(of.columns)), len(of.columns)))

    def candidates(case: Case, _: Slate | None) -> Order:
        """The case's candidates in order."""
        scores = scorer(of.known_of(case))
        return best_first({i: float(scores[of.columns[i]]) for i in case.candidates}, case.case_id)

    def catalogue(case: Case, _: Slate | None) -> Order:
        """Items of the catalogue in order."""
        scores = np.array(scorer(of.known_of(case)), dtype=np.float64)
        unseen = np.setdiff1d(np.arange(len(scores)), of.seen_by(case))
        best = unseen[np.lexsort((lots[unseen], -scores[unseen]))[:PLACES]]
        return tuple(of.past.items[n] for n in best)

    return candidates if task == "rank" else catalogue


def by_chance(of: Interactions, task: str, seed: int) -> Ordering:
    """The same items in an order that depends on the seed and the case alone."""

    def candidates(case: Case, _: Slate | None) -> Order:
        """The case's candidates in order."""
        return tuple(sorted(case.candidates, key=lambda item_id: drawn(seed, case.case_id, item_id)))

    def catalogue(case: Case, _: Slate | None) -> Order:
        """Items of the catalogue in order."""
        seen = set(of.seen_by(case))
        unseen = [item_id for item_id, column in of.columns.items() if column not in seen]
        return tuple(Random(drawn(seed, case.case_id)).sample(unseen, min(PLACES, len(unseen))))

    return candidates if task == "rank" else catalogue


def ideal(of: Interactions, task: str) -> Ordering:
    """Relevant items first: the ceiling of every metric, without those that an answer to the case never holds.

    `recommend` leaves out what the events of the person tell (without any, the history), `converse` what was named.
    """

    def candidates(case: Case, _: Slate | None) -> Order:
        """The case's candidates in order."""
        return tuple(sorted(case.candidates, key=lambda item_id: item_id not in case.relevant))

    def catalogue(case: Case, _: Slate | None) -> Order:
        """Items of the catalogue in order."""
        known = task == "recommend" and len(of.past.places(case.user_id))
        never = of.past.met(case.user_id) if known else {*case.history, *(case.mentioned if task == "converse" else ())}
        return tuple(item_id for item_id in case.relevant if item_id not in never)

    return candidates if task == "rank" else catalogue
