"""A distribution over tags with its uncertainty: a Dirichlet, some of whose shares may be pinned. Pure.

    theta | counts ~ Dirichlet(alpha),    alpha = concentration * prior + counts

A pinned share is conditioned on: given theta_t = s, the others are (1 - s) times the Dirichlet of their own alphas
(the Dirichlet's neutrality, Connor and Mosimann 1969), so pinning one tag leaves the ratios of all others as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.8  # of the credible intervals that are shown


@dataclass(frozen=True)
class Posterior:
    """Beliefs about the shares theta of some tags. `alpha` has a positive number a tag; `pins` are shares held fixed.

    Pins that sum to more than 1 are scaled down to 1, and so they are up to 1 where no tag is free.
    """

    tags: tuple[str, ...]
    alpha: Floats
    pins: Mapping[str, float]

    @cached_property
    def means(self) -> Mapping[str, float]:
        """The expected share of each tag, largest first, ties by name; sums to 1, or empty where there is no mass."""
        shares = dict(zip(self.tags, (float(x) for x in self._means), strict=True))
        return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))) if sum(shares.values()) else {}

    def intervals(self, level: float = LEVEL) -> Mapping[str, tuple[float, float]]:
        """The central credible interval of each tag's share, in the order of `means`; pinned shares have no width.

        The marginals of a Dirichlet are Betas. Raises ValueError for a level outside (0, 1).
        """
        if not 0 < level < 1:
            raise ValueError(f"a level lies between 0 and 1, not at {level}")
        from scipy.special import betaincinv

        free, rest = self._free, self._rest
        others = np.maximum(self.alpha[free].sum() - self.alpha[free], 1e-12)
        bounds = []
        for tail in ((1 - level) / 2, (1 + level) / 2):
            found = self._means.copy()
            found[free] = rest * betaincinv(np.maximum(self.alpha[free], 1e-12), others, tail)
            bounds.append(found)
        places = {tag: place for place, tag in enumerate(self.tags)}
        return {tag: (float(bounds[0][places[tag]]), float(bounds[1][places[tag]])) for tag in self.means}

    def drawn(self, lot: np.random.Generator) -> Mapping[str, float]:
        """Shares drawn from the belief, in the order of `tags`: they sum to 1, or to 0 where there is no mass."""
        free, found = self._free, self._means.copy()
        masses = lot.standard_gamma(self.alpha[free])
        if total := float(masses.sum()):
            found[free] = self._rest * masses / total
        return dict(zip(self.tags, (float(x) for x in found), strict=True))

    @property
    def entropy_nats(self) -> float:
        """The entropy of the means: how uncertain the tag of what the person takes up next is."""
        shares = self._means[self._means > 0]
        return float(-(shares * np.log(shares)).sum()) + 0.0

    @property
    def expected_entropy_nats(self) -> float:
        """The entropy to expect of the person's true shares; what `entropy_nats` has more is still to be learned."""
        from scipy.special import digamma

        free = self.alpha[self._free]
        free = free[free > 0]
        inner = 0.0
        if free.size:
            total = free.sum()
            inner = float(digamma(total + 1) - (free / total * digamma(free + 1)).sum())
        outer = np.array([*self._means[~self._free], self._rest])
        outer = outer[outer > 0]
        return float(-(outer * np.log(outer)).sum()) + self._rest * inner + 0.0

    @cached_property
    def _free(self) -> NDArray[np.bool_]:
        return np.array([tag not in self.pins for tag in self.tags], dtype=bool)

    @cached_property
    def _pinned(self) -> Mapping[str, float]:
        """The pins as they hold: scaled so that all shares can sum to 1."""
        total = sum(self.pins.values())
        nothing_free = not self.alpha[self._free].sum()
        scale = 1 / total if total > 1 or (total and nothing_free) else 1.0
        return {tag: share * scale for tag, share in self.pins.items()}

    @cached_property
    def _rest(self) -> float:
        """What is left for the tags that are not pinned."""
        return max(0.0, 1.0 - sum(self._pinned.values())) if self.alpha[self._free].sum() else 0.0

    @cached_property
    def _means(self) -> Floats:
        found = np.array([self._pinned.get(tag, 0.0) for tag in self.tags])
        if free := float(self.alpha[self._free].sum()):
            found[self._free] = self._rest * self.alpha[self._free] / free
        return found
