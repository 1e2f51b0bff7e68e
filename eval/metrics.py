"""Ranking metrics, one value a case, computed by ir-measures. The only importer of it. Pure."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import ir_measures
import numpy as np
from numpy.typing import NDArray

from agent.errors import ConfigError

HEADLINE = "ndcg@10"
DEFAULT = ("ndcg@1", "ndcg@5", HEADLINE, "ndcg@20", "rr", "success@5", "success@10")
LIBRARY, ENGINE = "ir-measures", "pytrec-eval-terrier"
NEGATIVES = "negatives"
KNOWN = (
    "ndcg@K, recall@K, precision@K, f1@K, map@K, hr@K (= success@K), rr (= mrr), rr@K (= mrr@K), negatives@K;"
    " K from 1 to 9999"
)

PerCase = Mapping[str, Mapping[str, float]]
Side = TypeVar("Side")


@runtime_checkable
class InArray(Protocol):
    """Values by case that lie in one array, in the order of the cases."""

    floats: NDArray[np.float64]


class Found(NamedTuple):
    """All that a metric sees of an order: the 1-based places of relevant items, rising, and how many there are.

    The same of items that the person is known not to like.
    """

    places: tuple[int, ...]
    n_relevant: int
    disliked: tuple[int, ...] = ()
    n_disliked: int = 0


_ALIASES = {"hr": "success", "mrr": "rr"}
_MEASURES = {
    "ndcg": ir_measures.nDCG,
    "recall": ir_measures.R,
    "precision": ir_measures.P,
    "map": ir_measures.AP,
    "success": ir_measures.Success,
    "rr": ir_measures.RR,
}
_FAMILIES = (*_MEASURES, *_ALIASES, "f1", NEGATIVES)
_NAME = re.compile(rf"\A(?P<family>{'|'.join(_FAMILIES)})(?:@(?P<k>[1-9][0-9]{{0,3}}))?\Z")
_FORMULAS = {
    "ndcg": "sum over the first {k} places of rel / log2(place + 1), over the same sum for the best order of all"
    " relevant items; rel is 1 for a relevant item, else 0",
    "recall": "relevant items in the first {k} places / all relevant items",
    "precision": "relevant items in the first {k} places / {k}, also where fewer were given",
    "f1": "2 P R / (P + R) of precision P and recall R in the first {k} places, 0 where both are 0; per case",
    "map": "sum of the precision at each relevant item in the first {k} places / all relevant items",
    "success": "1 if one of the first {k} places holds a relevant item, else 0",
    "rr": "1 / place of the first relevant item{within}, 0 if there is none",
    NEGATIVES: "places among the first {k} that hold an item which the person is known not to like / {k}, also where"
    " fewer were given; mean over the cases that carry such items; without an order the worst that could be; lower is"
    " better, so differences are gains: how much lower",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric in words: its name, its formula, and the library and version that computes it."""

    name: str
    formula: str
    library: str


def described(name: str) -> Metric:
    """The metric's formula and library. Raises ConfigError for a name that is none."""
    family, k = _parts(name)
    if family == NEGATIVES:
        return Metric(name, _FORMULAS[family].format(k=k), own_library())
    formula = _FORMULAS[family].format(k=k, within=f" in the first {k} places" if k else "")
    engine = "its MS MARCO scorer" if family == "rr" and k else f"{ENGINE} {version(ENGINE)}"
    return Metric(name, formula, f"{LIBRARY} {version(LIBRARY)} ({engine})")


def own_library() -> str:
    """What computes the figures that are this project's own, with its version where it is installed."""
    try:
        return f"Palate {version('palate')}"
    except PackageNotFoundError:
        return "Palate"


def named(text: str) -> tuple[str, ...]:
    """The metrics of a list with commas, such as `ndcg@10,recall@5`, in its order, each once.

    Raises ConfigError for a name that is no metric, or for none at all.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ConfigError("no metric is named", f"Metrics: {KNOWN}")
    for name in names:
        _parts(name)
    return names


def lower_is_better(name: str) -> bool:
    """Whether less of the metric is better; so of `negatives@K` alone."""
    return name.partition("@")[0] == NEGATIVES


def gained(name: str, one: Side, other: Side) -> tuple[Side, Side]:
    """The two sides such that the first minus the second is positive where `one` is better by the metric."""
    return (other, one) if lower_is_better(name) else (one, other)


def change_in(name: str) -> str:
    """What a difference in the metric is called: `ndcg@10`; `negatives@10 (lower is better) gain`."""
    return f"{name} (lower is better) gain" if lower_is_better(name) else name


def per_case(
    orders: Mapping[str, Sequence[str]],
    relevant: Mapping[str, Collection[str]],
    names: Iterable[str] = DEFAULT,
    disliked: Mapping[str, Collection[str]] | None = None,
) -> PerCase:
    """Each metric's value for each case in `relevant`, in its order: `per_case(...)["ndcg@10"]["case-7"]`, in [0, 1].

    `orders` holds item ids best first, by case. A case without an order, or with an empty one, scores 0 (by negatives
    the worst that could be) and stays. Places are handed over as strictly falling scores, so ties never decide; an id
    given twice counts at its first place only. Orders of cases that `relevant` lacks are passed over. `negatives@K` is
    NaN for cases without `disliked` items. Raises ConfigError for a name that is no metric.
    """
    dislikes = disliked or {}
    found = {case: found_in(orders.get(case, ()), ids, dislikes.get(case, ())) for case, ids in relevant.items()}
    scored = values_of(found.values(), names)
    return {name: {case: values[one] for case, one in found.items()} for name, values in scored.items()}


def in_order(values: Mapping[str, float]) -> NDArray[np.float64]:
    """The values of the cases in their order; not copied where they lie in an array already."""
    return values.floats if isinstance(values, InArray) else np.fromiter(values.values(), np.float64, len(values))


def valued(values: Mapping[str, float]) -> Mapping[str, float]:
    """The values of those cases that have one: for all metrics but negatives, of all."""
    if not np.isnan(in_order(values)).any():
        return values
    return {case: value for case, value in values.items() if not math.isnan(value)}


def found_in(order: Iterable[str], relevant: Collection[str], disliked: Collection[str] = ()) -> Found:
    """Where an order has relevant and disliked items; one that it gives twice counts at its first place.

    An order that gives nothing is as bad as one with all the disliked items first.
    """
    wanted, unwanted = set(relevant), set(disliked)
    given = list(dict.fromkeys(order))
    places = tuple(place for place, item_id in enumerate(given, start=1) if item_id in wanted)
    bad = (place for place, item_id in enumerate(given or unwanted, start=1) if item_id in unwanted)
    return Found(places, len(wanted), tuple(bad) if unwanted else (), len(unwanted))


def worst(name: str, n_disliked: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest value of a metric of which less is better, by how many disliked items cases have; NaN for none."""
    k = _parts(name)[1]
    return np.where(n_disliked > 0, np.minimum(n_disliked, k) / k, np.nan)


def values_of(found: Iterable[Found], names: Iterable[str] = DEFAULT) -> Mapping[str, Mapping[Found, float]]:
    """Each metric's value of each of these, in [0, 1]. Orders that are alike to metrics are scored once.

    Raises ConfigError for a name that is no metric.
    """
    named_ones = tuple(names)
    wanted = {name: _measures(name) for name in named_ones if not lower_is_better(name)}
    measures = list(dict.fromkeys(measure for several in wanted.values() for measure in several))
    distinct = list(dict.fromkeys(found))
    values = {measure: dict.fromkeys(distinct, 0.0) for measure in measures}
    hits = {str(n): one for n, one in enumerate(distinct) if one.places}
    judged = {query: {str(n): 1 for n in range(one.n_relevant)} for query, one in hits.items()}
    ranked = {query: _falling(one) for query, one in hits.items()}
    for value in ir_measures.iter_calc(measures, judged, ranked) if hits and measures else ():
        values[value.measure][hits[value.query_id]] = float(value.value)
    joined = {name: _joined([values[measure] for measure in several]) for name, several in wanted.items()}
    return {name: joined[name] if name in joined else _negatives(name, distinct) for name in named_ones}


def _negatives(name: str, distinct: Iterable[Found]) -> dict[Found, float]:
    k = _parts(name)[1]
    return {one: sum(p <= k for p in one.disliked) / k if one.n_disliked else math.nan for one in distinct}


def _falling(found: Found) -> dict[str, float]:
    """The order with its relevant items called by number, others by place, down to the last relevant one."""
    called = {place: str(n) for n, place in enumerate(found.places)}
    return {called.get(place, f"at {place}"): -float(place) for place in range(1, found.places[-1] + 1)}


def _joined(parts: Sequence[Mapping[Found, float]]) -> dict[Found, float]:
    """One part as it is; two parts, one by one, as their harmonic mean."""
    if len(parts) == 1:
        return dict(parts[0])
    one, other = parts
    sums = {case: one[case] + other[case] for case in one}
    return {case: 2 * one[case] * other[case] / total if total else 0.0 for case, total in sums.items()}


def _measures(name: str) -> tuple[ir_measures.Measure, ...]:
    family, k = _parts(name)
    if family == "f1":
        return ir_measures.P @ k, ir_measures.R @ k
    measure = _MEASURES[family]
    return (measure @ k if k else measure,)


def _parts(name: str) -> tuple[str, int]:
    """The metric's family, aliases resolved, and its K, 0 where it has none."""
    match = _NAME.match(name)
    family = match["family"] if match else ""
    family, k = _ALIASES.get(family, family), int((match and match["k"]) or 0)
    if not family or not (k or family == "rr"):
        raise ConfigError(f"there is no metric {name!r}", _nearest(name))
    return family, k


def _nearest(name: str) -> str:
    """The metric that may be meant, and all that there are."""
    family, _, k = name.lower().partition("@")
    close = difflib.get_close_matches(family, _FAMILIES, n=1, cutoff=0.6)
    meant = f"{close[0]}@{k if k.isdecimal() and 0 < int(k) < 10_000 else 10}" if close else ""
    return f"Did you mean {meant}? Metrics: {KNOWN}" if meant else f"Metrics: {KNOWN}"
