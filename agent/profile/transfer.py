"""What is known of a person on one platform, carried over to another by shrinkage; how much is learned. Pure.

    theta_B | acts on B ~ Dirichlet(c * prior_B + kappa_AB * mean_A + what the acts on B say)

mean_A is the mean interest on A in the tags that B has. kappa_AB, in liked items' worth, is the one under which people
who have both were likeliest to like what they did first on B: a maximum of the prequential likelihood (Dawid 1984).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent.profile.evidence import Floats, evenly
from agent.profile.ledger import Background
from agent.profile.prior import prior_of
from agent.types import Item

FIRST = 20  # likes on the new platform that kappa is judged by, for each person: later ones speak for themselves
LEAST_PEOPLE = 10  # who have both platforms, so that anything is learned of the two
KAPPAS = (0.0, *(float(kappa) for kappa in np.round(np.geomspace(0.1, 1000.0, 41), 2)))


@dataclass(frozen=True)
class Crossing:
    """One person on two platforms: their mean interest on the first, and what they liked on the second, oldest first.

    `mean` and each row of `liked` are shares over the tags of the second platform; each sums to 1.
    """

    mean: Floats
    liked: Floats


@dataclass(frozen=True)
class Transfer:
    """How much of one platform counts on another: `kappa` liked items' worth, as so many `people` have it.

    `gain_nats` is what a like becomes likelier by, on average over people and against carrying nothing over.
    """

    kappa: float
    people: int
    gain_nats: float


def carried(background: Background, others: Iterable[tuple[Mapping[str, float], float]]) -> Background:
    """The background of a platform with the mean interests on others in its prior, each for its kappa.

    Tags that the platform does not have are left out of a mean; one without any tag in common says nothing.
    """
    prior, worth = background.prior, background.given.concentration
    counts = {tag: worth * share for tag, share in prior.items()}
    for means, kappa in others:
        common = prior_of({tag: means[tag] for tag in prior if means.get(tag)})
        worth += kappa if common else 0.0
        counts = {tag: count + kappa * common.get(tag, 0.0) for tag, count in counts.items()}
    given = replace(background.given, concentration=worth)
    return replace(background, prior=prior_of(counts), given=given)


def crossing_of(means: Mapping[str, float], liked: Sequence[Item], prior: Mapping[str, float]) -> Crossing | None:
    """A person's crossing to a platform with this prior; None where either side says nothing in its tags."""
    common = prior_of({tag: means[tag] for tag in prior if means.get(tag)})
    rows = [row for row in (dict(evenly(item)) for item in liked) if row and row.keys() <= prior.keys()][:FIRST]
    if not common or not rows:
        return None
    return Crossing(
        np.array([common.get(tag, 0.0) for tag in prior]),
        np.array([[row.get(tag, 0.0) for tag in prior] for row in rows]),
    )


def likelihood(crossings: Sequence[Crossing], prior: Mapping[str, float], concentration: float, kappa: float) -> float:
    """The mean over people of log p(the tags of a like | the likes before it), in nats a like. Higher is better."""
    base = concentration * np.array(list(prior.values()))
    return float(np.mean([_likelihood(one, base, kappa) for one in crossings]))


def _likelihood(one: Crossing, base: Floats, kappa: float) -> float:
    before = np.cumsum(one.liked, axis=0) - one.liked
    alpha = base + kappa * one.mean + before
    predicted = alpha / alpha.sum(axis=1, keepdims=True)
    return float((one.liked * np.log(np.maximum(predicted, 1e-300))).sum(axis=1).mean())


def fit(crossings: Sequence[Crossing], prior: Mapping[str, float], concentration: float) -> Transfer | None:
    """The kappa of the greatest likelihood, of `KAPPAS` the smallest on ties; None for fewer than 10 people."""
    if len(crossings) < LEAST_PEOPLE:
        return None
    found = {kappa: likelihood(crossings, prior, concentration, kappa) for kappa in KAPPAS}
    best = max(KAPPAS, key=lambda kappa: (found[kappa], -kappa))
    return Transfer(best, len(crossings), found[best] - found[0.0])
