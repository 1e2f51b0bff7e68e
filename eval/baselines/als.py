"""Implicit alternating least squares (Hu, Koren and Volinsky, ICDM 2008). The only importer of `implicit`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from agent.errors import ConfigError
from eval.baselines.interactions import Scores

FACTORS, REGULARISATION, ALPHA, ITERATIONS = 64, 0.05, 5.0, 15


def als_scorer(matrix: csr_matrix, seed: int) -> Callable[[csr_matrix], Scores]:
    """What gives every item a score for a person, given as a matrix of one row; fitted on persons by items.

    The person need not be one of those fitted on: their factors are solved for anew. Raises ConfigError where the
    library is missing.
    """
    model = _model(seed)
    model.fit(matrix, show_progress=False)

    def scores(row: csr_matrix) -> Scores:
        """Those of one person."""
        person = model.recalculate_user(0, row)
        return np.asarray(model.item_factors @ person, dtype=np.float32)

    return scores


def _model(seed: int) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from implicit.cpu.als import AlternatingLeastSquares

            return AlternatingLeastSquares(
                factors=FACTORS,
                regularization=REGULARISATION,
                alpha=ALPHA,
                iterations=ITERATIONS,
                random_state=seed % 2**32,
            )
    except ImportError as error:
        raise ConfigError(
            "the baseline als needs implicit, which is not installed", "Install it with: pip install 'palate[eval]'"
        ) from error
