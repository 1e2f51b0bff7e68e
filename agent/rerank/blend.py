"""Prior and model into one score. Pure.

Every signal (a number per candidate) is z-scored over the candidates, so that weights mean the same on every slate,
and the blend is the weighted sum. A signal that does not tell the candidates apart adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def zscores(values: Sequence[float]) -> Floats:
    """Values less their mean, over their population standard deviation; all 0 where they are equal, empty for none."""
    array = np.asarray(values, dtype=np.float64)
    spread = float(array.std()) if array.size else 0.0
    return (array - array.mean()) / spread if spread > 1e-9 else np.zeros_like(array)


def blend(signals: Mapping[str, Sequence[float]], weights: Mapping[str, float]) -> Floats:
    """The weighted sum of the z-scored signals, one number per candidate, higher is better.

    Signals without a weight count nothing. All signals have one length. Raises ValueError where they do not.
    """
    lengths = {len(values) for values in signals.values()}
    if len(lengths) > 1:
        raise ValueError(f"signals differ in length: {sorted(lengths)}")
    total = np.zeros(lengths.pop() if lengths else 0)
    for name in sorted(signals):
        total += weights.get(name, 0.0) * zscores(signals[name])
    return total


def order(scores: Sequence[float], names: Sequence[str]) -> list[int]:
    """Indices of the candidates best first; ties by name."""
    return sorted(range(len(scores)), key=lambda n: (-scores[n], names[n]))
