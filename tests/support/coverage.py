"""How often intervals hold a known truth: people drawn from worlds made up for it, beside every method in question.

`python -m tests.support.coverage` prints the figures of docs/decisions/011-intervals.md (some minutes).
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Drawn = tuple[Floats, Floats]  # totals and sizes, each a row a draw and a column a person

PLACES = 20
SEED = 11
TIED = 1e-12
Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class World:
    """Draws people with one value each, or several; `truth` is the mean over cases, `least` the lowest value."""

    name: str
    draw: Callable[[np.random.Generator, int, int], Drawn]
    truth: float
    least: float = -1.0


def binary(win: float, loss: float) -> World:
    """Differences of a metric that is 0 or 1."""

    def _draw(rng: np.random.Generator, rows: int, n: int) -> Drawn:
        u = rng.random((rows, n))
        return np.where(u < win, 1.0, np.where(u < win + loss, -1.0, 0.0)), np.ones((rows, n))

    return World(f"0/1, better {win:g}, worse {loss:g}", _draw, win - loss)


def ranked(same: float, better: float = 0.0) -> World:
    """Differences of NDCG@10 with one hit among 20: equal for a share, else places drawn anew, the new ones better.

    Half of the cases have the hit below the tenth place, and 0.
    """
    gains = np.where(np.arange(PLACES) < 10, 1 / np.log2(np.arange(PLACES) + 2), 0.0)
    weights = np.exp(-better * np.arange(PLACES))
    chances = weights / weights.sum()

    def _draw(rng: np.random.Generator, rows: int, n: int) -> Drawn:
        new, old = rng.choice(PLACES, (rows, n), p=chances), rng.integers(0, PLACES, (rows, n))
        deltas = np.where(rng.random((rows, n)) < same, 0.0, gains[new] - gains[old])
        return deltas, np.ones((rows, n))

    return World(
        f"NDCG@10, {same:.0%} equal{', better' if better else ''}",
        _draw,
        (1 - same) * float(chances @ gains - gains.mean()),
    )


def failing(share: float, gain: float = 0.02, loss: float = 0.6) -> World:
    """A little better nearly always, much worse where an answer fails."""

    def _draw(rng: np.random.Generator, rows: int, n: int) -> Drawn:
        deltas = np.where(rng.random((rows, n)) < share, -loss, gain * rng.random((rows, n)) * 2)
        return deltas, np.ones((rows, n))

    return World(f"small gains, {share:.0%} lose {loss:g}", _draw, (1 - share) * gain - share * loss)


def clustered(win: float, loss: float, people_alike: float = 0.5) -> World:
    """0/1 differences of people with 1 to 10 cases; a share of the cases says what the person's first one says."""

    def _draw(rng: np.random.Generator, rows: int, n: int) -> Drawn:
        sizes = rng.integers(1, 11, (rows, n)).astype(np.float64)
        cases = _of(rng.random((rows, n, 10)), win, loss)
        own = _of(rng.random((rows, n, 1)), win, loss)
        values = np.where(rng.random((rows, n, 10)) < people_alike, own, cases)
        here = np.arange(10) < sizes[..., None]
        return (values * here).sum(axis=2), sizes

    return World(f"0/1 by person, better {win:g}, worse {loss:g}", _draw, win - loss)


def level(p: float) -> World:
    """A metric that is 0 or 1, itself."""

    def _draw(rng: np.random.Generator, rows: int, n: int) -> Drawn:
        return (rng.random((rows, n)) < p).astype(np.float64), np.ones((rows, n))

    return World(f"level 0/1, {p:g}", _draw, p, 0.0)


def ndcg_level(zeros: float) -> World:
    """NDCG@10 itself, a share of it 0, the rest of a hit in one of the first ten places."""
    gains = 1 / np.log2(np.arange(10) + 2)

    def _draw(rng: np.random.Generator, rows: int, n: int) -> Drawn:
        found = rng.random((rows, n)) >= zeros
        return np.where(found, gains[rng.integers(0, 10, (rows, n))], 0.0), np.ones((rows, n))

    return World(f"level NDCG@10, {zeros:.0%} zero", _draw, (1 - zeros) * float(gains.mean()), 0.0)


def _of(u: Floats, win: float, loss: float) -> Floats:
    return np.where(u < win, 1.0, np.where(u < win + loss, -1.0, 0.0))


Bounds = tuple[Floats, Floats]


def counts(m: int, resamples: int, seed: int = 1) -> Floats:
    """How often each of m people is drawn, a row a resample."""
    return np.random.default_rng(seed).multinomial(m, np.full(m, 1 / m), size=resamples).astype(np.float64)


def and_two_more(totals: Floats, sizes: Floats, least: float, *, cautious: bool = False) -> Drawn:
    """The people and two more, of the mean size: at the ends of a level, and as `of_change` has it of a difference."""
    size = sizes.mean(axis=1, keepdims=True)
    if least == 0:
        return np.hstack([totals, 0 * size, size]), np.hstack([sizes, size, size])
    means = totals / sizes
    differ = np.count_nonzero(means, axis=1)[:, None]
    one = np.ones_like(size) if cautious else np.sqrt(((means**2).sum(axis=1, keepdims=True) + 1) / (differ + 1))
    return np.hstack([totals, -one * size, one * size]), np.hstack([sizes, size, size])


def ours(totals: Floats, sizes: Floats, least: float, resamples: int) -> Bounds:
    """What `eval.intervals` gives, for all draws at once."""
    m = totals.shape[1]
    both = and_two_more(totals, sizes, least)
    low, high = resampled(*both, counts(m + 2, resamples), corrected=least < 0, expanded=True)
    means, others = totals / sizes, Z * Z / (m + Z * Z)
    alike, value = np.ptp(means, axis=1) == 0, means[:, 0]
    here = totals.sum(axis=1) / sizes.sum(axis=1)
    low, high = np.minimum(low, here), np.maximum(high, here)
    return np.where(alike, value + others * (least - value), low), np.where(alike, value + others * (1 - value), high)


def floors(totals: Floats, sizes: Floats, resamples: int) -> Floats:
    """The bound that non-inferiority is judged by: ours, or Student's with two more who differ as much as can be."""
    return np.minimum(
        ours(totals, sizes, -1.0, resamples)[0], student(*and_two_more(totals, sizes, -1.0, cautious=True))[0]
    )


def resampled(totals: Floats, sizes: Floats, weights: Floats, *, corrected: bool, expanded: bool) -> Bounds:
    """The percentile interval, or BCa where corrected, at 95 % or at a level expanded for few people."""
    m = totals.shape[1]
    means = np.sort((totals @ weights.T) / (sizes @ weights.T), axis=1)
    here = totals.sum(axis=1) / sizes.sum(axis=1)
    z = np.full((len(here), 2), 1.0) * [-1, 1] * Z
    if expanded:
        z = z * np.sqrt(m / (m - 1)) * stats.t.ppf(0.975, m - 1) / Z
    if corrected:
        below = ((means < here[:, None] - TIED).mean(axis=1) + (means <= here[:, None] + TIED).mean(axis=1)) / 2
        with np.errstate(all="ignore"):
            z0 = stats.norm.ppf(below)[:, None]
            left = (totals.sum(axis=1, keepdims=True) - totals) / (sizes.sum(axis=1, keepdims=True) - sizes)
            off = left.mean(axis=1, keepdims=True) - left
            a = ((off**3).sum(axis=1) / (6 * (off**2).sum(axis=1) ** 1.5))[:, None]
            z = np.where(np.isfinite(z0 + a), z0 + (z0 + z) / (1 - a * (z0 + z)), z)
    shares = stats.norm.cdf(z) * (means.shape[1] - 1)
    lower = np.floor(shares).astype(int).clip(0, means.shape[1] - 1)
    upper = np.ceil(shares).astype(int).clip(0, means.shape[1] - 1)
    rows = np.arange(len(here))[:, None]
    found = means[rows, lower] + (means[rows, upper] - means[rows, lower]) * (shares - lower)
    return found[:, 0], found[:, 1]


def error(totals: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """The mean over cases and its linearised standard error."""
    m, cases = totals.shape[1], sizes.sum(axis=1)
    here = totals.sum(axis=1) / cases
    off = totals - sizes * here[:, None]
    return here, np.sqrt((off**2).sum(axis=1) * m / (m - 1)) / cases


def student(totals: Floats, sizes: Floats) -> Bounds:
    """Student's t."""
    here, se = error(totals, sizes)
    reach = stats.t.ppf(0.975, totals.shape[1] - 1) * se
    return here - reach, here + reach


def studentised(totals: Floats, sizes: Floats, weights: Floats) -> Bounds:
    """The bootstrap-t; where too many resamples have no spread, what the rest say."""
    m = totals.shape[1]
    here, se = error(totals, sizes)
    cases = sizes @ weights.T
    means = (totals @ weights.T) / cases
    squares = (totals**2) @ weights.T - 2 * means * ((totals * sizes) @ weights.T) + means**2 * ((sizes**2) @ weights.T)
    own = np.sqrt(np.clip(squares, 0, None) * m / (m - 1)) / cases
    with np.errstate(all="ignore"):
        t = np.where(own > 1e-9, (means - here[:, None]) / own, np.nan)
        low, high = np.nanquantile(t, [0.975, 0.025], axis=1)
    return here - np.nan_to_num(low) * se, here - np.nan_to_num(high) * se


def newcombe(totals: Floats, sizes: Floats) -> Bounds:
    """Paired 0/1 differences: Wilson's bounds of the two shares, squared and added (Newcombe 1998, uncorrelated)."""
    n = totals.shape[1]
    win, loss = (totals > 0).mean(axis=1), (totals < 0).mean(axis=1)
    (wl, wu), (ll, lu) = _wilson(win, n), _wilson(loss, n)
    here = win - loss
    return here - np.sqrt((win - wl) ** 2 + (lu - loss) ** 2), here + np.sqrt((wu - win) ** 2 + (loss - ll) ** 2)


def bonett_price(totals: Floats, sizes: Floats) -> Bounds:
    """Paired 0/1 differences: Wald's interval with one better and one worse case more (Bonett and Price 2012)."""
    n = totals.shape[1]
    win, loss = ((totals > 0).sum(axis=1) + 1) / (n + 2), ((totals < 0).sum(axis=1) + 1) / (n + 2)
    reach = Z * np.sqrt((win + loss - (win - loss) ** 2) / (n + 2))
    return win - loss - reach, win - loss + reach


def _wilson(share: Floats, n: int) -> Bounds:
    middle, weight = share + Z * Z / (2 * n), 1 + Z * Z / n
    reach = Z * np.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return (middle - reach) / weight, (middle + reach) / weight


def methods(totals: Floats, sizes: Floats, least: float, resamples: int) -> Mapping[str, Bounds]:
    """Every method's bounds for each draw."""
    weights = counts(totals.shape[1], resamples)
    found = {
        "percentile": resampled(totals, sizes, weights, corrected=False, expanded=False),
        "BCa": resampled(totals, sizes, weights, corrected=True, expanded=False),
        "bootstrap-t": studentised(totals, sizes, weights),
        "ours": ours(totals, sizes, least, resamples),
    }
    if np.isin(totals, (-1, 0, 1)).all() and least < 0:
        found |= {"Newcombe": newcombe(totals, sizes), "Bonett-Price": bonett_price(totals, sizes)}
    return found


def significant(totals: Floats, resamples: int) -> NDArray[np.bool_]:
    """Whether the paired permutation test calls each draw different at .05."""
    signs = np.where(np.random.default_rng(3).random((resamples, totals.shape[1])) < 0.5, -1.0, 1.0)
    reach = np.abs(totals.sum(axis=1)) * (1 - 1e-9)
    far = (np.abs(totals @ signs.T) >= reach[:, None]).sum(axis=1)
    return np.asarray((far + 1) / (resamples + 1) < 0.05)


def wrongly_shown(totals: Floats, sizes: Floats, resamples: int) -> NDArray[np.bool_]:
    """Whether a verdict would be given on each draw: the test says so, and the interval leaves out 0."""
    low, high = ours(totals, sizes, -1.0, resamples)
    return significant(totals, resamples) & ~((low <= 0) & (high >= 0))


LEVELS = (level(0.02), level(0.1), level(0.5), level(0.98), ndcg_level(0.5), ndcg_level(0.9), ndcg_level(0.98))
CHANGES = (
    binary(0.02, 0.0), binary(0.02, 0.02), binary(0.05, 0.01), binary(0.1, 0.05), binary(0.3, 0.2),
    ranked(0.0), ranked(0.0, 0.1), ranked(0.8), ranked(0.8, 0.1), ranked(0.95), ranked(0.95, 0.3),
    clustered(0.05, 0.01), clustered(0.3, 0.2), failing(0.02), failing(0.05),
)  # fmt: skip
EQUALS = (
    binary(0.02, 0.02),
    binary(0.2, 0.2),
    ranked(0.0),
    ranked(0.8),
    ranked(0.95),
    clustered(0.1, 0.1),
    failing(0.02 / 0.62),
)


def at_margin(margin: float) -> tuple[World, ...]:
    """Worlds in which the new system loses just as much as the margin."""
    return (
        binary(0.0, margin), binary(0.02, 0.02 + margin), binary(0.1, 0.1 + margin), binary(0.3, 0.3 + margin),
        clustered(0.0, margin), clustered(0.1, 0.1 + margin),
        failing((0.02 + margin) / 0.62), failing((0.005 + margin) / 1.005, 0.005, 1.0),
    )  # fmt: skip


def covered(world: World, bounds: Bounds) -> float:
    """The share of the draws whose bounds hold the truth."""
    return float(((bounds[0] <= world.truth + TIED) & (world.truth - TIED <= bounds[1])).mean())


def figures(draws: int, resamples: int, sizes: Sequence[int]) -> Iterator[str]:
    """Coverage and mean width by method, size of the test and of a verdict, how often a gate passes at its margin."""
    for world in (*CHANGES, *LEVELS):
        for n in sizes:
            found = methods(*world.draw(np.random.default_rng(SEED), draws, n), world.least, resamples)
            cells = (f"{name} {covered(world, b):.3f} ({(b[1] - b[0]).mean():.3f})" for name, b in found.items())
            yield f"{world.name}, n = {n}: {'; '.join(cells)}"
    for world in EQUALS:
        drawn_each = [world.draw(np.random.default_rng(SEED), draws, n) for n in sizes]
        size = (significant(drawn[0], resamples).mean() for drawn in drawn_each)
        wrong = (wrongly_shown(*drawn, resamples).mean() for drawn in drawn_each)
        yield f"test, {world.name}: {_row(size)}; with the interval {_row(wrong)}"
    for margin in (0.01, 0.02, 0.05, 0.1):
        for world in at_margin(margin):
            drawn_each = [world.draw(np.random.default_rng(SEED), draws, n) for n in sizes]
            passed = ((floors(*drawn, resamples) > -margin + TIED).mean() for drawn in drawn_each)
            yield f"gate, {margin:g}, {world.name}: {_row(passed)}"


def _row(shares: Iterable[float]) -> str:
    return " ".join(f"{share:.3f}" for share in shares)


if __name__ == "__main__":
    asked = ArgumentParser(description=figures.__doc__)
    asked.add_argument("--draws", type=int, default=2_000)
    asked.add_argument("--resamples", type=int, default=1_999)
    asked.add_argument("--cases", type=int, nargs="+", default=[10, 20, 50, 95, 200])
    given = asked.parse_args()
    for line in figures(given.draws, given.resamples, given.cases):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
