"""A table of an SQLite file, or what a SELECT makes of it. Opened read-only; nothing but reading is allowed."""

from __future__ import annotations

import difflib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from agent.catalogue.columns import MAX_COLUMNS, unique_names
from agent.catalogue.rows import BrokenOffError, Row, Table
from agent.errors import CatalogueError, ConfigError

_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_TABLES = (
    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
)


def read_sqlite(path: Path, table: str | None = None, sql: str | None = None) -> Table:
    """The rows of `table`, of the SELECT in `sql` (joins are fine), or of the only table there is; numbered from 1.

    Raises ConfigError when the table is unknown, when several could be meant, or when `sql` is not one SELECT that
    works, and CatalogueError when the file is damaged.
    """
    if table is not None and sql is not None:
        raise ConfigError("both a table and an SQL text were given", "Give one of them")
    connection = _open(path)
    try:
        query = sql if sql is not None else f"SELECT * FROM {_quoted(_chosen(connection, path, table))}"  # noqa: S608  # quoted, and only reading is allowed
        cursor = _run(connection, query, path, own=sql is None)
        names = _names(cursor, path)
    except (ConfigError, CatalogueError):
        connection.close()
        raise
    return Table("SQLite", names, _rows(connection, cursor, names))


def _open(path: Path) -> sqlite3.Connection:
    """A read-only connection; a file in a folder where nothing may be written is opened as one that never changes."""
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        try:
            connection = _connection(address)
        except sqlite3.OperationalError:
            if Path(f"{path}-wal").exists():
                raise
            connection = _connection(f"{address}&immutable=1")
    except sqlite3.Error as error:
        raise CatalogueError(f"{path} is not a readable SQLite database: {error}", "Check the file") from error
    connection.set_authorizer(_authorise)
    return connection


def _connection(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, check_same_thread=False)
    try:
        connection.text_factory = _text
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _text(raw: bytes) -> str | bytes:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def _authorise(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _chosen(connection: sqlite3.Connection, path: Path, table: str | None) -> str:
    try:
        names = [str(name) for (name,) in connection.execute(_TABLES)]
    except sqlite3.Error as error:
        raise CatalogueError(f"{path} is damaged: {error}", "Check the file") from error
    if not names:
        raise CatalogueError(f"{path} holds no table", "Check the file")
    if table in names:
        return table or names[0]
    listed = ", ".join(names[:20])
    if table is not None:
        near = difflib.get_close_matches(table, names, n=1)
        raise ConfigError(
            f"{path} has no table {table!r}", f"{f'Did you mean {near[0]!r}? ' if near else ''}It has: {listed}"
        )
    if len(names) > 1:
        raise ConfigError(
            f"{path} has {len(names)} tables: {listed}", "Choose one with --table, or join them with --sql"
        )
    return names[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _run(connection: sqlite3.Connection, query: str, path: Path, *, own: bool) -> sqlite3.Cursor:
    try:
        cursor = connection.execute(query)
    except (sqlite3.Error, sqlite3.Warning, ValueError, UnicodeEncodeError) as error:
        if own:
            raise CatalogueError(f"{path} cannot be read: {error}", "Check the file") from error
        raise ConfigError(f"the SQL text failed: {error}", "Give one SELECT that only reads") from error
    if cursor.description is None:
        raise ConfigError("the SQL text gives no rows", "Give one SELECT that only reads")
    return cursor


def _names(cursor: sqlite3.Cursor, path: Path) -> tuple[str, ...]:
    names = unique_names(str(column[0]) for column in cursor.description)
    if len(names) > MAX_COLUMNS:
        raise CatalogueError(
            f"{path} has {len(names):,} columns; {MAX_COLUMNS:,} is the most", "Choose columns with --sql"
        )
    return names


def _rows(connection: sqlite3.Connection, cursor: sqlite3.Cursor, names: tuple[str, ...]) -> Iterator[Row]:
    number = 0
    try:
        with closing(connection):
            for number, values in enumerate(cursor, start=1):
                yield Row(number, dict(zip(names, values, strict=True)))
    except sqlite3.Error as error:
        raise BrokenOffError(number + 1, f"reading the database failed here: {error}") from error
