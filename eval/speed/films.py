"""Films that do not exist, of the size and style of real catalogues: a title, a year, tags and a sentence. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator

from agent.types import Item

_TAGS = (
    "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_ADJECTIVES = (
    "Quiet", "Burning", "Second", "Broken", "Golden", "Last", "Crooked", "Silver", "Distant", "Hidden", "Paper",
    "Restless", "Northern", "Velvet", "Bitter", "Lonely", "Electric", "Hollow", "Borrowed", "Perfect",
)  # fmt: skip
_NOUNS = (
    "Lantern", "Harbour", "Ledger", "Orchard", "Letter", "Engine", "Garden", "Witness", "Bridge", "Winter", "Crown",
    "Mirror", "Journey", "Stranger", "Piano", "Station", "River", "Shadow", "Dancer", "Island", "Comet", "Verdict",
)  # fmt: skip
_PLACES = (
    "Lisbon", "Kyoto", "the North Sea", "Dust Creek", "Mars", "Old Prague", "Highway 9", "Montmartre", "the Andes",
    "Cairo", "Brooklyn", "Saint Elm", "the Deep", "Buenos Aires", "Winterfield", "the Ninth Floor",
)  # fmt: skip
_PEOPLE = (
    "a retired detective", "two sisters", "a young pilot", "the last lighthouse keeper", "a school orchestra",
    "an honest thief", "a robot gardener", "three strangers", "a widowed baker", "the mayor's daughter",
)  # fmt: skip
_TROUBLES = (
    "must cross the border before dawn", "finds a map that should not exist", "falls in love by mistake",
    "is blamed for a fire nobody saw", "tries to save a failing theatre", "wakes a thing that slept for centuries",
    "has one summer to win the race", "uncovers a plot inside the ministry", "returns to a town that forgot them",
)  # fmt: skip


def made_up(count: int, seed: int) -> Iterator[Item]:
    """That many films of different titles; equal arguments give equal films."""
    chance = random.Random(seed)
    titles: set[str] = set()
    while len(titles) < count:
        title = _title(chance)
        if len(titles) > 6_000:
            title = f"{title} {len(titles)}"
        if title not in titles:
            titles.add(title)
            yield Item(
                item_id=f"film-{len(titles)}",
                title=title,
                tags=tuple(chance.sample(_TAGS, chance.randint(1, 3))),
                text=f"{chance.choice(_PEOPLE).capitalize()} {chance.choice(_TROUBLES)} in {chance.choice(_PLACES)}.",
                attributes={"year": chance.randint(1935, 2024)},
            )


def _title(chance: random.Random) -> str:
    adjective, noun, other = chance.choice(_ADJECTIVES), chance.choice(_NOUNS), chance.choice(_NOUNS)
    place = chance.choice(_PLACES)
    return chance.choice(
        (
            f"The {adjective} {noun}",
            f"{adjective} {noun}s",
            f"{noun} of {place}",
            f"The {noun} and the {other}",
            f"{adjective} {noun} in {place}",
            f"A {noun} for {place}",
        )
    )
