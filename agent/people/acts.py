"""What a person tells in one go, or corrects, as events. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from agent.errors import ConfigError, NotFound
from agent.types import Event, EventKind

Act = tuple[EventKind, str, float | None]  # what was done, with which item, and the rating where it is one
Correction = tuple[str, float | None]  # a tag and its share: 0 to remove it, None to take an earlier word back

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


def corrections(
    user_id: str, told: Sequence[Correction], at: datetime, tags: Collection[str], held: Mapping[str, float]
) -> list[Event]:
    """A person's own words on their interests, in order, as events: each a microsecond newer than the one before.

    `tags` are those of the catalogue, found without regard to case; `held` are the shares the person set before.
    Raises NotFound for a tag of no item, ConfigError for what is no share, or where shares would sum to more than 1.
    """
    shares: dict[str, float | None] = dict(held)
    events = []
    for n, (tag, share) in enumerate(told):
        name = tag_named(tag, [*tags, *held])
        if share is not None and not 0 <= share <= 1:
            raise ConfigError(f"the interest in {name!r} is {share:g}", "Give a share from 0 to 1, such as 0.3")
        shares[name] = share
        moment = at + timedelta(microseconds=n)
        events.append(Event(user_id=user_id, kind=EventKind.INTEREST, text=name, value=share, at=moment))
    total = sum(share or 0.0 for share in shares.values())
    if total > 1 + 1e-9:
        listed = ", ".join(f"{tag} {share:g}" for tag, share in shares.items() if share)
        raise ConfigError(
            f"the shares set by hand make {total:g}: {listed}", "Keep them at 1 in sum: lower or reset one"
        )
    return events


def tag_named(tag: str, tags: Sequence[str]) -> str:
    """The tag as the catalogue spells it, whatever the case. Raises NotFound with the nearest there are."""
    by_name = {known.casefold(): known for known in tags}
    wanted = tag.strip().casefold()
    if wanted not in by_name:
        near = difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(by_name[name] for name in near)}?" if near else "See: palate profile USER"
        raise NotFound(f"no item carries the tag {tag.strip()!r}", hint)
    return by_name[wanted]
