"""From what a person likes to the questions recall asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent.recall.weights import SHIPPED
from agent.types import Query, Vector

WISH_WEIGHT = SHIPPED["wish"]
SET_WEIGHT = 2.0  # of an interest set by hand, times its share
LEANING = 0.7  # how much of a centre's query is the whole taste: a centre of a few items alone finds too little
NAMED = 3  # items that stand for a centre


class Around(NamedTuple):
    """A centre of a taste: its unit vector, its share of what all likes weigh, its items' names, heaviest first."""

    vector: Vector
    mass: float
    names: Sequence[str]


def queries_for(
    wish: str | None, taste: Vector | None, centres: Sequence[Around], pinned: Mapping[str, float]
) -> list[Query]:
    """What to ask the catalogue, most telling first: the wish, the taste, interests set by hand, the taste's centres.

    Empty for a person of whom nothing is known.
    """
    asked: list[Query] = []
    if wish:
        asked.append(Query(source="wish", why=f"you asked for: {wish}", text=wish, weight=WISH_WEIGHT))
    if taste is None:
        return asked + _set_by_hand(pinned)
    asked.append(Query(source="taste", why="close to what you like in sum", vector=taste))
    return asked + _set_by_hand(pinned) + _around(taste, centres)


def _set_by_hand(pinned: Mapping[str, float]) -> list[Query]:
    """A query for each interest that the person set above 0, weighing twice its share, at most 1."""
    return [
        Query(
            source=f"interest:{tag}",
            why=f"you set your interest in {tag} to {share:.0%}",
            text=tag,
            weight=min(1.0, SET_WEIGHT * share),
        )
        for tag, share in sorted(pinned.items(), key=lambda pair: (-pair[1], pair[0]))
        if share
    ]


def _around(taste: Vector, centres: Sequence[Around]) -> list[Query]:
    """A query for each of several centres, weighing its mass; none where the taste is one."""
    return [
        Query(
            source=f"centre:{n}",
            why=f"close to {_listed(centre.names[:NAMED])}, which you liked",
            vector=LEANING * taste + (1 - LEANING) * centre.vector,
            weight=centre.mass,
        )
        for n, centre in enumerate(centres, start=1)
        if len(centres) > 1 and centre.mass > 0
    ]


def _listed(names: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
