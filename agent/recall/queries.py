"""From a profile to the questions recall asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from agent.types import Profile, Query, Vector

SIMILAR = 3  # how many of the newest liked items ask for their own neighbours
WISH_WEIGHT = 2.0
SIMILAR_WEIGHT = 0.5


def queries_for(
    profile: Profile, wish: str | None, taste: Vector | None, vectors: Mapping[str, Vector], names: Mapping[str, str]
) -> list[Query]:
    """What to ask the catalogue, most telling first: the wish, the taste, what resembles recent likes.

    `vectors` and `names` cover the liked items that the catalogue knows. Empty for a person of whom nothing is known.
    """
    asked: list[Query] = []
    if wish:
        asked.append(Query(source="wish", why=f"you asked for: {wish}", text=wish, weight=WISH_WEIGHT))
    if taste is not None:
        asked.append(Query(source="taste", why="close to what you like in sum", vector=taste))
    return asked + _similar(profile, vectors, names)


def _similar(profile: Profile, vectors: Mapping[str, Vector], names: Mapping[str, str]) -> list[Query]:
    recent = [r.item_id for r in reversed(profile.liked) if r.item_id in vectors][:SIMILAR]
    return [
        Query(source=f"similar:{i}", why=f"resembles {names[i]}", vector=vectors[i], weight=SIMILAR_WEIGHT)
        for i in recent
    ]
