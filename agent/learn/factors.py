"""Item factors by implicit alternating least squares, and a person folded in at request time.

Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets" (ICDM 2008). The only importer of
`implicit`, which fits the factors; folding someone in is a linear equation of `n_factors` unknowns, solved here.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from agent.errors import ConfigError

ITERATIONS = 15
HINT = "Install it with: pip install 'palate[learn]'"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Factors:
    """One vector an item, shape (items, n_factors): zero for an item that nobody took up.

    `alpha` is the confidence in an act against that in its absence, which is 1; `regularisation` pulls to 0.
    """

    items: Floats
    alpha: float
    regularisation: float

    @cached_property
    def _gram(self) -> NDArray[np.float64]:
        items = np.asarray(self.items, dtype=np.float64)
        return items.T @ items

    @cached_property
    def lengths(self) -> Floats:
        """The length of each item's vector."""
        return np.asarray(np.linalg.norm(self.items, axis=1), dtype=np.float32)

    def person(self, columns: NDArray[np.int32]) -> Floats | None:
        """The vector of someone who took up these items, whoever they are; None where none of them has factors.

        It solves (Y'Y + (alpha - 1) Y_u'Y_u + regularisation I) x = alpha Y_u'1.
        """
        theirs = np.asarray(self.items[columns], dtype=np.float64)
        if not theirs.any():
            return None
        left = self._gram + (self.alpha - 1) * theirs.T @ theirs + self.regularisation * np.eye(theirs.shape[1])
        return np.asarray(np.linalg.solve(left, self.alpha * theirs.sum(axis=0)), dtype=np.float32)

    def cosines(self, person: Floats) -> Floats:
        """The cosine of a person's vector with each item; 0 for an item without factors."""
        lengths = np.maximum(self.lengths * np.float32(np.linalg.norm(person)), 1e-9)
        return np.asarray(self.items @ person / lengths, dtype=np.float32)


def installed() -> bool:
    """Whether the library that fits factors is there."""
    return find_spec("implicit") is not None


def factors_of(
    matrix: csr_matrix,
    *,
    n_factors: int,
    regularisation: float,
    alpha: float,
    seed: int = 0,
    iterations: int = ITERATIONS,
) -> Factors:
    """The factors of the items of a matrix of people by items, 1 where the person took the item up.

    Raises ConfigError where the library is missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from implicit.cpu.als import AlternatingLeastSquares

            model = AlternatingLeastSquares(
                factors=n_factors,
                regularization=regularisation,
                alpha=alpha,
                iterations=iterations,
                random_state=seed % 2**32,
            )
    except ImportError as error:
        raise ConfigError("factors need implicit, which is not installed", HINT) from error
    model.fit(matrix, show_progress=False)
    items = np.array(model.item_factors, dtype=np.float32)
    items[np.asarray(matrix.getnnz(axis=0)) == 0] = 0.0
    return Factors(items, alpha, regularisation)
