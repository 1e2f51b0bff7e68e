"""Languages and countries that a message asks for: in French, a Korean film, 法语片, 不要美国的."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.converse.state import Constraint
from agent.converse.understand.clause import Tone, tone
from agent.converse.understand.message import Message, Span
from agent.converse.understand.tests_of import equal, unequal
from agent.converse.understand.vocabulary import Named, Vocabulary
from agent.converse.understand.words import ORIGINS, Origin
from agent.titles import normalised

_SPOKEN = r"(?:(?:in|speaking|speak|spoken in)\s+{0}|{0}[- ](?:language|speaking|audio|dubbed|spoken))\b"
_FROM = r"\b(?:from|made in|of|set in)\s+{0}\b"


class Origins:
    """Finds what a message says of the languages and countries of a catalogue."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._rules = [rule for origin in ORIGINS.values() for rule in _rules(origin, vocabulary)]

    def __call__(self, message: Message) -> Iterator[Constraint]:
        """The constraints on language and country."""
        for pattern, field, values in self._rules:
            for match in message.matches(pattern):
                yield from _said(message, Span(*match.span()), field, values)


Rule = tuple[re.Pattern[str], str, list[str]]


def _rules(origin: Origin, vocabulary: Vocabulary) -> Iterator[Rule]:
    """What to look for, and which values of which field it asks for, the plainest words first."""
    spoken, land = _known(vocabulary.language, origin.languages), _known(vocabulary.country, origin.lands)
    if spoken:
        latin = [word for word in origin.language_words if word.isascii()]
        signs = [f"{word}片?" for word in origin.language_words if not word.isascii()]
        yield from _rule([*(_SPOKEN.format(re.escape(word)) for word in latin), *signs], vocabulary.language, spoken)
    if land:
        words = [_FROM.format(re.escape(word)) for word in origin.land_words if word.isascii()]
        signs = [f"{word}(?![人队语文])(?:拍的)?" for word in origin.land_words if not word.isascii()]
        adjectives = [rf"(?<!\w){re.escape(word)}\b" for word in origin.adjectives]
        yield from _rule([*words, *adjectives, *signs], vocabulary.country, land)
    elif spoken:
        yield from _rule(
            [rf"\b{re.escape(word)}\b" for word in origin.language_words if word.isascii()], vocabulary.language, spoken
        )


def _rule(patterns: list[str], named: Named | None, values: list[str]) -> Iterator[Rule]:
    if patterns and named is not None:
        yield re.compile("|".join(patterns), re.IGNORECASE), named.field, values


def _known(named: Named | None, wanted: Sequence[str]) -> list[str]:
    """The catalogue's spellings of these values, most common first."""
    if named is None:
        return []
    keys = [key for key in map(normalised, wanted) if key in named.spelled]
    return [named.spelled[key] for key in sorted(dict.fromkeys(keys), key=lambda key: -named.counts[key])]


def _said(message: Message, span: Span, field: str, values: list[str]) -> Iterator[Constraint]:
    meant, said = tone(message, span, names=True), message.said(span)
    if meant in (Tone.REFUSED, Tone.LESS):
        for test in unequal(field, values):
            yield Constraint(
                test=test, said=f"not {said}" if said.isascii() else f"不要{said}", hard=meant is Tone.REFUSED
            )
    else:
        yield Constraint(test=equal(field, values), said=said, hard=meant is Tone.WANTED)
