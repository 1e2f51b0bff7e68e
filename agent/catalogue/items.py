"""Rows into Items."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from pydantic import ValidationError

from agent.catalogue.columns import MAX_COLUMN_CHARS, MAX_COLUMNS, Resolved, attribute_name, free_name
from agent.catalogue.guesses import DATE_NAMES
from agent.catalogue.lists import PEOPLE, entry_text, people_of, tags_of, token_sequence, written_list
from agent.catalogue.rows import Refusal, Row, RowError, TokenSequence
from agent.catalogue.seen import Seen, digest
from agent.catalogue.titles import split_year, with_article_first
from agent.catalogue.values import (
    checked,
    identifier_of,
    is_absent,
    number_like,
    number_of,
    scalar_text,
    text_of,
    tidy_number,
)
from agent.types import MAX_TEXT_CHARS, Attribute, Item

_KEPT_AS_TEXT = re.compile(r"(.*_)?(id|isbn|isbn10|isbn13|asin|upc|ean|sku|zip|phone|version|code)")
_LONGEST_NUMBER = 17


class ItemBuilder:
    """Makes one Item of each row, or says why not. An identifier that came before in the same load is refused."""

    def __init__(self, columns: Resolved, *, typed: bool, film_titles: bool) -> None:
        self._columns = columns
        self._typed = typed
        self._film_titles = film_titles
        self._used = frozenset(columns.fields.values())
        self._names = dict(columns.attributes)
        self._seen = Seen()

    def build(self, row: Row) -> Item | Refusal:
        """The item of one row, or its refusal."""
        try:
            item = self._item(row.cells)
        except ValidationError as error:
            return row.refused(reason_of(error))
        except RowError as error:
            return row.refused(str(error))
        earlier = self._seen.add(item.item_id, row.line, digest(item.model_dump_json()))
        if earlier is None:
            return item
        return row.refused(
            f"duplicate of line {earlier.line}{'' if earlier.same else ': same identifier, other content'}"
        )

    def close(self) -> None:
        """Drop what was remembered for finding duplicates."""
        self._seen.close()

    def _item(self, cells: Mapping[str, object]) -> Item:
        attributes = self._attributes(cells)
        title = self._title(cells, attributes)
        language = self._language(cells, attributes)
        year_from_date(attributes)
        return Item(
            item_id=identifier_of(*self._cell(cells, "id")),
            title=title,
            tags=tags_of(*self._cell(cells, "tags")),
            text=self._text(cells, "text") or "",
            attributes=attributes,
            platform=self._text(cells, "platform") or "",
            image=self._text(cells, "image"),
            language=language,
            popularity=number_of(*self._cell(cells, "popularity")),
        )

    def _cell(self, cells: Mapping[str, object], name: str) -> tuple[object, str]:
        column = self._columns.fields.get(name)
        return (None, name) if column is None else (cells.get(column), column)

    def _text(self, cells: Mapping[str, object], name: str) -> str | None:
        value, column = self._cell(cells, name)
        return None if is_absent(value) else text_of(value, column)

    def _title(self, cells: Mapping[str, object], attributes: dict[str, Attribute]) -> str:
        value, column = self._cell(cells, "title")
        title = text_of(value, column)
        if not title:
            raise RowError(f"{column} is empty")
        if not self._film_titles:
            return title
        title, year = split_year(title)
        if year is not None:
            attributes.setdefault("year", year)
        return with_article_first(title)

    def _language(self, cells: Mapping[str, object], attributes: dict[str, Attribute]) -> str | None:
        """The first language named; several of them also become the attribute `languages`."""
        languages = tags_of(*self._cell(cells, "language"))
        if len(languages) > 1:
            attributes[free_name("languages", attributes)] = languages
        return languages[0] if languages else None

    def _attributes(self, cells: Mapping[str, object]) -> dict[str, Attribute]:
        if len(cells) > MAX_COLUMNS:
            raise RowError(f"the row has {len(cells):,} columns; {MAX_COLUMNS:,} is the most")
        attributes: dict[str, Attribute] = {}
        for column, value in cells.items():
            if column in self._used or is_absent(value):
                continue
            for name, part in _flat(self._name(column), value, column):
                if (attribute := self._attribute(name, part, column)) is not None:
                    attributes[free_name(name, attributes)] = attribute
        return attributes

    def _name(self, column: str) -> str:
        if (known := self._names.get(column)) is not None:
            return known
        if len(column) > MAX_COLUMN_CHARS:
            raise RowError(f"a column's name is longer than {MAX_COLUMN_CHARS} characters: {column[:40]!r}...")
        return attribute_name(checked(column, "a column's name"))

    def _attribute(self, name: str, value: object, column: str) -> Attribute | None:
        attribute = attribute_of(name, value, column, typed=self._typed)
        parts = attribute if isinstance(attribute, tuple) else (attribute,)
        if any(isinstance(part, str) and len(part) > MAX_TEXT_CHARS for part in parts):
            raise RowError(f"{column} is longer than {MAX_TEXT_CHARS:,} characters")
        return attribute


def attribute_of(name: str, value: object, column: str, *, typed: bool) -> Attribute | None:
    """One cell as an attribute; None when it says nothing.

    Lists become tuples of text, and so does text under a name in `PEOPLE`. Where cells are not `typed`, text that
    plainly writes a number becomes that number, except under names of identifiers ("isbn", "imdb_id").
    """
    if is_absent(value):
        return None
    if isinstance(value, list | tuple | set):
        return tuple(dict.fromkeys(filter(None, (entry_text(part, column) for part in value)))) or None
    if isinstance(value, str | bytes):
        return _of_text(name, value, column, typed=typed and name != "year")
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return tidy_number(value, column)
    return scalar_text(value, column)


def _of_text(name: str, value: str | bytes, column: str, *, typed: bool) -> Attribute | None:
    text = checked(value, column).strip()
    if isinstance(value, TokenSequence):
        return token_sequence(TokenSequence(text), column)
    if name in PEOPLE:
        return people_of(text, name)
    if (listed := written_list(text, column)) is not None and text.startswith("["):
        return listed or None
    if not typed and len(text) <= _LONGEST_NUMBER and not _KEPT_AS_TEXT.fullmatch(name):
        number = number_like(text)
        return text if number is None else number
    return text


def _flat(name: str, value: object, column: str) -> list[tuple[str, object]]:
    """An object's members as attributes of their own (`details.brand` is `details_brand`), one level deep."""
    if not isinstance(value, dict):
        return [(name, value)]
    if len(value) > MAX_COLUMNS:
        raise RowError(f"{column} has {len(value):,} members; {MAX_COLUMNS:,} is the most")
    members = ((checked(str(key), "a column's name")[:MAX_COLUMN_CHARS], part) for key, part in value.items())
    return [(f"{name}_{attribute_name(key)}", part) for key, part in members]


def year_from_date(attributes: dict[str, Attribute]) -> None:
    """Fill a missing `year` from a date attribute such as "1995-11-22" or "22-Nov-1995"."""
    for name in DATE_NAMES:
        value = attributes.get(name)
        if "year" not in attributes and isinstance(value, str):
            match = re.match(r"(1[5-9]\d\d|20\d\d)(?!\d)", value) or re.search(r"(?<!\d)(1[5-9]\d\d|20\d\d)$", value)
            if match:
                attributes["year"] = int(match[1])


def reason_of(error: ValidationError) -> str:
    """The first of a validation's complaints as one line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
