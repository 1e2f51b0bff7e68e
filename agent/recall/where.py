"""Filters in words, `year>=1990 and tags=Comedy`: what they mean for an item, and as much of it as Chroma can check.

    test    field op value, joined by `and`
    op      =  !=  >  >=  <  <=  and  `field in (value, value)`
    field   title, tags, year, platform, language, popularity, or any attribute; in quotes where it holds blanks
    value   up to the next `and`; in quotes where it holds `and`, a comma or a bracket

A field may have several values (tags, cast): a test holds when it holds for one of them, `!=` when none is equal. Text
compares without regard to case, numbers as numbers. An item that lacks the field passes `!=` and nothing else.
"""

from __future__ import annotations

import difflib
import math
import operator
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError

if TYPE_CHECKING:
    from agent.types import Item

MAX_VALUE_CHARS = 200  # longer values are prose: they are left out of the facts
FIELDS = ("title", "tags", "year", "platform", "language", "popularity")
LEAST, MOST = "#least", "#most"  # where Chroma's metadata holds the numbers of a field
_ALIASES = {"tag": "tags"}
_WORDS: Mapping[str, str] = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
_RESERVED = str.maketrans("#$:", "   ")  # they mean something in Chroma's keys
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Fact:
    """The values of one field of one item: texts in lower case, numbers as floats, each once and in order."""

    texts: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()


Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a field, named in lower case, with one value, or with several for `in`."""

    field: str
    op: str
    values: tuple[str, ...]

    def holds(self, facts: Facts) -> bool:
        """Whether the facts pass."""
        fact = facts.get(self.field, Fact())
        if self.op in _ORDERS:
            return _in_order(fact, _ORDERS[self.op], self.values[0])
        return any(_equal(fact, value) for value in self.values) != (self.op == "!=")

    def to_chroma(self) -> dict[str, Any] | None:
        """A Chroma filter that keeps every row that passes, and perhaps more; None where Chroma cannot help."""
        if self.op == "!=":
            return None
        if self.op not in _ORDERS:
            return _either([condition for value in self.values for condition in _equal_in_chroma(self.field, value)])
        bound = number_in(self.values[0])
        if bound is None:
            return None
        return {f"{self.field}{MOST if self.op in ('>', '>=') else LEAST}": {_WORDS[self.op]: bound}}

    @property
    def exact_in_chroma(self) -> bool:
        """Whether `to_chroma` keeps exactly the rows that pass."""
        numbers = [number_in(value) is not None for value in self.values]
        return self.op != "!=" and (all(numbers) if self.op in _ORDERS else not any(numbers))


@dataclass(frozen=True, slots=True)
class Where:
    """A filter: all of its tests hold."""

    tests: tuple[Test, ...]

    def matches(self, item: Item) -> bool:
        """Whether the item passes."""
        return self.holds(facts_of(item))

    def holds(self, facts: Facts) -> bool:
        """Whether an item with these facts passes."""
        return all(test.holds(facts) for test in self.tests)

    def to_chroma(self) -> dict[str, Any] | None:
        """A Chroma filter that keeps every row that passes, and perhaps more; None where Chroma cannot help."""
        known = [condition for test in self.tests if (condition := test.to_chroma()) is not None]
        return {"$and": known} if len(known) > 1 else (known[0] if known else None)

    @property
    def exact_in_chroma(self) -> bool:
        """Whether `to_chroma` keeps exactly the rows that pass."""
        return all(test.exact_in_chroma for test in self.tests)

    def check_fields(self, known: Collection[str]) -> None:
        """Do nothing when every field is one of Palate's or of `known`. Raises ConfigError naming the nearest ones."""
        for test in self.tests:
            if test.field not in known and test.field not in FIELDS:
                everything = sorted({*known, *FIELDS})
                near = difflib.get_close_matches(test.field, everything, n=3) or everything[:12]
                raise ConfigError(f"no item has the field {test.field!r}", f"There is: {', '.join(near)}")


def parse_where(text: str) -> Where:
    """The filter that the text describes. Raises ConfigError naming the place, with an example."""
    from agent.recall.where_text import tests_in

    return Where(tuple(Test(field_named(name), op, values) for name, op, values in tests_in(text)))


def facts_of(item: Item) -> dict[str, Fact]:
    """What filters may ask about an item, by field name in lower case."""
    own: dict[str, Any] = {
        "title": item.title,
        "tags": item.tags,
        "platform": item.platform,
        "language": item.language,
        "popularity": item.popularity,
    }
    values = {field_named(name): value for name, value in item.attributes.items()} | {
        name: value for name, value in own.items() if value not in (None, "", ())
    }
    return {name: _fact(value if isinstance(value, tuple) else (value,)) for name, value in values.items()}


def to_metadata(facts: Facts) -> dict[str, Any]:
    """The facts as Chroma keeps them: lists of texts, and the least and the greatest number of a field."""
    row: dict[str, Any] = {}
    for name, fact in facts.items():
        if fact.texts:
            row[name] = list(fact.texts)
        if fact.numbers:
            row[f"{name}{LEAST}"], row[f"{name}{MOST}"] = min(fact.numbers), max(fact.numbers)
            row.update({f"{name}#all": list(fact.numbers)} if len(fact.numbers) > 2 else {})
    return row


def from_metadata(row: Mapping[str, Any]) -> dict[str, Fact]:
    """The facts that `to_metadata` wrote."""
    names = dict.fromkeys(name.partition("#")[0] if name.endswith((LEAST, MOST, "#all")) else name for name in row)
    return {name: Fact(tuple(row.get(name, ())), _numbers(row, name)) for name in names}


def number_in(text: str) -> float | None:
    """The finite number that the text spells, or None."""
    try:
        number = float(text.replace("_", "x"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _numbers(row: Mapping[str, Any], name: str) -> tuple[float, ...]:
    if f"{name}#all" in row:
        return tuple(row[f"{name}#all"])
    ends = (row[f"{name}{end}"] for end in (LEAST, MOST) if f"{name}{end}" in row)
    return tuple(dict.fromkeys(ends))


def field_named(name: str) -> str:
    """What a field of that name is called in facts."""
    lowered = _plain(name.translate(_RESERVED)) or "unnamed"
    return _ALIASES.get(lowered, lowered)


def _fact(values: Iterable[str | int | float]) -> Fact:
    texts, numbers = [], []
    for value in values:
        if isinstance(value, str):
            texts += [_plain(value)] if 0 < len(value) <= MAX_VALUE_CHARS else []
        number = number_in(value) if isinstance(value, str) else _finite(value)
        numbers += [] if number is None else [number]
    return Fact(tuple(dict.fromkeys(texts)), tuple(dict.fromkeys(numbers)))


def _finite(number: float) -> float | None:
    try:
        return float(number)
    except OverflowError:  # a whole number beyond what a float holds
        return None


def _plain(text: str) -> str:
    composed = text if text.isascii() else unicodedata.normalize("NFC", text)
    return " ".join(composed.casefold().split())


def _equal(fact: Fact, value: str) -> bool:
    return _plain(value) in fact.texts or (bool(fact.numbers) and number_in(value) in fact.numbers)


def _in_order(fact: Fact, order: Callable[[Any, Any], bool], value: str) -> bool:
    bound = number_in(value)
    if bound is not None:
        return any(order(number, bound) for number in fact.numbers)
    return any(order(text, _plain(value)) for text in fact.texts)


def _equal_in_chroma(field: str, value: str) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = [{field: {"$contains": _plain(value)}}]
    number = number_in(value)
    if number is not None:
        span = [{f"{field}{LEAST}": {"$lte": number}}, {f"{field}{MOST}": {"$gte": number}}]
        conditions.append({"$and": span})
    return conditions


def _either(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"$or": conditions} if len(conditions) > 1 else conditions[0]
