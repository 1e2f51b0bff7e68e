"""Systems compared in pairs on the same cases, as one family: differences, corrected p, and what could be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from eval.metrics import PerCase
from eval.statistics import Clusters, Difference, difference, holm, smallest_detectable


@dataclass(frozen=True)
class Comparison:
    """One system against another on the same cases, among `family` comparisons of the run.

    `p_holm` is each metric's p corrected for that family; `detectable` the smallest difference that so many cases
    would show (see `smallest_detectable`).
    """

    system: str
    against: str
    metrics: Mapping[str, Difference]
    p_holm: Mapping[str, float]
    detectable: Mapping[str, float | None]
    family: int = 1

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
    """The pairs compared as one family, in their order: each metric's p is corrected for how many pairs there are.

    `values` are every system's, by metric and case; `clusters` says whose each case is.
    """
    both = [_paired(values[one], values[other]) for one, other in pairs]
    metrics = [{name: difference(*v, clusters=clusters) for name, v in by_name.items()} for by_name in both]
    spread = [{name: smallest_detectable(*v, clusters=clusters) for name, v in by_name.items()} for by_name in both]
    names = list(both[0]) if both else []
    adjusted = {name: holm([by_name[name].p for by_name in metrics]) for name in names}
    return tuple(
        Comparison(*pair, metrics[n], {name: adjusted[name][n] for name in names}, spread[n], len(pairs))
        for n, pair in enumerate(pairs)
    )


def not_worse(comparison: Comparison, margin: float, metric: str) -> bool | None:
    """Whether the whole interval lies above -margin: the system is shown to lose no more than that, if anything.

    A non-inferiority test at one-sided .025, read off the interval and never off the point. None without an interval.
    """
    low = comparison.metrics[metric].low
    return None if low is None else low > -margin


def _paired(one: PerCase, other: PerCase) -> dict[str, tuple[list[float], list[float]]]:
    return {name: (list(one[name].values()), list(other[name].values())) for name in one}
