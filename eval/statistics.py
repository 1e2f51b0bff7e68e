"""How sure a mean over cases is: bootstrap intervals, paired permutation tests, Holm's correction, bounds of rates.

Pure: the seed is fixed or given. Everything works on one value a case, and says how many cases there were. Where one
person has several cases, `clusters` names the person of each: then people are drawn and flipped whole, not cases.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from eval.chance import SEED

RESAMPLES = 9_999
CONFIDENCE = 0.95
POWER = 0.8
Z = float(stats.norm.ppf(1 - (1 - CONFIDENCE) / 2))
BCA_MAX_CASES = 5_000  # beyond it the correction is nothing beside the width, and its jackknife is quadratic
NORMAL_MIN_CASES = 10_000  # or people: from here on the normal approximation, which resampling only repeats
EXACT_MAX_CASES = 20
CELLS_A_BATCH = 2_000_000

Floats = NDArray[np.float64]
Clusters = Sequence[Hashable]


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


@dataclass(frozen=True, slots=True)
class _Sums:
    """The values summed by cluster, in the order in which clusters come up, and how many cases each has."""

    totals: Floats
    sizes: Floats

    @classmethod
    def of(cls, array: Floats, clusters: Clusters | None) -> _Sums:
        """Raises ValueError when there is not one cluster a value."""
        if clusters is None:
            return cls(array, np.ones(len(array)))
        if len(clusters) != len(array):
            raise ValueError(f"{len(array)} values need a cluster each, got {len(clusters)}")
        numbers: dict[Hashable, int] = {}
        places = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
        totals = np.bincount(places, weights=array)
        return cls(totals.astype(np.float64), np.bincount(places).astype(np.float64))


def estimate(
    values: Sequence[float], *, clusters: Clusters | None = None, resamples: int = RESAMPLES, seed: int = SEED
) -> Estimate:
    """The mean with its 95 % bootstrap interval, bias-corrected and accelerated (Efron 1987).

    Values that are all equal give an interval of no width; one value, or one cluster, gives no interval. Above 5,000
    cases the plain percentile interval, from 10,000 on the normal approximation. With `clusters` these are drawn whole,
    and the mean stays that over cases (the cluster bootstrap, Field and Welsh 2007). Raises ValueError when there are
    no values.
    """
    array = _checked(values)
    low, high = _bounds(_Sums.of(array, clusters), resamples, seed)
    return Estimate(float(array.mean()), low, high, len(array))


def difference(
    values: Sequence[float],
    baseline: Sequence[float],
    *,
    clusters: Clusters | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Difference:
    """The mean of `values - baseline`, case by case, with its bootstrap interval and a two-sided permutation test.

    `p` is the share of sign flips of the per-case differences that move the mean at least as far (Fisher's
    randomisation test; exact when 2**n is no more than `resamples`, the normal limit of it from 10,000 cases on);
    identical systems get 1. With `clusters` all
    cases of one flip together. Raises ValueError when the lengths differ or there are no cases.
    """
    deltas = _deltas(values, baseline)
    sums = _Sums.of(deltas, clusters)
    low, high = _bounds(sums, resamples, seed)
    wins, losses = int((deltas > 0).sum()), int((deltas < 0).sum())
    return Difference(float(deltas.mean()), low, high, len(deltas), _p(sums.totals, resamples, seed), wins, losses)


def smallest_detectable(
    values: Sequence[float], baseline: Sequence[float], *, clusters: Clusters | None = None
) -> float | None:
    """The smallest true difference that as many such cases show 4 times in 5 at a two-sided alpha of .05.

    (z(.975) + z(.8)) times the standard error of the mean difference (the normal approximation, uncorrected for
    several comparisons); with `clusters` the standard error is the linearised one over clusters. None below two of
    them, 0 where the systems never differ. Raises ValueError as `difference` does.
    """
    deltas = _deltas(values, baseline)
    sums = _Sums.of(deltas, clusters)
    if len(sums.totals) < 2:
        return None
    return (Z + float(stats.norm.ppf(POWER))) * _standard_error(sums)


def shown(found: Difference, p: float) -> bool:
    """Whether a difference is shown: its interval leaves out 0, and `p`, corrected where it must be, is below .05."""
    if found.low is None or found.high is None:
        return False
    return not found.low <= 0 <= found.high and p < 1 - CONFIDENCE


def holm(p_values: Sequence[float]) -> list[float]:
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


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (in [0, 1]) of the values do not exceed, interpolated; 0 when there are none."""
    return float(np.quantile(np.asarray(values, dtype=float), share)) if len(values) else 0.0


def _deltas(values: Sequence[float], baseline: Sequence[float]) -> Floats:
    if len(values) != len(baseline):
        raise ValueError(f"a paired comparison needs equal lengths, got {len(values)} and {len(baseline)}")
    return _checked(values) - _checked(baseline)


def _checked(values: Sequence[float]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError("statistics need at least one value, all of them finite, in one dimension")
    return array


def _bounds(sums: _Sums, resamples: int, seed: int) -> tuple[float | None, float | None]:
    means = sums.totals / sums.sizes
    if len(means) < 2:
        return None, None
    if np.ptp(means) == 0:
        return float(means[0]), float(means[0])
    if len(means) >= NORMAL_MIN_CASES:
        middle, reach = float(sums.totals.sum() / sums.sizes.sum()), Z * _standard_error(sums)
        return middle - reach, middle + reach
    for method in ("BCa", "percentile") if len(means) <= BCA_MAX_CASES else ("percentile",):
        low, high = _bootstrap(sums, method, resamples, seed)
        if np.isfinite([low, high]).all():
            break
    return low, high


def _standard_error(sums: _Sums) -> float:
    """That of the mean over cases, linearised over clusters."""
    n, cases = len(sums.totals), float(sums.sizes.sum())
    off = sums.totals - sums.sizes * (sums.totals.sum() / cases)
    return math.sqrt(float(off @ off) * n / (n - 1)) / cases


def _bootstrap(sums: _Sums, method: str, resamples: int, seed: int) -> tuple[float, float]:
    alone = bool((sums.sizes == 1).all())
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # gives NaN, which the caller looks for
        found = stats.bootstrap(
            (sums.totals,) if alone else (sums.totals, sums.sizes),
            np.mean if alone else _mean_over_cases,
            paired=not alone,
            vectorized=True,
            confidence_level=CONFIDENCE,
            n_resamples=resamples,
            batch=max(1, CELLS_A_BATCH // len(sums.totals)),
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return float(found.low), float(found.high)


def _mean_over_cases(totals: Floats, sizes: Floats, axis: int = -1) -> Floats:
    return np.asarray(totals.sum(axis=axis) / sizes.sum(axis=axis), dtype=np.float64)


def _p(deltas: Floats, resamples: int, seed: int) -> float:
    """Two-sided: the share of sign flips whose sum is as far from 0. The flips as they fell count as one of them."""
    if not deltas.any():
        return 1.0
    if len(deltas) >= NORMAL_MIN_CASES:
        return float(2 * stats.norm.sf(abs(float(deltas.sum())) / math.sqrt(float(deltas @ deltas))))
    reach = abs(float(deltas.sum())) * (1 - 1e-9)
    exact = len(deltas) < EXACT_MAX_CASES and 2 ** len(deltas) <= resamples
    flips = _all_flips(len(deltas)) if exact else _drawn_flips(len(deltas), resamples, seed)
    far = sum(int((np.abs(signs @ deltas) >= reach).sum()) for signs in flips)
    return far / 2 ** len(deltas) if exact else (far + 1) / (resamples + 1)


def _all_flips(n: int) -> Iterator[Floats]:
    """Every row of n signs there is."""
    numbers = np.arange(2**n)[:, None] >> np.arange(n)
    yield np.where(numbers & 1, -1.0, 1.0)


def _drawn_flips(n: int, rows: int, seed: int) -> Iterator[Floats]:
    """That many rows of n random signs, a batch at a time."""
    if n * rows <= CELLS_A_BATCH:
        yield _kept_flips(n, rows, seed)
        return
    rng = np.random.default_rng(seed)
    batch = max(1, CELLS_A_BATCH // n)
    for start in range(0, rows, batch):
        yield _signs(rng, min(batch, rows - start), n)


@lru_cache(maxsize=2)
def _kept_flips(n: int, rows: int, seed: int) -> Floats:
    """The same for few cases, in one batch and drawn once: every comparison of a run flips alike."""
    return _signs(np.random.default_rng(seed), rows, n)


def _signs(rng: np.random.Generator, rows: int, n: int) -> Floats:
    return np.where(rng.integers(0, 2, size=(rows, n), dtype=np.int8), 1.0, -1.0)
