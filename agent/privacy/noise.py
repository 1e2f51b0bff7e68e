"""Counts with exact integer noise: the discrete Laplace mechanism. The only importer of `opendp`.

Ghosh, Roughgarden and Sundararajan, "Universally utility-maximizing privacy mechanisms" (STOC 2009) for the mechanism;
Canonne, Kamath and Steinke, "The discrete Gaussian for differential privacy" (NeurIPS 2020) for sampling it exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from agent.errors import ConfigError

INSTALL = "Install it with: pip install 'palate[privacy]'"


def noisy(counts: Sequence[int], *, sensitivity: int, epsilon: float) -> list[int]:
    """The counts with noise from the operating system's chance, so that together they cost at most `epsilon`.

    `sensitivity` is how far one person can move them in sum (the L1 distance): the scale is sensitivity / epsilon.
    Values may be below 0. Raises ConfigError where the library is missing, or has no such noise.
    """
    if not len(counts):
        return []
    dp = _library()
    try:
        return list(_mechanism(dp, sensitivity, epsilon)(list(counts)))
    except dp.OpenDPException as error:
        reason = f"there is no noise for an epsilon of {epsilon:g}: {error.message or error.variant}"
        raise ConfigError(reason, "Choose a larger privacy.epsilon") from error


def _mechanism(dp: Any, sensitivity: int, epsilon: float) -> Any:
    """The measurement, whose own privacy map says that it costs no more than `epsilon`."""
    scale = sensitivity / epsilon
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    while (made := dp.m.make_laplace(*space, scale=scale)).map(sensitivity) > epsilon:
        scale = math.nextafter(scale, math.inf)
    return made


@cache
def _library() -> Any:
    try:
        import opendp.prelude as dp
    except ImportError as error:
        raise ConfigError("differential privacy needs opendp, which is not installed", INSTALL) from error
    dp.enable_features("contrib")
    return dp
