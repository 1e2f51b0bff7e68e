"""Fits the blend's weights by conditional logit, and judges them only on cases that they were not fitted on. Pure.

The model: a person picks one of a case's candidates with probability softmax(w . z), where z are the candidate's
signals, z-scored within the case (McFadden 1974). A Gaussian prior around 0 keeps weights small where cases are few.
It is applied twice, as the ranker does: first to the signals known without a language model, which gives the prior's
weights, then to that prior and the model's scores, which gives the blend's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from agent.rerank.blend import blend, zscores
from eval.chance import best_first, drawn
from eval.metrics import HEADLINE, per_case

L2 = 1.0
PRIOR = "prior"  # the name under which the blend weighs the prior's own score

Array = NDArray[np.float64]
Scores = Mapping[str, Sequence[float]]
Order = tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """One case as numbers: every signal and every model's opinion has one raw value for each of `ids`."""

    case_id: str
    user_id: str
    ids: tuple[str, ...]
    relevant: tuple[str, ...]
    signals: Scores
    opinions: Scores


@dataclass(frozen=True)
class Pair:
    """The two sets of weights that a ranker uses: of the signals in the prior, of prior and opinions in the blend."""

    prior: Mapping[str, float]
    blend: Mapping[str, float]


NOWHERE = Pair({}, {})  # around 0


@dataclass(frozen=True)
class Fitted:
    """Weights, and how they do on the `n` cases they were fitted on, as mean ndcg@10 from `start` over prior to blend.

    `kept` names the stages (`prior`, `blend`) whose fit did worse there than what it builds on, so that stays.
    """

    weights: Pair
    n: int
    start: float
    prior: float
    blend: float
    kept: tuple[str, ...]


@dataclass(frozen=True)
class TwoFold:
    """A fit on all cases; and one on each half, by which the cases of the other half were put in `orders`."""

    whole: Fitted
    halves: tuple[Fitted, Fitted]
    prior_orders: Mapping[str, Order]
    orders: Mapping[str, Order]


def conditional_logit(
    signals: Sequence[Array], hits: Sequence[NDArray[np.bool_]], l2: float = L2, centre: Array | None = None
) -> Array:
    """The weights that make the hits most likely, under a Gaussian prior of precision `l2` around `centre`, or 0.

    One array of shape (candidates, signals) and one of shape (candidates,) a case; signals are used as given. A case
    without a hit says nothing; one with several hits counts them alike, and in sum as one. No usable case gives the
    centre.
    Raises ValueError when the shapes disagree.
    """
    if len(signals) != len(hits) or any(len(s) != len(h) for s, h in zip(signals, hits, strict=True)):
        raise ValueError("each case needs one row of signals and one hit mark a candidate")
    n_signals = signals[0].shape[1] if signals else 0
    around = np.zeros(n_signals) if centre is None else centre
    usable = [n for n, hit in enumerate(hits) if hit.any()]
    if not usable or not n_signals:
        return around
    rows, share, real = _stacked([signals[n] for n in usable], [hits[n] for n in usable])

    def loss(weights: Array) -> tuple[float, Array]:
        """Minus the log posterior, and its slope."""
        utilities = rows @ weights
        chances = special.log_softmax(np.where(real, utilities, -np.inf), axis=1)
        told = np.where(real, chances, 0.0)
        slope = np.einsum("ncs,nc->s", rows, np.exp(chances) - share)
        off = weights - around
        return float(0.5 * l2 * off @ off - (share * told).sum()), l2 * off + slope

    found = optimize.minimize(loss, around, jac=True, method="L-BFGS-B")
    return np.asarray(found.x, dtype=np.float64)


def _stacked(signals: Sequence[Array], hits: Sequence[NDArray[np.bool_]]) -> tuple[Array, Array, NDArray[np.bool_]]:
    """The cases as one block, filled up with candidates that are not `real`; the hits' share of each case's 1."""
    shape = (len(hits), max(map(len, hits)))
    rows, share, real = np.zeros((*shape, signals[0].shape[1])), np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    for n, (signal, hit) in enumerate(zip(signals, hits, strict=True)):
        rows[n, : len(hit)], share[n, : len(hit)], real[n, : len(hit)] = signal, hit / hit.sum(), True
    return rows, share, real


def fit(choices: Sequence[Choice], start: Mapping[str, float], l2: float = L2, around: Pair = NOWHERE) -> Fitted:
    """Prior and blend weights for these cases. A stage that does worse on them than what it builds on is not used.

    `around` are weights, such as those of a fit on other data, that few cases stay close to (see `conditional_logit`).

    The prior builds on the weights `start` (recall alone), the blend on the prior; cases without any opinion leave the
    blend at the prior. Raises ValueError without cases.
    """
    if not choices:
        raise ValueError("a fit needs cases")
    at_start = Pair(start, {PRIOR: 1.0})
    prior = Pair(_logit(choices, [c.signals for c in choices], l2, around.prior), {PRIOR: 1.0})
    scores = [_mean_score(choices, pair) for pair in (at_start, prior)]
    kept = [PRIOR] if scores[1] < scores[0] else []
    base = at_start if kept else prior
    with_prior = [{PRIOR: blend(c.signals, base.prior).tolist(), **c.opinions} for c in choices]
    opined = any(c.opinions for c in choices)
    whole = Pair(base.prior, _logit(choices, with_prior, l2, around.blend)) if opined else base
    best, blended = max(scores), _mean_score(choices, whole)
    if blended < best:
        kept.append("blend")
    return Fitted(base if blended < best else whole, len(choices), scores[0], best, max(best, blended), tuple(kept))


def two_fold(
    choices: Sequence[Choice], start: Mapping[str, float], *, l2: float = L2, seed: int = 0, around: Pair = NOWHERE
) -> TwoFold:
    """A fit on all cases, and orders of each half by weights that were fitted on the other half.

    Halves are drawn by user, so that no person is in both. Raises ValueError with fewer than two users.
    """
    first, second = split(choices, seed)
    if not first or not second:
        raise ValueError("two folds need cases of at least two users")
    fits = (fit(first, start, l2, around), fit(second, start, l2, around))
    unseen = [(choice, fits[1].weights) for choice in first] + [(choice, fits[0].weights) for choice in second]
    return TwoFold(
        whole=fit(choices, start, l2, around),
        halves=fits,
        prior_orders={choice.case_id: ordered(choice, Pair(pair.prior, {PRIOR: 1.0})) for choice, pair in unseen},
        orders={choice.case_id: ordered(choice, pair) for choice, pair in unseen},
    )


def split(choices: Sequence[Choice], seed: int) -> tuple[list[Choice], list[Choice]]:
    """Two halves with no user in common; they depend on the seed and the users' ids, never on the order of cases."""
    users = sorted({choice.user_id for choice in choices}, key=lambda user_id: drawn(seed, user_id))
    first = set(users[: (len(users) + 1) // 2])
    return [c for c in choices if c.user_id in first], [c for c in choices if c.user_id not in first]


def ordered(choice: Choice, weights: Pair) -> Order:
    """The candidates as a ranker with these weights puts them, best first; ties are drawn by lot, always alike."""
    prior = blend(choice.signals, weights.prior).tolist() or [0.0] * len(choice.ids)
    totals = blend({PRIOR: prior, **choice.opinions}, weights.blend).tolist()
    return best_first(dict(zip(choice.ids, totals, strict=True)), choice.case_id)


def _logit(
    choices: Sequence[Choice], scores: Sequence[Scores], l2: float, around: Mapping[str, float]
) -> dict[str, float]:
    """The fitted weight of each score by name; a score that a case lacks is no opinion there."""
    names = sorted({name for by_name in scores for name in by_name})
    hits = [np.array([item_id in c.relevant for item_id in c.ids], dtype=np.bool_) for c in choices]
    rows = [_columns(by_name, names, len(c.ids)) for c, by_name in zip(choices, scores, strict=True)]
    centre = np.array([around.get(name, 0.0) for name in names])
    return dict(zip(names, conditional_logit(rows, hits, l2, centre).tolist(), strict=True))


def _columns(by_name: Scores, names: Sequence[str], n: int) -> Array:
    columns = [zscores(by_name[name]) if name in by_name else np.zeros(n) for name in names]
    return np.stack(columns, axis=1) if columns else np.zeros((n, 0))


def _mean_score(choices: Sequence[Choice], weights: Pair) -> float:
    orders = {choice.case_id: ordered(choice, weights) for choice in choices}
    values = per_case(orders, {choice.case_id: choice.relevant for choice in choices}, [HEADLINE])[HEADLINE]
    return sum(values.values()) / len(values)
