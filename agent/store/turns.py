"""Conversations and notes of a database: what is kept beside its items and events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from agent.store.alone import alone
from agent.store.database import Database
from agent.store.sealing import OPEN, Seal
from agent.store.stored import Begun, Turn
from agent.store.tables import META, TURNS

if TYPE_CHECKING:
    from agent.store.database import Connection, Row

ERASURE = "erasure"  # the note of the last time that somebody was forgotten
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Turns:
    """The conversations and notes of one data folder. Safe for several threads; use it as a context.

    Every method raises StoreError, with one line of reason, where the database cannot do what it is asked.
    """

    def __init__(self, database: Database, seal: Seal = OPEN) -> None:
        self._database = database
        self._seal = seal

    @property
    def read_only(self) -> bool:
        """Whether writing is refused."""
        return self._database.read_only

    def close(self) -> None:
        """Let go of the database. Calling it twice is harmless."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_turn(self, user_id: str, conversation_id: str, role: str, content: str, at: datetime | None = None) -> None:
        """Append to a conversation; `at` is now unless given."""
        with self._database.writing() as connection:
            self._database.hold(connection, [user_id])
            self._append(connection, user_id, conversation_id, role, content, at)

    def keep_answer(
        self, user_id: str, conversation_id: str, wish: str | None, content: str, *, erasure: str | None
    ) -> bool:
        """Append an answer, after the wish where there is one, both or none.

        False, and nothing is kept, where somebody was forgotten since `erasure` was read: it may rest on them.
        """
        with self._database.writing() as connection:
            self._database.hold(connection, [user_id])
            found = connection.execute(META.select().where(META.c.key == ERASURE)).first()
            if (found and found.value) != erasure:
                return False
            for role, text in (("user", wish), ("assistant", content)):
                if text:
                    self._append(connection, user_id, conversation_id, role, text)
        return True

    @property
    def erasure(self) -> str | None:
        """Changes whenever somebody is forgotten."""
        return self.meta_get(ERASURE)

    def answer_turn(self, turn: int, user_id: str, conversation_id: str, content: str) -> bool:
        """Append an answer to a turn that is the last of its conversation.

        False, and nothing is kept, where it is not: it was forgotten or taken back, or more was said meanwhile.
        """
        with self._database.writing() as connection:
            if self._last_turn(user_id, conversation_id, connection) != turn:
                return False
            self._append(connection, user_id, conversation_id, "assistant", content)
        return True

    def turns_of(self, user_id: str, conversation_id: str | None = None, limit: int = 50) -> list[Turn]:
        """The person's last turns, oldest of them first; of one conversation, or of all for None."""
        rows = self._last(user_id, conversation_id, limit)
        return list(map(self._turn, reversed(rows)))

    def _turn(self, row: Row) -> Turn:
        return Turn(**{**row._mapping, "at": moment(row.at), "content": self._seal.open(row.content)})

    def begun_by(self, user_id: str) -> list[Begun]:
        """Every conversation of a person with the first turn of each and the time of its last, newest first."""
        query = TURNS.select().where(TURNS.c.user_id == user_id).order_by(TURNS.c.turn_id)
        times = query.with_only_columns(TURNS.c.turn_id, TURNS.c.conversation_id, TURNS.c.at)
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for row in self._database.read(times):
            first.setdefault(row.conversation_id, row.turn_id)
            last.pop(row.conversation_id, None)  # the newest goes to the end
            last[row.conversation_id] = row.at
        words = {turn.turn_id: turn for turn in self._by_id(first.values())}
        return [Begun(words[first[one]], moment(at)) for one, at in reversed(last.items()) if first[one] in words]

    def meta_get(self, key: str) -> str | None:
        """The note kept under the key, or None."""
        rows = self._database.read(META.select().where(META.c.key == key))
        return rows[0].value if rows else None

    def meta_put(self, key: str, value: str) -> None:
        """Keep a note; an older one under the key is replaced."""
        with self._database.writing() as connection:
            self._note(connection, key, value)

    @property
    def shared(self) -> bool:
        """Whether processes of other machines may use it too, so that notes and `alone` reach them."""
        return not (self._database.is_file or self.read_only)

    def alone(self, name: str, wait_s: float | None) -> AbstractContextManager[Callable[[], None]]:
        """Nobody else is within a block of that name, in any process; for a database that is `shared`.

        What it gives raises StoreError where that is so no more. Raises StoreLocked where another one is for longer
        than `wait_s`; None: however long.
        """
        return alone(self._database, name, wait_s)

    def meta_change(self, key: str, change: Callable[[str | None], str]) -> str:
        """Keep what `change` makes of a note, None where there is none; nobody else writes it meanwhile."""
        with self._database.writing() as connection:
            self._database.hold(connection, [key])
            found = connection.execute(META.select().where(META.c.key == key)).first()
            value = change(found.value if found else None)
            self._note(connection, key, value)
        return value

    def check(self) -> None:
        """Read everything and do nothing when it is sound; slow for a large store. Raises StoreError otherwise."""
        self._database.check()

    def _append(
        self,
        connection: Connection,
        user_id: str,
        conversation_id: str,
        role: str,
        content: str,
        at: datetime | None = None,
    ) -> int:
        """Append a turn within a transaction; its number."""
        when = micros(at or datetime.now(UTC))
        said = {"role": role, "content": self._seal.close(content), "at": when}
        row = {"user_id": user_id, "conversation_id": conversation_id, **said}
        written = connection.execute(TURNS.insert(), row).inserted_primary_key
        return int(written[0]) if written else 0

    def _last_turn(self, user_id: str, conversation_id: str, within: Connection) -> int | None:
        """The number of the last turn of a conversation, None for none; it stays so until the transaction ends."""
        self._database.hold(within, [user_id])
        theirs = (TURNS.c.user_id == user_id) & (TURNS.c.conversation_id == conversation_id)
        newest = TURNS.select().where(theirs).order_by(TURNS.c.turn_id.desc()).limit(1)
        row = within.execute(newest).first()
        return None if row is None else int(row.turn_id)

    def _last(self, user_id: str, conversation_id: str | None, limit: int) -> list[Row]:
        """The last rows, newest first."""
        query = TURNS.select().where(TURNS.c.user_id == user_id).order_by(TURNS.c.turn_id.desc()).limit(limit)
        if conversation_id is not None:
            query = query.where(TURNS.c.conversation_id == conversation_id)
        return list(self._database.read(query))

    def _by_id(self, turn_ids: Collection[int], at_once: int = 500) -> Iterator[Turn]:
        ids = list(turn_ids)
        for start in range(0, len(ids), at_once):
            rows = self._database.read(TURNS.select().where(TURNS.c.turn_id.in_(ids[start : start + at_once])))
            yield from map(self._turn, rows)

    def _note(self, connection: Connection, key: str, value: str) -> None:
        statement = self._database.insert(META).on_conflict_do_update(index_elements=["key"], set_={"value": value})
        connection.execute(statement, {"key": key, "value": value})


def micros(at: datetime) -> int:
    """Microseconds since 1970, as moments are kept."""
    return (at - _EPOCH) // _MICROSECOND


def moment(kept: int) -> datetime:
    """The moment that so many microseconds since 1970 stand for, in UTC."""
    return _EPOCH + kept * _MICROSECOND
