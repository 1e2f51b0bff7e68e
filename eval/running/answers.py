"""One answer: what one cell made of one case, once, and the line of a file that it is kept as. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

Key = tuple[str, str, int]
VALIDITY = ("missing", "foreign", "repeated", "truncated", "refused", "fallback")


@dataclass(frozen=True)
class Permuted:
    """A case asked in one order: the candidates as the model was shown them, and the orders that it answered with.

    `orders` holds the cell's whole blend, "model", and the model's scores alone, "likelihood-only". `tokens` and
    `calls` are those of this order alone; `failed` says why there is no answer.
    """

    shown: tuple[str, ...]
    orders: Mapping[str, tuple[str, ...]]
    tokens: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    failed: str | None = None

    def as_row(self) -> dict[str, object]:
        """The order as plain JSON values, by field."""
        orders = {name: list(order) for name, order in self.orders.items()}
        plain = {"shown": list(self.shown), "orders": orders, "tokens": dict(self.tokens), "calls": dict(self.calls)}
        return {**plain, "failed": self.failed}


@dataclass(frozen=True)
class Answer:
    """What one cell made of one case, once.

    `orders` are item ids best first by system: "model" is the cell's whole blend, beside parts such as
    "without-model", "likelihood-only", "recall-only". `ms` is the wall time of the answer, 0 when all of it came from
    kept answers. `tokens` counts "in" and "out" where they are known, `calls` the model's calls "asked" and "kept".
    `failed` says why there is no answer, each of `degraded` is "stage: reason", `validity` counts by the names of
    `VALIDITY`. `rationales` hold item_id, sentence, evidence and source each; `trace` the model's calls with method,
    prompt and reply. `permuted` are the orders of its candidates in which the case was asked, this answer's first.
    `disliked` are the items that the case's person is known not to like.
    """

    cell: str
    case_id: str
    user_id: str
    repeat: int
    relevant: tuple[str, ...]
    history: tuple[str, ...]
    n_candidates: int
    orders: Mapping[str, tuple[str, ...]]
    ms: float
    tokens: Mapping[str, int]
    calls: Mapping[str, int]
    failed: str | None
    degraded: tuple[str, ...]
    validity: Mapping[str, int]
    rationales: tuple[Mapping[str, object], ...] = ()
    trace: tuple[Mapping[str, object], ...] = ()
    permuted: tuple[Permuted, ...] = ()
    disliked: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """What no two answers of a run share: cell, case and repeat."""
        return self.cell, self.case_id, self.repeat

    def as_row(self) -> dict[str, object]:
        """The answer as plain JSON values, by field; the last four only where there are any."""
        row: dict[str, object] = dict(vars(self))
        for name in ("tokens", "calls", "validity"):
            row[name] = dict(getattr(self, name))
        for name in ("relevant", "history", "degraded"):
            row[name] = list(getattr(self, name))
        row["orders"] = {system: list(order) for system, order in self.orders.items()}
        for name in ("rationales", "trace"):
            rows = [dict(one) for one in getattr(self, name)]
            row.pop(name)
            row |= {name: rows} if rows else {}
        if row.pop("disliked"):
            row["disliked"] = list(self.disliked)
        row.pop("permuted")
        return {**row, "permuted": [one.as_row() for one in self.permuted]} if self.permuted else row

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Answer:
        """The answer of such a row; keys that it does not know are passed over.

        Raises KeyError, TypeError, ValueError or AttributeError for a row that is none.
        """
        return _answer(row)


def _answer(row: Mapping[str, object]) -> Answer:
    failed = row["failed"]
    return Answer(
        cell=str(row["cell"]),
        case_id=str(row["case_id"]),
        user_id=str(row["user_id"]),
        repeat=_whole(row["repeat"]),
        relevant=_texts(row["relevant"]),
        history=_texts(row["history"]),
        n_candidates=_whole(row["n_candidates"]),
        orders={system: _texts(order) for system, order in _fields(row["orders"]).items()},
        ms=_number(row["ms"]),
        tokens=_counts(row["tokens"]),
        calls=_counts(row["calls"]),
        failed=None if failed is None else str(failed),
        degraded=_texts(row["degraded"]),
        validity=_counts(row["validity"]),
        rationales=tuple(_fields(one) for one in _list(row.get("rationales", ()))),
        trace=tuple(_fields(one) for one in _list(row.get("trace", ()))),
        permuted=tuple(_permuted(_fields(one)) for one in _list(row.get("permuted", ()))),
        disliked=_texts(row.get("disliked", ())),
    )


def _permuted(row: Mapping[str, object]) -> Permuted:
    return Permuted(
        shown=_texts(row["shown"]),
        orders={system: _texts(order) for system, order in _fields(row["orders"]).items()},
        tokens=_counts(row["tokens"]),
        calls=_counts(row["calls"]),
        failed=None if row["failed"] is None else str(row["failed"]),
    )


def _list(value: object) -> list[object]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"a list belongs here, not {type(value).__name__}")
    return list(value)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in _list(value))


def _fields(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"an object belongs here, not {type(value).__name__}")
    return {str(key): one for key, one in value.items()}


def _counts(value: object) -> dict[str, int]:
    return {key: _whole(one) for key, one in _fields(value).items()}


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"a whole number, 0 or more, belongs here, not {value!r}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise TypeError(f"a number, 0 or more, belongs here, not {value!r}")
    return float(value)
