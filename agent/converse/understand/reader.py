"""What a message means: its intent, what it asks for, the items it speaks of and what is felt of them.

message -> titles -> people -> places -> misspelt titles -> years, lengths, origins, tags -> feelings
        -> cues + vector -> intents -> what of it counts for this intent -> Understood
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agent.converse.state import Constraint, Intent, State, Understood
from agent.converse.understand.constraints import Constraints
from agent.converse.understand.examples import load_examples
from agent.converse.understand.feelings import Felt, feelings_of, felt_in
from agent.converse.understand.intents import Intents, shifted
from agent.converse.understand.message import Message
from agent.converse.understand.places import pronouns_in
from agent.converse.understand.references import (
    References,
    Spoken,
    in_order,
    left_out,
    places_of,
    pronouns_of,
    slips_of,
    titles_of,
)
from agent.converse.understand.titles_in import TitlesIn
from agent.converse.understand.vocabulary import Vocabulary
from agent.converse.understand.wish import wish_of
from agent.converse.understand.words import rule
from agent.embed.base import Embedder
from agent.language import Language, language_of
from agent.store.cache import Cache
from agent.titles import Titles

if TYPE_CHECKING:
    from agent.parts.parts import Parts

_WANTING = (Intent.WISH, Intent.CRITIQUE)
_OF_ITEMS = (Intent.REACTION, Intent.ABOUT, Intent.WHY)
_SKIPS = rule(
    "skips",
    before=r"^\W*(?:(?:oh|well|um+|hm+|ok(?:ay)?|honestly|really|嗯|那)\W+)?",
    after=r"\W*(?:really|thanks?|please|吧|啦|了|呀|啊)?\W*$",
)
# What the rules found moves the intents by these log-odds.
_NOT_SHOWN: Mapping[Intent, float] = {Intent.CRITIQUE: -1.0, Intent.WHY: -0.5}  # nothing to change or to ask of
_ASKED_FOR: Mapping[Intent, float] = {  # years, tags, people; and no item
    **{Intent.WISH: 2.0, Intent.CRITIQUE: 2.0},
    **{Intent.TALK: -2.0, Intent.BYE: -2.0},
}
_IN_QUESTION: Mapping[Intent, float] = {Intent.ABOUT: 2.0}  # the same in a question, perhaps about an item
_IN_NO_QUESTION: Mapping[Intent, float] = {Intent.ABOUT: -2.0}
_NAMED: Mapping[Intent, float] = {Intent.TALK: -3.0, Intent.BYE: -4.0}  # an item, by its title or its place
_SKIPPED: Mapping[Intent, float] = {Intent.WISH: 6.0}  # of what passes a question over
_ANSWERED: Mapping[Intent, float] = {Intent.WISH: 2.0}  # of what answers a question


class Reader:
    """Reads messages over one catalogue. `read` is pure but for the embedder; safe for several threads."""

    def __init__(
        self,
        embedder: Embedder,
        titles: Titles,
        facts: Vocabulary,
        examples: Path | None = None,
        cache: Cache | None = None,
    ) -> None:
        """`examples` is a folder with more of them. Raises ConfigError where it is wrong, ModelUnavailable."""
        self._titles = TitlesIn(titles)
        self._constraints = Constraints(facts, titles)
        self._intents = Intents(embedder, load_examples(examples), cache)

    @classmethod
    def of(cls, parts: Parts) -> Reader:
        """The reader over the catalogue of the parts, with the examples of the settings. Raises as `__init__`."""
        return cls(
            parts.embedder, parts.titles, Vocabulary.of(parts.items), parts.settings.converse.examples, parts.cache
        )

    def read(self, message: str, state: State) -> Understood:
        """What the message means after what is known. Raises ConfigError: empty, too long, not valid Unicode text."""
        said = Message.of(message)
        language: Language = language_of(said.text) or state.language
        found = titles_of(said, self._titles, state)
        people = self._constraints.people(said)
        places_of(said, state, found)
        slips_of(said, self._titles, state, found)
        constraints = [*people, *self._constraints.others(said, state)]
        felt = felt_in(said)
        skips = _SKIPS.search(said.text) is not None
        intents = self._intents.probabilities(message, language)
        named = bool(found.spoken or found.unclear)
        question = said.questions
        asks = any(one.hard for one in constraints) and not named and not (question and pronouns_in(said))
        intents = _in_context(intents, state, skips=skips, asks=asks, named=named, question=question)
        intent = max(intents, key=lambda one: intents[one])
        pronouns_of(said, state, found, needed=intent in _OF_ITEMS)
        spoken = _spoken(said, state, found, intent, felt if not constraints else [])
        items, unclear = in_order(References(spoken, found.unclear))
        return Understood(
            message=message,
            language=language,
            intent=intent,
            intents=intents,
            constraints=tuple(_counting(constraints, intent, named=named)),
            items=tuple(items),
            unclear=tuple(unclear),
            feelings=tuple(feelings_of(said, felt, spoken) if _tells(intent) else ()),
            wish=wish_of(said, spoken, felt) if intent in _WANTING and not skips else "",
            skips=skips,
        )


def _in_context(
    intents: Mapping[Intent, float], state: State, *, skips: bool, asks: bool, named: bool, question: bool
) -> dict[Intent, float]:
    """The intents, seen with what the rules found and what came before: nothing shown yet, a question open."""
    seen = dict(intents)
    evidence = (
        (not state.slate, _NOT_SHOWN),
        (named, _NAMED),
        (asks, _ASKED_FOR),
        (asks, _IN_QUESTION if question else _IN_NO_QUESTION),
        (skips, _SKIPPED),
        (asks and not skips and state.pending is not None, _ANSWERED),
    )
    for holds, log_odds in evidence:
        seen = shifted(seen, log_odds) if holds else seen
    return seen


def _spoken(message: Message, state: State, found: References, intent: Intent, felt: list[Felt]) -> list[Spoken]:
    """The items spoken of; of a reaction that leaves its item out, the one spoken of last."""
    spoken = list(found.spoken)
    if intent in _WANTING:
        spoken = [each for each in spoken if not each.every]
    if intent is Intent.REACTION and felt and not (spoken or found.unclear):
        spoken = left_out(message, state)
    return spoken


def _counting(constraints: Iterable[Constraint], intent: Intent, *, named: bool) -> list[Constraint]:
    """The constraints that count: questions and small talk ask for nothing, reactions only where they name no item."""
    counts = intent in _WANTING or (intent is Intent.REACTION and not named)
    return list(constraints) if counts else []


def _tells(intent: Intent) -> bool:
    return intent in (Intent.REACTION, *_WANTING)
