"""What was learned from everyone's behaviour, asked about one person: scores of items, the reason, the strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agent.learn.acts import FACTORS, POPULARITY, TOGETHER
from agent.learn.behaviour import Behaviour
from agent.learn.factors import Factors, factors_of, installed
from agent.learn.neighbours import Neighbours, neighbours_of

N_FACTORS, REGULARISATION, ALPHA = 32, 1.0, 5.0
MOST_NEIGHBOURS = 500

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """How it is learned. `neighbours` is how many an item keeps at least, `factors` how long its vector is, 0: none."""

    neighbours: int = MOST_NEIGHBOURS
    factors: int = N_FACTORS
    regularisation: float = REGULARISATION
    alpha: float = ALPHA


@dataclass(frozen=True)
class Learned:
    """What behaviour says of items: neighbours, factors where there are any, and `counts`, how many took each up.

    A person is given as the ids of what they took up, oldest first: they need not be among those learned from, and
    what they did a moment ago counts like the rest. Ids that were not there when it was learned are passed over.
    """

    items: tuple[str, ...]
    counts: NDArray[np.int64]
    neighbours: Neighbours
    factors: Factors | None

    @cached_property
    def place(self) -> Mapping[str, int]:
        """The place of each item."""
        return {item_id: n for n, item_id in enumerate(self.items)}

    @cached_property
    def popular(self) -> NDArray[np.int64]:
        """The places of the items that anyone took up, the best known first, ties by place."""
        order = np.argsort(-self.counts, kind="stable")
        return order[: int(np.count_nonzero(self.counts))]

    def columns(self, history: Sequence[str]) -> NDArray[np.int32]:
        """The places of what a person took up, oldest first."""
        found = [self.place[item_id] for item_id in history if item_id in self.place]
        return np.array(found, dtype=np.int32)

    def together(self, history: Sequence[str]) -> Floats:
        """How much a person's items speak for each item by being taken up together with it; see `Neighbours`."""
        return self.neighbours.together(self.columns(history).tolist())

    def person(self, history: Sequence[str]) -> Floats | None:
        """A person's vector among the items' factors; None without factors, or where they say nothing of the person."""
        return None if self.factors is None else self.factors.person(self.columns(history))

    def signals(self, history: Sequence[str], candidates: Sequence[str]) -> dict[str, list[float]]:
        """`together`, `factors` and `popularity` (log of 1 + count), one number per candidate each.

        A signal that says nothing is left out: `together` and `factors` for someone of whom nothing is known. Nobody's
        item has no factors and no neighbours: it gets the mean of the others' factors, so that it is not held back.
        """
        places = [self.place.get(item_id) for item_id in candidates]
        counts = [0 if n is None else int(self.counts[n]) for n in places]
        found = {POPULARITY: [float(value) for value in np.log1p(counts)]}
        together = self.together(history)
        if together.any():
            found[TOGETHER] = [0.0 if n is None else float(together[n]) for n in places]
        person = self.person(history)
        if person is not None and self.factors is not None:
            cosines = self.factors.cosines(person)
            known = [float(cosines[n]) for n, count in zip(places, counts, strict=True) if n is not None and count]
            mean = sum(known) / len(known) if known else 0.0
            found[FACTORS] = [
                mean if n is None or not count else float(cosines[n]) for n, count in zip(places, counts, strict=True)
            ]
        return found

    def because(self, history: Sequence[str], item_id: str) -> str | None:
        """The item of the history that goes together with an item most; None where none does.

        Two people at least must have taken up both: what one person did is neither "people" nor anybody's business.
        """
        target = self.place.get(item_id)
        known = [one for one in history if one in self.place]
        if target is None or not known:
            return None
        places = [self.place[one] for one in known]
        shares = self.neighbours.shares(places, target)
        shared = [n for n, place in enumerate(places) if self.neighbours.closeness(self.counts, place, target) > 1]
        best = max(shared, key=lambda n: (shares[n], n), default=None)
        return None if best is None else known[best]


def learn(behaviour: Behaviour, recipe: Recipe = Recipe(), *, seed: int = 0) -> Learned:
    """What the behaviour teaches; without factors where nobody did anything or the library for them is missing."""
    wanted = recipe.factors and behaviour.n_people and installed()
    factors = (
        factors_of(
            behaviour.matrix,
            n_factors=recipe.factors,
            regularisation=recipe.regularisation,
            alpha=recipe.alpha,
            seed=seed,
        )
        if wanted
        else None
    )
    return Learned(behaviour.items, behaviour.counts, neighbours_of(behaviour, recipe.neighbours), factors)
