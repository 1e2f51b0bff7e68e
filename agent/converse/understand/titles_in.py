"""Titles inside a sentence: quoted, exact among other words, or misspelt after words that a title follows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from agent.converse.understand.message import HAN, Message, Span, Word
from agent.converse.understand.words import NO_TITLES, ordinary, rule
from agent.titles import Titles, normalised
from agent.types import Item

MOST_WORDS = 12
MOST_GUESSES = 2  # misspelt titles that are looked for in one message
SLIP = 86.0  # of 100: how alike a misspelt title and the right one are at least
_QUOTED = re.compile(
    r"《([^》]{1,120})》|「([^」]{1,120})」|[\"“„]([^\"“”]{1,120})[\"”]|(?<!\w)['‘]([^'‘’]{2,120})['’](?!\w)"
)
_YEAR = re.compile(r"^\s*[(\[,]?\s*(?:from |of )?((?:1[89]|20)\d\d)\b[)\]]?")
_KIND = r"(?:\s+(?:the (?:movie|film|book|game|album|song|novel)\s+)?|(?<=[^a-zA-Z]))$"
_INTRODUCED = rule("introduces", after=_KIND)
_TELLS = rule("tells", after=_KIND)
_GUESSED = rule("guessed", after=r"\s+(?:the (?:movie|film|book|game|album)\s+)?")
_ARTICLES = frozenset({"the", "a", "an"})
_SMALL = _ARTICLES | {"of", "and", "in", "to", "for", "on"}
_POINTED = re.compile(r"[?:]\s+\w")  # Heat? Loved it. Heat: seen it
_ASKING = frozenset(
    {"why", "what", "who", "how", "when", "where", "which", "really", "it", "that", "this", "and", "so", "anything"}
)
_ENDS = re.compile(r"\s*(?:$|[,.;!?]|(?:and|or|but|was|is)\b)", re.IGNORECASE)
_CAPITALS = re.compile(r"\b[A-Z]\w")
_GUESS_ENDS = rule("ends_guess", before=r"\s", after=r".*")

_WORKS = re.compile(r"\s+(?:films|movies|books|novels|albums|songs)\b", re.IGNORECASE)  # by a person, of a series

How = Literal["title", "spelling"]


@dataclass(frozen=True)
class Mentioned:
    """A title in a message and the items that it may mean, likeliest first; perhaps none."""

    span: Span
    items: tuple[Item, ...]
    how: How = "title"


class TitlesIn:
    """Finds the titles of a catalogue inside messages, in time that does not grow with the catalogue but for slips."""

    def __init__(self, titles: Titles) -> None:
        self._titles = titles

    def quoted(self, message: Message) -> Iterator[Mentioned]:
        """What stands in quotes: a title, a misspelt one, several that fit, or none."""
        for match in _QUOTED.finditer(message.text):
            inner = next(group for group in match.groups() if group)
            span = Span(*match.span())
            found = self._fitting(inner, message, span)
            if found or self._may_be_title(inner, chinese=match[0][0] in "《「"):
                message.take(span)
                yield found or self._guessed(inner, span) or Mentioned(span, ())

    def exact(self, message: Message) -> Iterator[Mentioned]:
        """Titles that are written as they are, the longest first."""
        words = message.words
        for size in range(min(MOST_WORDS, len(words)), 0, -1):
            for start in range(len(words) - size + 1):
                some = words[start : start + size]
                span = Span(some[0].span.start, some[-1].span.end)
                if message.free(span) and (found := self._named(message, some, span)):
                    message.take(found.span)
                    yield found

    def misspelt(self, message: Message) -> Iterator[Mentioned]:
        """Titles with a slip of the keyboard, and beginnings of several, after words that a title follows."""
        for span in [*_guesses(message)][:MOST_GUESSES]:
            text = message.text[span.start : span.end]
            near = self._titles.nearly(text, SLIP)
            how: How = "spelling"
            if not near and text[:1].isupper() and len(text.split()) > 1:
                near, how = [item for item in self._titles.suggestions(text) if _holds(item, text)], "title"
            if near:
                message.take(span)
                yield Mentioned(span, tuple(near), how)

    def _named(self, message: Message, words: list[Word], span: Span) -> Mentioned | None:
        found = self._fitting(message.text[span.start : span.end], message, span)
        if found is None or not _is_meant(message, words, span, found):
            return None
        return found

    def _fitting(self, text: str, message: Message, span: Span) -> Mentioned | None:
        """The items of this title; a year that follows narrows them and belongs to the title."""
        items = [item for item in self._titles.called(text) if item.item_id != text or normalised(item.title) == text]
        if not items:
            return None
        year = _YEAR.match(message.text[span.end :])
        of_year = [item for item in items if year and str(item.year) == year[1]]
        if year and of_year:
            return Mentioned(Span(span.start, span.end + year.end()), tuple(of_year))
        return Mentioned(span, tuple(items))

    def _guessed(self, text: str, span: Span) -> Mentioned | None:
        near = self._titles.nearly(text, SLIP)
        if near:
            return Mentioned(span, tuple(near), "spelling")
        found = [item for item in self._titles.suggestions(text) if _holds(item, text)]
        return Mentioned(span, tuple(found)) if found else None

    def _may_be_title(self, text: str, *, chinese: bool) -> bool:
        """Whether quotes are put round a name: book-title marks, a capital, or several words."""
        return chinese or text[:1].isupper() or (len(text.split()) > 2 and not ordinary(normalised(text).split()))


def chosen(mentioned: Mentioned, near: Collection[str]) -> tuple[Item, ...]:
    """The items that a title means: of several, the one that the conversation speaks of already."""
    spoken_of = tuple(item for item in mentioned.items if item.item_id in near)
    return spoken_of if len(spoken_of) == 1 else mentioned.items


def _is_meant(message: Message, words: list[Word], span: Span, found: Mentioned) -> bool:
    """Whether words that are a title are meant as one: names are, everyday words need a sign that they are.

    A year behind it, a capital where none is due, or words such as seen and like before it are signs; a single
    everyday word needs one of the first two.
    """
    if found.span != span:
        return True
    keys = [key for word in words for key in word.key.split()]
    if re.search(f"[{HAN}]", message.text[span.start : span.end]):
        return len(words) > 2 or (len(words) > 1 and bool(_INTRODUCED.search(message.before(span))))
    if len(words) == 1 and keys[0] in NO_TITLES:
        return False
    if all(key.isdigit() for key in keys):
        told = _TELLS.search(message.before(span)) and _ENDS.match(message.text[span.end :])
        return len(keys[0]) > 2 and told is not None
    if ordinary(keys):
        return _everyday_title(message, words, span, keys)
    if len(words) > 1:
        return True
    if _in_a_name(message, words[0]):
        return False
    if words[0].capital and not message.text.isupper():
        return _WORKS.match(message.text[span.end :]) is None
    whole = message.said(Span(0, len(message.text))).strip(" .!?") == message.said(span)
    return whole or (bool(_INTRODUCED.search(message.before(span))) and _goes_no_further(message, span))


def _everyday_title(message: Message, words: list[Word], span: Span, keys: list[str]) -> bool:
    """Whether everyday words are meant as the title that they are: by their capitals, or by the words before them."""
    telling = len(keys) - (keys[0] in _ARTICLES)
    introduced = _TELLS if telling == 2 else _INTRODUCED
    if telling > 1 and introduced.search(message.before(span)) and _goes_no_further(message, span):
        return True
    capitals = words[0].capital and all(word.capital for word in words if word.key not in _SMALL)
    if not capitals or message.text.isupper() or keys == ["i"]:
        return False
    before = message.text[: span.start].rstrip(" \"'“‘(")
    begins = not before or before[-1] in ".!?"
    pointed = _POINTED.match(message.text[span.end :]) is not None and keys[0] not in _ASKING
    return telling > 1 or pointed or (not begins and not _in_a_name(message, words[-1]))


def _in_a_name(message: Message, word: Word) -> bool:
    """Whether the next word has a capital too, so that the two are one name."""
    later = next((other for other in message.words if other.span.start >= word.span.end), None)
    joined = later is not None and message.text[word.span.end : later.span.start] == " "
    return joined and later is not None and later.capital and later.key != "i"


def _goes_no_further(message: Message, span: Span) -> bool:
    """Whether the word behind is an everyday one, and so no part of a longer title that is misspelt."""
    later = [word for word in message.words if word.span.start >= span.end]
    between = message.text[span.end : later[0].span.start] if later else ""
    return not later or bool(between.strip()) or ordinary([later[0].key])


def _guesses(message: Message) -> Iterator[Span]:
    """Words that may be a misspelt title, those with capitals first: what follows seen, like and so on in a clause."""
    found = []
    for clause in message.clauses:
        for match in _GUESSED.finditer(message.text, clause.start, clause.end):
            rest = _GUESS_ENDS.sub("", message.text[match.end() : clause.end])
            span = Span(match.end(), match.end() + len(rest.rstrip()))
            keys = normalised(rest).split() if rest.strip() else []
            told = len(_CAPITALS.findall(rest)) > 1 or not _plain(keys)
            if keys and len(keys) <= 6 and sum(map(len, keys)) > 4 and message.free(span) and told:
                found.append(span)
    yield from sorted(found, key=lambda span: not message.text[span.start].isupper())


def _plain(keys: list[str]) -> bool:
    """Whether the words are everyday ones: at most one in three is not."""
    known = sum(ordinary([key]) for key in keys)
    return known == len(keys) or (len(keys) > 3 and 3 * (len(keys) - known) < len(keys))


def _holds(item: Item, text: str) -> bool:
    """Whether the title holds the words of the text, in a row."""
    return f" {normalised(text)} " in f" {normalised(item.title)} "
