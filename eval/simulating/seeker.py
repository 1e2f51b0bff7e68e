"""Someone with an item in mind: what they say at each turn, and what they make of what they are shown. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from agent.explain.facts import PEOPLE, facts_of
from agent.types import Item
from eval.simulating.facets import WORDINGS, Facet, decade_of, facets_of
from eval.simulating.leaks import Secret

YEARS_APART = 5  # nearer years are neither newer nor older to anybody


@dataclass(frozen=True)
class Seeker:
    """Wants one item of the catalogue and never says its name. `facets` are what there is to say, in that order."""

    target: Item
    secret: Secret
    facets: tuple[Facet, ...]
    language: str = "en"

    @classmethod
    def of(cls, target: Item, kinds: frozenset[str], language: str, lot: str) -> Seeker:
        """The seeker of an item; what they say, and when, follows from the lot. `kinds` as for `Secret.of`."""
        secret = Secret.of(target, kinds)
        return cls(target, secret, facets_of(target, secret, language, lot), language)

    @property
    def can_speak(self) -> bool:
        """Whether there is anything to say that does not give the item away."""
        return bool(self.facets)

    def wish(self, turn: int, rejected: Item | None = None) -> str:
        """What is said at this turn, from 1: one more facet each time, then what was wrong with the rejected item.

        A facet or a complaint with which the whole would give the item away is left unsaid. Once all is said, it is
        said again.
        """
        said: list[str] = []
        for facet in self.facets[:turn]:
            self._say(said, facet.words)
        if rejected is not None and (complaint := self.complaint(rejected)):
            act, words = complaint
            self._say(said, WORDINGS[self.language][act].format(words))
        return self._joined(said)

    def rejects(self, shown: Sequence[Item]) -> Item:
        """The shown item that shares least with the one in mind; of several the one shown last.

        Raises ValueError when nothing is shown.
        """
        mine = _keys(self.target)
        return min(reversed(shown), key=lambda item: len(mine & _keys(item)))

    def complaint(self, rejected: Item) -> tuple[str, str] | None:
        """What is wrong with it: `newer` or `older` is wanted, or `rather` another kind and which; None for nothing."""
        wanted, got = self.target.year, rejected.year
        if wanted is not None and got is not None and abs(wanted - got) >= YEARS_APART:
            return ("newer" if wanted > got else "older"), ""
        theirs = {tag.casefold() for tag in rejected.tags}
        mine = (facet.words for facet in self.facets if facet.kind == "tag" and facet.words.casefold() not in theirs)
        return next((("rather", tag) for tag in mine), None)

    def _say(self, said: list[str], words: str) -> None:
        if self.secret.given_away(self._joined([*said, words])) is None:
            said.append(words)

    def _joined(self, said: Sequence[str]) -> str:
        return WORDINGS[self.language]["join"].join(said)


def _keys(item: Item) -> set[Hashable]:
    """What two items may share: tags, people, decade."""
    keys: set[Hashable] = {fact.key for fact in facts_of(item) if fact.role == "tag" or fact.role in PEOPLE}
    return keys if decade_of(item) is None else {*keys, decade_of(item)}
