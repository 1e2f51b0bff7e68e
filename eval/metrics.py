"""Ranking metrics, one value a case, computed by ir-measures. The only importer of it. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import NamedTuple, Protocol, runtime_checkable

import ir_measures
import numpy as np
from numpy.typing import NDArray

from agent.errors import ConfigError

HEADLINE = "ndcg@10"
DEFAULT = ("ndcg@1", "ndcg@5", HEADLINE, "ndcg@20", "rr", "success@5", "success@10")
LIBRARY, ENGINE = "ir-measures", "pytrec-eval-terrier"
KNOWN = "ndcg@K, recall@K, precision@K, f1@K, map@K, hr@K (= success@K), rr (= mrr), rr@K (= mrr@K); K from 1 to 9999"

PerCase = Mapping[str, Mapping[str, float]]


@runtime_checkable
class InArray(Protocol):
    """Values by case that lie in one array, in the order of the cases."""

    floats: NDArray[np.float64]


class Found(NamedTuple):
    """All that a metric sees of an order: the 1-based places of relevant items, rising, and how many there are."""

    places: tuple[int, ...]
    n_relevant: int


_ALIASES = {"hr": "success", "mrr": "rr"}
_MEASURES = {
    "ndcg": ir_measures.nDCG,
    "recall": ir_measures.R,
    "precision": ir_measures.P,
    "map": ir_measures.AP,
    "success": ir_measures.Success,
    "rr": ir_measures.RR,
}
_NAME = re.compile(rf"\A(?P<family>{'|'.join([*_MEASURES, *_ALIASES, 'f1'])})(?:@(?P<k>[1-9][0-9]{{0,3}}))?\Z")
_FORMULAS = {
    "ndcg": "sum over the first {k} places of rel / log2(place + 1), over the same sum for the best order of all"
    " relevant items; rel is 1 for a relevant item, else 0",
    "recall": "relevant items in the first {k} places / all relevant items",
    "precision": "relevant items in the first {k} places / {k}, also where fewer were given",
    "f1": "2 P R / (P + R) of precision P and recall R in the first {k} places, 0 where both are 0; per case",
    "map": "sum of the precision at each relevant item in the first {k} places / all relevant items",
    "success": "1 if one of the first {k} places holds a relevant item, else 0",
    "rr": "1 / place of the first relevant item{within}, 0 if there is none",
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
    formula = _FORMULAS[family].format(k=k, within=f" in the first {k} places" if k else "")
    engine = "its MS MARCO scorer" if family == "rr" and k else f"{ENGINE} {version(ENGINE)}"
    return Metric(name, formula, f"{LIBRARY} {version(LIBRARY)} ({engine})")


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


def per_case(
    orders: Mapping[str, Sequence[str]], relevant: Mapping[str, Collection[str]], names: Iterable[str] = DEFAULT
) -> PerCase:
    """Each metric's value for each case in `relevant`, in its order: `per_case(...)["ndcg@10"]["case-7"]`, in [0, 1].

    `orders` holds item ids best first, by case. A case without an order, or with an empty one, scores 0 and stays.
    Places are handed over as strictly falling scores, so ties never decide; an id given twice counts at its first
    place only. Orders of cases that `relevant` lacks are passed over. Raises ConfigError for a name that is no metric.
    """
    found = {case: found_in(orders.get(case, ()), ids) for case, ids in relevant.items()}
    scored = values_of(found.values(), names)
    return {name: {case: values[one] for case, one in found.items()} for name, values in scored.items()}


def in_order(values: Mapping[str, float]) -> NDArray[np.float64]:
    """The values of the cases in their order; not copied where they lie in an array already."""
    return values.floats if isinstance(values, InArray) else np.fromiter(values.values(), np.float64, len(values))


def found_in(order: Iterable[str], relevant: Collection[str]) -> Found:
    """Where an order has its relevant items; one that it gives twice counts at its first place."""
    wanted = set(relevant)
    places = (place for place, item_id in enumerate(dict.fromkeys(order), start=1) if item_id in wanted)
    return Found(tuple(places), len(wanted))


def values_of(found: Iterable[Found], names: Iterable[str] = DEFAULT) -> Mapping[str, Mapping[Found, float]]:
    """Each metric's value of each of these, in [0, 1]. Orders that are alike to metrics are scored once.

    Raises ConfigError for a name that is no metric.
    """
    wanted = {name: _measures(name) for name in names}
    measures = list(dict.fromkeys(measure for several in wanted.values() for measure in several))
    distinct = list(dict.fromkeys(found))
    values = {measure: dict.fromkeys(distinct, 0.0) for measure in measures}
    hits = {str(n): one for n, one in enumerate(distinct) if one.places}
    judged = {query: {str(n): 1 for n in range(one.n_relevant)} for query, one in hits.items()}
    ranked = {query: _falling(one) for query, one in hits.items()}
    for value in ir_measures.iter_calc(measures, judged, ranked) if hits and measures else ():
        values[value.measure][hits[value.query_id]] = float(value.value)
    return {name: _joined([values[measure] for measure in several]) for name, several in wanted.items()}


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
    close = difflib.get_close_matches(family, [*_MEASURES, *_ALIASES, "f1"], n=1, cutoff=0.6)
    meant = f"{close[0]}@{k if k.isdecimal() and 0 < int(k) < 10_000 else 10}" if close else ""
    return f"Did you mean {meant}? Metrics: {KNOWN}" if meant else f"Metrics: {KNOWN}"
