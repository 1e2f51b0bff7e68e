"""Reading a file row by row: the iterator behind `read_items` and `read_events`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from agent.catalogue.columns import (
    MAX_COLUMN_CHARS,
    MAX_COLUMNS,
    Columns,
    Resolved,
    attribute_name,
    free_name,
    plain_name,
    resolve,
)
from agent.catalogue.guesses import YEAR_NAMES, Guesses
from agent.catalogue.rows import BrokenOffError, Refusal, Row, Table, storable
from agent.errors import CatalogueError, StoreError

SAMPLE_ROWS = 200
SAMPLE_BYTES = 4 << 20

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Builder(Protocol[T_co]):
    """Makes one value of each row."""

    def build(self, row: Row) -> T_co | Refusal:
        """The value of one row, or its refusal."""

    def close(self) -> None:
        """Drop what was remembered about earlier rows."""


@dataclass(frozen=True, slots=True)
class Plan(Generic[T]):
    """What a reading makes of its rows: how columns are guessed, which groups need one column each, and the builder."""

    guesses: Guesses
    required: Sequence[Sequence[str]]
    builder: Callable[[Resolved, Table], Builder[T]]
    keeps_attributes: bool


class Reading(Generic[T]):
    """The rows of one file, in order, each as a value or a `Refusal`; to be gone through once.

    `format` names the file's format; `columns` is what was decided about its columns, known once the first value
    came. May be used in a `with` block, which closes the file early. Iterating raises ConfigError when a needed
    column is not there.
    """

    def __init__(self, table: Table, columns: Columns, plan: Plan[T], limit: int | None = None) -> None:
        self.format = table.format
        self.columns: Resolved | None = None
        self._table = table
        self._asked = columns
        self._plan = plan
        self._values = self._built(limit)

    def __iter__(self) -> Iterator[T | Refusal]:
        return self._values

    def __next__(self) -> T | Refusal:
        return next(self._values)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading and let go of the file."""
        self._values.close()

    def _built(self, limit: int | None) -> Generator[T | Refusal, None, None]:
        builder: Builder[T] | None = None
        count = 0
        try:
            for row in islice(self._rows(), limit):
                count += 1
                if isinstance(row, Refusal):
                    yield row
                    continue
                builder = builder or self._builder()
                yield builder.build(row)
        except BrokenOffError as error:
            if not count:
                raise CatalogueError(f"the file cannot be read: {error.reason}", "Fetch or write it again") from error
            yield Refusal(error.line, error.reason, "", ends_file=True)
        except sqlite3.Error as error:  # of `seen`, which keeps its notes in the temporary folder
            raise StoreError(
                f"no room for notes on the rows seen: {error}", "Free the temporary folder (TMPDIR)"
            ) from error
        finally:
            if builder is not None:
                builder.close()

    def _builder(self) -> Builder[T]:
        return self._plan.builder(self.columns or Resolved({}), self._table)

    def _rows(self) -> Iterator[Row | Refusal]:
        """All rows; the columns are decided as soon as the header and a sample of the first rows are known."""
        sample = _Sample(self._table.rows)
        while True:
            taken = sample.take()
            rows = [row for row in taken if isinstance(row, Row)]
            if self.columns is None and (rows or self._table.header is not None):
                self.columns = self._decided(rows)
            yield from taken
            if sample.broken is not None:
                raise sample.broken
            if self.columns is not None or not taken:
                yield from self._table.rows
                return

    def _decided(self, sample: Sequence[Row]) -> Resolved:
        header = self._table.header
        if header is None:
            header = tuple(
                islice(
                    dict.fromkeys(name for row in sample for name in row.cells if storable(name) == name), MAX_COLUMNS
                )
            )
        found = resolve(self._asked, header, self._plan.guesses, sample, self._plan.required)
        others = [column for column in header if column not in found.fields.values()]
        if not self._plan.keeps_attributes:
            return replace(found, ignored=tuple(others))
        return replace(found, attributes=_attribute_names([name for name in others if len(name) <= MAX_COLUMN_CHARS]))


class _Sample:
    """Takes the next rows for a look, a bounded number of them; remembers when the file breaks off meanwhile."""

    def __init__(self, rows: Iterator[Row | Refusal]) -> None:
        self._rows = rows
        self.broken: BrokenOffError | None = None

    def take(self) -> list[Row | Refusal]:
        """The next rows: at most `SAMPLE_ROWS`, and hardly more than `SAMPLE_BYTES`; none at the end."""
        taken: list[Row | Refusal] = []
        size = 0
        try:
            for row in self._rows:
                taken.append(row)
                size += len(row.raw or b"") if isinstance(row, Row) else 0
                if len(taken) >= SAMPLE_ROWS or size >= SAMPLE_BYTES:
                    break
        except BrokenOffError as error:
            self.broken = error
        return taken


def _attribute_names(columns: Sequence[str]) -> dict[str, str]:
    """A name for each column, no name twice; of several columns that mean the year, the best known one gets `year`."""
    names: dict[str, str] = {}
    for column in sorted(columns, key=_year_order):
        names[column] = free_name(attribute_name(column), set(names.values()))
    return {column: names[column] for column in columns}


def _year_order(column: str) -> int:
    plain = plain_name(column)
    return YEAR_NAMES.index(plain) if plain in YEAR_NAMES else len(YEAR_NAMES)
