"""Implicit alternating least squares (Hu, Koren and Volinsky, ICDM 2008), as Palate itself learns factors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_matrix

from agent.errors import ConfigError
from agent.learn.factors import ITERATIONS as ITERATIONS
from agent.learn.factors import factors_of, installed
from eval.baselines.interactions import Scores

FACTORS, REGULARISATION, ALPHA = 64, 0.05, 5.0


def als_scorer(matrix: csr_matrix, seed: int) -> Callable[[csr_matrix], Scores]:
    """What gives every item a score for a person, given as a matrix of one row; fitted on persons by items.

    The person need not be one of those fitted on: their factors are solved for anew. Raises ConfigError where the
    library is missing.
    """
    if not installed():
        raise ConfigError(
            "the baseline als needs implicit, which is not installed", "Install it with: pip install 'palate[eval]'"
        )
    factors = factors_of(matrix, n_factors=FACTORS, regularisation=REGULARISATION, alpha=ALPHA, seed=seed)

    def scores(row: csr_matrix) -> Scores:
        """Those of one person."""
        person = factors.person(row.indices)
        return np.zeros(matrix.shape[1], np.float32) if person is None else np.asarray(factors.items @ person)

    return scores
