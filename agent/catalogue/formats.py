"""Which reader a path needs: told by what the path is, by its first bytes, and only then by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from agent.catalogue import movielens
from agent.catalogue.delimited import Dialect, guess_delimiter, read_delimited
from agent.catalogue.jsonl import read_jsonl
from agent.catalogue.lines import Decoder, Line, beginning, decoder, read_lines, regular_file
from agent.catalogue.recbole import SUFFIXES, read_recbole
from agent.catalogue.rows import BrokenOffError, RowError, Table
from agent.catalogue.sqlite_table import read_sqlite
from agent.errors import CatalogueError, ConfigError

Content = Literal["items", "events"]

KNOWN = "CSV, TSV, JSON lines (each also .gz), Parquet, SQLite, RecBole .item/.inter, MovieLens and data-set folders"

_JSON = {".jsonl", ".ndjson", ".json"}
_DATABASES = {".db", ".sqlite", ".sqlite3", ".db3"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from and how to read them."""

    path: Path
    content: Content
    table: str | None = None
    sql: str | None = None
    encoding: str = "utf-8"


def open_table(source: Source) -> Table:
    """The rows of a file or a known folder. Raises CatalogueError when unreadable, ConfigError for wrong options."""
    try:
        return _open_folder(source) if source.path.is_dir() else _open_file(source)
    except OSError as error:
        raise CatalogueError(
            f"cannot read {source.path}: {error.strerror or error}", "Check its permissions"
        ) from error
    except BrokenOffError as error:
        raise CatalogueError(f"{source.path} cannot be read: {error.reason}", "Fetch or write it again") from error


def _open_file(source: Source) -> Table:
    decode = decoder(source.encoding)
    start = beginning(source.path)
    suffix = suffix_of(source.path)
    if start.startswith(b"SQLite format 3\0") or suffix in _DATABASES:
        return read_sqlite(regular_file(source.path), source.table, source.sql)
    if source.table is not None or source.sql is not None:
        raise ConfigError(f"{source.path} is not an SQLite database", "Leave --table and --sql out, or give a .db file")
    if start.startswith(b"PAR1") or suffix in (".parquet", ".pq"):
        from agent.catalogue.parquet import read_parquet  # heavy: only when a Parquet file is read

        return read_parquet(regular_file(source.path))
    return _open_named(source) or _open_text(source.path, decode)


def _open_named(source: Source) -> Table | None:
    """Files that their own names tell: RecBole's and MovieLens's."""
    path = source.path
    edition = movielens.edition_of_file(path)
    if edition is not None:
        return _read_movielens(edition, path.parent, "items" if path.name == edition.items else "events")
    suffix = suffix_of(path)
    if suffix in SUFFIXES:
        return read_recbole(path, decoder(source.encoding))
    if suffix == ".user":
        raise ConfigError(f"{path} holds facts about people", "Palate learns from events only: give the .inter file")
    return None


def suffix_of(path: Path) -> str:
    """The ending of a file's name in lower case, `.gz` left aside; "" without one."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _open_text(path: Path, decode: Decoder) -> Table:
    suffix = suffix_of(path)
    first, lines = _from_first_row(path)
    start = _text_of(first, decode).strip()
    if suffix in _JSON or (suffix != ".csv" and start.startswith(("{", "["))):
        return read_jsonl(lines, decode)
    delimiter = "\t" if suffix in (".tsv", ".tab") else guess_delimiter(start)
    name = {"\t": "TSV", ",": "CSV"}.get(delimiter, f"CSV (parted by {delimiter})")
    table = read_delimited(path, lines, Dialect(delimiter, decode), name)
    table.film_titles = table.header is not None and set(table.header) == {"movieId", "title", "genres"}
    return table


def _from_first_row(path: Path) -> tuple[Line, Iterator[Line]]:
    """The first line that is not blank, and all lines from there."""
    lines = read_lines(path)
    for line in lines:
        if not line.blank:
            return line, chain((line,), lines)
    raise CatalogueError(f"{path} is empty", "Give a file with at least one row")


def _text_of(line: Line, decode: Decoder) -> str:
    try:
        return decode(line.raw)
    except RowError:
        return ""


def _open_folder(source: Source) -> Table:
    folder = source.path
    if source.table is not None or source.sql is not None:
        raise ConfigError(f"{folder} is not an SQLite database", "Leave --table and --sql out, or give a .db file")
    edition = movielens.edition_of(folder)
    if edition is not None:
        return _read_movielens(edition, folder, source.content)
    for name in (f"{source.content}.jsonl", f"{source.content}.jsonl.gz"):
        if (folder / name).exists():
            return _open_text(folder / name, decoder(source.encoding))
    suffix = ".item" if source.content == "items" else ".inter"
    found = _listed(folder, suffix)
    if len(found) == 1:
        return read_recbole(found[0], decoder(source.encoding))
    several = f" (it has {len(found)} {suffix} files: name one)" if found else ""
    raise CatalogueError(f"{folder} holds no {source.content} in a form known here{several}", f"Known forms: {KNOWN}")


def _listed(folder: Path, suffix: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == suffix)
    except OSError as error:
        raise CatalogueError(f"cannot list {folder}: {error.strerror}", "Check its permissions") from error


def _read_movielens(edition: movielens.Edition, folder: Path, content: Content) -> Table:
    path = regular_file(folder / (edition.items if content == "items" else edition.events))
    return movielens.read_films(path, edition) if content == "items" else movielens.read_ratings(path, edition)
