"""What was told of accounts, beside the events themselves: found by either account, erased with either."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from agent.profile.identity import ON_ACCOUNTS, named, parted
from agent.store.database import Database
from agent.store.tables import EVENTS, LINKS, TURNS
from agent.types import Event, EventKind

if TYPE_CHECKING:
    from agent.store.database import Connection, Row

_IDS_PER_STATEMENT = 500


def keep(connection: Connection, events: Iterable[Event]) -> list[Event]:
    """Keep which accounts these events speak of; those of them that speak of any."""
    on_accounts = [event for event in events if event.kind in ON_ACCOUNTS]
    rows = [{"event_id": e.event_id, "user_id": e.user_id, "other_id": _other(e)} for e in on_accounts]
    if rows:  # a store may have kept rows of events that were taken back
        connection.execute(LINKS.delete().where(LINKS.c.event_id.in_([row["event_id"] for row in rows])))
        connection.execute(LINKS.insert(), rows)
    return on_accounts


def told(database: Database, user_ids: Iterable[str], within: Connection | None = None) -> list[Row]:
    """What was told of all accounts that were ever linked with one of these, at once or through others.

    A row an event: `event_id`, the account whose event it is as `user_id`, the one it names as `other_id`, and `body`,
    the event as JSON. As a transaction sees them, or as they are committed.
    """
    if within is None and not database.has(LINKS):
        return []
    found: dict[str, Row] = {}
    met, edge = set[str](), set(user_ids)
    with_bodies = LINKS.select().add_columns(EVENTS.c.body).join(EVENTS, EVENTS.c.event_id == LINKS.c.event_id)
    while edge:
        touching = (LINKS.c.user_id.in_(some) | LINKS.c.other_id.in_(some) for some in _chunks(edge))
        rows = [row for where in touching for row in database.read(with_bodies.where(where), within)]
        found.update((row.event_id, row) for row in rows)
        met |= edge
        edge = accounts_in(rows) - met
    return list(found.values())


def everything(database: Database) -> list[str]:
    """All events, as JSON, that speak of accounts."""
    if not database.has(LINKS):
        return []
    query = EVENTS.select().with_only_columns(EVENTS.c.body).join(LINKS, EVENTS.c.event_id == LINKS.c.event_id)
    return [row.body for row in database.read(query)]


def accounts_in(rows: Iterable[Row]) -> set[str]:
    """The accounts that these rows speak of."""
    return {account for row in rows for account in (row.user_id, row.other_id)}


def spoken_of(events: Iterable[Event]) -> set[str]:
    """The accounts that these events on accounts speak of."""
    return {account for event in events for account in (event.user_id, _other(event))}


def erase(connection: Connection, user_ids: Collection[str]) -> tuple[int, int, int]:
    """Erase these accounts and what others said of links with them: how many events, turns, and events of others."""
    events = turns = links = 0
    for some in _chunks(user_ids):
        events += connection.execute(EVENTS.delete().where(EVENTS.c.user_id.in_(some))).rowcount
        turns += connection.execute(TURNS.delete().where(TURNS.c.user_id.in_(some))).rowcount
        connection.execute(LINKS.delete().where(LINKS.c.user_id.in_(some)))
    for some in _chunks(user_ids):
        theirs = LINKS.select().with_only_columns(LINKS.c.event_id).where(LINKS.c.other_id.in_(some))
        links += connection.execute(EVENTS.delete().where(EVENTS.c.event_id.in_(theirs))).rowcount
        connection.execute(LINKS.delete().where(LINKS.c.other_id.in_(some)))
    return events, turns, links


def take_back(connection: Connection, told: Collection[Event], user_id: str, event_ids: Collection[str]) -> int:
    """Forget what a person's events of these ids said of accounts, of all that was told of them; how many there were.

    The answers kept for accounts that part by it are erased.
    """
    taken = {event.event_id for event in told if event.user_id == user_id and event.event_id in event_ids}
    for some in _chunks(taken):
        connection.execute(LINKS.delete().where(LINKS.c.event_id.in_(some)))
    left = [event for event in told if event.event_id not in taken]
    erase_answers(connection, parted(spoken_of(told), told, left))
    return len(taken)


def part(connection: Connection, told: Iterable[Event], new: Iterable[Event]) -> int:
    """Erase the answers kept for accounts that part by what is `new` of all that was told of them; how many."""
    known, fresh = list(told), {event.event_id for event in new}
    before = [event for event in known if event.event_id not in fresh]
    return erase_answers(connection, parted(spoken_of(known), before, known))


def erase_answers(connection: Connection, user_ids: Collection[str]) -> int:
    """Erase the answers kept for these accounts, which may rest on the acts of others; how many."""
    answers = TURNS.delete().where(TURNS.c.role == "assistant")
    return sum(connection.execute(answers.where(TURNS.c.user_id.in_(some))).rowcount for some in _chunks(user_ids))


def _other(event: Event) -> str:
    return event.user_id if event.kind is EventKind.APART else named(event)


def _chunks(ids: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(ids)
    return (ordered[start : start + _IDS_PER_STATEMENT] for start in range(0, len(ordered), _IDS_PER_STATEMENT))
