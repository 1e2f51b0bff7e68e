"""What a text says of tags without a model: the tags that it names, wanted or refused. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

REFUSALS = frozenset({"no", "not", "never", "without", "except", "hate", "dislike", "nothing", "less", "don", "t"})
REACH = 3  # words of the same clause before a tag in which a refusal counts
_CLAUSE_ENDS = re.compile(r"[,.;:!?\n]|\bbut\b", re.IGNORECASE)


@dataclass(frozen=True)
class Said:
    """What a text says: shares of it for tags wanted and for tags refused, each at most 1 in sum."""

    toward: Mapping[str, float]
    away: Mapping[str, float]


NOTHING = Said({}, {})


@dataclass(frozen=True)
class TagReader:
    """Finds the tags that a text names: their words in a row, without regard to case or a plural s."""

    tags: Sequence[str]

    def __call__(self, text: str) -> Said:
        """The tags named, with equal shares. A refusal (no, not, without ...) shortly before one turns it round."""
        wanted: dict[str, None] = {}
        refused: dict[str, None] = {}
        for words in map(_words, _CLAUSE_ENDS.split(text)):
            for place in range(len(words)):
                turned = REFUSALS.intersection(words[max(0, place - REACH) : place])
                (refused if turned else wanted).update(dict.fromkeys(self._at(words, place)))
        return Said(_evenly(wanted), _evenly(tag for tag in refused if tag not in wanted))

    def _at(self, words: Sequence[str], place: int) -> Iterable[str]:
        """The tags whose words begin at this place."""
        return (tag for wanted, tag in self._by_first.get(words[place], ()) if words[place:][: len(wanted)] == wanted)

    @cached_property
    def _by_first(self) -> Mapping[str, list[tuple[list[str], str]]]:
        found: dict[str, list[tuple[list[str], str]]] = {}
        for tag in self.tags:
            if words := _words(tag):
                found.setdefault(words[0], []).append((words, tag))
        return found


def responsibilities(ratios: Mapping[str, float], prior: Mapping[str, float]) -> Mapping[str, float]:
    """How probable it is that a text speaks of each tag, from log p(text | tag) - log p(text), in nats.

    Bayes' rule with as much weight on a text that speaks of no tag (whose ratio is 0) as on all tags together. Sums to
    less than 1: the rest is that the text speaks of none of them.
    """
    names = [tag for tag in ratios if prior.get(tag, 0.0) > 0]
    total = sum(prior[tag] for tag in names)
    if not names:
        return {}
    highest = max(0.0, *(ratios[tag] for tag in names))
    masses = {tag: prior[tag] / total * math.exp(ratios[tag] - highest) for tag in names}
    whole = math.exp(-highest) + sum(masses.values())
    return {tag: mass / whole for tag, mass in masses.items()}


def _evenly(tags: Iterable[str]) -> Mapping[str, float]:
    named = list(tags)
    return {tag: 1 / len(named) for tag in named}


def _words(text: str) -> list[str]:
    return [word.removesuffix("s") for word in re.findall(r"\w+", text.casefold())]
