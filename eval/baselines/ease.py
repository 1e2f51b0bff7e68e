"""EASE: a linear model of items by items in closed form. Pure.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019: with X persons by items and P the inverse of
X'X + lambda I, the weights are B = -P / diag(P) column by column with a diagonal of 0, and a person's scores are x B.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.errors import ConfigError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LAMBDA = 200.0
MAX_ITEMS = 8_000


def ease_weights(matrix: csr_matrix, penalty: float = LAMBDA) -> NDArray[np.float32]:
    """The weights of items by items, shape (items, items), diagonal 0; an item that nobody met has weights 0.

    `penalty` is the paper's lambda, above 0. Raises ConfigError above 8,000 items, whose square would fill the memory.
    """
    n = matrix.shape[1]
    if n > MAX_ITEMS:
        raise ConfigError(
            f"EASE holds items by items, and {n:,} items are too many",
            f"Leave out the baseline ease above {MAX_ITEMS:,}",
        )
    gram: NDArray[np.float64] = np.asarray((matrix.T @ matrix).todense(), dtype=np.float64)
    gram[np.diag_indices(n)] += penalty
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)
