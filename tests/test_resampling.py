"""Bootstrap intervals beside scipy's, which draws alike, and with those of equal values drawn together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eval.resampling import CELLS_A_BATCH, GROUPED_MIN, Floats, bca, percentile_bounds

SEED, RESAMPLES = 5, 999


def theirs(totals: Floats, sizes: Floats, method: str) -> list[float]:
    found = stats.bootstrap(
        (totals, sizes),
        lambda one, other, axis: one.sum(axis=axis) / other.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, CELLS_A_BATCH // len(totals)),
        method=method,
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return [float(found.low), float(found.high)]


@pytest.mark.parametrize("n", [3, 40, 700, 3_000])
@pytest.mark.parametrize("most", [1, 3])
def test_bounds_are_those_of_scipy(n: int, most: int) -> None:
    rng = np.random.default_rng(n)
    totals, sizes = rng.beta(0.5, 1, n), rng.integers(1, most + 1, n).astype(float)
    assert bca(totals, sizes, 0.95, RESAMPLES, SEED) == pytest.approx(theirs(totals, sizes, "BCa"), abs=2e-3 / n)
    found = percentile_bounds(totals, sizes, 0.95, RESAMPLES, SEED)
    assert found == pytest.approx(theirs(totals, sizes, "percentile"), abs=1e-12)


@pytest.mark.parametrize("bounds", [bca, percentile_bounds])
def test_few_values_of_many_people_give_the_same_bounds_but_for_chance(bounds: object) -> None:
    rng = np.random.default_rng(2)
    values = rng.choice([0.0, 0.37, 0.63, 1.0], size=2 * GROUPED_MIN)
    apart = values + rng.uniform(0, 1e-9, size=len(values))  # nobody is alike: everyone is drawn alone
    ones = np.ones(len(values))
    find = bca if bounds is bca else percentile_bounds
    together, alone = (find(one, ones, 0.95, 4_999, SEED) for one in (values, apart))
    width = alone[1] - alone[0]
    assert together == pytest.approx(alone, abs=0.08 * width)


def test_where_nothing_varies_there_are_no_bounds_of_bca() -> None:
    assert np.isnan(bca(np.zeros(5), np.ones(5), 0.95, RESAMPLES, SEED)).all()
