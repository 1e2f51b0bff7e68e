"""What can be asked of items, field by field: the options of an answer, and the test that each stands for. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.converse.state import Option
from agent.language import Language
from agent.recall.where import Fact, facts_of, field_named, number_in
from agent.types import Attribute, Item

Passes = NDArray[np.bool_]
Chosen = tuple[str | float, ...]

YEAR, TAGS = "year", "tags"
MIN_ITEMS = 2  # what fewer candidates have is no option: it would be a question about one item
MAX_OFFERED = 24  # values of a field that are tried as options, the most frequent ones
MAX_VALUE_CHARS = 30
LENGTHS = frozenset(
    ("runtime", "run_time", "duration", "length", "minutes", "pages", "playtime", "片长", "时长", "页数")
)
MEASURED = LENGTHS | {
    YEAR,
    "price",
    "年份",
    "价格",
}  # numbers people think in; others, such as votes, are not asked for
PEOPLE = frozenset(
    ("director", "author", "writer", "cast", "actor", "actors", "star", "stars", "starring", "artist", "band", "singer")
) | {"composer", "musician", "developer", "studio", "publisher", "导演", "作者", "编剧", "主演", "演员", "歌手"}
ANSWERED: Mapping[str, float] = {  # how many could say what they want of a field; by hand, as is the rest below
    TAGS: 1.0,
    YEAR: 0.9,
    "language": 0.9,
    "country": 0.7,
    **dict.fromkeys(LENGTHS, 0.7),
    **dict.fromkeys(PEOPLE, 0.3),
}
ANSWERED_ELSE = 0.5
_UNASKED = frozenset(("title", "popularity"))
_BARE = re.compile(r"\w+")
_STEPS = (1, 2, 5, 10, 15, 30, 60, 100, 200, 500, 1_000, 10_000, 100_000)
_SPANS = 4  # about so many places to cut are tried
_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "rest": "something else",
        "decade": "the {0}s",
        "years": "{0} to {1}",
        "year_below": "before {0}",
        "year_least": "{0} or later",
        "span": "{0} to {1}",
        "below": "under {0}",
        "least": "{0} or more",
    },
    "zh": {
        "rest": "别的",
        "decade": "{0} 年代",
        "years": "{0} 到 {1} 年",
        "year_below": "{0} 年以前",
        "year_least": "{0} 年以后",
        "span": "{0} 到 {1}",
        "below": "{0} 以下",
        "least": "{0} 以上",
    },
}


class Field(Protocol):
    """One field of all candidates. What is `chosen` makes the options: values to name, or places to cut."""

    @property
    def name(self) -> str:
        """The name of the field, as in filters."""
        ...

    def wider(self, chosen: Chosen) -> Iterator[Chosen]:
        """The same with one more."""
        ...

    def passes(self, chosen: Chosen) -> Passes:
        """Which candidate (a row) passes which option (a column)."""
        ...

    def options(self, chosen: Chosen, language: Language) -> tuple[Option, ...]:
        """The options in words, in the order of the columns."""
        ...


@dataclass(frozen=True)
class Named:
    """A field of words: `rows` has the values of each candidate, `spelled` how each is written.

    The last option is whatever has none of the values that are named, where there is such a candidate.
    """

    name: str
    rows: Sequence[frozenset[str]]
    spelled: Mapping[str, str]

    def wider(self, chosen: Chosen) -> Iterator[Chosen]:
        """See `Field.wider`."""
        return ((*chosen, value) for value in self.spelled if value not in chosen)

    def passes(self, chosen: Chosen) -> Passes:
        """See `Field.passes`."""
        named = np.array([[value in row for value in chosen] for row in self.rows], dtype=bool)
        rest = ~named.any(axis=1, keepdims=True)
        return np.hstack([named, rest]) if rest.any() else named

    def options(self, chosen: Chosen, language: Language) -> tuple[Option, ...]:
        """See `Field.options`."""
        spelled = [self.spelled[str(value)] for value in chosen]
        named = [Option(label=value, test=_test(self.name, "=", value)) for value in spelled]
        if self.passes(chosen).shape[1] == len(chosen):
            return tuple(named)
        others = " and ".join(_test(self.name, "!=", value) for value in spelled)
        return (*named, Option(label=_WORDS[language]["rest"], test=others))


@dataclass(frozen=True)
class Spanned:
    """A field of numbers: `rows` has that of each candidate, NaN where there is none; spans lie between the cuts."""

    name: str
    rows: NDArray[np.float64]

    def wider(self, chosen: Chosen) -> Iterator[Chosen]:
        """See `Field.wider`."""
        for cut in self._places():
            cuts = tuple(sorted((*map(float, chosen), cut)))
            if cut not in chosen and self.passes(cuts).sum(axis=0).min() >= MIN_ITEMS:
                yield cuts

    def passes(self, chosen: Chosen) -> Passes:
        """See `Field.passes`."""
        ends = [-np.inf, *map(float, chosen), np.inf]
        spans = [(self.rows >= low) & (self.rows < high) for low, high in pairwise(ends)]
        return np.column_stack(spans)

    def options(self, chosen: Chosen, language: Language) -> tuple[Option, ...]:
        """See `Field.options`."""
        ends = [None, *map(float, chosen), None]
        pairs = list(pairwise(ends))
        return tuple(Option(label=self._label(*pair, language), test=self._span(*pair)) for pair in pairs)

    def _places(self) -> list[float]:
        there = self.rows[~np.isnan(self.rows)]
        least, most = float(there.min()), float(there.max())
        wanted = (most - least) / _SPANS
        step = 10 if self.name == YEAR else next((step for step in _STEPS if step >= wanted), None)
        if step is None:
            return []
        first, last = int(least // step) + 1, int(most // step)
        return [float(n * step) for n in range(first, min(last, first + 4 * _SPANS) + 1)]

    def _label(self, low: float | None, high: float | None, language: Language) -> str:
        words, of_years = _WORDS[language], self.name == YEAR
        if low is None:
            return words["year_below" if of_years else "below"].format(_written(high))
        if high is None:
            return words["year_least" if of_years else "least"].format(_written(low))
        if of_years and high - low == 10:
            return words["decade"].format(_written(low))
        last = high - 1 if of_years else high
        return words["years" if of_years else "span"].format(_written(low), _written(last))

    def _span(self, low: float | None, high: float | None) -> str:
        ends = ((">=", low), ("<", high))
        return " and ".join(f"{_quoted(self.name)}{op}{_written(end)}" for op, end in ends if end is not None)


def fields_of(items: Sequence[Item], without: frozenset[str] = frozenset()) -> list[Field]:
    """The fields that could be asked about, by name: numbers people think in, and words that candidates share.

    Values among `without`, such as tags that the person removed, are not offered.
    """
    facts = [facts_of(item) for item in items]
    spelled = _spelled(items)
    names = sorted({name for row in facts for name in row} - _UNASKED)
    found: list[Field | None] = [_field(name, [row.get(name, Fact()) for row in facts], spelled) for name in names]
    unwanted = {value.casefold() for value in without}
    return [_offering(field, unwanted) for field in found if field is not None]


def _field(name: str, facts: Sequence[Fact], spelled: Mapping[str, str]) -> Field | None:
    if name in MEASURED:
        rows = np.array([fact.numbers[0] if fact.numbers else np.nan for fact in facts])
        return None if np.isnan(rows).sum() > len(rows) // 2 else Spanned(name, rows)
    counts = Counter(value for fact in facts for value in fact.texts)
    offered = [value for value, n in counts.items() if n >= MIN_ITEMS and _askable(spelled.get(value, ""))]
    offered.sort(key=lambda value: (-counts[value], value))
    kept = {value: spelled[value] for value in offered[:MAX_OFFERED]}
    return Named(name, [frozenset(fact.texts) for fact in facts], kept) if kept else None


def _offering(field: Field, unwanted: set[str]) -> Field:
    if not isinstance(field, Named):
        return field
    return Named(field.name, field.rows, {v: name for v, name in field.spelled.items() if v not in unwanted})


def _askable(value: str) -> bool:
    """Whether a value is a name, and no number, sentence or address."""
    whole = 0 < len(value) <= MAX_VALUE_CHARS and not value.endswith((".", "!", "?")) and "/" not in value
    return whole and number_in(value) is None


def _spelled(items: Sequence[Item]) -> dict[str, str]:
    """The values of words by what filters compare, as the first item spells them."""
    found: dict[str, str] = {}
    for item in items:
        own: tuple[Attribute | None, ...] = (item.tags, item.language, item.platform)
        for value in (*own, *item.attributes.values()):
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str):
                    found.setdefault(" ".join(text.casefold().split()), " ".join(text.split()))
    return found


def _test(name: str, op: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{_quoted(name)}{op}"{escaped}"'


def _quoted(name: str) -> str:
    return name if _BARE.fullmatch(name) else f'"{field_named(name)}"'


def _written(number: float | None) -> str:
    return "" if number is None else f"{number:g}"
