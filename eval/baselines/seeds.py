"""Seed models: what a person makes of tags, worked out from their ratings alone. A few lines each; baselines by name.

With r the person's ratings (their mean rating for what they only took up, 1 where they rated nothing), T the items by
tags, each row in sum 1, and m = 5, the interest in tag j is the weighted rating
u_j = (sum_k r_k T_kj + m mean(r)) / (sum_k T_kj + m): the mean rating of the items with that tag, shrunk towards the
person's own mean where few are rated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.rerank.blend import zscores
from eval.baselines.orders import by_score

if TYPE_CHECKING:
    from agent.types import Slate
    from eval.baselines.interactions import Interactions
    from eval.baselines.orders import Ordering
    from eval.cases import Case, DataSet
    from eval.systems import Order

SHRINKAGE = 5.0

Array = NDArray[np.float64]
Seed = Callable[[Array, Array], Array]
"""A score for each item, given the person's interest in each tag, less their mean rating, and items by tags."""


def weighted_rating(interest: Array, tags: Array) -> Array:
    """u_ij: the interest in the item's tags, on average."""
    return tags @ interest


def sigmoid(interest: Array, tags: Array) -> Array:
    """1 / (1 + exp(-u . v)): u and v of unit length, v telling rare tags louder by -log of their share."""
    rare = tags * -np.log(np.maximum(tags.mean(axis=0), 1e-9))
    vectors = rare / np.maximum(np.linalg.norm(rare, axis=1, keepdims=True), 1e-9)
    unit = interest / max(float(np.linalg.norm(interest)), 1e-9)
    return np.asarray(1.0 / (1.0 + np.exp(-(vectors @ unit))))


def softmax(interest: Array, tags: Array) -> Array:
    """The chance that the person goes for one of the item's tags, exp(u_j) / sum_j exp(u_j) each, on average."""
    raised = np.exp(interest - interest.max(initial=0.0))
    return np.asarray(tags @ (raised / max(float(raised.sum()), 1e-9)))


def blended(interest: Array, tags: Array) -> Array:
    """The mean of the three, z-scored."""
    return np.asarray(np.mean([zscores(one(interest, tags)) for one in (weighted_rating, sigmoid, softmax)], axis=0))  # type: ignore[arg-type]


SEEDS: Mapping[str, tuple[str, Seed]] = {
    "interest": ("weighted-rating interest in the item's tags", weighted_rating),
    "sigmoid": ("sigmoid of the dot product of interests and tags", sigmoid),
    "softmax": ("softmax preference for the item's tags", softmax),
    "interest-blend": ("mean of the z-scored interest, sigmoid and softmax", blended),
}


def seed_order(name: str, of: Interactions, dataset: DataSet, task: str) -> Ordering:
    """Items as one of the seed models puts them: candidates, or the unseen part of the catalogue; see `by_score`."""
    tags, seed = tags_of(dataset), SEEDS[name][1]

    def order(case: Case, slate: Slate | None) -> Order:
        """The case's items in order."""
        rated = of.past.ratings(case.user_id)
        usual = float(np.mean(list(rated.values()))) if rated else 1.0

        def scores(known: object) -> NDArray[np.float32]:
            """Those of the case's person."""
            places = np.array(list(known), dtype=np.int64)  # type: ignore[call-overload]  # columns
            ratings = np.array([rated.get(place, usual) for place in places.tolist()])
            return seed(interest_of(tags, places, ratings), tags).astype(np.float32)

        return by_score(of, task, scores)(case, slate)

    return order


def interest_of(tags: Array, places: NDArray[np.int64], ratings: Array) -> Array:
    """The person's u_j less their mean rating, for ratings of the items at these places; 0 where they rated nothing."""
    if not len(places):
        return np.zeros(tags.shape[1])
    theirs, mean = tags[places], float(ratings.mean())
    return np.asarray((ratings @ theirs + SHRINKAGE * mean) / (theirs.sum(axis=0) + SHRINKAGE) - mean)


def tags_of(dataset: DataSet) -> Array:
    """Items by tags, in the catalogue's order: each item's tags alike, in sum 1; zeros for an item without any."""
    columns = {tag: n for n, tag in enumerate(sorted({tag for item in dataset.items.values() for tag in item.tags}))}
    found = np.zeros((len(dataset.items), len(columns)))
    for row, item in enumerate(dataset.items.values()):
        for tag in set(item.tags):
            found[row, columns[tag]] = 1.0 / len(set(item.tags))
    return found
