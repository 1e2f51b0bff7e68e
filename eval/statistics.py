"""How sure a mean over cases is: bootstrap intervals and paired permutation tests. Pure: the seed is fixed or given.

Everything works on one value a case, and says how many cases there were.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

SEED = 20_260_101
RESAMPLES = 9_999
CONFIDENCE = 0.95
BCA_MAX_CASES = 5_000  # beyond it the correction is nothing beside the width, and its jackknife is quadratic
EXACT_MAX_CASES = 20
CELLS_A_BATCH = 2_000_000

Floats = NDArray[np.float64]


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


def estimate(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = SEED) -> Estimate:
    """The mean with its 95 % bootstrap interval, bias-corrected and accelerated (Efron 1987).

    Values that are all equal give an interval of no width; one value gives no interval. Above 5,000 cases the plain
    percentile interval. Raises ValueError when there are none.
    """
    array = _checked(values)
    low, high = _bounds(array, resamples, seed)
    return Estimate(float(array.mean()), low, high, len(array))


def difference(
    values: Sequence[float], baseline: Sequence[float], *, resamples: int = RESAMPLES, seed: int = SEED
) -> Difference:
    """The mean of `values - baseline`, case by case, with its bootstrap interval and a two-sided permutation test.

    `p` is the share of sign flips of the per-case differences that move the mean at least as far (Fisher's
    randomisation test; exact when 2**n is no more than `resamples`); identical systems get 1.
    Raises ValueError when the lengths differ or there are no cases.
    """
    if len(values) != len(baseline):
        raise ValueError(f"a paired comparison needs equal lengths, got {len(values)} and {len(baseline)}")
    deltas = _checked(values) - _checked(baseline)
    low, high = _bounds(deltas, resamples, seed)
    wins, losses = int((deltas > 0).sum()), int((deltas < 0).sum())
    return Difference(float(deltas.mean()), low, high, len(deltas), _p(deltas, resamples, seed), wins, losses)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (in [0, 1]) of the values do not exceed, interpolated; 0 when there are none."""
    return float(np.quantile(np.asarray(values, dtype=float), share)) if len(values) else 0.0


def _checked(values: Sequence[float]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError("statistics need at least one value, all of them finite, in one dimension")
    return array


def _bounds(array: Floats, resamples: int, seed: int) -> tuple[float | None, float | None]:
    if len(array) < 2:
        return None, None
    if np.ptp(array) == 0:
        return float(array[0]), float(array[0])
    for method in ("BCa", "percentile") if len(array) <= BCA_MAX_CASES else ("percentile",):
        low, high = _bootstrap(array, method, resamples, seed)
        if np.isfinite([low, high]).all():
            break
    return low, high


def _bootstrap(array: Floats, method: str, resamples: int, seed: int) -> tuple[float, float]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # gives NaN, which the caller looks for
        found = stats.bootstrap(
            (array,),
            np.mean,
            confidence_level=CONFIDENCE,
            n_resamples=resamples,
            batch=max(1, CELLS_A_BATCH // len(array)),
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return float(found.low), float(found.high)


def _p(deltas: Floats, resamples: int, seed: int) -> float:
    """Two-sided: the share of sign flips whose sum is as far from 0. The flips as they fell count as one of them."""
    if not deltas.any():
        return 1.0
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
    rng = np.random.default_rng(seed)
    batch = max(1, CELLS_A_BATCH // n)
    for start in range(0, rows, batch):
        heads = rng.integers(0, 2, size=(min(batch, rows - start), n), dtype=np.int8)
        yield np.where(heads, 1.0, -1.0)
