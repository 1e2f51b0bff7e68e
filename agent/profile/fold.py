"""From events to a profile: a pure fold, one event at a time, that depends on the multiset of events only."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Generic, TypeVar

from agent.profile.evidence import CHOSEN
from agent.profile.identity import ON_ACCOUNTS
from agent.profile.interests import Interests
from agent.profile.ledger import Background, Ledger
from agent.types import Event, EventKind, Item, Profile, Reaction, Wish

# How much an act says for (or against) an item, in [-1, 1]. Judgements, not fits: explicit acts outweigh implicit ones.
STRENGTH: Mapping[EventKind, float] = {
    EventKind.LIKE: 1.0,
    EventKind.DISLIKE: -1.0,
    EventKind.PURCHASE: 0.8,
    EventKind.REVIEW: 0.4,
    EventKind.VIEW: 0.3,
    EventKind.CLICK: 0.2,
    EventKind.SKIP: -0.2,
}
EXPLICIT = frozenset({EventKind.LIKE, EventKind.DISLIKE, EventKind.RATE})
_UNSEEN = {EventKind.CLICK, EventKind.SKIP, EventKind.SEARCH, EventKind.MESSAGE, EventKind.INTEREST} | ON_ACCOUNTS
SEEN = frozenset(EventKind) - _UNSEEN
RATING_SCALES = (5.0, 10.0, 100.0)

_T = TypeVar("_T", Event, Reaction, Wish)


class Fold:
    """A person's events, taken one at a time: what is made of them never depends on the order in which they came.

    Taking one more touches its own item alone, but where a rating shows that the person's scale is another one. Items
    keep the tags they had when first taken: begin a new fold when the catalogue has changed. Not safe for threads.
    """

    def __init__(self, user_id: str, items: Mapping[str, Item], background: Background | None = None) -> None:
        self._user_id = user_id
        self._items = items
        against = background or Background()
        self._ledger, self._weigh = Ledger(against), against.weigh
        self._ids: set[str] = set()
        self._events, self._wishes = _Timeline[Event](), _Timeline[Wish]()
        self._liked, self._disliked = _Timeline[Reaction](), _Timeline[Reaction]()
        self._reactions: dict[str, Reaction] = {}
        self._decisive: dict[str, Event] = {}
        self._seen: set[str] = set()
        self._chosen: set[str] = set()
        self._ratings: tuple[float, float] | None = None  # the lowest and the highest
        self._top = top_of_scale(None)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, event_id: object) -> bool:
        return event_id in self._ids

    @property
    def events(self) -> tuple[Event, ...]:
        """All of them, oldest first, ties by event_id."""
        return tuple(self._events.rows)

    @property
    def newest(self) -> Event | None:
        """The last of `events`."""
        return self._events.rows[-1] if self._events.rows else None

    @property
    def reactions(self) -> list[Reaction]:
        """What the person thinks of each item they did anything with, strength 0 included; oldest first."""
        return sorted(self._reactions.values(), key=_when)

    def add(self, event: Event) -> bool:
        """Take one more event, however old; False for one that was taken before, which changes nothing."""
        if event.event_id in self._ids:
            return False
        self._ids.add(event.event_id)
        self._events.put(event)
        self._ledger.hear(event)
        wished = event.kind in (EventKind.SEARCH, EventKind.MESSAGE) and self._weigh(event)
        if wished and event.text and event.text.strip():
            self._wishes.put(Wish(text=event.text, event_id=event.event_id, at=event.at))
        if event.item_id is not None:
            self._act(event, event.item_id)
        return True

    def profile(self, now: datetime | None = None) -> Profile:
        """See `profile_from`."""
        interests = self.interests(now)
        return Profile.model_construct(  # each part was checked when it was made: again would take milliseconds
            user_id=self._user_id,
            liked=tuple(self._liked.rows),
            disliked=tuple(self._disliked.rows),
            seen=frozenset(self._seen),
            wishes=tuple(self._wishes.rows),
            interests=interests.means,
            pinned=interests.pinned,
        )

    def interests(self, now: datetime | None = None) -> Interests:
        """The posterior over tags at a moment, by default that of the newest evidence."""
        return self._ledger.interests(now)

    def _act(self, event: Event, item_id: str) -> None:
        """Take an act on an item: the newest explicit one decides, without one the strongest implicit one.

        What counts nothing by its platform only tells that the item was seen.
        """
        if event.kind in SEEN:
            self._seen.add(item_id)
        if not self._weigh(event):
            return
        if event.kind in CHOSEN:
            self._chosen.add(item_id)
        before = self._decisive.get(item_id)
        self._decisive[item_id] = event if before is None else max(before, event, key=self._authority)
        if event.kind is EventKind.RATE and event.value is not None:
            self._rated(event.value)
        self._react(item_id)

    def _rated(self, value: float) -> None:
        """Know of a rating; where it shows another scale, every rating means something else."""
        lowest, highest = self._ratings or (value, value)
        self._ratings = min(lowest, value), max(highest, value)
        if (top := top_of_scale(self._ratings)) != self._top:
            self._top = top
            for item_id in [i for i, event in self._decisive.items() if event.kind is EventKind.RATE]:
                self._react(item_id)

    def _react(self, item_id: str) -> None:
        decisive, before = self._decisive[item_id], self._reactions.get(item_id)
        weight = self._weigh(decisive)
        strength = weight * strength_of(decisive, self._top)
        reaction = Reaction(item_id=item_id, event_id=decisive.event_id, strength=strength, at=decisive.at)
        if before is not None and before.strength:
            (self._liked if before.strength > 0 else self._disliked).remove(before)
        if strength:
            (self._liked if strength > 0 else self._disliked).put(reaction)
        self._reactions[item_id] = reaction
        chosen = item_id in self._chosen
        self._ledger.react(reaction, self._items.get(item_id), chosen=chosen, weight=weight)

    def _authority(self, event: Event) -> tuple[bool, float, datetime, str]:
        explicit = event.kind in EXPLICIT
        said = 0.0 if explicit else self._weigh(event) * abs(STRENGTH.get(event.kind, 0.0))
        return explicit, said, event.at, event.event_id


def profile_from(
    user_id: str,
    events: Iterable[Event],
    items: Mapping[str, Item],
    background: Background | None = None,
    now: datetime | None = None,
) -> Profile:
    """A person's profile: what they liked, disliked, saw and asked for.

    Per item the newest explicit act (like, dislike, rating) decides; without one, the strongest implicit act does.
    An `event_id` that occurs twice counts once. Items that are not in `items` keep their reactions but add no interest.
    A rating counts against the middle of its scale: 1-5, 1-10 or 0-100, the smallest that holds all of the person's
    ratings, or 0-1 where none is above 1 and not all are 1. No events give an empty profile. Interests are those at
    `now`, by default the time of the newest evidence, against the `background`: without one, against no catalogue.
    """
    return fold_of(user_id, events, items, background).profile(now)


def fold_of(
    user_id: str, events: Iterable[Event], items: Mapping[str, Item], background: Background | None = None
) -> Fold:
    """The fold of these events, in any order."""
    fold = Fold(user_id, items, background)
    for event in events:
        fold.add(event)
    return fold


def strength_of(event: Event, top_rating: float) -> float:
    """How much an act says for (or against) its item, in [-1, 1], where ratings go up to `top_rating`."""
    if event.kind is not EventKind.RATE or event.value is None:
        return STRENGTH.get(event.kind, 0.0)
    middle = middle_of_scale(top_rating)
    return max(-1.0, min(1.0, (event.value - middle) / (top_rating - middle)))


def top_of_scale(ratings: tuple[float, float] | None) -> float:
    """The top of the scale on which the lowest and the highest rating stand; 5 without any."""
    lowest, highest = ratings or (5.0, 5.0)
    if highest <= 1 and lowest < 1:
        return 1.0
    return next((scale for scale in RATING_SCALES if highest <= scale), highest)


def middle_of_scale(top_rating: float) -> float:
    """The middle of the scale with this top: those up to 5 and 10 begin at 1, the others at 0."""
    return (top_rating + (1.0 if top_rating in (5.0, 10.0) else 0.0)) / 2


class _Timeline(Generic[_T]):
    """Rows in the order of time, ties by event_id."""

    def __init__(self) -> None:
        self.rows: list[_T] = []

    def put(self, row: _T) -> None:
        """Put one in its place."""
        insort(self.rows, row, key=_when)

    def remove(self, row: _T) -> None:
        """Take one out that is there."""
        del self.rows[bisect_left(self.rows, _when(row), key=_when)]


def _when(row: Event | Reaction | Wish) -> tuple[datetime, str]:
    return row.at, row.event_id
