"""A few films and a person who likes some of them, for the tests of reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from agent.profile.fold import profile_from
from agent.types import Attribute, Event, EventKind, Item, Profile

START = datetime(2026, 1, 1, tzinfo=UTC)


def film(
    title: str, year: int, tags: str, text: str = "", language: str | None = None, **attributes: Attribute
) -> Item:
    """A film; `tags` is one text with commas, people are tuples or texts as given."""
    item_id = f"{title}-{year}".lower().replace(" ", "-")
    names = tuple(tag.strip() for tag in tags.split(",") if tag.strip())
    return Item(
        item_id=item_id, title=title, tags=names, text=text, language=language, attributes={"year": year, **attributes}
    )


HEAT = film("Heat", 1995, "Crime, Drama, Thriller", director="Michael Mann", cast=("Al Pacino", "Robert De Niro"))
COLLATERAL = film(
    "Collateral", 2004, "Crime, Drama, Thriller", "A cab driver meets a hitman at night.",
    director="Michael Mann", cast="Tom Cruise, Jamie Foxx",
)  # fmt: skip
TOY_STORY = film("Toy Story", 1995, "Animation, Comedy, Family", director="John Lasseter", country="United States")
NEMO = film("Finding Nemo", 2003, "Animation, Comedy, Family", director="Andrew Stanton", reviews=4512)
ALIEN = film("Alien", 1979, "Horror, Sci-Fi", director="Ridley Scott", country="United Kingdom")
BLADE_RUNNER = film("Blade Runner", 1982, "Sci-Fi, Thriller", director="Ridley Scott", oscars=0)
BABE = film("Babe", 1995, "Comedy, Family", country="Australia", oscars=1)
WESTERN = film("Shane", 1953, "Western", director="George Stevens", tomatometer=97)
FILMS = (HEAT, COLLATERAL, TOY_STORY, NEMO, ALIEN, BLADE_RUNNER, BABE, WESTERN)
TAGS = frozenset(tag for item in FILMS for tag in item.tags) | {"Romance", "War", "History", "Musical"}


def event(event_id: str, kind: EventKind, item: Item, value: float | None = None, day: int = 0) -> Event:
    """One act of `ada`."""
    at = START + timedelta(days=day)
    return Event(event_id=event_id, user_id="ada", kind=kind, item_id=item.item_id, value=value, at=at)


def acts(
    likes: Sequence[Item] = (), ratings: Mapping[str, tuple[Item, float]] | None = None, **kinds: Item
) -> list[Event]:
    """Events of `ada`, a day apart: likes, ratings by event id, and further kinds by name (`view=ALIEN`)."""
    events = [event(f"like-{n}", EventKind.LIKE, item, day=n) for n, item in enumerate(likes)]
    for event_id, (item, value) in (ratings or {}).items():
        events.append(event(event_id, EventKind.RATE, item, value, len(events)))
    for kind, item in kinds.items():
        events.append(event(f"{kind}-0", EventKind(kind), item, day=len(events)))
    return events


def told(events: Sequence[Event]) -> tuple[Profile, dict[str, Item]]:
    """The profile that these events make, and the items they speak of."""
    known = {item.item_id: item for item in FILMS}
    profile = profile_from("ada", events, known)
    return profile, {r.item_id: known[r.item_id] for r in (*profile.liked, *profile.disliked)}
