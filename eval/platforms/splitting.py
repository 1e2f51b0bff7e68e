"""A data set as if it were two platforms: disjoint catalogues, and an account on each for everyone. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.errors import ConfigError
from agent.types import Event, EventKind, Item
from eval.cases import DataSet
from eval.chance import part_of
from eval.past import Past

KNOWN, NEW = "known", "new"  # the two platforms: where people are known, and where those who are judged are new
SPLITS = {
    "hash": "items by a hash of their id",
    "year": f"{KNOWN}: older items; {NEW}: those of the median year and later",
    "tag": f"{KNOWN}: items with the tag that halves the catalogue best; {NEW}: all others",
}
LEAST_ACTS = 5  # on the known platform, of people who are judged


@dataclass(frozen=True)
class Split:
    """The catalogue with a platform for every item, and what people did there.

    `teachers` are known on both platforms; `judged` are known on the first alone, and `liked` is what they like on the
    second.
    """

    items: Mapping[str, Item]
    teachers: Sequence[str]
    judged: Sequence[str]
    liked: Mapping[str, tuple[str, ...]]
    past: Past

    def events(self) -> Iterator[Event]:
        """What the teachers did on both platforms, linked; and what the judged did on the known one, not linked."""
        teaching, judged = frozenset(self.teachers), frozenset(self.judged)
        for event in self.past.events():
            platform = self.items[event.item_id or ""].platform
            if event.user_id in teaching or (event.user_id in judged and platform == KNOWN):
                named = {"user_id": account(platform, event.user_id), "platform": platform}
                yield event.model_copy(update=named)
        for user_id in self.teachers:
            one, other = (account(platform, user_id) for platform in (KNOWN, NEW))
            yield Event(event_id=f"link-{user_id}", user_id=one, kind=EventKind.LINK, text=other)


def account(platform: str, user_id: str) -> str:
    """The name of a person's account on a platform."""
    return f"{platform}:{user_id}"


def split_of(dataset: DataSet, how: str, seed: int, limit: int | None = None) -> Split:
    """The data set cut in two, half of the people (by a hash of their name) to be judged, at most `limit` of them.

    What the judged like there is liked or rated above the middle of 1 to 5. Popularity of items is the number of
    teachers who met them. Raises ConfigError where there is nobody to judge, or nothing to cut by.
    """
    platforms, past = _platforms(list(dataset.items.values()), how, seed), dataset.past
    rest, teachers = ([u for u in past.users if part_of(2, seed, "teaches", u) == half] for half in (0, 1))
    liked: dict[str, tuple[str, ...]] = {}
    acts: Counter[str] = Counter()
    for event in past.events():
        if event.item_id is not None:
            acts[event.user_id] += platforms[event.item_id] == KNOWN
            if platforms[event.item_id] == NEW and _likes(event):
                liked[event.user_id] = (*liked.get(event.user_id, ()), event.item_id)
    judged = [user_id for user_id in rest if user_id in liked and acts[user_id] >= LEAST_ACTS][:limit]
    if len(judged) < 2 or len(teachers) < 2:
        raise ConfigError(
            f"{len(judged)} people of {dataset.name} could be judged on a new platform", "Give data with more events"
        )
    met = Counter(item_id for user_id in teachers for item_id in past.met(user_id))
    items = {
        item_id: item.model_copy(update={"platform": platforms[item_id], "popularity": float(met[item_id])})
        for item_id, item in dataset.items.items()
    }
    return Split(items, teachers, judged, liked, past)


def _likes(event: Event) -> bool:
    rated = event.kind is EventKind.RATE and event.value is not None and event.value > 3
    return rated or event.kind in (EventKind.LIKE, EventKind.PURCHASE)


def _platforms(items: Sequence[Item], how: str, seed: int) -> Mapping[str, str]:
    """The platform of each item."""
    if how == "hash":
        return {item.item_id: (KNOWN, NEW)[part_of(2, seed, "platform", item.item_id)] for item in items}
    if how == "year":
        years = sorted(item.year for item in items if item.year is not None)
        if not years or years[0] == years[-1]:
            raise ConfigError("the items have no years to cut them by", f"Cut another way: {', '.join(SPLITS)}")
        middle = years[len(years) // 2]
        return {item.item_id: NEW if item.year is not None and item.year >= middle else KNOWN for item in items}
    if how != "tag":
        raise ConfigError(f"a catalogue cannot be cut by {how!r}", f"Cut it by one of: {', '.join(SPLITS)}")
    counts = Counter(tag for item in items for tag in set(item.tags))
    if not counts:
        raise ConfigError("the items have no tags to cut them by", f"Cut another way: {', '.join(SPLITS)}")
    tag = min(counts, key=lambda name: (abs(counts[name] - len(items) / 2), name))
    return {item.item_id: KNOWN if tag in item.tags else NEW for item in items}
