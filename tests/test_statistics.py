from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from eval.statistics import difference, estimate, percentile

values = st.lists(st.floats(0, 1), min_size=2, max_size=30)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Skewed values in [0, 1], as per-case metrics are: the 95 % interval holds the mean 88 times in 100 or more."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(150):
        found = estimate(rng.beta(0.5, 1.0, size=60).tolist(), resamples=499)
        held += found.low is not None and found.high is not None and found.low <= 1 / 3 <= found.high
    assert 0.88 <= held / 150 <= 1.0


def test_the_interval_is_skewed_where_the_values_are() -> None:
    found = estimate([0.0] * 90 + [1.0] * 10)
    assert found.value == pytest.approx(0.1)
    assert found.low is not None
    assert found.high is not None
    assert 0.04 < found.low < found.value < found.high < 0.19
    assert found.high - found.value > found.value - found.low
    assert found.n == 100


@settings(max_examples=25, deadline=None)
@given(values)
def test_an_interval_repeats_and_stays_within_the_values(given_values: list[float]) -> None:
    found = estimate(given_values, resamples=99)
    assert found == estimate(given_values, resamples=99)
    assert found.low is not None
    assert found.high is not None
    assert min(given_values) - 1e-12 <= found.low <= found.high <= max(given_values) + 1e-12
    assert found.n == len(given_values)


def test_equal_values_have_no_width_and_one_value_no_interval() -> None:
    same = estimate([0.25] * 7)
    assert (same.value, same.low, same.high, same.n) == (0.25, 0.25, 0.25, 7)
    alone = estimate([0.5])
    assert (alone.value, alone.low, alone.high, alone.n) == (0.5, None, None, 1)


def test_identical_systems_are_no_different() -> None:
    found = difference([0.1, 0.9, 0.4], [0.1, 0.9, 0.4])
    assert (found.value, found.low, found.high, found.p, found.wins, found.losses) == (0, 0, 0, 1, 0, 0)


def test_the_permutation_test_is_exact_where_it_can_be() -> None:
    deltas = [0.3, 0.1, -0.05, 0.4, 0.2]
    flips = [
        abs(sum(s * d for s, d in zip(signs, deltas, strict=True))) for signs in itertools.product((1, -1), repeat=5)
    ]
    expected = sum(total >= abs(sum(deltas)) - 1e-9 for total in flips) / len(flips)
    found = difference(deltas, [0.0] * 5)
    assert found.p == pytest.approx(expected)
    assert (found.wins, found.losses, found.n) == (4, 1, 5)


def test_the_permutation_test_agrees_with_scipys() -> None:
    deltas = np.random.default_rng(8).normal(0.1, 0.3, size=40)
    theirs = stats.permutation_test(
        (deltas,), np.mean, permutation_type="samples", n_resamples=9_999, rng=np.random.default_rng(1)
    )
    assert difference(deltas.tolist(), [0.0] * 40).p == pytest.approx(theirs.pvalue, abs=0.01)


def test_a_clear_difference_is_found_and_its_sign_turns() -> None:
    rng = np.random.default_rng(2)
    base = rng.uniform(size=60)
    better = np.clip(base + 0.1 + rng.normal(0, 0.05, size=60), 0, None)
    found, turned = difference(better.tolist(), base.tolist()), difference(base.tolist(), better.tolist())
    assert found.p < 0.001
    assert found.low is not None
    assert 0 < found.low < found.value
    assert turned.value == pytest.approx(-found.value)
    assert turned.p == pytest.approx(found.p, abs=0.001)


def test_chance_alone_is_called_significant_about_as_rarely_as_it_should() -> None:
    rng = np.random.default_rng(3)
    pairs = (rng.uniform(size=(2, 40)) for _ in range(100))
    found = sum(difference(a.tolist(), b.tolist(), resamples=199).p < 0.05 for a, b in pairs)
    assert found <= 12


def test_many_cases_are_done_in_little_memory() -> None:
    found = estimate([0.0, 1.0] * 10_000, resamples=199)
    assert found.low is not None
    assert found.high is not None
    assert 0.49 < found.low < 0.5 < found.high < 0.51
    assert found.n == 20_000


@pytest.mark.parametrize("bad", [[], [float("nan")], [1.0, float("inf")]])
def test_no_values_and_no_numbers_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one value"):
        estimate(bad)


def test_a_pair_needs_equal_lengths() -> None:
    with pytest.raises(ValueError, match="equal lengths"):
        difference([1.0], [1.0, 2.0])


def test_percentiles() -> None:
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2
    assert percentile([0.0, 10.0], 0.95) == pytest.approx(9.5)
    assert percentile([], 0.5) == 0
