"""The tables and transactions under the store, in SQLAlchemy Core: SQLite in a file by default, others by URL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from agent.errors import StoreError
from agent.observe import stages as observed
from agent.store import sqlite_file
from agent.store.tables import EVENTS, ITEMS, JOINED_LATER, META, SCHEMA, SEALED, TURNS, VERSION_KEY

SCHEMA_VERSION = 1
_ROWS_AT_ONCE = 500
_CONNECT_TIMEOUT_S = "10"  # of PostgreSQL; what the URL says goes before it
_SEALING = "pg_advisory_xact_lock{shared}(hashtextextended('palate seal', 0))"
_WAITING = f"set_config('lock_timeout', '{sqlite_file.BUSY_TIMEOUT_S:.0f}s', true)"
_URL_HINT = "Write it as sqlite:////absolute/path/palate.sqlite or postgresql+psycopg://user@host/database"

_NOTES = ("first", "second", "third")
_STANDING = sa.select(  # made once: it is asked before every answer
    *(sa.select(META.c.value).where(META.c.key == sa.bindparam(name)).scalar_subquery() for name in _NOTES),
    sa.select(sa.func.count()).where(EVENTS.c.user_id.in_(sa.bindparam("users", expanding=True))).scalar_subquery(),
)


Connection = sa.Connection
Row = sa.Row[Any]


class Database:
    """One open database with the tables above. Safe for several threads and several processes."""

    def __init__(self, engine: sa.Engine, name: str, *, read_only: bool, why: str = "") -> None:
        self._engine = engine
        self.name = name
        self.read_only = read_only
        self._why = f" ({why})" if why else ""
        self.sealed: str | None = None  # the note of how texts are sealed, as it was when this was opened

    @classmethod
    def in_file(cls, path: Path, *, read_only: bool) -> Database:
        """The SQLite file, made if there is none; read-only also where nothing may be written. Raises StoreError."""
        with translated(f"cannot open the store {path}"):
            if not read_only and not path.exists():
                sqlite_file.check_not_lost(path)
                path.parent.mkdir(parents=True, exist_ok=True)
                sqlite_file.create_whole(path, _creation())
            why = "" if read_only else sqlite_file.why_not_writable(path)
            read_only = read_only or bool(why)
        engine = sa.create_engine(
            "sqlite://",
            creator=lambda: sqlite_file.connect(path, read_only=read_only),
            poolclass=sa.QueuePool,
            hide_parameters=True,
        )
        sa.event.listen(engine, "begin", _begin)
        return cls(engine, str(path), read_only=read_only, why=why)._checked()

    @classmethod
    def at_url(cls, url: str, *, read_only: bool) -> Database:
        """The database a SQLAlchemy URL names; its tables are made if there are none. Raises StoreError."""
        try:
            parsed = sa.make_url(url)
            if parsed.get_driver_name().startswith("psycopg"):
                parsed = parsed.set(query={"connect_timeout": _CONNECT_TIMEOUT_S, **parsed.query})
            engine = sa.create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise StoreError(f"the store's URL cannot be used: {error}", _URL_HINT) from error
        if engine.dialect.name == "sqlite" and parsed.database:
            return cls.in_file(Path(parsed.database), read_only=read_only)
        if engine.dialect.name != "postgresql":
            raise StoreError(f"the store cannot be kept in {engine.dialect.name}", _URL_HINT)
        name = sa.make_url(url).render_as_string(hide_password=True)
        if not read_only:
            with translated(f"cannot open the store {name}"):
                _create(engine)
        return cls(engine, name, read_only=read_only)._checked()

    def close(self) -> None:
        """Let go of the database. Calling it twice is harmless."""
        self._engine.dispose()

    @property
    def engine(self) -> sa.Engine:
        """Connections of one's own, for what a transaction cannot do."""
        return self._engine

    @property
    def is_file(self) -> bool:
        """Whether it is a SQLite file, so that erasing bytes is up to us."""
        return self._engine.dialect.name == "sqlite"

    def read(self, query: sa.Select[Any], within: sa.Connection | None = None) -> Sequence[sa.Row[Any]]:
        """All rows of the answer, as a transaction sees them or as they are committed. Raises StoreError."""
        with translated(f"cannot read the store {self.name}"):
            if within is not None:
                return within.execute(query).all()
            with self._engine.connect() as connection:
                return connection.execute(query).all()

    def count(self, table: sa.Table, within: sa.Connection | None = None) -> int:
        """How many rows the table has. Raises StoreError."""
        return int(self.read(sa.select(sa.func.count()).select_from(table), within)[0][0])

    def standing(
        self, notes: tuple[str, str, str], user_ids: Sequence[str]
    ) -> tuple[str | None, str | None, str | None, int]:
        """Three notes, None where there is none, and how many events these users have: one read. Raises StoreError."""
        given = {**dict(zip(_NOTES, notes, strict=True)), "users": list(user_ids)}
        with translated(f"cannot read the store {self.name}"), self._engine.connect() as connection:
            found = connection.execute(_STANDING, given).one()
        return found[0], found[1], found[2], int(found[3])

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[sa.Connection]:
        """A transaction that lands whole when the block ends and not at all when it raises. Raises StoreError.

        As long as it runs, the store is not sealed in another way; `alone`: and nobody else writes.
        """
        if self.read_only:
            raise StoreError(
                f"the store {self.name} is read-only{self._why}",
                "Make the file and its folder writable, free some disk space, or choose another data folder",
            )
        engine, started = self._engine.execution_options(writes=True), time.perf_counter()
        with translated(f"cannot write to the store {self.name}"), engine.begin() as connection:
            if not self.is_file:
                _enter(connection, alone=alone)
            if self._note_of_seal(connection) != self.sealed:
                raise StoreError(
                    f"the store {self.name} was encrypted in another way meanwhile", "Open it again, with its key"
                )
            yield connection
        observed.ended("store", "write", ms=(time.perf_counter() - started) * 1e3)

    def hold(self, connection: sa.Connection, names: Iterable[str]) -> None:
        """Until the transaction ends, let no other one hold any of these names; in SQLite it is the only writer."""
        if self.is_file:
            return
        for name in sorted(set(names)):  # in one order, so that no two wait for each other
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"row {name}", 0))))

    def rewrite(self, connection: sa.Connection, table: sa.Table, column: str, change: Callable[[str], str]) -> int:
        """Put what `change` makes of a column's texts in their place, a few hundred rows at a time; how many rows."""
        key, text, done = next(iter(table.primary_key)), table.c[column], 0
        put = table.update().where(key == sa.bindparam("row")).values({column: sa.bindparam("changed")})
        page = sa.select(key, text).order_by(key).limit(_ROWS_AT_ONCE)
        rows = connection.execute(page).all()
        while rows:
            connection.execute(put, [{"row": row[0], "changed": change(row[1])} for row in rows])
            done += len(rows)
            rows = connection.execute(page.where(key > rows[-1][0])).all()
        return done

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An insert that can say what happens to rows that are there already (`on_conflict_...`)."""
        return sqlite.insert(table) if self.is_file else postgresql.insert(table)

    def scrub(self, done: str = "the rows are deleted", again: str = "Forget again") -> None:
        """Leave no deleted byte in the file or its journal; other engines see to that themselves.

        Raises StoreError when another process was reading, so that old bytes may remain: what is `done` all the same,
        and what to do `again`.
        """
        if not self.is_file:
            return
        with translated(f"cannot erase the leftovers in {self.name}"):
            sqlite_file.copy_beside(Path(self.name)).unlink(missing_ok=True)  # whoever it holds is erased there, too
            pooled = self._engine.raw_connection()
            try:
                clean = sqlite_file.erase_leftovers(_sqlite_connection(pooled))
            finally:
                pooled.close()
        if not clean:
            raise StoreError(
                f"{done}, but old bytes may remain: another process was reading {self.name}",
                f"{again} when the other process is done",
            )

    def check(self) -> None:
        """Read the whole file and do nothing when it is sound. Raises StoreError saying what is damaged."""
        if not self.is_file:
            return
        with translated(f"cannot read the store {self.name}"), self._engine.connect() as connection:
            verdict = str(connection.execute(sa.text("PRAGMA quick_check(1)")).scalar_one())
        if verdict != "ok":
            raise StoreError(f"{self.name} is damaged: {verdict.splitlines()[-1]}", sqlite_file.RESTORE)

    def has(self, table: sa.Table) -> bool:
        """Whether the table is there: a store that was only ever read may lack one that joined later."""
        with translated(f"cannot read the store {self.name}"):
            return sa.inspect(self._engine).has_table(table.name)

    def _checked(self) -> Database:
        try:
            self._check_version()
            self.sealed = self._note_of_seal()
            self._complete()
        except StoreError:
            self.close()
            raise
        return self

    def _check_version(self) -> None:
        with translated(f"cannot open the store {self.name}"):
            has_notes = sa.inspect(self._engine).has_table("meta")
        found = self.read(META.select().where(META.c.key == VERSION_KEY)) if has_notes else []
        if not found:
            raise StoreError(f"{self.name} is a database, but not one of Palate's", "Choose another data folder")
        version = int(found[0].value) if found[0].value.isdecimal() else 0
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.name} was written by a newer Palate (layout {version}; this one reads up to {SCHEMA_VERSION})",
                "Install the newer Palate, or choose another data folder",
            )

    def _note_of_seal(self, within: sa.Connection | None = None) -> str | None:
        found = self.read(META.select().where(META.c.key == SEALED), within)
        return found[0].value if found else None

    def _complete(self) -> None:
        """Make the tables that joined later; what was there before is copied beside the file first."""
        missing = [] if self.read_only else [table for table in JOINED_LATER if not self.has(table)]
        if missing:
            if self.is_file and any(map(self.count, (ITEMS, EVENTS, TURNS))):
                with translated(f"cannot copy {self.name} before it is upgraded"):
                    sqlite_file.copy_whole(Path(self.name), sqlite_file.copy_beside(Path(self.name)))
            with self.writing(alone=True) as connection:
                SCHEMA.create_all(connection, missing)


def _create(engine: sa.Engine) -> None:
    """Make the tables in PostgreSQL, all of them, where there are none; of several who start at once, one does."""
    if sa.inspect(engine).has_table(META.name):
        return
    with engine.begin() as connection:
        _enter(connection, alone=True)
        SCHEMA.create_all(connection)
        version = {"key": VERSION_KEY, "value": str(SCHEMA_VERSION)}
        connection.execute(postgresql.insert(META).on_conflict_do_nothing(), version)


def _enter(connection: sa.Connection, *, alone: bool) -> None:
    """Wait, in PostgreSQL, until a transaction may write, beside others or `alone`; and no longer for any lock."""
    lock = _SEALING.format(shared="" if alone else "_shared")
    connection.exec_driver_sql(f"SELECT {_WAITING}, {lock}")


def translated(what: str) -> AbstractContextManager[None]:
    """Errors of the database and the operating system become one StoreError line about `what`."""
    return sqlite_file.translated(what, (SQLAlchemyError,), text_of=_reason)


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)


def _sqlite_connection(pooled: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = pooled.driver_connection
    return connection


def _begin(connection: sa.Connection) -> None:
    """Start transactions ourselves: a writer asks for the lock at once instead of failing half-way."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _creation() -> Iterator[str]:
    dialect = sqlite.dialect()
    for table in SCHEMA.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        yield from (str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
    yield f"INSERT INTO meta VALUES ('{VERSION_KEY}', '{SCHEMA_VERSION}')"  # noqa: S608  # two constants
