"""JSON shapes that the command line and the server share (docs/json.md, docs/server.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from agent.profile.posterior import LEVEL
from agent.types import Event, Item, Profile, Reaction, Slate

if TYPE_CHECKING:
    from agent.people.people import People
    from agent.profile.interests import Contribution, Interests
    from agent.store.stored import Forgotten


def profile_json(taste: Profile, interests: Interests, names: Mapping[str, str]) -> dict[str, Any]:
    """What is known of a person's taste; `names` are those of the items it speaks of, by item_id."""
    means = interests.means
    return {
        "user": taste.user_id,
        "interests": dict(means),
        "level": LEVEL,
        "intervals": {tag: list(interests.posterior.intervals()[tag]) for tag in means} if means else {},
        "entropy_nats": interests.posterior.entropy_nats if means else None,
        "pinned": dict(taste.pinned),
        "liked": [reaction_json(reaction, names) for reaction in taste.liked],
        "disliked": [reaction_json(reaction, names) for reaction in taste.disliked],
        "seen": sorted(taste.seen),
        "wishes": [{"text": wish.text, "at": wish.at.isoformat()} for wish in taste.wishes],
    }


def reaction_json(reaction: Reaction, names: Mapping[str, str]) -> dict[str, Any]:
    """What a person's acts on one item come to."""
    return {
        "item_id": reaction.item_id,
        "title": names.get(reaction.item_id),
        "strength": reaction.strength,
        "at": reaction.at.isoformat(),
    }


def standing_json(tag: str, interests: Interests) -> dict[str, Any]:
    """How one interest stands: its share, the interval of it, and what the person said."""
    posterior = interests.posterior
    low, high = posterior.intervals().get(tag, (0.0, 0.0))
    return {
        "tag": tag,
        "mean": posterior.means.get(tag, 0.0),
        "low": low,
        "high": high,
        "pinned": interests.pinned.get(tag),
        "alpha": float(posterior.alpha[posterior.tags.index(tag)]),
    }


def contributions_json(people: People, user_id: str, tag: str, interests: Interests) -> list[dict[str, Any]]:
    """What an interest rests on, part by part, largest first. Raises NotFound for a tag that no item bears."""
    events = {event.event_id: event for event in people.events(user_id)}
    ids = {event.item_id for event in events.values() if event.item_id is not None}
    items = {item.item_id: item for item in people.parts.store.items(ids)}
    return [_contribution_json(part, events, items) for part in interests.contributions(tag)]


def _contribution_json(part: Contribution, events: Mapping[str, Event], items: Mapping[str, Item]) -> dict[str, Any]:
    event = events.get(part.event_id or "")
    item = items.get(event.item_id or "") if event is not None else None
    return {
        "event_id": part.event_id,
        "kind": None if event is None else event.kind.value,
        "title": None if item is None else item.name,
        "text": None if event is None else event.text,
        "value": None if event is None else event.value,
        "at": None if event is None else event.at.isoformat(),
        "amount": part.amount,
    }


def names_in(people: People, taste: Profile) -> dict[str, str]:
    """The names of the items that a profile speaks of, by item_id."""
    named = {reaction.item_id for reaction in (*taste.liked, *taste.disliked)}
    return {item.item_id: item.name for item in people.parts.store.items(named)}


def event_json(event: Event, items: Mapping[str, Item]) -> dict[str, Any]:
    """One act; its title where the item is among these."""
    item = items.get(event.item_id or "")
    return {
        "event_id": event.event_id,
        "kind": event.kind.value,
        "item_id": event.item_id,
        "title": None if item is None else item.name,
        "value": event.value,
        "at": event.at.isoformat(),
    }


def forgotten_json(user_id: str, gone: Forgotten) -> dict[str, Any]:
    """What was erased of a person, and which accounts of theirs remain."""
    counts = {"events": gone.events, "turns": gone.turns, "links": gone.links}
    receipt = None if gone.receipt is None else gone.receipt.as_json()
    return {"user": user_id, **counts, "remaining": list(gone.remaining), "receipt": receipt}


def item_json(item: Item) -> dict[str, Any]:
    """An item's own fields, and its `name`: the title, with the year where it is known."""
    return {**item.model_dump(mode="json"), "name": item.name}


def items_json(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Several items."""
    return [item_json(item) for item in items]


def slate_json(slate: Slate) -> dict[str, Any]:
    """A slate as `palate recommend --json` writes it, with each item's own fields, the wish and the prompts."""
    body = slate.as_json()
    for row, recommendation in zip(body["recommendations"], slate, strict=True):
        row["item"] = item_json(recommendation.item)
    return body | {"wish": slate.wish, "prompts": dict(slate.prompts)}
