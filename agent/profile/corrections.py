"""What people say themselves about their interests: the newest word on a tag outweighs all acts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agent.types import Event, EventKind, Item, Profile, Reaction

MAX_RATE = 0.98  # of items like those a person likes that may carry a tag
REMOVED_RATE = 0.05  # of the catalogue's rate that is left to a tag the person removed


def corrections_of(events: Iterable[Event]) -> Mapping[str, Event]:
    """The newest correction of each tag that holds a share, by name; a reset takes back what was said before.

    Ties in time are decided by event_id, so the order of the events does not matter.
    """
    newest: dict[str, Event] = {}
    for event in events:
        if event.kind is EventKind.INTEREST and event.text:
            tag = event.text.strip()
            if tag not in newest or event.dated > newest[tag].dated:
                newest[tag] = event
    return {tag: event for tag, event in sorted(newest.items()) if event.value is not None}


def shares_of(corrections: Mapping[str, Event]) -> Mapping[str, float]:
    """The share that each correction holds a tag to; 0 for a tag that was removed."""
    return {tag: event.value for tag, event in corrections.items() if event.value is not None}


def told_rates(pinned: Mapping[str, float], rates: Mapping[str, float]) -> Mapping[str, float]:
    """How often items for this person carry each corrected tag, where `rates` says how often the catalogue's do.

    A share s of the interests means that a tag stands on s times as many items as an item has tags on average. Tags
    that no item carries are left out.
    """
    tags_an_item = sum(rates.values())
    return {
        tag: min(MAX_RATE, max(share * tags_an_item, REMOVED_RATE * rates[tag]))
        for tag, share in pinned.items()
        if tag in rates
    }


def removed_of(pinned: Mapping[str, float]) -> frozenset[str]:
    """The tags that the person took out of their interests."""
    return frozenset(tag for tag, share in pinned.items() if not share)


def only_removed(item: Item, pinned: Mapping[str, float]) -> bool:
    """Whether the person removed every tag of the item; never for an item without tags."""
    return bool(item.tags) and removed_of(pinned).issuperset(item.tags)


def heeded(profile: Profile, items: Mapping[str, Item]) -> Profile:
    """The profile as it steers recall and ranking: its reactions say nothing of tags that the person removed."""
    if not removed_of(profile.pinned):
        return profile
    liked, disliked = (tempered(some, items, profile.pinned) for some in (profile.liked, profile.disliked))
    return profile.model_copy(update={"liked": liked, "disliked": disliked})


def tempered(
    reactions: Sequence[Reaction], items: Mapping[str, Item], pinned: Mapping[str, float]
) -> tuple[Reaction, ...]:
    """The reactions to items that are known, less what they say of removed tags.

    A reaction keeps the share of its strength that the item's other tags have; one left with nothing is dropped.
    """
    removed = removed_of(pinned)
    known = [r for r in reactions if r.item_id in items]
    if not removed:
        return tuple(known)
    left = [(r, _left(items[r.item_id], removed)) for r in known]
    return tuple(r.model_copy(update={"strength": r.strength * share}) for r, share in left if share)


def _left(item: Item, removed: frozenset[str]) -> float:
    tags = set(item.tags)
    return len(tags - removed) / len(tags) if tags else 1.0
