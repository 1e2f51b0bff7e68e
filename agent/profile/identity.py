"""Which accounts are one person: joined by explicit links, each of which can be taken back. Pure.

A link or unlink is an event of one account that names another. For each two accounts the newest word counts, ties by
event_id; the accounts that links in force connect are one person's. No order of arrival matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from agent.types import Event, EventKind

ON_ACCOUNTS = frozenset({EventKind.LINK, EventKind.UNLINK, EventKind.APART})
"""Events that say which accounts are one person's, and whether these are kept apart; they say nothing of taste."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the person of one account is: all their accounts, that one first and the others by id.

    `links` are those in force between them, each with the event that made it; `word` is the newest event, of whichever
    account, on keeping them apart.
    """

    user_id: str
    accounts: tuple[str, ...]
    links: Mapping[Pair, Event]
    word: Event | None

    @property
    def apart(self) -> bool:
        """Whether the person wants what they do under one account kept from the others."""
        return self.word is not None and named(self.word) == "yes"

    @property
    def read(self) -> tuple[str, ...]:
        """The accounts whose events speak for this one."""
        return (self.user_id,) if self.apart else self.accounts

    @property
    def others(self) -> tuple[str, ...]:
        """The person's other accounts."""
        return self.accounts[1:]

    def each_apart(self, accounts: Iterable[str]) -> list[Event]:
        """That they are kept apart as the own word of each of these accounts that has not said it; none if together.

        So that it still holds where the account that said it is gone. A microsecond newer than the word itself: it
        counts before all that they said until then.
        """
        if self.word is None or not self.apart:
            return []
        at, by = self.word.at + timedelta(microseconds=1), self.word.user_id
        return [Event(user_id=one, kind=EventKind.APART, text="yes", at=at) for one in accounts if one != by]


def identity_of(user_id: str, told: Iterable[Event], at: datetime | None = None) -> Identity:
    """The person of an account, by all that was told of links up to a moment, by default by all of it.

    `told` may hold other events, and links of others. The newest word of any account of theirs on keeping them apart
    counts for them all.
    """
    known = [event for event in told if event.kind in ON_ACCOUNTS and (at is None or event.at <= at)]
    links = links_in_force(known)
    together = Joined()
    for one, other in links:
        together.join(one, other)
    accounts = together.with_(user_id)
    theirs = {pair: event for pair, event in links.items() if pair[0] in accounts}
    apart = [event for event in known if event.kind is EventKind.APART and event.user_id in accounts]
    newest = max(apart, key=attrgetter("dated"), default=None)
    ordered = (user_id, *sorted(accounts - {user_id}))
    return Identity(user_id, ordered, theirs, newest)


def people_of(accounts: Iterable[str], told: Iterable[Event], *, whole: bool = False) -> list[tuple[str, ...]]:
    """The accounts by person, those together whose events are read together; in their order, by each one's first.

    Accounts of someone who keeps them apart stand alone, unless people are wanted `whole`, as all do that no link
    connects.
    """
    known = list(told)
    together = Joined()
    for one, other in links_in_force(known):
        together.join(one, other)
    newest: dict[str, Event] = {}
    for event in sorted((event for event in known if event.kind is EventKind.APART), key=attrgetter("dated")):
        newest[together.name_of(event.user_id)] = event
    found: dict[str, list[str]] = {}
    for account in accounts:
        name = together.name_of(account)
        apart = not whole and name in newest and named(newest[name]) == "yes"
        found.setdefault(f"apart {account}" if apart else f"together {name}", []).append(account)
    return [tuple(theirs) for theirs in found.values()]


def parted(accounts: Iterable[str], before: Iterable[Event], after: Iterable[Event]) -> set[str]:
    """Those of the accounts that were read together with one of them that they are no longer read together with."""
    known = list(accounts)
    now = {account: set(theirs) for theirs in people_of(known, after) for account in theirs}
    return {account for theirs in people_of(known, before) for account in theirs if not set(theirs) <= now[account]}


def links_in_force(told: Iterable[Event]) -> Mapping[Pair, Event]:
    """The links that were not taken back, each as two account ids in order, with the event that made it."""
    newest: dict[Pair, Event] = {}
    for event in told:
        if event.kind in (EventKind.LINK, EventKind.UNLINK):
            pair = pair_of(event.user_id, named(event))
            if pair not in newest or event.dated > newest[pair].dated:
                newest[pair] = event
    return {pair: event for pair, event in sorted(newest.items()) if event.kind is EventKind.LINK}


def pair_of(one: str, other: str) -> Pair:
    """Two accounts, whichever of them names the other."""
    return (one, other) if one < other else (other, one)


def named(event: Event) -> str:
    """The account that a link or unlink names."""
    return (event.text or "").strip()


class Joined:
    """Accounts in sets that grow together (union-find with path halving; Tarjan and van Leeuwen 1984)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, one: str, other: str) -> None:
        """From now on the sets of the two are one."""
        first, second = sorted((self.name_of(one), self.name_of(other)))
        self._parent[second] = first

    def with_(self, account: str) -> frozenset[str]:
        """The set that the account is in, itself included."""
        root = self.name_of(account)
        return frozenset(other for other in list(self._parent) if self.name_of(other) == root)

    def name_of(self, account: str) -> str:
        """The one account that stands for the set that this one is in."""
        self._parent.setdefault(account, account)
        while self._parent[account] != account:
            self._parent[account] = account = self._parent[self._parent[account]]
        return account
