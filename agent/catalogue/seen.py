"""What one load has seen, kept in a temporary SQLite file so that memory stays constant whatever the file's size."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from dataclasses import dataclass

_CACHE_KIB = 16_384
_BATCH = 20_000


def digest(*parts: str) -> bytes:
    """16 bytes that stand for these texts: equal texts in equal order give equal bytes (BLAKE2b)."""
    joined = "\0".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(joined.encode("utf-8", errors="surrogatepass"), digest_size=16).digest()


def _scratch(*statements: str) -> sqlite3.Connection:
    """A private database that SQLite deletes when it is closed; it spills to the temporary folder when it grows."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for statement in (
        "PRAGMA journal_mode=OFF",
        "PRAGMA synchronous=OFF",
        f"PRAGMA cache_size=-{_CACHE_KIB}",
        *statements,
    ):
        connection.execute(statement)
    connection.execute("BEGIN")
    return connection


@dataclass(frozen=True, slots=True)
class Earlier:
    """Where an identifier stood before, and whether all else was the same."""

    line: int
    same: bool


class Seen:
    """The identifiers of one load with the line and the content they first came with."""

    def __init__(self) -> None:
        self._rows = _scratch("CREATE TABLE seen (id BLOB PRIMARY KEY, line INT, content BLOB) WITHOUT ROWID")

    def add(self, identifier: str, line: int, content: bytes) -> Earlier | None:
        """None the first time an identifier comes, and where it first stood every later time."""
        key = digest(identifier)
        if self._rows.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (key, line, content)).rowcount:
            return None
        first, old = self._rows.execute("SELECT line, content FROM seen WHERE id = ?", (key,)).fetchone()
        return Earlier(first, old == content)

    def close(self) -> None:
        """Drop everything."""
        self._rows.close()


class Occurrences:
    """How often each content has come in one load."""

    def __init__(self) -> None:
        self._rows = _scratch("CREATE TABLE seen (content BLOB PRIMARY KEY, n INT) WITHOUT ROWID")

    def add(self, content: bytes) -> int:
        """How often this content came before: 0 the first time."""
        if self._rows.execute("INSERT OR IGNORE INTO seen VALUES (?, 1)", (content,)).rowcount:
            return 0
        count = self._rows.execute("SELECT n FROM seen WHERE content = ?", (content,)).fetchone()[0]
        self._rows.execute("UPDATE seen SET n = n + 1 WHERE content = ?", (content,))
        return int(count)

    def close(self) -> None:
        """Drop everything."""
        self._rows.close()


class Tally:
    """Counts of keys within groups, for files far larger than memory."""

    def __init__(self) -> None:
        self._rows = _scratch("CREATE TABLE tally (grp TEXT, name TEXT, n INT, PRIMARY KEY (grp, name)) WITHOUT ROWID")
        self._pending: Counter[tuple[str, str]] = Counter()

    def add(self, group: str, name: str = "") -> None:
        """Count one more."""
        self._pending[group, name] += 1
        if len(self._pending) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        upsert = "INSERT INTO tally VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
        self._rows.executemany(upsert, [(group, name, n) for (group, name), n in self._pending.items()])
        self._pending.clear()

    def count(self, group: str, name: str = "") -> int:
        """How often it was added."""
        self._flush()
        row = self._rows.execute("SELECT n FROM tally WHERE grp = ? AND name = ?", (group, name)).fetchone()
        return int(row[0]) if row else 0

    def top(self, group: str, limit: int, at_least: int) -> list[str]:
        """The names added most often in a group, most first, ties by name; rarer ones than `at_least` left out."""
        self._flush()
        query = "SELECT name FROM tally WHERE grp = ? AND n >= ? ORDER BY n DESC, name LIMIT ?"
        return [name for (name,) in self._rows.execute(query, (group, at_least, limit))]

    def close(self) -> None:
        """Drop everything."""
        self._rows.close()
