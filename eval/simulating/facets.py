"""What a seeker may say of the item in mind, in words: its tags, decade, people and things from its text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.explain.facts import PEOPLE, facts_of
from agent.explain.words import wish_words
from agent.types import Item
from eval.chance import drawn
from eval.simulating.leaks import Secret

Kind = Literal["tag", "decade", "person", "things"]

THINGS_AT_ONCE = 2
WORD_CHARS = 4  # shorter words of a text tell little
WORDINGS = {
    "en": {
        "decade": "from the {0}s",
        "by": "by {0}",
        "cast": "with {0}",
        "things": "about {0}",
        "newer": "newer than those",
        "older": "older than those",
        "rather": "rather {0} than those",
        "and": " and ",
        "join": ", ",
    },
    "zh": {
        "decade": "{0}年代的",
        "by": "{0}的作品",
        "cast": "{0}主演",
        "things": "讲{0}的",
        "newer": "比这些新一点",
        "older": "比这些老一点",
        "rather": "更偏{0}",
        "and": "和",
        "join": "，",
    },
}


@dataclass(frozen=True, slots=True)
class Facet:
    """One thing to say of an item: of which kind, and the words it is said in."""

    kind: Kind
    words: str


def facets_of(item: Item, secret: Secret, language: str, lot: str) -> tuple[Facet, ...]:
    """Everything that may be said of the item, in the order in which a seeker comes to say it; none twice.

    A tag comes first where there is one, the rest is drawn by the lot. What gives the item away is left out: empty
    where nothing else is known of it.
    """
    safe = [facet for facet in _all(item, secret, language) if secret.given_away(facet.words) is None]
    mixed = sorted(dict.fromkeys(safe), key=lambda facet: drawn(lot, facet.kind, facet.words))
    first = next((facet for facet in mixed if facet.kind == "tag"), None)
    return tuple(sorted(mixed, key=lambda facet: facet is not first))


def decade_of(item: Item) -> int | None:
    """The first year of the item's decade, None where its year is not known."""
    return None if item.year is None else item.year // 10 * 10


def _all(item: Item, secret: Secret, language: str) -> Iterator[Facet]:
    say = WORDINGS[language]
    for fact in facts_of(item):
        if fact.role == "tag":
            yield Facet("tag", fact.value)
        elif fact.role in PEOPLE:
            yield Facet("person", say["cast" if fact.role == "cast" else "by"].format(fact.value))
    if (decade := decade_of(item)) is not None:
        yield Facet("decade", say["decade"].format(decade))
    things = _things(item, secret)
    for start in range(0, len(things), THINGS_AT_ONCE):
        yield Facet("things", say["things"].format(say["and"].join(things[start : start + THINGS_AT_ONCE])))


def _things(item: Item, secret: Secret) -> Sequence[str]:
    """The telling words of the item's text that may be said, names left out, in its order."""
    words = (word for word in wish_words(item.text) if len(word) >= WORD_CHARS and word.islower())
    return [word for word in words if secret.given_away(word) is None]
