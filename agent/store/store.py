"""Items, events and conversations: the truth that everything else is computed from.

One SQLite file in the data folder (write-ahead log, every commit synced to disk, deleted bytes zeroed), or another
database by SQLAlchemy URL. Several processes may use one store at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Self

from agent.errors import Taken
from agent.profile.identity import Identity, identity_of, people_of
from agent.store import links, receipts
from agent.store.bodies import ROWS_PER_STATEMENT, chunks, json_of, parsed
from agent.store.database import Database, translated
from agent.store.sealing import OPEN, Seal, opened_with, reseal
from agent.store.sqlite_file import check_not_lost
from agent.store.stored import Forgotten, Receipt, Standing
from agent.store.tables import EVENTS, GENERATED, ITEMS, TURNS
from agent.store.turns import ERASURE, Turns, micros
from agent.types import Event, Item

if TYPE_CHECKING:
    from agent.store.database import Connection

FILE_NAME = "palate.sqlite"
_VERSION, FORGETTING, _LINKING = "catalogue version", "forgetting version", "linking version"


class Store(Turns):
    """The items, events, conversations and notes of one data folder. Safe for several threads; use it as a context.

    Every method raises StoreError, with one line of reason, where the database cannot do what it is asked.
    """

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False, seal: Seal = OPEN) -> Self:
        """The store in the folder, made if there is none; for reading only where nothing may be written.

        Raises StoreError: damaged, written by a newer Palate, sealed in another way, something else, or out of reach.
        """
        path = folder / FILE_NAME
        with translated(f"cannot open the store {path}"):
            check_not_lost(path, folder / "index" / "state.json", folder / "learned" / "record.json")
        return cls(database := Database.in_file(path, read_only=read_only), opened_with(database, seal))

    @classmethod
    def at_url(cls, url: str, *, read_only: bool = False, seal: Seal = OPEN) -> Self:
        """The store in the SQLite or PostgreSQL database that a SQLAlchemy URL names. Raises StoreError as `open`."""
        return cls(database := Database.at_url(url, read_only=read_only), opened_with(database, seal))

    def reseal(self, after: Seal, sealed: Callable[[], object] = lambda: None) -> tuple[int, int]:
        """Seal what people did and said in another way, all or none; how many events and turns. Raises StoreError.

        `sealed` is called once that is done, before the leftovers are erased.
        """
        done = reseal(self._database, self._seal, after, sealed)
        self._seal = after
        return done

    # Items

    def put_items(self, items: Iterable[Item]) -> int:
        """How many items were written, all or none; an item whose id is known replaces the older one."""
        written = 0
        statement = self._database.insert(ITEMS)
        new = {"popularity": statement.excluded.popularity, "body": statement.excluded.body}
        upsert = statement.on_conflict_do_update(index_elements=["item_id"], set_=new)
        with self._database.writing() as connection:
            for some in chunks(items):
                rows = [{"item_id": i.item_id, "popularity": i.popularity, "body": json_of(i)} for i in some]
                connection.execute(upsert, rows)
                written += len(rows)
            self._note(connection, _VERSION, uuid.uuid4().hex)
        return written

    def remove_items(self, item_ids: Iterable[str]) -> int:
        """How many items left the catalogue, all or none; ids that are not there count nothing."""
        removed = 0
        with self._database.writing() as connection:
            for some in chunks(item_ids):
                removed += connection.execute(ITEMS.delete().where(ITEMS.c.item_id.in_(some))).rowcount
                connection.execute(GENERATED.delete().where(GENERATED.c.item_id.in_(some)))
            self._note(connection, _VERSION, uuid.uuid4().hex)
        return removed

    @property
    def catalogue_version(self) -> str:
        """Changes whenever items are written or removed; what is derived from the catalogue can be kept under it."""
        return self.meta_get(_VERSION) or "empty"

    def item(self, item_id: str) -> Item | None:
        """The item, or None."""
        return next(iter(self.items([item_id])), None)

    def items(self, ids: Iterable[str] | None = None) -> list[Item]:
        """The items with these ids in the order given, those unknown left out; all items by id for None."""
        if ids is None:
            return list(self.iter_items())
        wanted = list(ids)
        found: dict[str, Item] = {}
        for some in chunks(dict.fromkeys(wanted)):
            rows = self._database.read(ITEMS.select().where(ITEMS.c.item_id.in_(some)))
            found.update((row.item_id, parsed(Item, row.body, self._database.name)) for row in rows)
        return [found[item_id] for item_id in wanted if item_id in found]

    def iter_items(self) -> Iterator[Item]:
        """Every item, by id, a few hundred in memory at a time."""
        page = ITEMS.select().order_by(ITEMS.c.item_id).limit(ROWS_PER_STATEMENT)
        rows = self._database.read(page)
        while rows:
            yield from (parsed(Item, row.body, self._database.name) for row in rows)
            rows = self._database.read(page.where(ITEMS.c.item_id > rows[-1].item_id))

    def item_ids_where(self, matches: Callable[[Item], bool]) -> list[str]:
        """The ids of the items that match, in order."""
        return [item.item_id for item in self.iter_items() if matches(item)]

    def count_items(self) -> int:
        """How many items the catalogue holds."""
        return self._database.count(ITEMS)

    def popular(self, n: int, exclude: Collection[str] = ()) -> list[Item]:
        """The n most popular items not excluded: highest popularity first, those without one last; ties by item_id."""
        order = (ITEMS.c.popularity.is_(None), ITEMS.c.popularity.desc(), ITEMS.c.item_id)
        rows = self._database.read(ITEMS.select().order_by(*order).limit(n + len(exclude)))
        kept = (row for row in rows if row.item_id not in exclude)
        return [parsed(Item, row.body, self._database.name) for row in islice(kept, n)]

    # What a model wrote about items: beside them, never in them

    def put_generated(self, bodies: Mapping[str, str]) -> None:
        """Keep a text, such as JSON, beside each item, all or none; an older one of the item is replaced."""
        insert = self._database.insert(GENERATED)
        upsert = insert.on_conflict_do_update(index_elements=["item_id"], set_={"body": insert.excluded.body})
        with self._database.writing() as connection:
            for some in chunks(bodies.items()):
                connection.execute(upsert, [{"item_id": item_id, "body": body} for item_id, body in some])
            self._note(connection, _VERSION, uuid.uuid4().hex)

    def generated(self) -> dict[str, str]:
        """What is kept beside items, by item_id."""
        rows = self._database.read(GENERATED.select()) if self._database.has(GENERATED) else ()
        return {row.item_id: row.body for row in rows}

    def remove_generated(self) -> int:
        """How many such texts there were; none is left."""
        with self._database.writing() as connection:
            removed = connection.execute(GENERATED.delete()).rowcount
            self._note(connection, _VERSION, uuid.uuid4().hex)
        return removed

    # Events

    def put_events(self, events: Iterable[Event], *, strict: bool = False) -> int:
        """How many events were new (a replay is not), all written or none; once this returns they survive a crash.

        Accounts that part by them lose the answers kept for them, which may rest on each other's acts. An event whose
        id is that of another account's event is no new one either; when `strict`, it raises Taken.
        """
        with self._database.writing() as connection:
            return self._put(connection, events, strict=strict)

    def _put(self, connection: Connection, events: Iterable[Event], *, strict: bool = False) -> int:
        new, told = 0, list[Event]()
        insert = self._database.insert(EVENTS).on_conflict_do_nothing(index_elements=["event_id"])
        statement = insert.returning(EVENTS.c.event_id)
        for some in chunks(events):
            rows = [self._row(event) for event in some]
            kept = {row.event_id for row in connection.execute(statement, rows)}
            if strict and len(kept) < len(some):
                self._check_owners(connection, some)
            new += len(kept)
            told += links.keep(connection, {e.event_id: e for e in reversed(some) if e.event_id in kept}.values())
        if told:
            links.part(connection, self._told(links.spoken_of(told), connection), told)
            self._note(connection, _LINKING, uuid.uuid4().hex)
        return new

    def _row(self, e: Event) -> dict[str, object]:
        sealed = self._seal.close(json_of(e))
        return {"event_id": e.event_id, "user_id": e.user_id, "at": micros(e.at), "body": sealed}

    def _check_owners(self, connection: Connection, events: Collection[Event]) -> None:
        """Raise Taken where one of these events has the id of another account's."""
        stored = EVENTS.select().where(EVENTS.c.event_id.in_([event.event_id for event in events]))
        owners = {row.event_id: row.user_id for row in self._database.read(stored, connection)}
        for event in events:
            if owners.get(event.event_id, event.user_id) != event.user_id:
                raise Taken(event.event_id, event.user_id)

    def _told(self, user_ids: Iterable[str], within: Connection | None = None) -> list[Event]:
        return [self._event(row.body) for row in links.told(self._database, user_ids, within)]

    def events_of(self, user_id: str, since: datetime | None = None) -> list[Event]:
        """The person's events, all or from a moment on, oldest first; ties by event_id. Empty for someone not known."""
        query = EVENTS.select().where(EVENTS.c.user_id == user_id).order_by(EVENTS.c.at, EVENTS.c.event_id)
        query = query if since is None else query.where(EVENTS.c.at >= micros(since))
        return [self._event(row.body) for row in self._database.read(query)]

    def count_events(self) -> int:
        """How many events the store holds."""
        return self._database.count(EVENTS)

    def standing_of(self, *user_ids: str) -> Standing:
        """How many events these have together, and what changes with the catalogue, forgetting and links."""
        catalogue, forgetting, linking, n = self._database.standing((_VERSION, FORGETTING, _LINKING), user_ids)
        return Standing(f"{catalogue} {forgetting}", linking, n)

    def told_of(self, user_id: str) -> list[Event]:
        """What was said of links with an account, by whomever, oldest first."""
        return sorted((e for e in self._told([user_id]) if user_id in links.spoken_of([e])), key=attrgetter("dated"))

    def identity_of(self, user_id: str, at: datetime | None = None) -> Identity:
        """The person whose account this is, by the links that are in force, or were at a moment."""
        return identity_of(user_id, self._told([user_id]), at)

    def people(self, *, whole: bool = False) -> list[tuple[str, ...]]:
        """Everyone who has an event or a turn, each as the accounts read together, or `whole`: all linked ones."""
        told = (self._event(body) for body in links.everything(self._database))
        return people_of(self.users(), told, whole=whole)

    def users(self) -> list[str]:
        """Everyone who has an event or a turn, by id."""
        queries = (table.select().with_only_columns(table.c.user_id).distinct() for table in (EVENTS, TURNS))
        return sorted({row.user_id for query in queries for row in self._database.read(query)})

    def forget(self, *user_ids: str, besides: Mapping[str, int] | None = None) -> Forgotten:
        """Erase everything about accounts, all or none: once this returns, the store's files hold no byte of them.

        That takes in what other accounts said of links with them, and the answers kept for accounts that were ever
        linked with them; all else of theirs remains, and who was kept apart is so still. `besides` is what was erased
        elsewhere, for the receipt. Raises StoreError when another process was reading and old bytes may remain: call it
        again then, with any of them.
        """
        with self._database.writing() as connection:
            told = self._told(user_ids, connection)
            self._database.hold(connection, links.spoken_of(told).union(user_ids))
            people = [identity_of(one, told) for one in user_ids]
            remaining = {other: person for person in people for other in person.others if other not in user_ids}
            answers = links.erase_answers(connection, links.spoken_of(told).difference(user_ids))
            events, turns, theirs = links.erase(connection, user_ids)
            self._put(connection, [word for one, person in remaining.items() for word in person.each_apart([one])])
            for note in (FORGETTING, ERASURE):
                self._note(connection, note, uuid.uuid4().hex)
            erased = {"events": events, "turns": turns + answers, "links": theirs, **(besides or {})}
            receipt = receipts.give(connection, erased)
        self._database.scrub()
        return Forgotten(events, turns + answers, theirs, tuple(sorted(remaining)), receipt)

    def receipts(self) -> list[Receipt]:
        """That somebody was forgotten, each time it happened, oldest first."""
        return receipts.kept(self._database)

    # What is said, and what it became

    def hear(
        self, user_id: str, conversation_id: str, content: str, events: Iterable[Event], *, after: int | None
    ) -> int | None:
        """Keep what a person said with the events it became, all or none; the number of the turn.

        None, and nothing is kept, where the last turn of the conversation is not `after` (None: it has no turn yet).
        """
        with self._database.writing() as connection:
            if self._last_turn(user_id, conversation_id, connection) != after:
                return None
            self._put(connection, events)
            return self._append(connection, user_id, conversation_id, "user", content)

    def take_back(self, user_id: str, turns: Collection[int], event_ids: Collection[str]) -> int:
        """Erase some turns and events of a person, all or none; how many events. What others hold stays.

        Accounts that part by it lose the answers kept for them, as in `put_events`.
        """
        with self._database.writing() as connection:
            self._database.hold(connection, [user_id])
            if links.take_back(connection, self._told([user_id], connection), user_id, event_ids):
                self._note(connection, _LINKING, uuid.uuid4().hex)
            connection.execute(TURNS.delete().where(TURNS.c.user_id == user_id, TURNS.c.turn_id.in_(list(turns))))
            theirs = (EVENTS.c.user_id == user_id) & EVENTS.c.event_id.in_(list(event_ids))
            taken = connection.execute(EVENTS.delete().where(theirs)).rowcount
            self._note(connection, FORGETTING, uuid.uuid4().hex)
        return int(taken)

    def _event(self, sealed: str) -> Event:
        return parsed(Event, self._seal.open(sealed), self._database.name)
