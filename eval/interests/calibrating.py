"""Whether stated intervals hold: what people liked later, against the posterior from what they did before. Pure.

Covered is how many of a person's n held-out liked items are about a tag, where an item with several tags is about one
of them, drawn by lot. Given the posterior Dirichlet(alpha), that number is Beta-binomial(n, alpha_t, A - alpha_t): the
uncertainty of the share and the chance of so small a sample. Counts are few, so an interval of 80 % cannot hold just
80 % of them; coverage is therefore read off the non-randomised probability integral transform (Czado, Gneiting and
Held, "Predictive model assessment for count data", Biometrics 2009), which has no such steps: a calibrated forecast
covers L at every level L.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import betabinom

from agent.profile.evidence import Floats, Hyperparameters
from eval.chance import drawn
from eval.interests.predicting import posterior_at
from eval.interests.timelines import Timeline
from eval.statistics import UNIT, Estimate, estimate

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)
LEAST_HELD_OUT, SHARE_HELD_OUT = 10, 0.2
NOTABLE = 0.05  # the posterior mean from which on a tag is a notable interest
BANDS = {
    "all tags": (0.0, 1.0),
    "below 5 %": (0.0, NOTABLE),
    "5 % and more": (NOTABLE, 1.0),
    "10 % and more": (2 * NOTABLE, 1.0),
}


@dataclass(frozen=True)
class Outcome:
    """One tag of one person: its stated `mean`, and the ends of the transform's step, F(x - 1) and F(x)."""

    user_id: str
    mean: float
    low: float
    high: float

    def covered(self, level: float) -> float:
        """How much of the step the central interval of this level holds, in [0, 1]."""
        start, end = (1 - level) / 2, (1 + level) / 2
        if self.high - self.low < 1e-12:
            return float(start <= self.low <= end)
        return max(0.0, min(self.high, end) - max(self.low, start)) / (self.high - self.low)


def outcomes(
    timelines: Sequence[Timeline], prior: Mapping[str, float], given: Hyperparameters, seed: int
) -> list[Outcome]:
    """Every tag of every person who liked enough: the last fifth, at least 10, held out, as many before that."""
    return [one for timeline in timelines for one in _outcomes(timeline, prior, given, seed)]


def coverage(found: Sequence[Outcome], levels: Sequence[float] = LEVELS) -> dict[str, list[Estimate]]:
    """For each band of stated means that occurs, the coverage at each level, with intervals over people."""
    bands = {name: [one for one in found if low <= one.mean < high] for name, (low, high) in BANDS.items()}
    return {name: [_covered(some, level) for level in levels] for name, some in bands.items() if some}


def _covered(some: Sequence[Outcome], level: float) -> Estimate:
    return estimate([one.covered(level) for one in some], within=UNIT, clusters=[one.user_id for one in some])


def miss(found: Sequence[Outcome]) -> float:
    """How far coverage of notable interests is off its level, on average over the levels; 1 where there are none."""
    notable = [one for one in found if one.mean >= NOTABLE]
    if not notable:
        return 1.0
    return float(np.mean([abs(np.mean([one.covered(level) for one in notable]) - level) for level in LEVELS]))


def steadiest(
    timelines: Sequence[Timeline],
    prior: Mapping[str, float],
    given: Hyperparameters,
    choices: Sequence[float],
    seed: int,
) -> Hyperparameters:
    """The same hyperparameters with the steadiness whose intervals hold best for these people."""
    tried = [replace(given, steadiness=choice) for choice in choices]
    return min(tried, key=lambda one: miss(outcomes(timelines, prior, one, seed)))


def _outcomes(timeline: Timeline, prior: Mapping[str, float], given: Hyperparameters, seed: int) -> list[Outcome]:
    liked = timeline.liked
    n = max(LEAST_HELD_OUT, int(SHARE_HELD_OUT * len(liked)))
    if len(liked) < 2 * n:
        return []
    posterior = posterior_at(timeline, liked[-n], prior, given)
    places = {tag: place for place, tag in enumerate(posterior.tags)}
    counts = np.zeros(len(places))
    for place in liked[-n:]:
        item = timeline.items[timeline.reactions[place].item_id]
        tags = sorted(set(item.tags))
        counts[places[tags[int(drawn(seed, timeline.user_id, item.item_id), 16) % len(tags)]]] += 1
    return _steps(timeline.user_id, counts, n, posterior.alpha)


def _steps(user_id: str, counts: Floats, n: int, alpha: Floats) -> list[Outcome]:
    total = float(alpha.sum())
    high = betabinom.cdf(counts, n, alpha, total - alpha)
    low = high - betabinom.pmf(counts, n, alpha, total - alpha)
    means = alpha / total
    return [Outcome(user_id, *map(float, step)) for step in zip(means, low, high, strict=True)]
