"""Rows into Events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from agent.catalogue.columns import Resolved
from agent.catalogue.items import reason_of
from agent.catalogue.rows import Refusal, Row, RowError
from agent.catalogue.seen import Occurrences, Seen, digest
from agent.catalogue.values import identifier_of, is_absent, number_of, text_of, time_of
from agent.types import Event, EventKind

SYNONYMS: Mapping[str, EventKind] = {
    **{kind.value: kind for kind in EventKind},
    **dict.fromkeys(("viewed", "watch", "watched", "play", "played", "listen", "read", "pv", "visit"), EventKind.VIEW),
    **dict.fromkeys(("clicked", "open", "opened"), EventKind.CLICK),
    **dict.fromkeys(("liked", "favourite", "favorite", "fav", "thumbs_up", "love", "loved"), EventKind.LIKE),
    **dict.fromkeys(("disliked", "thumbs_down", "hide", "hate", "hated"), EventKind.DISLIKE),
    **dict.fromkeys(("rating", "rated"), EventKind.RATE),
    **dict.fromkeys(("buy", "bought", "purchased", "order", "ordered", "transaction"), EventKind.PURCHASE),
    **dict.fromkeys(("skipped",), EventKind.SKIP),
    **dict.fromkeys(("query", "searched"), EventKind.SEARCH),
    **dict.fromkeys(("reviewed", "comment"), EventKind.REVIEW),
}
"""The words a file may use for what a person did. Other words are refused."""

Clock = Callable[[], datetime]


def now_utc() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


class EventBuilder:
    """Makes one Event of each row, or says why not.

    Without a column for the event's own id, the id is a hash of who, what, kind, value, when and words plus the count
    of equal rows before it, so that loading a file twice adds nothing and rows that repeat in one file all count.
    Rows without a time get the moment of loading, rising by at least a microsecond a row to keep the file's order.
    """

    def __init__(self, columns: Resolved, *, clock: Clock = now_utc) -> None:
        self._columns = columns
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)
        self._occurrences = Occurrences()
        self._seen = Seen()

    def build(self, row: Row) -> Event | Refusal:
        """The event of one row, or its refusal."""
        built = self._built(row)
        return replace(built, user=self._user(row)) if isinstance(built, Refusal) else built

    def _user(self, row: Row) -> str | None:
        try:
            return identifier_of(*self._cell(row.cells, "user"))
        except RowError:
            return None

    def _built(self, row: Row) -> Event | Refusal:
        try:
            event = self._event(row.cells)
        except ValidationError as error:
            return row.refused(reason_of(error))
        except RowError as error:
            return row.refused(str(error))
        if "event" not in self._columns.fields:
            return event
        earlier = self._seen.add(event.event_id, row.line, b"")
        return event if earlier is None else row.refused(f"duplicate of line {earlier.line}: same event identifier")

    def close(self) -> None:
        """Drop what was remembered for finding equal rows."""
        self._occurrences.close()
        self._seen.close()

    def _event(self, cells: Mapping[str, object]) -> Event:
        value = number_of(*self._cell(cells, "value"))
        item, item_column = self._cell(cells, "id")
        item_id = None if is_absent(item) else identifier_of(item, item_column)
        at = time_of(*self._cell(cells, "at"))
        user_id = identifier_of(*self._cell(cells, "user"))
        kind = self._kind(cells, value, item_id)
        text = self._text(cells, "text")
        platform = self._text(cells, "platform") or ""
        given, event_column = self._cell(cells, "event")
        if is_absent(given):
            when = "" if at is None else at.isoformat(timespec="microseconds")
            worth = "" if value is None else repr(value)
            event_id = self._hashed(user_id, item_id or "", kind, worth, when, text or "", platform)
        else:
            event_id = identifier_of(given, event_column)
        return Event(
            event_id=event_id,
            user_id=user_id,
            kind=kind,
            item_id=item_id,
            text=text,
            value=value,
            platform=platform,
            at=at or self._moment(),
        )

    def _hashed(self, *content: str) -> str:
        key = digest(*content)
        return digest(key.hex(), str(self._occurrences.add(key))).hex()

    def _cell(self, cells: Mapping[str, object], name: str) -> tuple[object, str]:
        column = self._columns.fields.get(name)
        return (None, name) if column is None else (cells.get(column), column)

    def _text(self, cells: Mapping[str, object], name: str) -> str | None:
        value, column = self._cell(cells, name)
        return None if is_absent(value) else text_of(value, column)

    def _kind(self, cells: Mapping[str, object], value: float | None, item_id: str | None) -> EventKind:
        """The kind named; else a value means a rating, an item a view, and words alone a message."""
        word = self._text(cells, "kind")
        if word is None:
            return EventKind.RATE if value is not None else EventKind.VIEW if item_id is not None else EventKind.MESSAGE
        kind = SYNONYMS.get(word.casefold().replace(" ", "_").replace("-", "_"))
        if kind is None:
            raise RowError(f"unknown kind {word[:40]!r}; use one of {', '.join(EventKind)}")
        return kind

    def _moment(self) -> datetime:
        self._last = max(self._clock(), self._last + timedelta(microseconds=1))
        return self._last
