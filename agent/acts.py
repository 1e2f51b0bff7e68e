"""What a person tells in one go, as events. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from agent.errors import ConfigError
from agent.types import Event, EventKind

Act = tuple[EventKind, str, float | None]  # what was done, with which item, and the rating where it is one

LOWEST, HIGHEST = 1, 5


def rated_acts(ratings: Mapping[str, float]) -> list[Act]:
    """Ratings by title as acts. Raises ConfigError for a rating that is not between 1 and 5."""
    for title, rating in ratings.items():
        if not LOWEST <= rating <= HIGHEST:
            raise ConfigError(f"{title!r} is rated {rating:g}", f"A rating is a number from {LOWEST} to {HIGHEST}")
    return [(EventKind.RATE, title, rating) for title, rating in ratings.items()]


def events_of_acts(user_id: str, acts: Sequence[Act], at: datetime) -> list[Event]:
    """One event an act, by item id, in order: each a microsecond newer than the one before, the first at `at`."""
    return [
        Event(user_id=user_id, kind=kind, item_id=item_id, value=value, at=at + timedelta(microseconds=n))
        for n, (kind, item_id, value) in enumerate(acts)
    ]
