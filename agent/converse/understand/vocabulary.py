"""What the items of a catalogue can be asked for: its tags, years, lengths, origins and people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from agent.converse.understand.words import FIELDS, TAGGED
from agent.recall.where import field_named
from agent.titles import normalised, year_of
from agent.types import Attribute, Item

_MINUTES = (15.0, 400.0)  # the median of a field that is to hold minutes
_MAX_NAME_CHARS = 60
_ORDINARY_TAGS = frozenset(
    {"short", "new", "old", "long", "good", "best", "other", "misc", "general", "n/a", "unknown"}
)


@dataclass(frozen=True)
class Named:
    """The values of one field: how the catalogue spells each, by what it is compared as, and how many items bear it."""

    field: str
    spelled: Mapping[str, str]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Vocabulary:
    """What a catalogue knows, each part None or empty where it does not. `newest` is the latest year of an item.

    `tags` are by the words that name them; `people` has a field each, those who make items (`makers`) first;
    `surnames` holds the full names that end in a word.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    newest: int | None = None
    dated: bool = False
    minutes: str | None = None
    pages: str | None = None
    language: Named | None = None
    country: Named | None = None
    makers: Sequence[Named] = ()
    players: Sequence[Named] = ()
    surnames: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Iterable[Item]) -> Vocabulary:
        """The vocabulary of these items."""
        columns, years, tags = _gathered(items)
        makers, players = (_all_named(columns, FIELDS[kind]) for kind in ("makers", "players"))
        return cls(
            tags=_spellings(tags),
            newest=max(years, default=None),
            dated=any(isinstance(year, int) for year in columns.get("year", ())),
            minutes=_numeric(columns, FIELDS["minutes"], *_MINUTES),
            pages=_numeric(columns, FIELDS["pages"], 1.0, 5_000.0),
            language=next(iter(_all_named(columns, FIELDS["language"])), None),
            country=next(iter(_all_named(columns, FIELDS["country"])), None),
            makers=makers,
            players=players,
            surnames=_surnames(one for group in (makers, players) for one in group),
        )

    @property
    def people(self) -> Sequence[Named]:
        """All fields that hold people."""
        return [*self.makers, *self.players]

    def tag_named(self, words: str) -> str | None:
        """The tag of the catalogue that these words name, in the singular or the plural; None where there is none."""
        key = normalised(words)
        return self.tags.get(key) or self.tags.get(key.removesuffix("s"))

    def tags_of(self, group: str) -> list[str]:
        """The tag of the catalogue that a group of `words.toml` stands for, by its first spelling; perhaps none."""
        found = (self.tags.get(normalised(name)) for name in TAGGED[group].names)
        return list(dict.fromkeys(tag for tag in found if tag))[:1]


def values_in(value: Attribute | None) -> Iterable[str | int | float]:
    """The single values of an attribute."""
    return () if value is None else value if isinstance(value, tuple) else (value,)


Columns = dict[str, list[str | int | float]]


def _gathered(items: Iterable[Item]) -> tuple[Columns, list[int], Counter[str]]:
    columns: Columns = defaultdict(list)
    wanted = {name for names in FIELDS.values() for name in names} | {"year"}
    years, tags = [], Counter[str]()
    for item in items:
        tags.update(item.tags)
        if (year := year_of(item)) is not None:
            years.append(year)
        for name, value in (*item.attributes.items(), ("language", item.language)):
            if (plain := field_named(name)) in wanted:
                columns[plain].extend(values_in(value))
    return columns, years, tags


def _spellings(tags: Counter[str]) -> dict[str, str]:
    """Tags by their words, the more common one where two are alike; those that are everyday words are left out."""
    found = {normalised(tag): tag for tag, _ in reversed(tags.most_common())}
    return {key: tag for key, tag in found.items() if key and key not in _ORDINARY_TAGS}


def _numeric(columns: Columns, names: Sequence[str], least: float, most: float) -> str | None:
    """The first field whose typical number lies in the range."""
    for name in names:
        numbers = [value for value in columns.get(name, ()) if isinstance(value, int | float)]
        if numbers and least <= median(numbers) <= most:
            return name
    return None


def _all_named(columns: Columns, names: Sequence[str]) -> list[Named]:
    """The fields of these names that hold names, most telling first."""
    found = []
    for name in names:
        counts = Counter(
            value for value in columns.get(name, ()) if isinstance(value, str) and len(value) <= _MAX_NAME_CHARS
        )
        if counts:
            keys = {value: normalised(value) for value in counts}
            spelled = {keys[value]: value for value, _ in reversed(counts.most_common())}
            sums = Counter[str]()
            for value, count in counts.items():
                sums[keys[value]] += count
            found.append(Named(name, spelled, sums))
    return found


def _surnames(fields: Iterable[Named]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for each in fields:
        for key in each.spelled:
            if " " in key:
                found[key.rpartition(" ")[2]][key] = None
    return {name: list(keys) for name, keys in found.items()}
