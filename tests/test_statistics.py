from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from eval.intervals import planned, spread_behind
from eval.statistics import (
    Z,
    difference,
    estimate,
    holm,
    lowest,
    percentile,
    rate,
    smallest_detectable,
    smallest_margin,
)

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
    assert (found.value, found.p, found.wins, found.losses) == (0, 1, 0, 0)
    others = rate(0, 3).high
    assert (found.low, found.high) == pytest.approx((-others, others)), "three who do not differ say little of others"


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


def test_holm_steps_down_as_in_a_hand_worked_family() -> None:
    # sorted .01 .015 .03 .04 times 4 3 2 1: .04 .045 .06 .04; the last may not fall below the one before it
    assert holm([0.03, 0.01, 0.04, 0.015]) == pytest.approx([0.06, 0.04, 0.06, 0.045])
    assert holm([0.2]) == [0.2]
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values: list[float]) -> None:
    """The procedure itself: from the smallest on, reject while p is at most alpha over how many are left."""
    alpha, rejected = 0.05, set()
    for place, n in enumerate(sorted(range(len(p_values)), key=lambda n: p_values[n])):
        if min(1.0, p_values[n] * (len(p_values) - place)) > alpha:
            break
        rejected.add(n)
    adjusted = holm(p_values)
    assert {n for n, p in enumerate(adjusted) if p <= alpha} == rejected
    assert all(after >= before for before, after in zip(p_values, adjusted, strict=True))


@pytest.mark.parametrize(("count", "n"), [(0, 10), (1, 10), (17, 20), (850, 1_000), (95, 95), (0, 1)])
def test_rates_have_the_bounds_that_scipy_gives(count: int, n: int) -> None:
    found = rate(count, n)
    theirs = stats.binomtest(count, n).proportion_ci(0.95, method="wilson")
    assert (found.value, found.n) == (count / n, n)
    assert found.low == pytest.approx(theirs.low, abs=1e-12)
    assert found.high == pytest.approx(theirs.high, abs=1e-12)


@pytest.mark.parametrize(("count", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_a_rate_of_nothing_is_refused(count: int, n: int) -> None:
    with pytest.raises(ValueError, match="a rate is a count"):
        rate(count, n)


def test_a_rate_is_as_sure_as_there_are_people() -> None:
    found, once = rate(10, 40, people=4), rate(1, 4)
    assert (found.value, found.low, found.high, found.n) == pytest.approx((0.25, once.low, once.high, 4))
    assert rate(0, 400, people=40).high == rate(0, 40).high
    assert rate(40, 40, people=4).high == 1.0
    for people in (0, 41):
        with pytest.raises(ValueError, match="1 to 40 people"):
            rate(10, 40, people)


def test_cases_of_their_own_are_no_clusters() -> None:
    values, own = np.random.default_rng(4).uniform(size=30).tolist(), [f"u{n}" for n in range(30)]
    base = [0.5] * 30
    assert estimate(values, clusters=own) == estimate(values)
    assert difference(values, base, clusters=own) == difference(values, base)
    assert smallest_detectable(values, base, clusters=own) == smallest_detectable(values, base)


def test_cases_repeated_for_one_user_say_nothing_new() -> None:
    """Five copies of every case, by the same users: the same mean, width and p, where cases alone feign certainty."""
    values = np.random.default_rng(6).normal(0.1, 0.4, size=30).tolist()
    often, users = values * 5, [f"u{n}" for n in range(30)] * 5
    zero, zeros = [0.0] * 30, [0.0] * 150
    once, clustered, naive = (
        difference(values, zero),
        difference(often, zeros, clusters=users),
        difference(often, zeros),
    )
    assert clustered.n == 150
    assert (clustered.value, clustered.p) == pytest.approx((once.value, once.p))
    assert (clustered.low, clustered.high) == pytest.approx((once.low, once.high), abs=0.02)
    assert naive.p < clustered.p
    assert smallest_detectable(often, zeros, clusters=users) == pytest.approx(smallest_detectable(values, zero))


def test_users_of_unequal_size_keep_the_mean_over_cases() -> None:
    values, users = [1.0, 1.0, 1.0, 0.0, 0.5], ["a", "a", "a", "b", "c"]
    found = estimate(values, clusters=users)
    assert found.value == pytest.approx(0.7)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < 0.7 < found.high <= 1
    alone = estimate([0.0, 1.0], clusters=["a", "a"])
    assert (alone.value, alone.low, alone.n) == (0.5, None, 2)


def test_flips_by_user_are_exact_where_they_can_be() -> None:
    deltas, users = [0.3, 0.1, -0.05, 0.4, 0.2, 0.1], ["a", "a", "b", "c", "d", "d"]
    sums = [0.4, -0.05, 0.4, 0.3]
    flips = [abs(np.dot(signs, sums)) for signs in itertools.product((1, -1), repeat=4)]
    expected = sum(total >= abs(sum(sums)) - 1e-9 for total in flips) / 16
    assert difference(deltas, [0.0] * 6, clusters=users).p == pytest.approx(expected)


def test_chance_alone_within_users_is_called_significant_as_rarely_as_it_should() -> None:
    """Cases of a user share their luck: by user the test keeps its level, by case it does not."""
    rng = np.random.default_rng(7)
    users = np.repeat(np.arange(20), 5)
    by_user = by_case = 0
    for _ in range(100):
        luck = np.repeat(rng.normal(0, 0.3, size=20), 5) + rng.normal(0, 0.05, size=100)
        by_user += difference(luck.tolist(), [0.0] * 100, clusters=users.tolist(), resamples=199).p < 0.05
        by_case += difference(luck.tolist(), [0.0] * 100, resamples=199).p < 0.05
    assert by_user <= 12
    assert by_case > 25


def test_every_value_needs_its_cluster() -> None:
    with pytest.raises(ValueError, match="a cluster each"):
        estimate([0.1, 0.2], clusters=["a"])


def test_the_smallest_detectable_difference_is_found_four_times_in_five() -> None:
    """By the interval that is told, and by the one that a gate looks at; both widen where people are few."""
    rng = np.random.default_rng(9)
    for n in (12, 45, 200):
        noise = rng.normal(0, 0.3, size=(300, n))
        reaches = [smallest_detectable(row, np.zeros(n)) or 0.0 for row in noise]
        margins = [smallest_margin(row, np.zeros(n)) or 0.0 for row in noise]
        again = rng.normal(0, 0.3, size=(300, n))
        reach, margin = float(np.mean(reaches)), float(np.mean(margins))
        shown = sum((difference(row + reach, np.zeros(n), resamples=999).low or -1) > 0 for row in again)
        ruled_out = sum((lowest(row, np.zeros(n)) or -1) > -margin for row in again)
        assert 0.74 <= shown / 300 <= 0.87, (n, reach)
        assert 0.74 <= ruled_out / 300 <= 0.87, (n, margin)
        assert reach == pytest.approx(planned(0.3, n), rel=0.02), "a plan says what the run will say"
        assert spread_behind(planned(0.3, n), n) == pytest.approx(0.3)
        assert reach > 2.8016 * 0.3 / n**0.5, "more than the normal approximation says"
    assert smallest_detectable([0.5], [0.1]) is None


def test_so_few_who_never_differ_do_not_show_that_nobody_does() -> None:
    alike = np.full(30, 0.5)
    found = difference(alike, alike)
    reach = smallest_detectable(alike, alike)
    assert reach is not None
    assert found.high == pytest.approx(Z**2 / (30 + Z**2))
    assert found.high < reach < 2 * found.high


def test_from_ten_thousand_cases_on_the_normal_approximation_says_what_resampling_says() -> None:
    draw = np.random.default_rng(3)
    one, other = draw.normal(0.3, 1, 12_000), draw.normal(0.28, 1, 12_000)
    found = difference(one, other)
    deltas = one - other
    error = deltas.std(ddof=1) / np.sqrt(12_000)
    assert (found.low, found.high) == pytest.approx((deltas.mean() - Z * error, deltas.mean() + Z * error), abs=2e-5)
    flips = np.where(draw.random((2_000, 12_000)) < 0.5, -1.0, 1.0) @ deltas
    assert found.p == pytest.approx(np.mean(np.abs(flips) >= abs(deltas.sum())), abs=0.04)
    drawn = [float(deltas[draw.integers(0, 12_000, 12_000)].mean()) for _ in range(1_000)]
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.003)
    twice = difference([*one, *one], [*other, *other], clusters=[*range(12_000)] * 2)
    assert (twice.low, twice.high) == pytest.approx((found.low, found.high))
