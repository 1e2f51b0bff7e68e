"""Bootstrap intervals of a mean over clusters, quick where many are wanted of as many clusters. Pure.

Who is drawn how often depends on the seed and on how many there are, never on the values: that is drawn once and kept,
and the means of all resamples are one product of matrices. The draws are those of scipy.stats.bootstrap. Of many who
have few values it is drawn how many of each value there are, which comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CELLS_A_BATCH = 2_000_000
CELLS_KEPT = 100_000_000  # a byte each, eight where they fit into one batch
GROUPED_MIN = 1_000  # from so many on, those of equal values are drawn together where they are few groups
TIED = 1e-12  # of the largest mean: what differs by less differs by how it was rounded

Floats = NDArray[np.float64]
Counts = NDArray[np.uint8] | NDArray[np.int64] | Floats


def bca(totals: Floats, sizes: Floats, confidence: float, resamples: int, seed: int) -> tuple[float, float]:
    """The bounds of `totals.sum() / sizes.sum()`, bias-corrected and accelerated (Efron 1987, equations 4.2 to 6.6).

    NaN where the jackknife does not vary, or no resample falls to one side of the mean.
    """
    means = _means(totals, sizes, resamples, seed)
    middle = totals.sum() / sizes.sum()
    near = TIED * max(1.0, float(np.abs(means).max()))
    below = (np.count_nonzero(means < middle - near) + np.count_nonzero(means <= middle + near)) / (2 * len(means))
    if not 0 < below < 1:
        return float("nan"), float("nan")
    normal = NormalDist()
    bias, pull = normal.inv_cdf(below), _acceleration(totals, sizes)
    shares = []
    for z in (normal.inv_cdf((1 - confidence) / 2), normal.inv_cdf((1 + confidence) / 2)):
        share = bias + (bias + z) / (1 - pull * (bias + z))
        shares.append(normal.cdf(share) if np.isfinite(share) else float("nan"))
    return _quantiles(means, shares)


def percentile_bounds(
    totals: Floats, sizes: Floats, confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    """The bounds between which that share of the resampled means lies, alike much on both sides."""
    means = _means(totals, sizes, resamples, seed)
    return _quantiles(means, [(1 - confidence) / 2, (1 + confidence) / 2])


def _quantiles(means: Floats, shares: list[float]) -> tuple[float, float]:
    if not np.isfinite(shares).all():
        return float("nan"), float("nan")
    low, high = np.percentile(means, [100 * share for share in shares])
    return float(low), float(high)


def _acceleration(totals: Floats, sizes: Floats) -> float:
    """A sixth of the skewness of the means without one cluster each; NaN where they do not vary."""
    without = (totals.sum() - totals) / (sizes.sum() - sizes)
    off = without.mean() - without
    with np.errstate(all="ignore"):
        return float((off**3).sum() / (off**2).sum() ** 1.5 / 6)


def _means(totals: Floats, sizes: Floats, resamples: int, seed: int) -> Floats:
    """The mean of each resample."""
    n, alike = len(totals), bool((sizes == 1).all())
    if n >= GROUPED_MIN:
        kinds, times = np.unique(totals + 1j * sizes, return_counts=True)
        if len(kinds) <= n // 8:
            return _grouped_means(kinds, times, resamples, seed)
    found = []
    for counts in _draws(n, resamples, seed):
        times = counts.astype(np.float64, copy=False)
        found.append(times @ totals / (n if alike else times @ sizes))
    return np.concatenate(found)


def _grouped_means(kinds: NDArray[np.complex128], times: NDArray[np.int64], resamples: int, seed: int) -> Floats:
    """The mean of each resample of those of whom so many have each total (real part) and size (imaginary part)."""
    rng, n, found = np.random.default_rng(seed), int(times.sum()), []
    batch = max(1, CELLS_A_BATCH // len(kinds))
    for start in range(0, resamples, batch):
        counts = rng.multinomial(n, times / n, size=min(batch, resamples - start)).astype(np.float64)
        found.append(counts @ kinds.real / (counts @ kinds.imag))
    return np.concatenate(found)


def _draws(n: int, resamples: int, seed: int) -> Iterator[Counts]:
    """How often each of n is drawn, a row a resample, a batch at a time."""
    return iter(_kept_draws(n, resamples, seed)) if n * resamples <= CELLS_KEPT else _drawn(n, resamples, seed)


@lru_cache(maxsize=2)
def _kept_draws(n: int, resamples: int, seed: int) -> tuple[Counts, ...]:
    """The same, kept; where there are several batches, a byte is enough for as many as draw nobody 256 times."""
    if n * resamples <= CELLS_A_BATCH:
        return tuple(counts.astype(np.float64) for counts in _drawn(n, resamples, seed))
    return tuple(
        counts.astype(np.uint8) if counts.max(initial=0) <= np.iinfo(np.uint8).max else counts
        for counts in _drawn(n, resamples, seed)
    )


def _drawn(n: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    batch = max(1, CELLS_A_BATCH // n)
    for start in range(0, resamples, batch):
        rows = min(batch, resamples - start)
        places = rng.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(places.ravel(), minlength=rows * n).reshape(rows, n)
