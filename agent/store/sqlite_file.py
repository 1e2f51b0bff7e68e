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
RESTORE = "Restore it from a backup: palate restore FILE --force"
_ERASING_TIMEOUT_S = 2.0  # for other readers to end
_ERRORS: tuple[type[Exception], ...] = (sqlite3.Error, OSError, UnicodeError)


def writable(path: Path) -> bool:
    """Whether this process may write the file and, as SQLite's journal needs, the folder around it."""
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def why_not_writable(path: Path) -> str:
    """Why nothing can be written to the file that is there, such as a full disk; empty where it can.

    Raises as `connect` does, where it cannot be read either.
    """
    if not writable(path):
        return "its file or folder may not be written"
    try:
        with closing(connect(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")  # this makes the journal
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY):
            raise
        return f"{error}: the disk is full or failing"
    return ""


def check_not_lost(path: Path, *derived: Path) -> None:
    """Do nothing where a new file may be made at `path`. Raises StoreError where one was there, as what is left says.

    Its own journal says so, which a new file would take for its own, and what was `derived` from it.
    """
    left = [one for one in (path.with_name(f"{path.name}-wal"), *derived) if _size_of(one)]
    if left and not path.exists():  # asked last: whoever makes a store makes this file first
        raise StoreError(
            f"{path} is gone, though {left[0]} is still there",
            f"{RESTORE}, or move {left[0]} away to begin with an empty store",
        )


def connect(
    path: Path, *, read_only: bool = False, timeout_s: float = BUSY_TIMEOUT_S, new: bool = False
) -> sqlite3.Connection:
    """A connection in autocommit mode that threads may pass around: WAL, commits synced, deleted bytes zeroed.

    A read-only connection writes nothing, and works in a folder that cannot be written as long as no journal is left
    to be replayed there. No file is made unless it is to be `new`. Raises sqlite3.Error, or StoreError for a file of
    zero bytes.
    """
    if not new and path.exists() and path.stat().st_size == 0:
        raise StoreError(
            f"{path} is empty (0 bytes), so what it held is gone",
            f"{RESTORE}, or delete it to start with an empty store",
        )
    if read_only:
        return _connect_for_reading(path, timeout_s)
    connection = _connect(path, timeout_s, "rwc" if new else "rw")
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _size_of(path: Path) -> int:
    """In bytes; 0 where there is no such file, also when it went this very moment."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _connect(path: Path, timeout_s: float, mode: str) -> sqlite3.Connection:
    target = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(target, timeout=timeout_s, isolation_level=None, check_same_thread=False, uri=True)


def _connect_for_reading(path: Path, timeout_s: float) -> sqlite3.Connection:
    """Beside those who write; where no journal can be made and none is there, as a file that nobody changes."""
    journal = path.with_name(path.name + "-wal")
    nothing_to_replay = not _size_of(journal)
    modes = ("ro", "ro&immutable=1") if nothing_to_replay else ("ro",)
    for mode in modes:
        connection = _connect(path, timeout_s, mode)
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error as error:
            connection.close()
            if mode == modes[-1] or not isinstance(error, sqlite3.OperationalError):
                raise
        else:
            break
    return connection


def create_whole(path: Path, statements: Iterator[str] | list[str]) -> None:
    """A new file at `path` in which all the statements have run; nothing where one is there already.

    It is its owner's alone to read, and so is its journal. The file appears complete or not at all, and when several
    processes create it at once, one of them wins.
    """
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        fresh.touch(mode=0o600)
        with closing(connect(fresh, new=True)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")
        _put_in_place(fresh, path)
    finally:
        for name in (fresh.name, f"{fresh.name}-wal", f"{fresh.name}-shm"):
            fresh.with_name(name).unlink(missing_ok=True)


def copy_beside(path: Path) -> Path:
    """Where the file's copy lies that is made before its tables change."""
    return path.with_name(f"{path.name}.before-upgrade")


def copy_whole(path: Path, target: Path) -> None:
    """A copy of the file as of one moment, while others may write to it; one file, readable by its owner alone.

    It appears whole or not at all; an older one in its place is replaced. Raises sqlite3.Error, OSError.
    """
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        fresh.touch(mode=0o600)
        with closing(connect(path, read_only=True)) as source, closing(sqlite3.connect(fresh)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def overwrite(path: Path, source: Path, timeout_s: float = BUSY_TIMEOUT_S) -> bool:
    """Make the file hold what another one does, in one transaction: whoever has it open reads that from then on.

    False, and nothing is changed, where there is none or it is damaged. Raises sqlite3.Error, OSError.
    """
    if not path.exists():
        return False
    try:
        with closing(connect(source, read_only=True)) as held, closing(connect(path, timeout_s=timeout_s)) as there:
            held.backup(there, progress=_not_for_ever)
    except sqlite3.OperationalError:  # locked, full or failing
        raise
    except (StoreError, sqlite3.DatabaseError):
        return False
    return True


def _not_for_ever(status: int, _left: int, _of: int) -> None:
    if status == sqlite3.SQLITE_BUSY:  # after the time that a connection waits; alone, it would wait on
        raise sqlite3.OperationalError("database is locked")


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
        "not a database": f"The file is damaged or something else. {RESTORE}, or move it away",
        "malformed": f"The file is damaged. {RESTORE}, or move it away",
        "could not decode": f"The file is damaged. {RESTORE}, or move it away",
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
