"""Opening one SQLite file well: durable, shared between processes, created whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agent.errors import StoreError

BUSY_TIMEOUT_S = 30.0
_ERASING_TIMEOUT_S = 2.0  # for other readers to end
_ERRORS: tuple[type[Exception], ...] = (sqlite3.Error, OSError, UnicodeError)


def writable(path: Path) -> bool:
    """Whether this process may write the file and, as SQLite's journal needs, the folder around it."""
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def connect(path: Path, *, read_only: bool = False, timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """A connection in autocommit mode that threads may pass around: WAL, commits synced, deleted bytes zeroed.

    A read-only connection writes nothing, and works in a folder that cannot be written as long as no journal is left
    to be replayed there. Raises sqlite3.Error, or StoreError for a file of zero bytes.
    """
    if path.exists() and path.stat().st_size == 0:
        raise StoreError(
            f"{path} is empty (0 bytes), so what it held is gone",
            "Restore it from a backup, or delete it to start with an empty store",
        )
    if read_only:
        return _connect_for_reading(path, timeout_s)
    connection = _connect(str(path), timeout_s, uri=False)
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connect(target: str, timeout_s: float, *, uri: bool) -> sqlite3.Connection:
    return sqlite3.connect(target, timeout=timeout_s, isolation_level=None, check_same_thread=False, uri=uri)


def _connect_for_reading(path: Path, timeout_s: float) -> sqlite3.Connection:
    journal = path.with_name(path.name + "-wal")
    nothing_to_replay = not journal.exists() or journal.stat().st_size == 0
    immutable = "&immutable=1" if nothing_to_replay and not writable(path) else ""
    connection = _connect(f"{path.absolute().as_uri()}?mode=ro{immutable}", timeout_s, uri=True)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def create_whole(path: Path, statements: Iterator[str] | list[str]) -> None:
    """A new file at `path` in which all the statements have run; nothing where one is there already.

    The file appears complete or not at all, and when several processes create it at once, one of them wins.
    """
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with closing(connect(fresh)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")
        _put_in_place(fresh, path)
    finally:
        for name in (fresh.name, f"{fresh.name}-wal", f"{fresh.name}-shm"):
            fresh.with_name(name).unlink(missing_ok=True)


def _put_in_place(fresh: Path, path: Path) -> None:
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            fresh.replace(path)


def erase_leftovers(connection: sqlite3.Connection) -> bool:
    """Rewrite the file so that no deleted byte stays in it or its journal; False when another reader was in the way."""
    connection.execute(f"PRAGMA busy_timeout = {int(_ERASING_TIMEOUT_S * 1000)}")
    try:
        connection.execute("VACUUM")  # pages keep copies of rows that moved; only whole new pages are clean
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    return not busy


@contextmanager
def translated(
    what: str, also: tuple[type[Exception], ...] = (), *, text_of: Callable[[Exception], str] = str
) -> Iterator[None]:
    """Turn SQLite's errors, the operating system's and those named in `also` into one StoreError line about `what`."""
    try:
        yield
    except _ERRORS + also as error:
        reason = text_of(error).strip().splitlines()[0] if text_of(error).strip() else type(error).__name__
        raise StoreError(f"{what}: {reason}", _hint_for(reason.lower())) from error


def _hint_for(reason: str) -> str:
    hints = {
        "readonly": "It is read-only: make the file and its folder writable, or use another data folder",
        "read-only": "It is read-only: make the file and its folder writable, or use another data folder",
        "permission": "Make the file and its folder readable and writable for this user",
        "not a database": "The file is damaged or something else: restore it from a backup, or move it away",
        "malformed": "The file is damaged: restore it from a backup, or move it away",
        "disk i/o": "The disk is full or failing",
        "full": "Free some disk space",
        "locked": "Another process is writing: wait for it to end, then try again",
        "unable to open": "See that the folder exists and can be read and written",
        "nul (0x00)": "Clean the text: it holds a NUL character",
        "surrogate": "The text is not valid Unicode: clean it before storing it",
    }
    return next(
        (hint for sign, hint in hints.items() if sign in reason), "See that it can be reached, read and written"
    )
