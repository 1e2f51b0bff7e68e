"""What the readers hand on: rows with named cells, and refusals of rows that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_SHOWN_CHARS = 200
MAX_REASON_CHARS = 500


class RowError(ValueError):
    """One row cannot be used; the text says which column and why. Becomes a `Refusal`."""


class BrokenOffError(Exception):
    """The rest of a file cannot be read: `line` is where reading stopped."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


class TokenSequence(str):
    """Text that holds several tokens (RecBole's `token_seq`): words of a title, or values of a list."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not loaded.

    `line` counts from 1: the physical line where the row begins, or the row's number in Parquet and SQLite. `row` is
    the beginning of what stood there. `ends_file` marks a file that breaks off here: what follows was never read.
    `user` is whose event it was, where that is known, so that it can be forgotten.
    """

    line: int
    reason: str
    row: str
    ends_file: bool = False
    user: str | None = None

    def as_json(self) -> dict[str, object]:
        """The object written to the file of refused rows."""
        told: dict[str, object] = {"line": self.line, "reason": self.reason, "row": self.row}
        return told if self.user is None else told | {"user": self.user}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: cells by column name. `raw` is its text where it has one."""

    line: int
    cells: Mapping[str, object]
    raw: bytes | None = None

    def refused(self, reason: str) -> Refusal:
        """The row as a refusal."""
        return Refusal(
            self.line, storable(reason)[:MAX_REASON_CHARS], shown(self.raw if self.raw is not None else self.cells)
        )


@dataclass(slots=True)
class Table:
    """An open file: its format in words, its column names (None: every row has its own), and its rows.

    `typed` tells whether a number in it is a number (JSON, Parquet, SQLite) or only looks like one (CSV). `film_titles`
    asks for MovieLens titles ("Matrix, The (1999)") to be put right.
    """

    format: str
    header: tuple[str, ...] | None
    rows: Iterator[Row | Refusal]
    typed: bool = True
    film_titles: bool = False


def shown(row: bytes | Mapping[str, object]) -> str:
    """The beginning of a row as storable text: at most 200 characters."""
    if isinstance(row, bytes):
        text = row[: 4 * MAX_SHOWN_CHARS].decode("utf-8", errors="replace")
    else:
        brief = {str(name): _brief(value) for name, value in list(row.items())[:20]}
        text = json.dumps(brief, ensure_ascii=False, default=str)
    text = storable(text)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"


def storable(text: str) -> str:
    """The text with lone surrogates and NULs made visible, so that it can be written and printed anywhere."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8").replace("\0", "\\0")


def _brief(value: object) -> object:
    if isinstance(value, str | bytes):
        return value[:MAX_SHOWN_CHARS]
    return value if isinstance(value, bool | float | None) else str(value)[:MAX_SHOWN_CHARS]
