"""Tags that a message asks for or refuses: a comedy, funnier, nothing scary, 不要恐怖片."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from agent.converse.state import Constraint
from agent.converse.understand.clause import Tone, tone
from agent.converse.understand.message import Message, Span
from agent.converse.understand.tests_of import equal, unequal
from agent.converse.understand.vocabulary import Vocabulary
from agent.converse.understand.words import TAGGED, any_of

MOST_WORDS = 4
_WHOSE = re.compile(r"\b(?:my|our|your|his|her|their)\s*$", re.IGNORECASE)
_ABOUT = re.compile(r"\b(?:about|of|the|during|after|in|whole|entire)\s*$|(?:关于|有关)$", re.IGNORECASE)
_MORE = re.compile(r"\b(?:a bit |a little |much |some )?more\s*$|更$", re.IGNORECASE)
_OR = re.compile(r"\s*(?:,|/|or|and|or a|and/or|或者?|和|跟|、|还是)\s*(?:some|an?)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Mention:
    """A tag where the message speaks of it, by a word that names it (a noun) or leans to it."""

    tag: str
    span: Span
    names: bool


class Tags:
    """Finds what a message says of the tags of a catalogue."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def __call__(self, message: Message) -> Iterator[Constraint]:
        """The constraints on tags, in order. Nouns joined by or, and, 、 ask for any of them."""
        mentions = self._mentions(message)
        tones = [tone(message, each.span, names=self._demands(message, each)) for each in mentions]
        place = 0
        while place < len(mentions):
            last = place + 1
            while last < len(mentions) and self._joined(message, mentions, tones, last):
                last += 1
            yield from _said(message, mentions[place:last], tones[place])
            place = last

    def _joined(self, message: Message, mentions: list[Mention], tones: list[Tone], place: int) -> bool:
        """Whether this mention goes on with the one before it: they are joined, and alike or both refused."""
        between = message.text[mentions[place - 1].span.end : mentions[place].span.start]
        if not _OR.fullmatch(between):
            return False
        if tones[place - 1] is Tone.REFUSED:
            tones[place] = Tone.REFUSED
        return tones[place - 1] is tones[place]

    def _demands(self, message: Message, mention: Mention) -> bool:
        """Whether the word names the tag and is not only what an item is about."""
        return mention.names and not _ABOUT.search(message.before(mention.span))

    def _mentions(self, message: Message) -> list[Mention]:
        found = []
        for pattern, tag_of, names in self._patterns:
            for match in pattern.finditer(message.text):
                span = Span(*match.span())
                if message.free(span) and not _WHOSE.search(message.before(span)):
                    message.take(span)
                    found.append(Mention(tag_of[match[0].lower()], span, names))
        return sorted(found, key=lambda each: each.span.start)

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], dict[str, str], bool]]:
        """What to look for, nouns before words, each with the tag that it stands for."""
        nouns, words = dict[str, str](), dict[str, str]()
        for key, tag in self._vocabulary.tags.items():
            forms = (key, tag.lower(), f"{key}s", f"{tag.lower()}s")
            nouns.update((form, tag) for form in forms if len(key.split()) <= MOST_WORDS)
        for name, group in TAGGED.items():
            for tag in self._vocabulary.tags_of(name):
                nouns.update((noun, tag) for noun in group.nouns if noun not in nouns)
                words.update((word, tag) for word in group.words)
        return [(any_of(list(each)), each, names) for each, names in ((nouns, True), (words, False)) if each]


def _said(message: Message, mentions: list[Mention], meant: Tone) -> Iterator[Constraint]:
    """One test for all that are wanted, one for each that is refused."""
    tags = list(dict.fromkeys(each.tag for each in mentions))
    whole = Span(mentions[0].span.start, mentions[-1].span.end)
    said = message.said(whole)
    if meant is Tone.WANTED:
        yield Constraint(test=equal("tags", tags), said=said)
    elif meant is Tone.LEANING:
        more = _MORE.search(message.before(whole))
        yield Constraint(test=equal("tags", tags), said=f"{more[0].strip()} {said}" if more else said, hard=False)
    else:
        without = "less" if meant is Tone.LESS else "no" if mentions[0].names else "not"
        words = f"{without} {said}" if said.isascii() else f"不要{said}"
        for test in unequal("tags", tags):
            yield Constraint(test=test, said=words, hard=meant is Tone.REFUSED)
