"""The bounds of a mean over cases, honest also where people are few and nearly all alike. Pure.

Three things keep them so (measured in docs/decisions/011-intervals.md). The level is widened for few people, as
Student's t is (Hesterberg 2015). Where values have ends, two more people are reckoned with, one towards each end, as
for shares by Agresti and Coull (1998) and for paired ones by Bonett and Price (2012): what was not seen may be there.
And people who are all alike are bounded by Wilson's score, not by what resampling says of them, which is nothing.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from eval.resampling import Floats, bca, percentile_bounds

CONFIDENCE = 0.95
POWER = 0.8  # how often what is detectable is shown
Z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2)
NORMAL_MIN_CASES = 10_000  # or people: from here on the normal approximation, which resampling only repeats
MOST_SURE = 1 - 1e-9  # the level of two people would be 1 by rounding

NO_INTERVAL = (
    "none: it is one figure of all that is shown together, and people drawn twice show nothing new, so that a bootstrap"
    " misses it (measured in docs/decisions/011-intervals.md)"
)

Clusters = Sequence[Hashable]
Bounds = tuple[float, float]
Ends = tuple[float, float]  # the lowest and the highest value that a case can have


@dataclass(frozen=True, slots=True)
class People:
    """Values summed by person, in the order in which people come up, and how many cases each has."""

    totals: Floats
    sizes: Floats

    @classmethod
    def of(cls, array: Floats, clusters: Clusters | None) -> People:
        """Everybody with one value where no clusters name them. Raises ValueError when there is not one a value."""
        if clusters is None:
            return cls(array, np.ones(len(array)))
        if len(clusters) != len(array):
            raise ValueError(f"{len(array)} values need a cluster each, got {len(clusters)}")
        numbers: dict[Hashable, int] = {}
        places = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
        totals = np.bincount(places, weights=array)
        return cls(totals.astype(np.float64), np.bincount(places).astype(np.float64))

    @property
    def n(self) -> int:
        """How many people."""
        return len(self.totals)

    @property
    def mean(self) -> float:
        """The mean over cases."""
        return float(self.totals.sum() / self.sizes.sum())

    @property
    def means(self) -> Floats:
        """Each person's mean."""
        return self.totals / self.sizes

    @property
    def error(self) -> float:
        """The standard error of the mean over cases, linearised over people."""
        off = self.totals - self.sizes * self.mean
        return _error(float(off @ off), self.n) * self.n / float(self.sizes.sum())

    def and_more(self, *values: float) -> People:
        """These and one more person for each value, with as many cases as people have on average."""
        size = float(self.sizes.mean())
        more = np.array(values)
        return People(np.append(self.totals, more * size), np.append(self.sizes, np.full(len(more), size)))


def of_level(people: People, ends: Ends | None, resamples: int, seed: int) -> Bounds | None:
    """The bounds of a mean; None of one person. BCa without ends, else percentiles with a person at either end.

    With them BCa would take the two for real ones, and correct for the skewness that they bring. No resamples: the
    normal approximation of the same, which is quick.
    """
    if people.n < 2 or np.ptp(people.means) == 0:
        return _of_alike(people, ends)
    if ends is None:
        return _resampled(people, resamples, seed, corrected=True)
    low, high = _resampled(people.and_more(*ends), resamples, seed, corrected=False)
    return max(ends[0], low), min(ends[1], high)


def of_change(people: People, span: float, resamples: int, seed: int) -> Bounds | None:
    """The bounds of a mean difference, none of which is further from 0 than the span; None of one person. BCa."""
    if people.n < 2 or np.ptp(people.means) == 0:
        return _of_alike(people, (-span, span))
    return _resampled(_with_two(people, span), resamples, seed, corrected=True)


def detectable(people: People, span: float) -> float | None:
    """The smallest true mean difference whose interval (`of_change`) so many people show 4 times in 5; None of one.

    (t + z(.8)) standard errors, the two more people among those who differ by as much and draw the mean towards 0. The
    span where not even that is shown.
    """
    return None if people.n < 2 else _of_error(_with_two(people, span).error, people.n, span)


def detectable_margin(people: People, span: float) -> float | None:
    """The smallest loss that so many people rule out 4 times in 5 (`floor_of_change`) where there is none."""
    if people.n < 2:
        return None
    reach = student(people.n + 1) * people.and_more(-span, span).error
    return min(span, reach + NormalDist().inv_cdf(POWER) * people.error * people.n / (people.n + 2))


def planned(spread: float, n: int, span: float = 1.0) -> float:
    """What `detectable` says of n people who all differ, with this standard deviation around 0; the span of one."""
    ours = (n - 1) * spread**2
    return _of_error(_error(ours + 2 * (ours + span**2) / (n + 1), n + 2), n, span)


def spread_behind(smallest: float, n: int, span: float = 1.0) -> float:
    """The standard deviation for which `planned` says this of n people; 0 where it says no less, the span of few."""
    times = _widening(n)
    if n < 2 or math.isinf(times):
        return span
    squares = (smallest / (times * _power(n))) ** 2 * (n + 2) * (n + 1)
    return math.sqrt(max(0.0, (squares - 2 * span**2 / (n + 1)) * (n + 1) / ((n - 1) * (n + 3))))


def floor_of_change(people: People, span: float) -> float | None:
    """The lower end of Student's interval with two more people who differ by the whole span; None of one person."""
    if people.n < 2:
        return None
    more = people.and_more(-span, span)
    return max(-span, more.mean - student(more.n - 1) * more.error)


def student(freedom: int) -> float:
    """The two-sided 95 % point of Student's t, for 3 degrees of freedom or more within .025 (A&S 26.7.5)."""
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return Z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))


def _with_two(people: People, span: float) -> People:
    """Two more, who differ by the root mean square of those who differ, one of the whole span among them."""
    means = people.means
    one = math.sqrt((float(means @ means) + span**2) / (np.count_nonzero(means) + 1))
    return people.and_more(-one, one)


def _of_error(error: float, n: int, span: float) -> float:
    return min(span, _power(n) * error * _widening(n))


def _widening(n: int) -> float:
    """How much a difference must stand out of n people's standard error, without it, for two more being among them.

    With a difference d the squares around the mean grow by d^2 (2 n / (n + 2) + 2 n / (n + 1)), and the mean is that of
    n + 2; solved for d. Infinite for people so few that no difference stands out.
    """
    grows = _power(n) ** 2 * (n + 2) / (n + 1) * (2 / (n + 2) + 2 / (n + 1)) / n
    return (n + 2) / n / math.sqrt(1 - grows) if grows < 1 else math.inf


def _power(n: int) -> float:
    """How many standard errors away n people and two more show what is there with that power."""
    return student(n + 1) + NormalDist().inv_cdf(POWER)


def _error(squares: float, n: int) -> float:
    """The standard error of the mean of n whose squares around it sum to that."""
    return math.sqrt(squares * n / (n - 1)) / n


def _of_alike(people: People, ends: Ends | None) -> Bounds | None:
    """Of n who are all alike, so many may be otherwise, by Wilson's bound, and as far off as can be."""
    if people.n < 2:
        return None
    value, others = people.mean, Z * Z / (people.n + Z * Z)
    low, high = ends or (value, value)
    return value + others * (low - value), value + others * (high - value)


def _resampled(people: People, resamples: int, seed: int, *, corrected: bool) -> Bounds:
    reach = student(people.n - 1)
    if people.n >= NORMAL_MIN_CASES or not resamples:
        return people.mean - reach * people.error, people.mean + reach * people.error
    reach *= math.sqrt(people.n / (people.n - 1))
    level = min(MOST_SURE, 2 * NormalDist().cdf(reach) - 1)
    found = (math.nan, math.nan)
    if corrected:
        found = bca(people.totals, people.sizes, level, resamples, seed)
    if not np.isfinite(found).all():
        found = percentile_bounds(people.totals, people.sizes, level, resamples, seed)
    return found
