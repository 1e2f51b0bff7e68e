"""What was learned as plain arrays by name, and back: what a file of it holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from agent.learn.factors import Factors
from agent.learn.learned import Learned
from agent.learn.neighbours import Neighbours


def as_arrays(learned: Learned) -> dict[str, NDArray[Any]]:
    """Everything there is, none of it an array of objects."""
    weights = learned.neighbours.weights
    arrays: dict[str, NDArray[Any]] = {
        "items": np.array(learned.items, dtype=np.str_),
        "counts": learned.counts,
        "neighbour_weights": weights.data,
        "neighbour_columns": weights.indices,
        "neighbour_starts": weights.indptr,
    }
    if learned.factors is not None:
        arrays["factors"] = learned.factors.items
        arrays["fold_in"] = np.array([learned.factors.alpha, learned.factors.regularisation])
    return arrays


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Learned:
    """What `as_arrays` was given. Raises KeyError where one is missing."""
    n = len(arrays["counts"])
    rows = (arrays["neighbour_weights"], arrays["neighbour_columns"], arrays["neighbour_starts"])
    factors = None
    if "factors" in arrays:
        alpha, regularisation = arrays["fold_in"].tolist()
        factors = Factors(arrays["factors"], alpha, regularisation)
    items = tuple(arrays["items"].tolist())
    return Learned(items, arrays["counts"], Neighbours(csr_matrix(rows, shape=(n, n))), factors)
