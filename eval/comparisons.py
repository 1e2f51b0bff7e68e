"""Systems compared in pairs on the same cases, as one family: differences, corrected p, and what could be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from eval.metrics import PerCase, in_order
from eval.resampling import Floats
from eval.statistics import Clusters, Difference, difference, holm, lowest, smallest_detectable


@dataclass(frozen=True)
class Comparison:
    """One system against another on the same cases, among `family` comparisons of the run.

    `p_holm` is each metric's p corrected for that family; `detectable` the smallest difference that so many cases
    would show (see `smallest_detectable`); `lowest` what the difference may be where a case more loses all (see there).
    """

    system: str
    against: str
    metrics: Mapping[str, Difference]
    p_holm: Mapping[str, float]
    detectable: Mapping[str, float | None]
    family: int = 1
    lowest: Mapping[str, float | None] = field(default_factory=dict)

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
    floors = [{name: lowest(*v, clusters=clusters) for name, v in by_name.items()} for by_name in both]
    names = list(both[0]) if both else []
    adjusted = {name: holm([by_name[name].p for by_name in metrics]) for name in names}
    return tuple(
        Comparison(*pair, metrics[n], {name: adjusted[name][n] for name in names}, spread[n], len(pairs), floors[n])
        for n, pair in enumerate(pairs)
    )


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


def _paired(one: PerCase, other: PerCase) -> dict[str, tuple[Floats, Floats]]:
    return {name: (in_order(one[name]), in_order(other[name])) for name in one}
