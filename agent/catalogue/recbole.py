"""RecBole's atomic files: tab-separated, with a header of `name:type` (token, token_seq, float, float_seq)."""

from __future__ import annotations

from pathlib import Path

from agent.catalogue.columns import unique_names
from agent.catalogue.delimited import Dialect, read_delimited
from agent.catalogue.lines import Decoder, read_lines
from agent.catalogue.rows import Refusal, Row, Table, TokenSequence
from agent.errors import CatalogueError

TYPES = ("token", "token_seq", "float", "float_seq")
SUFFIXES = (".item", ".inter")


def read_recbole(path: Path, decode: Decoder) -> Table:
    """The table in one atomic file. Raises CatalogueError when a column of the header has no type."""
    table = read_delimited(path, read_lines(path), Dialect("\t", decode, quoting=False), "RecBole")
    kinds = {column: column.rpartition(":")[2] for column in table.header or ()}
    for column, kind in kinds.items():
        if kind not in TYPES:
            raise CatalogueError(
                f"{path}: the column {column[:40]!r} has no RecBole type", f"Write name:type, of {', '.join(TYPES)}"
            )
    names = dict(zip(kinds, unique_names(column.rpartition(":")[0] for column in kinds), strict=True))
    table.rows = (_typed(row, kinds, names) for row in table.rows)
    table.header = tuple(names.values())
    table.film_titles = path.name.lower().startswith("ml-")
    return table


def _typed(row: Row | Refusal, kinds: dict[str, str], names: dict[str, str]) -> Row | Refusal:
    if isinstance(row, Refusal):
        return row
    cells = {names[column]: _cell(str(value), kinds[column]) for column, value in row.cells.items()}
    return Row(row.line, cells, row.raw)


def _cell(value: str, kind: str) -> object:
    if kind == "token_seq":
        return TokenSequence(value)
    return value.split() if kind == "float_seq" else value
