"""Items and events as the JSON that rows hold, and back; and many rows, some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from agent.errors import StoreError
from agent.store.sqlite_file import RESTORE
from agent.types import Item

ROWS_PER_STATEMENT = 500

_T = TypeVar("_T")
_V = TypeVar("_V", bound=BaseModel)


def chunks(rows: Iterable[_T]) -> Iterator[list[_T]]:
    """The rows in order, as many at a time as one statement takes."""
    remaining = iter(rows)
    while some := list(islice(remaining, ROWS_PER_STATEMENT)):
        yield some


def parsed(kind: type[_V], body: str, where: str) -> _V:
    """What a row of the database `where` holds. Raises StoreError, which quotes items and never what people said."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        quoted = f": {body[:80]!r}" if issubclass(kind, Item) else ""
        raise StoreError(
            f"{where} holds an {kind.__name__.lower()} that cannot be read{quoted}",
            f"The file is damaged. {RESTORE}, or load the catalogue again",
        ) from error


def json_of(value: BaseModel) -> str:
    """The value as a row holds it. Raises StoreError where it is not valid Unicode."""
    try:
        return value.model_dump_json()
    except ValueError as error:
        raise StoreError(f"cannot write {value!r:.80}: {error}", "Clean the text: it holds a lone surrogate") from error
