"""Ranking metrics, one value a case, computed by ir-measures. The only importer of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import ir_measures

from agent.errors import ConfigError

DEFAULT = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20", "rr", "success@5", "success@10")
LIBRARY, ENGINE = "ir-measures", "pytrec-eval-terrier"

PerCase = dict[str, dict[str, float]]

_NAME = re.compile(r"\A(?:(?P<family>ndcg|success)@(?P<k>[1-9][0-9]{0,3})|rr)\Z")
_FORMULAS = {
    "ndcg": "sum over the first {k} places of rel / log2(place + 1), over the same sum for the best order of all"
    " relevant items; rel is 1 for a relevant item, else 0",
    "success": "1 if one of the first {k} places holds a relevant item, else 0",
    "rr": "1 / place of the first relevant item, 0 if there is none",
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
    return Metric(name, _FORMULAS[family].format(k=k), f"{LIBRARY} {version(LIBRARY)} ({ENGINE} {version(ENGINE)})")


def per_case(
    orders: Mapping[str, Sequence[str]], relevant: Mapping[str, Collection[str]], names: Iterable[str] = DEFAULT
) -> PerCase:
    """Each metric's value for each case in `relevant`, in its order: `per_case(...)["ndcg@10"]["case-7"]`, in [0, 1].

    `orders` holds item ids best first, by case. A case without an order, or with an empty one, scores 0 and stays.
    Places are handed over as strictly falling scores, so ties never decide; an id given twice counts at its first
    place only. Orders of cases that `relevant` lacks are passed over. Raises ConfigError for a name that is no metric.
    """
    measures = {_measure(name): name for name in names}
    values: PerCase = {name: dict.fromkeys(relevant, 0.0) for name in measures.values()}
    judged = {case: dict.fromkeys(ids, 1) for case, ids in relevant.items()}
    ranked = {case: _falling(orders[case]) for case in relevant if orders.get(case)}
    if ranked:
        for found in ir_measures.iter_calc(list(measures), judged, ranked):
            values[measures[found.measure]][found.query_id] = float(found.value)
    return values


def _falling(order: Sequence[str]) -> dict[str, float]:
    return {item_id: -float(place) for place, item_id in enumerate(dict.fromkeys(order), start=1)}


def _measure(name: str) -> ir_measures.Measure:
    family, k = _parts(name)
    if family == "rr":
        return ir_measures.RR
    return (ir_measures.nDCG if family == "ndcg" else ir_measures.Success) @ k


def _parts(name: str) -> tuple[str, int]:
    match = _NAME.match(name)
    if not match:
        raise ConfigError(f"there is no metric {name!r}", "Metrics: ndcg@K, success@K, rr, with K from 1 to 9999")
    return match["family"] or "rr", int(match["k"] or 0)
