"""How much of one person counts: so many items at most, drawn by lot; and the sums over people, in whole numbers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from agent.types import Item

UNITS = 840  # what one like is worth, so that it can be shared evenly among up to eight tags


def bounded(items: Iterable[str], most: int, lot: str) -> list[str]:
    """At most so many of the items, each once; the same ones for the same items and the same `lot`.

    Which ones depends on this person's items alone, so that one person more or less moves nobody else's.
    """
    ordered = sorted(set(items))
    return ordered if len(ordered) <= most else sorted(random.Random(lot).sample(ordered, most))


def people_by_item(people: Iterable[Sequence[str]], catalogue: Iterable[str]) -> dict[str, int]:
    """How many people have each item of the catalogue, also those that nobody has: which it is tells nothing."""
    counts = Counter(item_id for items in people for item_id in items)
    return {item_id: counts[item_id] for item_id in catalogue}


def likes_by_tag(people: Iterable[Sequence[str]], catalogue: Mapping[str, Item]) -> dict[str, int]:
    """How many likes fall to each tag of the catalogue, in `UNITS`: an item is shared out evenly, rounded down.

    A person with n items moves the sum over all tags by n * UNITS at most.
    """
    counts: Counter[str] = Counter({tag: 0 for item in catalogue.values() for tag in item.tags})
    for items in people:
        for item_id in items:
            tags = set(catalogue[item_id].tags)
            counts.update({tag: UNITS // len(tags) for tag in tags})
    return dict(sorted(counts.items()))
