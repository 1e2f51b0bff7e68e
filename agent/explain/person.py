"""The person a reason speaks to: their items and the acts that may be told, their wish, what is rare in all. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.explain.facts import Fact, Role, facts_of
from agent.types import Event, EventKind, Item, Profile

Act = Literal["liked", "rated", "bought", "viewed", "reviewed", "known"]
Because = Callable[[Sequence[str], str], str | None]
"""Of a person's items (ids, oldest first), the one that people took up together with an item most; None: none is."""

MAX_CITED = 60  # the person's items looked at: the newest
_ACTS: dict[EventKind, Act] = {
    EventKind.LIKE: "liked",
    EventKind.RATE: "rated",
    EventKind.PURCHASE: "bought",
    EventKind.VIEW: "viewed",
    EventKind.REVIEW: "reviewed",
}


@dataclass(frozen=True, slots=True)
class Cited:
    """One of the person's own items, with the act a sentence may claim. `rating` is the figure they gave, if any."""

    item: Item
    event_id: str
    act: Act
    rating: str | None
    strength: float


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a person where reasons are sought: their items (oldest first), wish, how rare each fact is.

    `facts` are those of their items and of the items to explain, by id; `usual` is the tag that most of theirs hold.
    `because` is what behaviour taught, None where nothing was learned.
    """

    user_id: str
    cited: tuple[Cited, ...]
    wish: str
    wish_event: str | None
    facts: Mapping[str, Sequence[Fact]]
    rarity: Mapping[tuple[Role, str], float]
    usual: Fact | None
    because: Because | None = None

    def rareness(self, facts: Iterable[Fact]) -> float:
        """How much these facts say in sum: those that few of the items at hand hold say more."""
        return sum(self.rarity[fact.key] for fact in facts)

    def praised(self) -> list[Item]:
        """The items that a sentence may call liked: liked, rated well or bought, not merely seen."""
        return [cited.item for cited in self.cited if cited.act in ("liked", "rated", "bought")]


def person_from(
    profile: Profile,
    liked: Mapping[str, Item],
    items: Sequence[Item],
    wish: str | None,
    events: Iterable[Event] = (),
    because: Because | None = None,
) -> Person:
    """What reasons are sought against. `liked` holds the person's items by id; ids that it lacks are passed over.

    `events` say in which words a liking may be told (liked, rated, bought ...). Without them only the strongest
    reactions are called liked, all others are merely known.
    """
    by_id = {event.event_id: event for event in events}
    cited = tuple(
        _cited(liked[r.item_id], r.event_id, r.strength, by_id.get(r.event_id))
        for r in profile.liked[-MAX_CITED:]
        if r.item_id in liked
    )
    pool = {item.item_id: item for item in (*(c.item for c in cited), *items)}
    facts = {item_id: facts_of(item) for item_id, item in pool.items()}
    known = Counter(fact.key for of_one in facts.values() for fact in of_one)
    rarity = {key: math.log((len(pool) + 1) / (count + 0.5)) + 0.15 for key, count in known.items()}
    told = next((w.event_id for w in reversed(profile.wishes) if wish and w.text.strip() == wish.strip()), None)
    return Person(profile.user_id, cited, (wish or "").strip(), told, facts, rarity, _usual(cited, facts), because)


def _cited(item: Item, event_id: str, strength: float, event: Event | None) -> Cited:
    if event is None:
        return Cited(item, event_id, "liked" if strength >= 1 else "known", None, strength)
    rating = f"{event.value:g}" if event.kind is EventKind.RATE and event.value is not None else None
    return Cited(item, event_id, _ACTS.get(event.kind, "known"), rating, strength)


def _usual(cited: Sequence[Cited], facts: Mapping[str, Sequence[Fact]]) -> Fact | None:
    held: Counter[tuple[Role, str]] = Counter()
    spelling: dict[tuple[Role, str], Fact] = {}
    for one in cited:
        for fact in facts[one.item.item_id]:
            if fact.role == "tag":
                held[fact.key] += 1
                spelling.setdefault(fact.key, fact)
    best = max(held.items(), key=lambda entry: (entry[1], entry[0]), default=None)
    return spelling[best[0]] if best and (best[1] > 1 or len(cited) == 1) else None
