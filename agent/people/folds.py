"""The folds of the people asked about last: an event is folded in, nothing is built anew."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from agent.profile.fold import Fold
from agent.profile.identity import Identity
from agent.profile.ledger import Background
from agent.store.stored import Standing
from agent.types import Event, Item

MOST_PEOPLE = 1_000
MOST_EVENTS = 100_000  # of all people together, about a kilobyte each

_T = TypeVar("_T")


@dataclass
class _Kept:
    """One person's fold, the items it knows, of which state of catalogue and forgetting it is, and of whose events."""

    fold: Fold
    known: dict[str, Item]
    of: str
    links: str | None
    accounts: tuple[str, ...]
    lock: threading.RLock = field(default_factory=threading.RLock)


class Acts(Protocol):
    """What people did, as the store tells it."""

    def standing_of(self, *user_ids: str) -> Standing:
        """See `Store.standing_of`."""
        ...

    def identity_of(self, user_id: str) -> Identity:
        """See `Store.identity_of`."""
        ...

    def events_of(self, user_id: str, since: datetime | None = None) -> list[Event]:
        """See `Store.events_of`."""
        ...

    def items(self, ids: Iterable[str]) -> list[Item]:
        """See `Store.items`."""
        ...


class Folds:
    """Folds by account, each brought up to date with the store before it is read, whichever process wrote there.

    Accounts that are linked are read together, unless the person keeps them apart. Those read longest ago go when there
    are too many. Safe for several threads.
    """

    def __init__(self, store: Acts, background: Callable[[], Background]) -> None:
        self._store = store
        self._background = background
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def holds(self, user_id: str) -> bool:
        """Whether the person's fold is kept."""
        return user_id in self._kept

    def read(self, user_id: str, make: Callable[[Fold, Mapping[str, Item]], _T]) -> _T:
        """What `make` makes of the person's fold and of the items that it knows. It must keep neither of the two."""
        kept, held = self._current(user_id)
        with kept.lock:
            if not self._caught_up(kept, held):
                kept.fold, kept.known = self._empty(user_id)
                self._take(kept, self._events(kept.accounts))
            made = make(kept.fold, kept.known)
        self._let_go()
        return made

    def hear(self, events: Iterable[Event]) -> None:
        """Fold in events just written, so that late ones need not be looked for."""
        for event in events:
            with self._lock:
                kept = self._kept.get(event.user_id)
            if kept is not None:
                with kept.lock:
                    self._take(kept, [event])

    def drop(self, user_id: str) -> None:
        """Keep nothing of the person."""
        with self._lock:
            self._kept.pop(user_id, None)

    def _current(self, user_id: str) -> tuple[_Kept, int]:
        """What is kept of the person, empty where it must be folded anew; and how many events there are to it."""
        with self._lock:
            kept = self._kept.get(user_id)
        standing = self._store.standing_of(*(kept.accounts if kept else (user_id,)))
        if kept is None or (kept.of, kept.links) != (standing.state, standing.links):
            accounts = self._accounts(user_id, standing.links)
            if kept is None or (kept.of, kept.accounts) != (standing.state, accounts):
                kept = _Kept(*self._empty(user_id), standing.state, standing.links, accounts)
            kept.links = standing.links
            standing = self._store.standing_of(*accounts)
        with self._lock:
            self._kept[user_id] = kept
            self._kept.move_to_end(user_id)
        return kept, standing.n_events

    def standing(self, user_id: str) -> Standing:
        """What changes whenever the person's fold does: how the accounts stand that are read for this one."""
        standing = self._store.standing_of(user_id)
        return self._store.standing_of(*self._accounts(user_id, standing.links)) if standing.links else standing

    def _accounts(self, user_id: str, links: str | None) -> tuple[str, ...]:
        """The accounts whose events speak for this one, as long as links stay the same."""
        return (user_id,) if links is None else self._store.identity_of(user_id).read

    def _events(self, accounts: Iterable[str], since: datetime | None = None) -> Iterator[Event]:
        return (event for account in accounts for event in self._store.events_of(account, since))

    def _empty(self, user_id: str) -> tuple[Fold, dict[str, Item]]:
        known: dict[str, Item] = {}
        return Fold(user_id, known, self._background()), known

    def _caught_up(self, kept: _Kept, held: int) -> bool:
        """Fold in what was written since; False where the store holds other events than can have come so."""
        if held < len(kept.fold):  # another thread may have folded in what was written meanwhile
            held = self._store.standing_of(*kept.accounts).n_events
        if held > len(kept.fold):
            newest = kept.fold.newest
            self._take(kept, self._events(kept.accounts, newest.at if newest else None))
            return len(kept.fold) >= held
        return len(kept.fold) == held

    def _take(self, kept: _Kept, events: Iterable[Event]) -> None:
        fresh = [event for event in events if event.event_id not in kept.fold]
        unknown = {event.item_id for event in fresh if event.item_id is not None} - kept.known.keys()
        kept.known.update((item.item_id, item) for item in self._store.items(unknown))
        for event in fresh:
            kept.fold.add(event)

    def _let_go(self) -> None:
        with self._lock:
            while len(self._kept) > 1 and (
                len(self._kept) > MOST_PEOPLE or sum(len(kept.fold) for kept in self._kept.values()) > MOST_EVENTS
            ):
                self._kept.popitem(last=False)
