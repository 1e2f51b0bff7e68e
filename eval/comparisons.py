"""Systems compared in pairs on the same cases, as one family: differences, corrected p, and what could be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import compress

import numpy as np

from eval.metrics import PerCase, gained, in_order
from eval.resampling import Floats
from eval.statistics import Clusters, Difference, difference, holm, lowest, smallest_detectable, smallest_margin


@dataclass(frozen=True)
class Comparison:
    """One system against another on the same cases, among `family` comparisons that are told together.

    Differences are gains: positive where the system is better, also by a metric of which less is better. `p_holm` is
    each metric's p corrected for that family (see `corrected`); `detectable` the smallest difference that so many cases
    would show (see `smallest_detectable`), `margin` the smallest loss that they would rule out (`smallest_margin`);
    `lowest` what the difference may be where a case more loses all (see there).
    """

    system: str
    against: str
    metrics: Mapping[str, Difference]
    p_holm: Mapping[str, float]
    detectable: Mapping[str, float | None]
    family: int = 1
    lowest: Mapping[str, float | None] = field(default_factory=dict)
    margin: Mapping[str, float | None] = field(default_factory=dict)

    def as_row(self, headline: str, margin: float | None = None) -> dict[str, object]:
        """The documented JSON shape of a comparison; with a margin also whether it is shown to be no worse by that."""
        metrics = {
            name: {**asdict(value), "p_holm": self.p_holm[name], "detectable": self.detectable[name]}
            for name, value in self.metrics.items()
        }
        row: dict[str, object] = {"system": self.system, "against": self.against, "metrics": metrics}
        if margin is not None:
            row["not_worse"] = {"metric": headline, "margin": margin, "shown": not_worse(self, margin, headline)}
        return row


def compare(
    pairs: Sequence[tuple[str, str]], values: Mapping[str, PerCase], clusters: Clusters
) -> tuple[Comparison, ...]:
    """The pairs compared as one family, in their order (see `corrected`), by the metrics of the first of each.

    `values` are every system's, by metric and case; `clusters` says whose each case is. Cases without a value are left
    out. Raises ValueError where none has one.
    """
    found = [_compared(pair, values[pair[0]], values[pair[1]], clusters) for pair in pairs]
    return together(found)


def together(found: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons as one family, in their order."""
    adjusted = corrected([one.metrics for one in found])
    return tuple(replace(one, p_holm=p, family=len(found)) for one, p in zip(found, adjusted, strict=True))


def corrected(family: Sequence[Mapping[str, Difference]]) -> list[dict[str, float]]:
    """Each metric's p corrected by Holm for all comparisons that are told together, those of a run or of a diff.

    Verdicts are given on one metric, the headline, so its comparisons are the family; every other metric is one of its
    own, to find out and not to prove.
    """
    found: list[dict[str, float]] = [{} for _ in family]
    for name in dict.fromkeys(name for by_name in family for name in by_name):
        having = [n for n, by_name in enumerate(family) if name in by_name]
        for n, p in zip(having, holm([family[n][name].p for n in having]), strict=True):
            found[n][name] = p
    return found


def gains(
    name: str, one: Mapping[str, float], other: Mapping[str, float], clusters: Clusters
) -> tuple[Floats, Floats, Clusters]:
    """The two sides' values by a metric, such that the first minus the second is positive where `one` is better.

    With them whose they are. Cases without a value, which both sides lack, are left out.
    """
    first, second = gained(name, in_order(one), in_order(other))
    known = ~(np.isnan(first) | np.isnan(second))
    if known.all():
        return first, second, clusters
    return first[known], second[known], list(compress(clusters, known))


def not_worse(comparison: Comparison, margin: float, metric: str) -> bool | None:
    """Whether the whole interval lies above -margin: the system is shown to lose no more than that, if anything.

    A non-inferiority test, read off the `floor` and never off the point: where the loss is the margin it passes no more
    than one time in twenty, though the losses be rare and large. None without an interval.
    """
    low = floor(comparison, metric)
    return None if low is None else low > -margin


def floor(comparison: Comparison, metric: str) -> float | None:
    """The lower end of the interval, or `lowest` where that is lower still; None without an interval."""
    known = (comparison.metrics[metric].low, comparison.lowest.get(metric))
    return min((low for low in known if low is not None), default=None)


def _compared(pair: tuple[str, str], one: PerCase, other: PerCase, clusters: Clusters) -> Comparison:
    both = {name: gains(name, one[name], other[name], clusters) for name in one}
    return Comparison(
        *pair,
        {name: difference(new, base, clusters=whose) for name, (new, base, whose) in both.items()},
        {},
        {name: smallest_detectable(new, base, clusters=whose) for name, (new, base, whose) in both.items()},
        lowest={name: lowest(new, base, clusters=whose) for name, (new, base, whose) in both.items()},
        margin={name: smallest_margin(new, base, clusters=whose) for name, (new, base, whose) in both.items()},
    )
