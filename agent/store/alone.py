"""One at a time among all processes of a PostgreSQL database: a lock that ends with whoever holds it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from agent.errors import StoreError, StoreLocked
from agent.store.database import translated

if TYPE_CHECKING:
    from agent.store.database import Connection, Database

_ASKED_EVERY_S = 0.2
_TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_LET_GO = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"


@contextmanager
def alone(database: Database, name: str, wait_s: float | None) -> Iterator[Callable[[], None]]:
    """Within, nobody else holds that name. The lock is one of the connection: a process that dies lets go of it.

    Gives a check, which raises StoreError where the connection was lost and the lock with it. Raises StoreLocked where
    another process holds the name for longer than `wait_s`; None: however long.
    """
    key = (f"palate {name}",)
    with translated(f"cannot lock the store {database.name}"):
        connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        _wait(database, connection, key, wait_s)
        yield lambda: _check(database, connection)
        with translated(f"cannot unlock the store {database.name}"):
            connection.exec_driver_sql(_LET_GO, key)
            connection.close()
    finally:
        with suppress(StoreError), translated(f"cannot unlock the store {database.name}"):
            if not connection.closed:
                connection.invalidate()  # the lock goes with it
                connection.close()


def _wait(database: Database, connection: Connection, key: tuple[str], wait_s: float | None) -> None:
    until = None if wait_s is None else time.monotonic() + wait_s
    with translated(f"cannot lock the store {database.name}"):
        while not connection.exec_driver_sql(_TRY, key).scalar_one():
            if until is not None and time.monotonic() >= until:
                raise StoreLocked(f"another process writes to what {database.name} shares", "Try again in a while")
            time.sleep(_ASKED_EVERY_S)


def _check(database: Database, connection: Connection) -> None:
    """Do nothing while the connection is the one that took the lock. Raises StoreError otherwise."""
    try:
        with translated(f"the lock in {database.name} was lost"):
            connection.exec_driver_sql("SELECT 1")
    except StoreError as error:
        raise StoreError(error.message, "Nothing was written; ask again") from error
