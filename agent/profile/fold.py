"""From events to a profile: a pure fold that depends on the multiset of events only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from agent.profile.interests import interests_from
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
SEEN = frozenset(EventKind) - {EventKind.CLICK, EventKind.SKIP, EventKind.SEARCH, EventKind.MESSAGE}
RATING_SCALES = (5.0, 10.0, 100.0)


def profile_from(user_id: str, events: Iterable[Event], items: Mapping[str, Item]) -> Profile:
    """A person's profile: what they liked, disliked, saw and asked for.

    Per item the newest explicit act (like, dislike, rating) decides; without one, the strongest implicit act does.
    An `event_id` that occurs twice counts once. Items that are not in `items` keep their reactions but add no interest.
    A rating counts against the middle of its scale: 1-5, 1-10 or 0-100, the smallest that holds all of the person's
    ratings, or 0-1 where none is above 1 and not all are 1. No events give an empty profile.
    """
    ordered = sorted({e.event_id: e for e in events}.values(), key=lambda e: (e.at, e.event_id))
    by_item: dict[str, list[Event]] = defaultdict(list)
    for event in ordered:
        if event.item_id is not None:
            by_item[event.item_id].append(event)
    top = _top_of_scale([e.value for e in ordered if e.kind is EventKind.RATE and e.value is not None])
    reactions = sorted(
        (_reaction(item_id, acts, top) for item_id, acts in by_item.items()), key=lambda r: (r.at, r.event_id)
    )
    liked = tuple(r for r in reactions if r.strength > 0)
    return Profile(
        user_id=user_id,
        liked=liked,
        disliked=tuple(r for r in reactions if r.strength < 0),
        seen=frozenset(item_id for item_id, acts in by_item.items() if any(e.kind in SEEN for e in acts)),
        wishes=tuple(
            Wish(text=e.text, event_id=e.event_id, at=e.at)
            for e in ordered
            if e.kind in (EventKind.SEARCH, EventKind.MESSAGE) and e.text and e.text.strip()
        ),
        interests=interests_from((items[r.item_id], r.strength) for r in liked if r.item_id in items),
    )


def _reaction(item_id: str, acts: list[Event], top_rating: float) -> Reaction:
    explicit = [e for e in acts if e.kind in EXPLICIT]
    decisive = explicit[-1] if explicit else max(acts, key=lambda e: (abs(STRENGTH.get(e.kind, 0.0)), e.at, e.event_id))
    return Reaction(
        item_id=item_id, event_id=decisive.event_id, strength=_strength(decisive, top_rating), at=decisive.at
    )


def _strength(event: Event, top_rating: float) -> float:
    if event.kind is not EventKind.RATE or event.value is None:
        return STRENGTH.get(event.kind, 0.0)
    bottom = 1.0 if top_rating in (5.0, 10.0) else 0.0
    middle = (top_rating + bottom) / 2
    return max(-1.0, min(1.0, (event.value - middle) / (top_rating - middle)))


def _top_of_scale(ratings: Sequence[float]) -> float:
    highest = max(ratings, default=5.0)
    if highest <= 1 and set(ratings) != {1.0}:
        return 1.0
    return next((scale for scale in RATING_SCALES if highest <= scale), highest)
