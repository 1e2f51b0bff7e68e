"""What every embedder can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """Turns texts into unit vectors. `name` identifies model and version: equal names give equal vectors."""

    name: str
    dimensions: int

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of what people ask, shape (len(texts), dimensions)."""
        ...

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of what items say, shape (len(texts), dimensions)."""
        ...
