"""CSV and TSV, read so that no fault in one row costs another.

A record may span lines inside quotes (RFC 4180). When such a record turns out to be malformed, only its first line is
refused and reading goes on with the next line, so that a quote which is never closed cannot swallow the rows after
it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.catalogue.columns import MAX_COLUMN_CHARS, MAX_COLUMNS, unique_names
from agent.catalogue.lines import MAX_LINE_BYTES, TOO_LONG, Decoder, Line
from agent.catalogue.rows import Refusal, Row, RowError, Table
from agent.catalogue.values import checked
from agent.errors import CatalogueError

MAX_RECORD_LINES = 500
DELIMITERS = ",;\t|"

_NEVER_CLOSED = "a quote is opened and never closed"
_INSIDE = re.compile(r'[^"]*(?:""[^"]*)*')


class Record:
    """One record being read line by line: `feed` until it says the record is complete."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._open: list[str] | None = None
        self.fields: list[str] = []

    def feed(self, line: str) -> bool:
        """Whether the record ends with this line. Raises RowError when text follows a closing quote."""
        position = 0 if self._open is None else self._quoted(line, 0)
        while 0 <= position <= len(line):
            position = (
                self._quoted(line, position + 1) if line.startswith('"', position) else self._bare(line, position)
            )
        return position > len(line)

    def _bare(self, line: str, start: int) -> int:
        end = line.find(self._delimiter, start)
        self.fields.append(line[start:] if end < 0 else line[start:end])
        return len(line) + 1 if end < 0 else end + len(self._delimiter)

    def _quoted(self, line: str, start: int) -> int:
        """Where the next field begins; past the end when the record is complete; -1 while the quote is still open."""
        parts = [] if self._open is None else self._open
        match = _INSIDE.match(line, start)
        end = match.end() if match else start
        parts.append(line[start:end].replace('""', '"'))
        if end == len(line):
            parts.append("\n")
            self._open = parts
            return -1
        self._open = None
        self.fields.append("".join(parts))
        return self._after_quote(line, end + 1)

    def _after_quote(self, line: str, position: int) -> int:
        if position == len(line):
            return position + 1
        if line.startswith(self._delimiter, position):
            return position + len(self._delimiter)
        raise RowError("text follows a closing quote (inside a quoted field a quote is written twice)")


class _Lines:
    """Physical lines that can be put back."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._back: deque[Line] = deque()

    def next(self) -> Line | None:
        """The next line, None at the end."""
        return self._back.popleft() if self._back else next(self._lines, None)

    def put_back(self, lines: Sequence[Line]) -> None:
        """Have these lines, in this order, come next again."""
        self._back.extendleft(reversed(lines))


@dataclass(frozen=True, slots=True)
class Dialect:
    """How fields are parted, quoted and decoded. `quoting` off takes every quote as a letter; tabs imply leniency."""

    delimiter: str
    decode: Decoder
    quoting: bool = True

    def fields(self, first: Line, lines: _Lines, width: int | None) -> list[str]:
        """The fields of the record that begins with `first`. Raises RowError; then further lines are put back."""
        text = self.decode(first.raw)
        if not self.quoting or '"' not in text:
            return self._fitted(text.split(self.delimiter), width)
        if self.delimiter == "\t" and width == text.count("\t") + 1:
            return [_bare_of_quotes(part) for part in text.split("\t")]
        return self._quoted_fields(text, lines, width)

    def _quoted_fields(self, text: str, lines: _Lines, width: int | None) -> list[str]:
        record = Record(self.delimiter)
        taken: list[Line] = []
        size = len(text)
        try:
            complete = record.feed(text)
            while not complete:
                line = lines.next()
                if line is None:
                    raise RowError(_NEVER_CLOSED)
                taken.append(line)
                size += len(line.raw)
                if line.too_long or size > MAX_LINE_BYTES or len(taken) > MAX_RECORD_LINES:
                    raise RowError(_NEVER_CLOSED)
                complete = record.feed(self.decode(line.raw))
            return self._fitted(record.fields, width)
        except RowError as error:
            lines.put_back(taken)
            closed = (
                f" (the quote opened here closes {len(taken)} lines below)"
                if taken and str(error) != _NEVER_CLOSED
                else ""
            )
            raise RowError(f"{error}{closed}") from error

    def _fitted(self, fields: list[str], width: int | None) -> list[str]:
        """The fields, less empty ones past the header's end. Raises RowError when their number is not the header's."""
        if width is None or len(fields) == width:
            return fields
        if len(fields) > width and not any(fields[width:]):
            return fields[:width]
        raise RowError(f"{len(fields):,} fields where the header has {width:,}")


def read_delimited(path: Path, lines: Iterator[Line], dialect: Dialect, name: str, header: Sequence[str] = ()) -> Table:
    """The table in delimited lines: the first record names the columns unless `header` does. Raises CatalogueError."""
    source = _Lines(lines)
    found = header or _header(path, source, dialect)
    if len(found) > MAX_COLUMNS or any(len(column) > MAX_COLUMN_CHARS for column in found):
        limits = f"{MAX_COLUMNS:,} columns of {MAX_COLUMN_CHARS} characters are the most"
        raise CatalogueError(
            f"the header of {path} has {len(found):,} columns or a very long name", f"{limits}; is it a header?"
        )
    names = unique_names(found)
    return Table(name, names, _rows(source, dialect, names), typed=False)


def guess_delimiter(header: str) -> str:
    """The delimiter that stands most often in a header outside quotes; the comma at a tie or without any."""
    return max(DELIMITERS, key=re.sub(r'"[^"]*"', "", header).count)


def _header(path: Path, lines: _Lines, dialect: Dialect) -> list[str]:
    line = lines.next()
    while line is not None and line.blank:
        line = lines.next()
    if line is None:
        raise CatalogueError(f"{path} is empty", "Give a file with at least one row")
    try:
        if line.too_long:
            raise RowError(TOO_LONG)
        return [checked(name, "a column's name") for name in dialect.fields(line, lines, None)]
    except RowError as error:
        raise CatalogueError(
            f"the header of {path} (line {line.number}) cannot be read: {error}", "Mend that line"
        ) from error


def _rows(lines: _Lines, dialect: Dialect, names: tuple[str, ...]) -> Iterator[Row | Refusal]:
    while (line := lines.next()) is not None:
        if line.too_long:
            yield line.refused(TOO_LONG)
        elif not line.blank:
            try:
                fields = dialect.fields(line, lines, len(names))
            except RowError as error:
                yield line.refused(str(error))
            else:
                yield Row(line.number, dict(zip(names, fields, strict=True)), line.raw)


def _bare_of_quotes(part: str) -> str:
    if len(part) >= 2 and part.startswith('"') and part.endswith('"'):
        return part[1:-1].replace('""', '"')
    return part
