"""Fits `calibration.toml`: `python -m agent.converse.understand.fitting` writes it anew, after examples changed.

Scores of an example come from a regression that has not seen it (8-fold cross-validation). Of a grid of weights, the
ones are taken whose log-loss on one half of the examples (by a hash of the text) is least, each with the sharpness
that is best there; what is reported is the other half's. The centres are those of all examples: 384 means of a
thousand, which tell nothing of one example's intent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from agent.converse.understand.examples import Example, load_examples
from agent.converse.understand.intents import CALIBRATION, ORDER, Calibration, Intents, Seen
from agent.embed.base import Embedder
from agent.toml_file import write_values

FOLDS = 8
MAX_SHARPNESS = 60.0
GRID = tuple(product((2.0, 3.0, 4.0), (0.05, 0.07, 0.1), (1.0, 2.0)))  # vectors, steepness, ridge; cues weigh 1

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """How good probabilities of intents are: the share whose best is right, nats, and the calibration error."""

    right: float
    log_loss: float
    calibration_error: float


@dataclass(frozen=True)
class Fitted:
    """The numbers found, and their quality on the half of the examples that they were not fitted on."""

    calibration: Calibration
    examples: int
    other_half: Quality


def fitted(embedder: Embedder, examples: Sequence[Example]) -> Fitted:
    """The weights and the sharpness that these examples speak for; ties go to the first of the grid."""
    intents = Intents(embedder, examples)
    labels = np.array([ORDER.index(example.intent) for example in examples])
    ours = np.array([hashlib.sha256(example.text.encode()).digest()[0] % 2 == 0 for example in examples])
    best, least, quality = intents.by, np.inf, Quality(0.0, 0.0, 0.0)
    for vectors, steepness, ridge in GRID:
        by = replace(intents.by, vectors=vectors, cues=1.0, steepness=steepness, ridge=ridge)
        scores = unseen_scores(intents.seen, labels, by)
        sharpness = sharpest(scores[ours], labels[ours])
        loss = quality_of(sharpness * scores[ours], labels[ours]).log_loss
        if loss < least:
            best, least = replace(by, sharpness=sharpness), loss
            quality = quality_of(sharpness * scores[~ours], labels[~ours])
    return Fitted(best, len(examples), quality)


def unseen_scores(seen: Seen, labels: NDArray[np.int64], by: Calibration) -> Scores:
    """The scores of each example by a regression on the others of seven folds, shape (examples, intents)."""
    likeness, wanted = seen.likeness(seen, by), np.eye(len(ORDER))[labels]
    scores = np.empty(wanted.shape)
    fold = np.random.default_rng(0).permutation(len(labels)) % FOLDS
    for number in range(FOLDS):
        out, within = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        prior = wanted[within].mean(axis=0)
        held = likeness[np.ix_(within, within)] + by.ridge * np.eye(len(within))
        scores[out] = likeness[np.ix_(out, within)] @ np.linalg.solve(held, wanted[within] - prior) + prior
    return scores


def sharpest(scores: Scores, labels: NDArray[np.int64]) -> float:
    """The factor on the scores whose softmax has the least log-loss (temperature scaling; Guo et al., 2017)."""
    found = minimize_scalar(
        lambda factor: quality_of(factor * scores, labels).log_loss, bounds=(0.1, MAX_SHARPNESS), method="bounded"
    )
    return round(float(found.x), 2)


def quality_of(scores: Scores, labels: NDArray[np.int64], bins: int = 10) -> Quality:
    """The quality of softmax(scores); the error is the expected one over bins of equal width."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [np.abs((sure - right)[place == one].sum()) for one in range(bins)]
    loss = -np.log(np.maximum(shares[np.arange(len(labels)), labels], 1e-12)).mean()
    return Quality(float(right.mean()), float(loss), float(sum(gaps) / len(labels)))


if __name__ == "__main__":
    from agent.embed.e5 import E5

    found = fitted(E5(), load_examples())
    numbers = [("", name, value) for name, value in asdict(found.calibration).items()]
    told = [("fitted", name, round(value, 4)) for name, value in asdict(found.other_half).items()]
    write_values(CALIBRATION, [*numbers, ("fitted", "examples", found.examples), *told])
