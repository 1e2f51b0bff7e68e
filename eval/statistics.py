"""How sure a mean over cases is: bootstrap intervals, paired permutation tests, Holm's correction, bounds of rates.

Pure: the seed is fixed or given. Everything works on one value a case, and says how many cases there were. Where one
person has several cases, `clusters` names the person of each: then people are drawn and flipped whole, not cases.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from eval.chance import SEED
from eval.intervals import (
    CONFIDENCE,
    NORMAL_MIN_CASES,
    POWER,
    Bounds,
    Clusters,
    Ends,
    People,
    Z,
    detectable,
    detectable_margin,
    floor_of_change,
    of_change,
    of_level,
)
from eval.resampling import CELLS_A_BATCH, Floats

__all__ = [
    "CONFIDENCE",
    "NORMAL_MIN_CASES",
    "POWER",
    "RESAMPLES",
    "SIGNED",
    "UNIT",
    "Clusters",
    "Difference",
    "Ends",
    "Estimate",
    "Z",
    "difference",
    "estimate",
    "holm",
    "lowest",
    "mean",
    "percentile",
    "rate",
    "shown",
    "smallest_detectable",
    "smallest_margin",
]

RESAMPLES = 9_999
EXACT_MAX_CASES = 20
UNIT: Ends = (0.0, 1.0)  # the ends of every metric
SIGNED: Ends = (-1.0, 1.0)  # those of a difference of two, and of a rank correlation
Reals = Sequence[float] | Floats


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `n` cases with its interval; `low` and `high` are None where one case says nothing about spread."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean paired difference: positive where the first system is better. Ties are neither wins nor losses."""

    value: float
    low: float | None
    high: float | None
    n: int
    p: float
    wins: int
    losses: int


def estimate(
    values: Reals,
    *,
    within: Ends | None = None,
    clusters: Clusters | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Estimate:
    """The mean with its 95 % bootstrap interval (see `eval.intervals.of_level`).

    `within` are the ends that values have, such as `UNIT`: without them, values that are all equal give an interval of
    no width. One value, or one cluster, gives no interval. From 10,000 cases on, or with no resamples, the normal
    approximation. With
    `clusters` these are drawn whole, and the mean stays that over cases (the cluster bootstrap, Field and Welsh 2007).
    Raises ValueError when there are no values.
    """
    array = _checked(values)
    found = of_level(People.of(array, clusters), within, resamples, seed)
    value = float(array.mean())
    return Estimate(value, *_around(value, found), len(array))


def difference(
    values: Reals,
    baseline: Reals,
    *,
    span: float = 1.0,
    clusters: Clusters | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Difference:
    """The mean of `values - baseline`, case by case, with its bootstrap interval and a two-sided permutation test.

    `span` is the largest difference that there can be: 1 of metrics (see `eval.intervals.of_change`).
    `p` is the share of sign flips of the per-case differences that move the mean at least as far (Fisher's
    randomisation test; exact when 2**n is no more than `resamples`, the normal limit of it from 10,000 cases on or with
    no resamples);
    identical systems get 1. With `clusters` all
    cases of one flip together. Raises ValueError when the lengths differ or there are no cases.
    """
    deltas = _deltas(values, baseline)
    people = People.of(deltas, clusters)
    value = float(deltas.mean())
    bounds = _around(value, of_change(people, span, resamples, seed))
    wins, losses = int((deltas > 0).sum()), int((deltas < 0).sum())
    return Difference(value, *bounds, len(deltas), _p(people.totals, resamples, seed), wins, losses)


def lowest(values: Reals, baseline: Reals, *, span: float = 1.0, clusters: Clusters | None = None) -> float | None:
    """How low the mean of `values - baseline` may lie, reckoning with a case more that loses as much as can be.

    Non-inferiority is judged by the lower of this and the interval's end: a few cases that hold no great loss do not
    show that there are none. None below two clusters. Raises ValueError as `difference` does.
    """
    return floor_of_change(People.of(_deltas(values, baseline), clusters), span)


def smallest_detectable(
    values: Reals, baseline: Reals, *, span: float = 1.0, clusters: Clusters | None = None
) -> float | None:
    """The smallest true difference that as many such people show 4 times in 5, by the interval of `difference`.

    It is that of one comparison (see `eval.intervals.detectable`), and above 0 also where the systems never differed:
    so few do not show that they never do. None below two clusters. Raises ValueError as `difference` does.
    """
    return detectable(People.of(_deltas(values, baseline), clusters), span)


def smallest_margin(
    values: Reals, baseline: Reals, *, span: float = 1.0, clusters: Clusters | None = None
) -> float | None:
    """The smallest margin within which as many such people show an equal system 4 times in 5, by `lowest`.

    None below two clusters. Raises ValueError as `difference` does.
    """
    return detectable_margin(People.of(_deltas(values, baseline), clusters), span)


def shown(found: Difference, p: float) -> bool:
    """Whether a difference is shown: its interval leaves out 0, and `p`, corrected where it must be, is below .05."""
    if found.low is None or found.high is None:
        return False
    return not found.low <= 0 <= found.high and p < 1 - CONFIDENCE


def holm(p_values: Reals) -> list[float]:
    """Each p adjusted for the whole family by Holm's step-down (Holm 1979), in the order given; empty for none.

    The i-th smallest of m is multiplied by m - i + 1, never falls below a smaller one's, and is at most 1: those
    below alpha may be called shown together, with a chance of at most alpha of one false claim among them.
    """
    adjusted = [0.0] * len(p_values)
    so_far = 0.0
    for place, n in enumerate(sorted(range(len(p_values)), key=lambda n: p_values[n])):
        so_far = max(so_far, min(1.0, p_values[n] * (len(p_values) - place)))
        adjusted[n] = so_far
    return adjusted


def rate(count: int, n: int, people: int | None = None) -> Estimate:
    """The share `count / n` with its 95 % bounds by Wilson's score (Wilson 1927), which hold for rare things too.

    Where so many `people` stand behind the n, the bounds are those of people, and `n` of the estimate counts them: what
    one person gave several times is no more certain than what they gave once. Raises ValueError when there are no
    cases, or the count is not within 0 and n, or the people are not within 1 and n.
    """
    if not 0 <= count <= n or not n:
        raise ValueError(f"a rate is a count out of at least one, got {count} of {n}")
    m = n if people is None else people
    if not 1 <= m <= n:
        raise ValueError(f"{n} cases are those of 1 to {n} people, got {m}")
    share, weight = count / n, 1 + Z * Z / m
    middle = (share + Z * Z / (2 * m)) / weight
    reach = Z / weight * math.sqrt(share * (1 - share) / m + Z * Z / (4 * m * m))
    return Estimate(share, 0.0 if not count else middle - reach, 1.0 if count == n else middle + reach, m)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of those values that there are, None where there are none."""
    known = [float(value) for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def percentile(values: Reals, share: float) -> float:
    """The value that `share` (in [0, 1]) of the values do not exceed, interpolated; 0 when there are none."""
    return float(np.quantile(np.asarray(values, dtype=float), share)) if len(values) else 0.0


def _deltas(values: Reals, baseline: Reals) -> Floats:
    if len(values) != len(baseline):
        raise ValueError(f"a paired comparison needs equal lengths, got {len(values)} and {len(baseline)}")
    return _checked(values) - _checked(baseline)


def _checked(values: Reals) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError("statistics need at least one value, all of them finite, in one dimension")
    return array


def _around(value: float, bounds: Bounds | None) -> tuple[float | None, float | None]:
    """The bounds, never such that they leave the value out."""
    return (None, None) if bounds is None else (min(value, bounds[0]), max(value, bounds[1]))


def _p(deltas: Floats, resamples: int, seed: int) -> float:
    """Two-sided: the share of sign flips whose sum is as far from 0. The flips as they fell count as one of them."""
    if not deltas.any():
        return 1.0
    if len(deltas) >= NORMAL_MIN_CASES or not resamples:
        return math.erfc(abs(float(deltas.sum())) / math.sqrt(2 * float(deltas @ deltas)))
    reach = abs(float(deltas.sum())) * (1 - 1e-9)
    exact = len(deltas) < EXACT_MAX_CASES and 2 ** len(deltas) <= resamples
    flips = _all_flips(len(deltas)) if exact else _drawn_flips(len(deltas), resamples, seed)
    total = float(deltas.sum())
    far = sum(int((np.abs(2 * (kept @ deltas) - total) >= reach).sum()) for kept in flips)
    return far / 2 ** len(deltas) if exact else (far + 1) / (resamples + 1)


def _all_flips(n: int) -> Iterator[Floats]:
    """Every row there is of n ones (a sign that is kept) and zeros (one that is flipped)."""
    yield ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(np.float64)


def _drawn_flips(n: int, rows: int, seed: int) -> Iterator[Floats]:
    """That many rows of n random ones and zeros, a batch at a time."""
    if n * rows <= CELLS_A_BATCH:
        yield _kept_flips(n, rows, seed)
        return
    rng = np.random.default_rng(seed)
    batch = max(1, CELLS_A_BATCH // n)
    for start in range(0, rows, batch):
        yield _bits(rng, min(batch, rows - start), n)


@lru_cache(maxsize=2)
def _kept_flips(n: int, rows: int, seed: int) -> Floats:
    """The same for few cases, in one batch and drawn once: every comparison of a run flips alike."""
    return _bits(np.random.default_rng(seed), rows, n)


def _bits(rng: np.random.Generator, rows: int, n: int) -> Floats:
    drawn = np.frombuffer(rng.bytes(rows * ((n + 7) // 8)), dtype=np.uint8).reshape(rows, -1)
    return np.unpackbits(drawn, axis=1, count=n).astype(np.float64)
