"""The tables and transactions under the store, in SQLAlchemy Core: SQLite in a file by default, others by URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from agent import sqlite_file
from agent.errors import StoreError

SCHEMA_VERSION = 1
_URL_HINT = "Write it as sqlite:////absolute/path/palate.sqlite or postgresql+psycopg://user@host/database"
VERSION_KEY = "schema_version"  # the one note that the database itself keeps

_schema = sa.MetaData()
META = sa.Table(
    "meta", _schema, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
ITEMS = sa.Table(
    "items",
    _schema,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("popularity", sa.Float, index=True),
    sa.Column("body", sa.Text, nullable=False),  # the whole item as JSON
)
EVENTS = sa.Table(
    "events",
    _schema,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Column("body", sa.Text, nullable=False),  # the whole event as JSON
    sa.Index("events_by_user", "user_id", "at", "event_id"),
)
TURNS = sa.Table(
    "turns",
    _schema,
    sa.Column("turn_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Index("turns_by_user", "user_id", "conversation_id", "turn_id"),
)
GENERATED = sa.Table(  # joined later: stores without it get it when they are next opened for writing
    "generated",
    _schema,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),  # what a model wrote about the item, as JSON
)
LINKS = sa.Table(  # joined later, as GENERATED: the events that speak of accounts, to be found by either account
    "links",
    _schema,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False, index=True),
    sa.Column("other_id", sa.Text, nullable=False, index=True),  # the own account where none other is named
)
_JOINED_LATER = (GENERATED, LINKS)

_NOTES = ("first", "second", "third")
_STANDING = sa.select(  # made once: it is asked before every answer
    *(sa.select(META.c.value).where(META.c.key == sa.bindparam(name)).scalar_subquery() for name in _NOTES),
    sa.select(sa.func.count()).where(EVENTS.c.user_id.in_(sa.bindparam("users", expanding=True))).scalar_subquery(),
)

Connection = sa.Connection
Row = sa.Row[Any]


class Database:
    """One open database with the tables above. Safe for several threads and several processes."""

    def __init__(self, engine: sa.Engine, name: str, *, read_only: bool) -> None:
        self._engine = engine
        self.name = name
        self.read_only = read_only

    @classmethod
    def in_file(cls, path: Path, *, read_only: bool) -> Database:
        """The SQLite file, made if there is none; read-only also where nothing may be written. Raises StoreError."""
        with translated(f"cannot open the store {path}"):
            if not read_only and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                sqlite_file.create_whole(path, _creation())
            read_only = read_only or not sqlite_file.writable(path)
        engine = sa.create_engine(
            "sqlite://", creator=lambda: sqlite_file.connect(path, read_only=read_only), poolclass=sa.QueuePool
        )
        sa.event.listen(engine, "begin", _begin)
        return cls(engine, str(path), read_only=read_only)._checked()

    @classmethod
    def at_url(cls, url: str, *, read_only: bool) -> Database:
        """The database a SQLAlchemy URL names; its tables are made if there are none. Raises StoreError."""
        try:
            parsed = sa.make_url(url)
            engine = sa.create_engine(parsed)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise StoreError(f"the store's URL cannot be used: {error}", _URL_HINT) from error
        if engine.dialect.name == "sqlite" and parsed.database:
            return cls.in_file(Path(parsed.database), read_only=read_only)
        if engine.dialect.name != "postgresql":
            raise StoreError(f"the store cannot be kept in {engine.dialect.name}", _URL_HINT)
        name = engine.url.render_as_string(hide_password=True)
        if not read_only:
            with translated(f"cannot open the store {name}"), engine.begin() as connection:
                _schema.create_all(connection)
                if connection.execute(META.select().where(META.c.key == VERSION_KEY)).first() is None:
                    connection.execute(META.insert(), {"key": VERSION_KEY, "value": str(SCHEMA_VERSION)})
        return cls(engine, name, read_only=read_only)._checked()

    def close(self) -> None:
        """Let go of the database. Calling it twice is harmless."""
        self._engine.dispose()

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

    def count(self, table: sa.Table) -> int:
        """How many rows the table has. Raises StoreError."""
        return int(self.read(sa.select(sa.func.count()).select_from(table))[0][0])

    def standing(
        self, notes: tuple[str, str, str], user_ids: Sequence[str]
    ) -> tuple[str | None, str | None, str | None, int]:
        """Three notes, None where there is none, and how many events these users have: one read. Raises StoreError."""
        given = {**dict(zip(_NOTES, notes, strict=True)), "users": list(user_ids)}
        with translated(f"cannot read the store {self.name}"), self._engine.connect() as connection:
            found = connection.execute(_STANDING, given).one()
        return found[0], found[1], found[2], int(found[3])

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that lands whole when the block ends and not at all when it raises. Raises StoreError."""
        if self.read_only:
            raise StoreError(
                f"the store {self.name} is read-only",
                "Make the file and its folder writable, or choose another data folder",
            )
        engine = self._engine.execution_options(writes=True)
        with translated(f"cannot write to the store {self.name}"), engine.begin() as connection:
            yield connection

    def hold(self, connection: sa.Connection, names: Iterable[str]) -> None:
        """Until the transaction ends, let no other one hold any of these names; in SQLite it is the only writer."""
        if self.is_file:
            return
        for name in sorted(set(names)):  # in one order, so that no two wait for each other
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(name, 0))))

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An insert that can say what happens to rows that are there already (`on_conflict_...`)."""
        return sqlite.insert(table) if self.is_file else postgresql.insert(table)

    def scrub(self) -> None:
        """Leave no deleted byte in the file or its journal; other engines see to that themselves.

        Raises StoreError when another process was reading, so that old bytes may remain.
        """
        if not self.is_file:
            return
        with translated(f"cannot erase the leftovers in {self.name}"):
            pooled = self._engine.raw_connection()
            try:
                clean = sqlite_file.erase_leftovers(_sqlite_connection(pooled))
            finally:
                pooled.close()
        if not clean:
            raise StoreError(
                f"the rows are deleted, but old bytes may remain: another process was reading {self.name}",
                "Forget again when the other process is done",
            )

    def check(self) -> None:
        """Read the whole file and do nothing when it is sound. Raises StoreError saying what is damaged."""
        if not self.is_file:
            return
        with translated(f"cannot read the store {self.name}"), self._engine.connect() as connection:
            verdict = str(connection.execute(sa.text("PRAGMA quick_check(1)")).scalar_one())
        if verdict != "ok":
            raise StoreError(f"{self.name} is damaged: {verdict.splitlines()[-1]}", "Restore it from a backup")

    def has(self, table: sa.Table) -> bool:
        """Whether the table is there: a store that was only ever read may lack one that joined later."""
        with translated(f"cannot read the store {self.name}"):
            return sa.inspect(self._engine).has_table(table.name)

    def _checked(self) -> Database:
        try:
            self._check_version()
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

    def _complete(self) -> None:
        """Make the tables that joined later."""
        missing = [] if self.read_only else [table for table in _JOINED_LATER if not self.has(table)]
        if missing:
            with self.writing() as connection:
                _schema.create_all(connection, missing)


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
    for table in _schema.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        yield from (str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
    yield f"INSERT INTO meta VALUES ('{VERSION_KEY}', '{SCHEMA_VERSION}')"  # noqa: S608  # two constants
