"""People that a message asks for: with Tom Hanks, by Agnès Varda, Hitchcock films, 周星驰演的."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from agent.converse.state import Constraint
from agent.converse.understand.clause import Tone, tone
from agent.converse.understand.message import HAN, Message, Span, Word
from agent.converse.understand.tests_of import equal, unequal
from agent.converse.understand.vocabulary import Named, Vocabulary
from agent.converse.understand.words import ordinary, rule
from agent.titles import closest

MOST_WORDS = 5
MAKING = 3  # what a work that was made counts beside one that was played in, where only the name is said
_FIRST_NAME = re.compile(r"[ ][A-Z]\w")
_MADE, _PLAYS = rule("made", after=r"(?:\s+|(?<=[^a-zA-Z]))$"), rule("plays", after=r"(?:\s+|(?<=[^a-zA-Z]))$")
_MADE_AFTER = re.compile(r"^\s*(?:['’]s\b|as (?:the )?(?:director|author))|^(?:导演|执导|写|拍|唱|的书|的小说)")
_PLAYS_AFTER = re.compile(r"^(?:主演|出演|演)|^\s*in it\b")
_NAMED = re.compile(
    r"\b(?:by|with|starring|featuring|directed by|written by|from)\s+((?:[^\W\d_][\w'’.\-]*\s?){1,3})", re.IGNORECASE
)
_WORKS = re.compile(r"(?:['’]s)?\s+(?:films?|movies?|books?|novels?|albums?|songs?|pictures?)\b|的", re.IGNORECASE)
_SLIP = 84.0  # of 100: how alike a misspelt name and the right one are at least


class People:
    """Finds the people of a catalogue in messages: whole names, surnames of the well-known, slips of the keyboard."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._makers, self._players = vocabulary.makers, vocabulary.players
        self._surnames = vocabulary.surnames

    def __call__(self, message: Message) -> Iterator[Constraint]:
        """The constraints on people, whole names before surnames before misspelt ones."""
        if not (self._makers or self._players):
            return
        for rule_of in (self._whole, self._by_surname, self._misspelt):
            for span, key in rule_of(message):
                if message.free(span):
                    message.take(span)
                    yield from self._said(message, span, key)

    def _whole(self, message: Message) -> Iterator[tuple[Span, str]]:
        words = message.words
        for size in range(MOST_WORDS, 0, -1):
            for start in range(len(words) - size + 1):
                span = Span(words[start].span.start, words[start + size - 1].span.end)
                key = _key(message, words[start : start + size], span)
                if (size > 1 or _stands_alone(message, span)) and self._fields(key) and message.free(span):
                    yield span, key

    def _by_surname(self, message: Message) -> Iterator[tuple[Span, str]]:
        """A last name after by or with, or before films: whoever of that name made or played in most of them."""
        for word in message.words:
            known = self._surnames.get(word.key, ())
            introduced = _introduced(message, word.span)
            if not known or ordinary([word.key]) or not (introduced or (word.capital and _owns(message, word.span))):
                continue
            if _FIRST_NAME.match(message.after(word.span)):
                continue
            ranked = sorted(known, key=lambda key: -self._standing(message, word.span, key))
            best, *others = (self._standing(message, word.span, key) for key in ranked[:2])
            if best and (not others or best > others[0]):
                yield word.span, ranked[0]

    def _misspelt(self, message: Message) -> Iterator[tuple[Span, str]]:
        """A name of two words or three after by or with that no person bears and one nearly does."""
        for match in _NAMED.finditer(message.text):
            words = [word for word in message.words if match.start(1) <= word.span.start < match.end(1)]
            for size in (3, 2):
                span = Span(words[0].span.start, words[size - 1].span.end) if len(words) >= size else None
                if span is None or not message.free(span) or ordinary([word.key for word in words[:size]]):
                    continue
                if near := closest(_key(message, words[:size], span), self._alike.get(words[0].key[:2], ()), _SLIP):
                    yield span, near[0]
                    break

    @cached_property
    def _alike(self) -> Mapping[str, list[str]]:
        """Names by their first two letters."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for key in (key for one in (*self._makers, *self._players) for key in one.spelled):
            found[key[:2]][key] = None
        return {start: list(keys) for start, keys in found.items()}

    def _said(self, message: Message, span: Span, key: str) -> Iterator[Constraint]:
        fields = self._meant(message, span, key)
        meant, said = tone(message, span, names=True), message.said(span)
        values = [one.spelled[key] for one in fields]
        if meant in (Tone.REFUSED, Tone.LESS):
            for one, value in zip(fields, values, strict=True):
                for test in unequal(one.field, [value]):
                    yield Constraint(test=test, said=f"no {said}" if said.isascii() else f"不要{said}", hard=True)
        elif fields:
            hard = meant is Tone.WANTED and not rule("like_of", after=r"\s*$").search(message.before(span))
            yield Constraint(test=equal(fields[0].field, values[:1]), said=said, hard=hard)

    def _meant(self, message: Message, span: Span, key: str) -> Sequence[Named]:
        """The fields that the words speak of, most likely first: makers after by, players after with."""
        fields, before, after = self._fields(key), message.before(span), message.after(span)
        makers = [one for one in fields if one in self._makers]
        players = [one for one in fields if one in self._players]
        if _MADE.search(before) or _MADE_AFTER.search(after):
            return makers or players
        if _PLAYS.search(before) or _PLAYS_AFTER.search(after):
            return players or makers
        return sorted(fields, key=lambda one: -(MAKING if one in makers else 1) * one.counts[key])

    def _fields(self, key: str) -> list[Named]:
        return [one for one in (*self._makers, *self._players) if key in one.spelled]

    def _standing(self, message: Message, span: Span, key: str) -> int:
        """How many items the person has in the field that the words speak of."""
        fields = self._meant(message, span, key)
        return max(((MAKING if one in self._makers else 1) * one.counts[key] for one in fields), default=0)


def _key(message: Message, words: Sequence[Word], span: Span) -> str:
    """The words as names are compared: Chinese signs and what stands between them as they are."""
    if re.search(f"[{HAN}]", message.text[span.start : span.end]):
        return "".join(word.key for word in words)
    return " ".join(word.key for word in words)


def _introduced(message: Message, span: Span) -> bool:
    before = message.before(span)
    return bool(_MADE.search(before) or _PLAYS.search(before))


def _owns(message: Message, span: Span) -> bool:
    """Whether films, books or the like of the person are spoken of."""
    return _WORKS.match(message.after(span)) is not None


def _stands_alone(message: Message, span: Span) -> bool:
    """Whether a single word is a name by where it stands: after by or with, with a capital."""
    return message.text[span.start].isupper() and _introduced(message, span)
