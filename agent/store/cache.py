"""A cache of values that can be computed again: one SQLite file, shared by processes, never a reason to fail."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from agent.errors import StoreError
from agent.store.sqlite_file import connect, create_whole, writable

_log = logging.getLogger(__name__)
_SCHEMA = """CREATE TABLE IF NOT EXISTS cached
    (namespace TEXT, key TEXT, value BLOB, PRIMARY KEY (namespace, key)) WITHOUT ROWID"""
_KEYS_PER_QUERY = 500


class Cache:
    """Bytes by namespace and key. Values are immutable by agreement: name everything they depend on in the two.

    A file that cannot be used costs one warning in the log; from then on nothing is found and nothing is kept. Safe
    for several threads and several processes.
    """

    def __init__(self, path: Path | None, *, timeout_s: float = 5.0) -> None:
        """Open or create the file; `None` keeps the values in memory. Writing waits `timeout_s` for other writers."""
        self._lock = threading.Lock()
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._read_only = path is not None and path.exists() and not writable(path)
        try:
            self._connection = _opened(path, timeout_s, read_only=self._read_only)
        except (sqlite3.Error, OSError, StoreError) as error:
            self._give_up(error)

    def get_many(self, namespace: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The values known, by key; keys that are not known are absent."""
        found: dict[str, bytes] = {}
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            some = keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            sql = f"SELECT key, value FROM cached WHERE namespace = ? AND key IN ({marks})"  # noqa: S608  # only marks
            found.update(self._rows(sql, namespace, *some))
        return found

    def put_many(self, namespace: str, values: Mapping[str, bytes]) -> None:
        """Keep the values, all of them or none; a key known already is replaced."""
        with self._lock:
            if self._connection is None or self._read_only or not values:
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                rows = [(namespace, key, value) for key, value in values.items()]
                self._connection.executemany("INSERT OR REPLACE INTO cached VALUES (?, ?, ?)", rows)
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._leave_out(self._connection, error)

    def count(self, namespace: str) -> int:
        """How many values the namespace holds."""
        rows = self._rows("SELECT '', count(*) FROM cached WHERE namespace = ?", namespace)
        return int(rows[0][1]) if rows else 0

    def close(self) -> None:
        """Let go of the file; the cache is empty from then on. Calling it twice is harmless."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, sql: str, *parameters: str) -> list[tuple[str, bytes]]:
        with self._lock:
            if self._connection is None:
                return []
            try:
                return self._connection.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                self._give_up(error)
                return []

    def _leave_out(self, connection: sqlite3.Connection, error: sqlite3.Error) -> None:
        """Go on without these values where another process writes; only read from now on where the disk is full."""
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            self._read_only = True
            _log.warning("the cache %s is only read from now on (%s)", self._path, error)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        elif error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        _log.warning("going on without the cache %s (%s); delete the file if it is damaged", self._path, error)
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _opened(path: Path | None, timeout_s: float, *, read_only: bool) -> sqlite3.Connection:
    if path is None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.execute(_SCHEMA)
        return connection
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        create_whole(path, [_SCHEMA])
    connection = connect(path, read_only=read_only, timeout_s=timeout_s)
    if not read_only:
        connection.execute("PRAGMA synchronous = NORMAL")  # the values can be computed again
        connection.execute(_SCHEMA)
    return connection
