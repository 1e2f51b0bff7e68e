"""From a profile to the questions recall asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from agent.types import Profile, Query, Vector

SIMILAR = 3  # how many of the newest liked items ask for their own neighbours
WISH_WEIGHT = 2.0
SIMILAR_WEIGHT = 0.5
SET_WEIGHT = 2.0  # of an interest set by hand, times its share


def queries_for(
    profile: Profile, wish: str | None, taste: Vector | None, vectors: Mapping[str, Vector], names: Mapping[str, str]
) -> list[Query]:
    """What to ask the catalogue, most telling first: the wish, the taste, interests set by hand, what resembles likes.

    `vectors` and `names` cover the liked items that the catalogue knows. Empty for a person of whom nothing is known.
    """
    asked: list[Query] = []
    if wish:
        asked.append(Query(source="wish", why=f"you asked for: {wish}", text=wish, weight=WISH_WEIGHT))
    if taste is not None:
        asked.append(Query(source="taste", why="close to what you like in sum", vector=taste))
    return asked + _set_by_hand(profile) + _similar(profile, vectors, names)


def _set_by_hand(profile: Profile) -> list[Query]:
    """A query for each interest that the person set above 0, weighing twice its share, at most 1."""
    return [
        Query(
            source=f"interest:{tag}",
            why=f"you set your interest in {tag} to {share:.0%}",
            text=tag,
            weight=min(1.0, SET_WEIGHT * share),
        )
        for tag, share in sorted(profile.pinned.items(), key=lambda pair: (-pair[1], pair[0]))
        if share
    ]


def _similar(profile: Profile, vectors: Mapping[str, Vector], names: Mapping[str, str]) -> list[Query]:
    recent = [r.item_id for r in reversed(profile.liked) if r.item_id in vectors][:SIMILAR]
    return [
        Query(source=f"similar:{i}", why=f"resembles {names[i]}", vector=vectors[i], weight=SIMILAR_WEIGHT)
        for i in recent
    ]
