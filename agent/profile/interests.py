"""A person's interest in tags. Pure.

Today a share of evidence per tag; the seam for a full posterior is `interests_from`: same input, same kind of output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from agent.types import Item


def interests_from(liked: Iterable[tuple[Item, float]]) -> Mapping[str, float]:
    """The share of each tag in what a person liked, largest first, ties by name; sums to 1, empty without tags.

    Each item spreads its strength (above 0) evenly over its tags, so an item with many tags says less about each.
    """
    mass: Counter[str] = Counter()
    for item, strength in liked:
        for tag in item.tags:
            mass[tag] += strength / len(item.tags)  # type: ignore[assignment]  # Counter holds any number
    total = sum(mass.values())
    return {tag: share / total for tag, share in sorted(mass.items(), key=lambda kv: (-kv[1], kv[0]))} if total else {}
