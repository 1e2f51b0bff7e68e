"""Intervals hold the truth about as often as they say: in small what docs/decisions/011-intervals.md reports."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eval.comparisons import compare, floor, not_worse
from eval.intervals import MOST_SURE, People, floor_of_change, of_change, of_level, student
from eval.resampling import bca
from eval.statistics import UNIT, difference, estimate, lowest, rate
from tests.support.coverage import (
    TIED,
    World,
    at_margin,
    binary,
    clustered,
    covered,
    failing,
    floors,
    level,
    ndcg_level,
    ours,
    ranked,
)

DRAWS, RESAMPLES = 300, 499
WORLDS = (
    binary(0.02, 0.0), binary(0.05, 0.01), binary(0.3, 0.2), ranked(0.0, 0.1), ranked(0.8), ranked(0.95, 0.3),
    clustered(0.05, 0.01), level(0.02), level(0.5), level(0.98), ndcg_level(0.9),
)  # fmt: skip


def bounds_of(world: World, n: int, draws: int = DRAWS) -> tuple[np.ndarray, np.ndarray]:
    """The intervals of so many draws, as a run computes them."""
    totals, sizes = world.draw(np.random.default_rng(7), draws, n)
    found = []
    for people in map(People, totals, sizes):
        if world.least < 0:
            found.append(of_change(people, 1.0, RESAMPLES, 1))
        else:
            found.append(of_level(people, UNIT, RESAMPLES, 1))
    low, high = np.array(found).T
    return low, high


@pytest.mark.parametrize("n", [10, 20, 95])
@pytest.mark.parametrize(
    "world",
    WORLDS,
    ids=lambda world: world.name,
)
def test_intervals_of_few_and_sparse_cases_hold_the_truth(world: World, n: int) -> None:
    """Nominal 95 %; of 300 draws a coverage of 93 % gives fewer than 90 % one time in thirty."""
    assert covered(world, bounds_of(world, n)) > 0.9


def test_plain_bca_does_not_hold_it_where_hardly_anybody_differs() -> None:
    """What the two more people are for: of 20 cases of which one in fifty differs, two thirds show no difference."""
    world = binary(0.02, 0.0)
    totals, sizes = world.draw(np.random.default_rng(7), DRAWS, 20)
    found = [bca(one, size, 0.95, RESAMPLES, 1) for one, size in zip(totals, sizes, strict=True)]
    low, high = np.nan_to_num(np.array(found)).T
    assert covered(world, (low, high)) < 0.5


def test_where_everybody_differs_they_are_hardly_wider() -> None:
    world = ranked(0.0)
    totals, sizes = world.draw(np.random.default_rng(7), 50, 95)
    plain = [bca(one, size, 0.95, RESAMPLES, 1) for one, size in zip(totals, sizes, strict=True)]
    low, high = bounds_of(world, 95, 50)
    assert (high - low).mean() < 1.05 * np.mean([b - a for a, b in plain])


@pytest.mark.parametrize("n", [20, 95])
@pytest.mark.parametrize("world", at_margin(0.05), ids=lambda world: world.name)
def test_a_gate_passes_what_loses_just_its_margin_at_most_one_time_in_twenty(world: World, n: int) -> None:
    totals, sizes = world.draw(np.random.default_rng(7), 1_000, n)
    assert (floors(totals, sizes, RESAMPLES) > -0.05 + TIED).mean() < 0.065


def test_rare_large_losses_that_were_not_seen_pass_no_gate() -> None:
    """Forty small gains: the interval lies above 0, but one case in fifty may lose all."""
    gains = np.random.default_rng(1).uniform(0.0, 0.04, size=40).tolist()
    values = {"new": {"rr": {f"c{k}": 0.5 + gain for k, gain in enumerate(gains)}}}
    values["old"] = {"rr": {f"c{k}": 0.5 for k in range(40)}}
    (pair,) = compare([("new", "old")], values, [f"u{k}" for k in range(40)])
    assert (pair.metrics["rr"].low or 0) > 0
    assert floor(pair, "rr") == lowest(list(values["new"]["rr"].values()), [0.5] * 40)
    assert not_worse(pair, 0.02, "rr") is False
    assert not_worse(pair, 0.1, "rr") is True


def test_the_study_and_a_run_compute_the_same() -> None:
    for world in (ranked(0.8), clustered(0.3, 0.2), ndcg_level(0.9), failing(0.05)):
        totals, sizes = world.draw(np.random.default_rng(3), 40, 60)
        theirs, mine = ours(totals, sizes, world.least, 4_999), bounds_of_all(world, totals, sizes)
        np.testing.assert_allclose(np.array(theirs), mine, atol=0.012)
        if world.least < 0:
            below = [floor_of_change(People(*one), 1.0) for one in zip(totals, sizes, strict=True)]
            whole = np.minimum(mine[0], np.array(below, dtype=float))
            np.testing.assert_allclose(floors(totals, sizes, 4_999), whole, atol=0.012)


def bounds_of_all(world: World, totals: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    people = [People(*one) for one in zip(totals, sizes, strict=True)]
    if world.least < 0:
        return np.array([of_change(one, 1.0, 4_999, 2) for one in people]).T
    return np.array([of_level(one, UNIT, 4_999, 2) for one in people]).T


def test_who_are_all_alike_are_bounded_by_wilson() -> None:
    found = estimate([1.0] * 80, within=UNIT)
    assert (found.low, found.high) == pytest.approx((rate(80, 80).low, 1.0))
    never = estimate([0.0] * 80, within=UNIT)
    assert (never.low, never.high) == pytest.approx((0.0, rate(0, 80).high))
    alike = difference([0.6] * 80, [0.5] * 80)
    others = rate(0, 80).high or 0.0
    assert (alike.low, alike.high) == pytest.approx((0.1 - 1.1 * others, 0.1 + 0.9 * others))
    in_places = difference([3.0] * 80, [3.0] * 80, span=10.0)
    assert (in_places.low, in_places.high) == pytest.approx((-10 * others, 10 * others))


def test_one_person_has_no_interval() -> None:
    one = People.of(np.array([0.5, 0.7]), ["u", "u"])
    assert of_level(one, UNIT, 99, 1) is of_change(one, 1.0, 99, 1) is None
    assert floor_of_change(one, 1.0) is None
    assert lowest([0.5], [0.7]) is None


def test_an_interval_always_holds_its_mean() -> None:
    """Two more people pull towards the middle; the mean of ten who are nearly at the end stays within."""
    found = difference([0.95] * 9 + [0.9], [0.0] * 10)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value <= found.high <= 1


@pytest.mark.parametrize("freedom", [3, 4, 9, 21, 96, 5_000])
def test_students_t_agrees_with_scipy(freedom: int) -> None:
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=0.025 if freedom < 5 else 0.003)


def test_bca_agrees_with_scipy_at_the_widened_level() -> None:
    values = np.random.default_rng(4).beta(0.4, 1.2, size=30)
    wide = 2 * stats.norm.cdf(np.sqrt(30 / 29) * stats.t.ppf(0.975, 29)) - 1
    rng = np.random.default_rng(1)
    theirs = stats.bootstrap((values,), np.mean, confidence_level=wide, n_resamples=9_999, method="BCa", rng=rng)
    found = estimate(values.tolist())
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.006)
    assert 0.95 < wide < MOST_SURE
