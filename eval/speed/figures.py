"""The arithmetic of speed: what work costs in floating-point operations, what is avoided, ratios of pairs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from eval.statistics import CONFIDENCE

PREFILL_TOKENS, WRITTEN_TOKENS = 512, 128  # what the rows of the machine's limit read at once, and write one by one


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a model that its cost depends on.

    `body`: weights of all layers, without embedding and output. `vocabulary` x `width`: the output matrix.
    `attention`: query heads x the size of a head, in each of `layers`.
    """

    body: int
    vocabulary: int
    width: int
    layers: int
    attention: int


@dataclass(frozen=True, slots=True)
class Work:
    """What was decoded: `tokens`, the `rows` of logits computed, and the `cells` that all tokens saw, added up."""

    tokens: int
    rows: int
    cells: int


def flops(shape: Shape, work: Work) -> float:
    """Floating-point operations of the work: 2 B T + 2 V d R + 4 L h dh sum(n_kv), a multiply-add counted as two.

    Counts what a token can see, not what a kernel touches: cells that are computed and masked out earn nothing.
    """
    body = 2.0 * shape.body * work.tokens
    output = 2.0 * shape.vocabulary * shape.width * work.rows
    return body + output + 4.0 * shape.layers * shape.attention * work.cells


def prefill(tokens: int) -> Work:
    """The work of reading so many tokens from an empty cache in one sequence, with one row of logits at its end."""
    return Work(tokens, 1, tokens * (tokens + 1) // 2)


def tokens_avoided(candidates: int, prefix: float, suffix: float) -> float:
    """How many times fewer tokens a shared prefix decodes: N (P + s) / (P + N s); 0 where there are no tokens."""
    shared = prefix + candidates * suffix
    return candidates * (prefix + suffix) / shared if shared else 0.0


@dataclass(frozen=True, slots=True)
class Ratio:
    """A median of `n` paired ratios with its 95 % interval; `low` and `high` are None below six pairs."""

    value: float
    low: float | None
    high: float | None
    n: int


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """The median of `above[i] / below[i]`, so that what slows one repetition down slows both sides of its pair.

    The interval runs between two of the sorted ratios, chosen by the binomial distribution: it holds whatever the
    ratios' distribution (Conover, Practical Nonparametric Statistics). Raises ValueError for unequal lengths, no
    pairs, or a value that is not above 0.
    """
    if len(above) != len(below) or not above:
        raise ValueError(f"paired ratios need equal lengths above 0, got {len(above)} and {len(below)}")
    if min(*above, *below) <= 0:
        raise ValueError("paired ratios need values above 0")
    ratios = np.sort(np.asarray(above, dtype=np.float64) / np.asarray(below, dtype=np.float64))
    n = len(ratios)
    cut = int(stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5))  # so many of the lowest lie outside
    low, high = (float(ratios[cut - 1]), float(ratios[n - cut])) if cut else (None, None)
    return Ratio(float(np.median(ratios)), low, high, n)
