"""Which column of a file holds what: given by the caller, else guessed from the header (tables in `guesses`)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from agent.catalogue.guesses import YEAR_NAMES, Guesses
from agent.catalogue.rows import Row, RowError, storable
from agent.catalogue.values import is_absent, number_of
from agent.errors import ConfigError

MAX_COLUMNS = 2_000
MAX_COLUMN_CHARS = 128

NAME_IT = 'Name it with --{option} (or Columns({option}="..."))'


@dataclass(frozen=True, slots=True)
class Columns:
    """Column names by field; None means "guess from the header", "" means "no such column".

    Items use id, title, tags, text, popularity, language, image, platform; events use user, id (the item), kind,
    value, at, text, event (the event's own id), platform. Names are matched exactly, else without regard to case and
    punctuation.
    """

    id: str | None = None
    title: str | None = None
    tags: str | None = None
    text: str | None = None
    popularity: str | None = None
    language: str | None = None
    image: str | None = None
    platform: str | None = None
    user: str | None = None
    kind: str | None = None
    value: str | None = None
    at: str | None = None
    event: str | None = None

    def given(self) -> dict[str, str]:
        """The fields that are not left to guessing."""
        chosen = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: column for name, column in chosen if column is not None}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was decided: the column of each field, which of them were guessed, and what became of the other columns.

    `attributes` maps the remaining columns to the names they get in `Item.attributes` (columns that appear only in
    later rows of a JSON lines file are added there too, but not listed). `ignored` are columns of events nobody
    reads.
    """

    fields: Mapping[str, str]
    guessed: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line for people: `id = movieId (guessed), title = title; attributes: year, director`."""
        parts = [
            f"{name} = {column}{' (guessed)' if name in self.guessed else ''}" for name, column in self.fields.items()
        ]
        text = ", ".join(parts)
        text += f"; attributes: {', '.join(self.attributes.values())}" if self.attributes else ""
        return text + (f"; not used: {', '.join(self.ignored)}" if self.ignored else "")

    def as_json(self) -> dict[str, object]:
        """The same as plain lists and strings."""
        return {
            "fields": dict(self.fields),
            "guessed": sorted(self.guessed),
            "attributes": dict(self.attributes),
            "ignored": list(self.ignored),
        }


def plain_name(column: str) -> str:
    """A column's name in lower case with underscores: "imdbRating" and "IMDb Rating" become imdb_rating."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.replace("IMDb", "Imdb"))
    return re.sub(r"[\W_]+", "_", spaced).strip("_").lower() or "column"


def attribute_name(column: str) -> str:
    """The attribute a column becomes: its `plain_name`, or `year` for a column that tells the year."""
    name = plain_name(column)
    return "year" if name in YEAR_NAMES else name


def squashed(column: str) -> str:
    """A column's name for comparing: lower case letters and digits only."""
    return re.sub(r"[\W_]+", "", column).lower()


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """The header with every name there once: an empty name becomes `column_N`, a repeated one gets `_2`, `_3`, ..."""
    taken: dict[str, None] = {}
    for position, name in enumerate(names, start=1):
        taken[free_name(name.strip() or f"column_{position}", taken)] = None
    return tuple(taken)


def free_name(name: str, taken: Container[str]) -> str:
    """`name`, or `name_2`, `name_3`, ... when it is taken."""
    if name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def resolve(
    columns: Columns, header: Sequence[str], guesses: Guesses, sample: Sequence[Row], required: Sequence[Sequence[str]]
) -> Resolved:
    """The columns of one file. `sample` keeps a guess from taking a column whose values cannot be meant.

    Of each group in `required` one field must be found. Raises ConfigError when none is, and for a named column that is
    not there, naming near ones.
    """
    given = {name: column for name, column in columns.given().items() if name in guesses}
    found = {name: _named(column, header, name) for name, column in given.items() if column}
    guessed: set[str] = set()
    for name in guesses:
        if name in given:
            continue
        if column := _guess(name, header, guesses[name], set(found.values()), sample):
            found[name] = column
            guessed.add(name)
    for group in required:
        if not any(name in found for name in group):
            raise ConfigError(
                f"no column for the {' or '.join(group)} among: {_few(header)}", NAME_IT.format(option=group[0])
            )
    return Resolved({name: found[name] for name in guesses if name in found}, frozenset(guessed))


def _named(column: str, header: Sequence[str], name: str) -> str:
    if column in header:
        return column
    alike = [each for each in header if squashed(each) == squashed(column)]
    if len(alike) == 1:
        return alike[0]
    near = difflib.get_close_matches(column, header, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"there is no column {column!r} (asked for as {name})", f"{hint}The columns are: {_few(header)}")


def _guess(
    name: str, header: Sequence[str], aliases: Sequence[str], taken: set[str], sample: Sequence[Row]
) -> str | None:
    by_key: dict[str, str] = {}
    for column in header:
        by_key.setdefault(squashed(column), column)
    wanted = (by_key.get(squashed(alias)) for alias in aliases)
    fitting = (each for each in wanted if each is not None and each not in taken and _plausible(name, each, sample))
    return next(fitting, None)


def _plausible(name: str, column: str, sample: Sequence[Row]) -> bool:
    """Whether half of a sample's values for a column can be meant by the field; its own name is beyond doubt."""
    check = _CHECKS.get(name)
    if check is None or squashed(column) == name:
        return True
    fits = [check(value) for row in sample if not is_absent(value := row.cells.get(column))]
    return 2 * sum(fits) >= len(fits)


def _is_number(value: object) -> bool:
    try:
        return number_of(value, "") is not None
    except RowError:
        return False


def _is_short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 40


def _is_address(value: object) -> bool:
    return isinstance(value, str)


_CHECKS: Mapping[str, Callable[[object], bool]] = {"popularity": _is_number, "kind": _is_short, "image": _is_address}


def _few(header: Sequence[str], limit: int = 20) -> str:
    more = f", ... ({len(header)} in all)" if len(header) > limit else ""
    return ", ".join(storable(name[:40]) for name in header[:limit]) + more
