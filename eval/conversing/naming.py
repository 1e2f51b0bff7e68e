"""What a reply names: everything in it that looks like a title or a name must be known. Pure.

Looked for are quoted strings, and runs of words with capitals. Known are the titles and the field values of the
catalogue, and what the person said. The check is its own and shares nothing with those that writers of replies use.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from agent.recall.where import facts_of
from agent.titles import normalised, without_article
from agent.types import Item

MARK = "\u25a2"  # stands where an item was named by reference
MAX_TITLE = 12  # words of a title that are looked for at a run's beginning
MAX_WORDS = 40  # a longer run of words with capitals is shouting, and looked at in pieces of this size

_QUOTED = re.compile(r"“([^”]+)”|\"([^\"]+)\"|《([^》]+)》|「([^」]+)」|«([^»]+)»|„([^“]+)“")
_CAPITAL = r"[A-Z\u00c0-\u00de\u0100-\u017d][A-Za-z0-9\u00c0-\u024f'’\-&·]*"
_SMALL = r"(?:(?:of|the|and|a|an|in|on|to|for|from|with|by|at|de|la|le|du|des|vs|&|\d+)[ ]+)*"
_RUN = re.compile(rf"{_CAPITAL}(?:[:,]?[ ]+{_SMALL}{_CAPITAL})*(?:[ ]\d{{1,3}}\b)?")
_BEGINS = re.compile(r"(?:^|[.!?:;。！？：；…\n—–]|[-*•]|\d\.)[\s\"“‘'(（《「«]*$")
_NUMBER = re.compile(r"\d[\d,.]*(?:s|th|st|nd|rd)?")
_WORD = re.compile(r"[^\s]*\w")
_SIGNS = re.compile("[\u3400-\u9fff]")  # Chinese is written without blanks between words
_OWNER = re.compile("['’]s$")
_EDGES = " .,!?:;。，！？、…'’"
_EVERYDAY = """
i i'm i'd i'll i've im id ill ive tv dvd ok us uk usa oscar oscars january february march april may june july august
september october november december monday tuesday wednesday thursday friday saturday sunday
"""
PLAIN = frozenset(_EVERYDAY.split())
JOINS = frozenset(("the", "and", "a", "an", "in", "for", "from", "with", "by", "or", "to", "&"))


class Known:
    """Whatever a catalogue lets be named."""

    def __init__(self, items: Collection[Item]) -> None:
        self._whole = {key for item in items for key in _keys(item.title)}
        values: set[str] = set()
        for item in items:
            values.update(normalised(text) for text in _values(item))
        self._whole |= values
        self._texts = f" {' | '.join(sorted(values))} "

    def whole(self, words: str) -> bool:
        """Whether the words are a title, or the whole value of another field."""
        key = normalised(words)
        return key in self._whole or without_article(key) in self._whole

    def within(self, words: str) -> bool:
        """Whether they are, or stand in a value as they are, such as a surname."""
        return self.whole(words) or f" {normalised(words)} " in self._texts


def strays(text: str, known: Known, named: Sequence[Item], said: Iterable[str]) -> list[str]:
    """What looks like a title or a name in the text and is none that is known, in its order; empty where all is well.

    `named` are items that were named by reference, `said` the person's own messages.
    """
    own = f" {' | '.join(normalised(one) for one in said if one.strip())} "
    rest = _without(text, named)
    quoted = [found for found in _quoted(rest) if not _known(found, known, own)]
    runs = [run for run, begins in _runs(rest, known) if not _run_known(run, begins, known, own)]
    return quoted + [run for run in runs if not any(run in found for found in quoted)]


def _keys(title: str) -> set[str]:
    whole = normalised(title)
    return {whole, without_article(whole)}


def _values(item: Item) -> Iterator[str]:
    for field, fact in facts_of(item).items():
        if field != "title":
            yield from fact.texts
    if item.text:
        yield item.text


def _without(text: str, named: Sequence[Item]) -> str:
    """The text with a mark for every item that was named, longest names first."""
    names = {name for item in named for name in (item.name, item.title)}
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", MARK, text)
    return text


def _quoted(text: str) -> Iterator[str]:
    for found in _QUOTED.finditer(text):
        words = next(group for group in found.groups() if group is not None).strip(_EDGES + MARK)
        if words:
            yield words


def _runs(text: str, known: Known) -> Iterator[tuple[str, bool]]:
    """Runs of words with capitals, and whether each begins a sentence, where one capital says nothing.

    Titles with words in small letters, such as "Y tu mamá también", are no runs; what lies in one that is known is left
    out.
    """
    past = 0
    for found in _RUN.finditer(text):
        if found.start() < past:
            continue
        past = found.start() + _title_at(text[found.start() :], known)
        if past < found.end():
            yield found[0].strip(_EDGES), bool(_BEGINS.search(text[: found.start()]))


def _title_at(text: str, known: Known) -> int:
    """How long the longest known title of two words or more is that the text begins with; 0 for none."""
    ends = [found.end() for found in islice(_WORD.finditer(text), MAX_TITLE)]
    return next((end for end in reversed(ends[1:]) if known.whole(text[:end])), 0)


def _run_known(run: str, begins: bool, known: Known, own: str) -> bool:
    words = run.split()
    if begins and (len(words) == 1 or _known(" ".join(words[1:]), known, own)):
        return True
    return _known(run, known, own)


def _known(text: str, known: Known, own: str) -> bool:
    """Whether the words are known as they are, or whose something is said to be, or are several known names with a
    comma or a joining word between.
    """
    if _plain(text, own) or known.within(text) or known.within(_OWNER.sub("", text)):
        return True
    return _joined(text.split()[:MAX_WORDS], known, own)


def _joined(words: Sequence[str], known: Known, own: str) -> bool:
    reached = {0}
    for end in range(1, len(words) + 1):
        joins = words[end - 1] in JOINS and end - 1 in reached
        parted = end == len(words) or words[end] in JOINS or words[end - 1][-1] in ",:;"
        if joins or (parted and any(_one(words[start:end], known, own) for start in reached if start < end)):
            reached.add(end)
    return len(words) in reached


def _one(words: Sequence[str], known: Known, own: str) -> bool:
    text = " ".join(words).strip(_EDGES)
    return _plain(text, own) or known.whole(text)


def _plain(text: str, own: str) -> bool:
    """Whether these are everyday words or numbers, or the person's own."""
    key = normalised(text.strip(_EDGES)) if text.strip(_EDGES) else ""
    if not key or key in PLAIN or _NUMBER.fullmatch(key):
        return True
    return (key if _SIGNS.search(key) else f" {key} ") in own
