"""What was told of accounts, beside the events themselves: found by either account, erased with either."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from agent.database import EVENTS, LINKS, TURNS, Database
from agent.profile.identity import ON_ACCOUNTS, named
from agent.types import Event, EventKind

if TYPE_CHECKING:
    from agent.database import Connection, Row


def keep(connection: Connection, events: Iterable[Event]) -> bool:
    """Keep which accounts these events speak of; False where none of them speaks of any."""
    on_accounts = (event for event in events if event.kind in ON_ACCOUNTS)
    rows = [{"event_id": e.event_id, "user_id": e.user_id, "other_id": _other(e)} for e in on_accounts]
    if rows:
        connection.execute(LINKS.insert(), rows)
    return bool(rows)


def told(database: Database, user_id: str) -> list[Row]:
    """What was told of all accounts that were ever linked with this one, at once or through others.

    A row an event: `event_id`, the account whose event it is as `user_id`, the one it names as `other_id`, and `body`,
    the event as JSON.
    """
    if not database.has(LINKS):
        return []
    found: dict[str, Row] = {}
    met, edge = set[str](), {user_id}
    with_bodies = LINKS.select().add_columns(EVENTS.c.body).join(EVENTS, EVENTS.c.event_id == LINKS.c.event_id)
    while edge:
        touching = LINKS.c.user_id.in_(edge) | LINKS.c.other_id.in_(edge)
        rows = database.read(with_bodies.where(touching))
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


def erase(connection: Connection, user_id: str, linked: Iterable[str]) -> tuple[int, int]:
    """Erase what others said of links with an account, and answers to those `linked`, which may rest on its acts.

    How many events and turns that were, the account's own not among them.
    """
    theirs = LINKS.select().with_only_columns(LINKS.c.event_id).where(LINKS.c.other_id == user_id)
    theirs = theirs.where(LINKS.c.user_id != user_id)
    links = connection.execute(EVENTS.delete().where(EVENTS.c.event_id.in_(theirs))).rowcount
    connection.execute(LINKS.delete().where((LINKS.c.user_id == user_id) | (LINKS.c.other_id == user_id)))
    answers = TURNS.delete().where(TURNS.c.user_id.in_(list(linked)), TURNS.c.role == "assistant")
    return links, connection.execute(answers).rowcount


def _other(event: Event) -> str:
    return event.user_id if event.kind is EventKind.APART else named(event)
