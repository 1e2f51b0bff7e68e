"""What orders do besides hitting: how much of the catalogue they show, how known, how alike, how true to the history.

Only the first `k` places count. An id that the catalogue does not hold leaves its place empty; one given twice counts
once. A case has no value where a figure means nothing for it (no order, no tags), and `n` says how many have one. Pure.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, compress, islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.statistics import Estimate, estimate, mean

K = 10
BLOCK = 5_000  # cases that are looked at at once
ALPHA = 0.01

COVERAGE, GINI = "coverage", "gini"
NOVELTY, POPULARITY = "novelty", "popularity"
TAG_DIVERSITY, VECTOR_DIVERSITY, CALIBRATION = "tag_diversity", "vector_diversity", "calibration"
LOWER_IS_BETTER = frozenset({GINI, CALIBRATION})
OF_ALL = frozenset({COVERAGE, GINI})  # figures of all lists together, without an interval

FORMULAS = {
    COVERAGE: "different items in the first {k} places of all cases / items of the catalogue (Ge et al. 2010)",
    GINI: "sum over items, least shown first, of (2 i - n - 1) x_i / (n sum x), x_i how often item i of n stands in the"
    " first {k} places; 0 all alike, near 1 a few take all (Fleder and Hosanagar 2009)",
    NOVELTY: "mean of -log2((c + 1) / (C + n)) over the first {k} places, c the item's popularity, C that of all n"
    " items (self-information, Zhou et al. 2010, with add-one smoothing); bits",
    POPULARITY: "mean popularity of the items in the first {k} places (Yin et al. 2012)",
    TAG_DIVERSITY: "mean over the pairs in the first {k} places of 1 - shared tags / all tags of the two"
    " (intra-list diversity, Ziegler et al. 2005); items without tags are left out",
    VECTOR_DIVERSITY: "mean over the pairs in the first {k} places of 1 - cosine of the two vectors (intra-list"
    " diversity, Ziegler et al. 2005)",
    CALIBRATION: "sum over tags of p ln(p / (.99 q + .01 p)), p their shares in the history, q in the first {k} places,"
    " each item's tags sharing its 1 (Kullback-Leibler divergence, alpha .01, Steck 2018); 0 is the history's mix",
}


@dataclass(frozen=True)
class Shelf:
    """The catalogue as these figures need it: every item's tags by id; popularity and vectors where they are known.

    `popularity` are counts or scores from 0 on, empty where nothing is known; `source` says where they come from, or
    why there are none.
    """

    tags: Mapping[str, Collection[str]]
    popularity: Mapping[str, float] = field(default_factory=dict)
    source: str = "popularity is not known"
    vectors: Mapping[str, ArrayLike] = field(default_factory=dict)

    @cached_property
    def surprise(self) -> Mapping[str, float]:
        """The self-information of meeting each item whose popularity is known, in bits."""
        total = sum(self.popularity.values()) + len(self.popularity)
        return {item_id: -math.log2((count + 1) / total) for item_id, count in self.popularity.items()}


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a figure is not given."""

    reason: str


Figures = Mapping[str, Estimate | Missing]


def beyond(
    orders: Mapping[str, Sequence[str]],
    histories: Mapping[str, Sequence[str]],
    shelf: Shelf,
    *,
    users: Mapping[str, Hashable],
    k: int = K,
) -> Figures:
    """One system's figures at `k`, by name; all but coverage and Gini are means over cases with intervals.

    `orders` and `histories` are item ids by case; `users` names each case's person, who is drawn whole.
    """
    times, n_lists = Counter[str](), 0
    columns: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))  # NaN where a case has no value
    cases = iter(orders)
    while block := list(islice(cases, BLOCK)):
        shown = {case: _first(orders[case], shelf, k) for case in block}
        times.update(item_id for items in shown.values() for item_id in items)
        n_lists += sum(1 for items in shown.values() if items)
        for name, values in case_values(shown, histories, shelf).items():
            columns[name].extend(math.nan if value is None else value for value in values.values())
    found: dict[str, Estimate | Missing] = {}
    for name, value in ((COVERAGE, _covered(times, shelf.tags)), (GINI, _unequal(times, shelf.tags))):
        found[name] = Missing("nothing was shown") if value is None else Estimate(value, None, None, n_lists)
    clusters = [users.get(case, case) for case in orders]
    for name, column in columns.items():
        floats = np.asarray(column)
        given = ~np.isnan(floats)
        whose = list(compress(clusters, given))
        found[name] = estimate(floats[given], clusters=whose) if whose else Missing(_why(name, shelf))
    return found


def case_values(
    shown: Mapping[str, Sequence[str]], histories: Mapping[str, Sequence[str]], shelf: Shelf
) -> dict[str, dict[str, float | None]]:
    """Each figure that is one per case, for the items shown in each; None where it means nothing.

    Diversity is that of vectors too where the shelf has any.
    """
    values: dict[str, dict[str, float | None]] = {
        NOVELTY: {case: mean_of(items, shelf.surprise) for case, items in shown.items()},
        POPULARITY: {case: mean_of(items, shelf.popularity) for case, items in shown.items()},
        TAG_DIVERSITY: {case: tag_diversity(items, shelf.tags) for case, items in shown.items()},
        CALIBRATION: {case: calibration(items, histories.get(case, ()), shelf.tags) for case, items in shown.items()},
    }
    if shelf.vectors:
        values[VECTOR_DIVERSITY] = {case: vector_diversity(items, shelf.vectors) for case, items in shown.items()}
    return values


def coverage(lists: Collection[Sequence[str]], catalogue: Collection[str]) -> float | None:
    """The share of the catalogue that the lists show at all, in [0, 1]; None without a list or a catalogue."""
    return _covered(_times(lists), catalogue) if lists else None


def gini(lists: Collection[Sequence[str]], catalogue: Collection[str]) -> float | None:
    """How unequally the lists show the catalogue's items, in [0, 1); None where they show none."""
    return _unequal(_times(lists), catalogue)


def _times(lists: Collection[Sequence[str]]) -> Counter[str]:
    return Counter(item_id for items in lists for item_id in items)


def _covered(times: Counter[str], catalogue: Collection[str]) -> float | None:
    return len(times) / len(catalogue) if times and catalogue else None


def _unequal(times: Counter[str], catalogue: Collection[str]) -> float | None:
    exposure = np.sort(np.array([times[item_id] for item_id in catalogue], dtype=np.float64))
    n, total = len(exposure), exposure.sum()
    if not total:
        return None
    return float(((2 * np.arange(1, n + 1) - n - 1) @ exposure) / (n * total))


def mean_of(items: Sequence[str], values: Mapping[str, float]) -> float | None:
    """The mean value of those items that have one; None where none has."""
    return mean(values.get(item_id) for item_id in items)


def tag_diversity(items: Sequence[str], tags: Mapping[str, Collection[str]]) -> float | None:
    """The mean Jaccard distance of the items' tags, in [0, 1]; None with fewer than two items that have tags."""
    tagged = [frozenset(tags[item_id]) for item_id in items if tags.get(item_id)]
    return mean(1 - len(one & other) / len(one | other) for one, other in combinations(tagged, 2))


def vector_diversity(items: Sequence[str], vectors: Mapping[str, ArrayLike]) -> float | None:
    """The mean cosine distance of the items' vectors, in [0, 2]; None with fewer than two that are not 0."""
    given = [np.asarray(vectors[item_id], dtype=np.float64) for item_id in items if item_id in vectors]
    units = [vector / np.linalg.norm(vector) for vector in given if vector.any()]
    n = len(units)
    if n < 2:
        return None
    cosines: NDArray[np.float64] = np.stack(units) @ np.stack(units).T
    return float(1 - (cosines.sum() - np.trace(cosines)) / (n * (n - 1)))


def calibration(
    items: Sequence[str], history: Sequence[str], tags: Mapping[str, Collection[str]], alpha: float = ALPHA
) -> float | None:
    """How far the items' mix of tags is from the history's, in nats: 0 the same mix, at most -ln(alpha).

    None where the items or the history have no tags.
    """
    wanted, got = _mix(history, tags), _mix(items, tags)
    if not wanted or not got:
        return None
    parts = [p * math.log(p / ((1 - alpha) * got.get(tag, 0.0) + alpha * p)) for tag, p in wanted.items()]
    return max(0.0, math.fsum(parts))


def _first(order: Sequence[str], shelf: Shelf, k: int) -> tuple[str, ...]:
    return tuple(item_id for item_id in dict.fromkeys(order[:k]) if item_id in shelf.tags)


def _mix(items: Sequence[str], tags: Mapping[str, Collection[str]]) -> dict[str, float]:
    """Each tag's share: an item counts 1, spread over its tags; items without tags are left out."""
    shares: defaultdict[str, float] = defaultdict(float)
    tagged = [frozenset(tags[item_id]) for item_id in items if tags.get(item_id)]
    for found in tagged:
        for tag in found:
            shares[tag] += 1 / len(found) / len(tagged)
    return dict(shares)


def _why(name: str, shelf: Shelf) -> str:
    if name in (NOVELTY, POPULARITY) and not shelf.popularity:
        return shelf.source
    return {
        TAG_DIVERSITY: "no case shows two items with tags",
        VECTOR_DIVERSITY: "no case shows two items with vectors",
        CALIBRATION: "no case has tags both in its history and among the items shown",
    }.get(name, "nothing that was shown has a value")
