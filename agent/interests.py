"""Where a person's interests are read: their events from the store, seen against the catalogue."""

from __future__ import annotations

from datetime import datetime

from agent.parts import Parts
from agent.profile.fold import fold_of
from agent.profile.interests import Interests


def interests_from(parts: Parts, user_id: str, now: datetime | None = None) -> Interests:
    """The posterior of a person as their events tell, against the catalogue; the prior for someone unknown."""
    events = parts.store.events_of(user_id)
    ids = {event.item_id for event in events if event.item_id is not None}
    known = {item.item_id: item for item in parts.store.items(ids)}
    return fold_of(user_id, events, known, parts.background).interests(now)
