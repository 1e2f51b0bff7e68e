"""A cell's figures in parts of the cases: by length of history, by popularity of what is relevant, cold people. Pure.

Slices are for finding out, not for proving: each difference's p is corrected for all slices of the cell (Holm).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.metrics import gained, valued
from eval.reporting.reading import Reading
from eval.statistics import UNIT, Clusters, Difference, Estimate, difference, estimate, holm, mean

HISTORY, POPULARITY, PEOPLE = "history length", "popularity of what is relevant", "people"
BOUNDS = (0, 3, 10, 50)  # a history belongs to the first bound that it does not exceed
COLD = 3  # a person with at most so many items in the history is cold
DECILES = 10


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of the cases: the headline metric there, and its paired gain over the baseline with Holm's p."""

    kind: str
    name: str
    value: Estimate
    change: Difference
    p_holm: float


def slices(reading: Reading, cell: str, baseline: str) -> tuple[Slice, ...]:
    """All slices of a cell that hold a case, kind by kind, the shortest, least known and coldest first.

    Popularity is left out where it is not known of any relevant item.
    """
    run, metric = reading.run, reading.headline
    values, against = (valued(reading.results.per_case[name][metric]) for name in (cell, baseline))
    shelf = reading.shelf(cell)
    lengths = {case: len(run.histories[case]) for case in values}
    groups = {
        HISTORY: _grouped(lengths, _history_name),
        POPULARITY: _deciles({case: run.relevant[case] for case in values}, shelf.popularity if shelf else {}),
        PEOPLE: _grouped(lengths, lambda n: f"cold (history of at most {COLD})" if n <= COLD else "others"),
    }
    found = [
        _slice(kind, name, metric, [(values[c], against[c]) for c in cases], [run.users[c] for c in cases])
        for kind, by_name in groups.items()
        for name, cases in by_name.items()
    ]
    adjusted = holm([one.change.p for one in found])
    return tuple(replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True))


def _slice(kind: str, name: str, metric: str, pairs: Sequence[tuple[float, float]], clusters: Clusters) -> Slice:
    own, other = [one for one, _ in pairs], [other for _, other in pairs]
    change = difference(*gained(metric, own, other), clusters=clusters)
    return Slice(kind, name, estimate(own, within=UNIT, clusters=clusters), change, change.p)


def _grouped(values: Mapping[str, int], name_of: Callable[[int], str]) -> dict[str, list[str]]:
    """The cases by the name of their value, the smallest value first."""
    groups: dict[str, list[str]] = {}
    for case, value in sorted(values.items(), key=lambda pair: pair[1]):
        groups.setdefault(name_of(value), []).append(case)
    return groups


def _history_name(length: int) -> str:
    below = -1
    for bound in BOUNDS:
        if length <= bound:
            return str(bound) if bound == below + 1 else f"{below + 1} to {bound}"
        below = bound
    return f"over {BOUNDS[-1]}"


def _deciles(relevant: Mapping[str, Sequence[str]], popularity: Mapping[str, float]) -> dict[str, list[str]]:
    """The cases in ten parts by the mean popularity of what is relevant; equal popularities stay together."""
    means = {case: mean(popularity.get(item_id) for item_id in ids) for case, ids in relevant.items()}
    known = {case: value for case, value in means.items() if value is not None}
    if not known:
        return {}
    cuts = np.quantile(list(known.values()), np.linspace(0, 1, DECILES + 1)[1:-1])
    return _grouped({case: int(np.searchsorted(cuts, value)) for case, value in known.items()}, _decile_name)


def _decile_name(n: int) -> str:
    ends = {0: " (least known)", DECILES - 1: " (best known)"}
    return f"decile {n + 1}{ends.get(n, '')}"
