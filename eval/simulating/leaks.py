"""Whether words give a hidden item away: its title, or a piece of the title that tells it from other items. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.explain.words import CJK, folded, stems
from agent.types import Item

SQUEEZED_CHARS = 5  # a title this long is also looked for inside other words, and written as one word
SHARED_BY = 2  # a tag on so many items names a kind, no single item

_SMALL = """
a about an and are as at be but by das de del der die do du el en et for from he her him his how i il in into is it its
la las le les lo los me my no not of off on or our out over she than that the their them these they this those to un una
une up was we what when where who why will with you your
"""
SMALL_WORDS = frozenset(_SMALL.split())


@dataclass(frozen=True, slots=True)
class Secret:
    """A title that must not be said, as what is looked for: all its words in a row, each alone, in pairs, run together.

    `pieces` are pairs of Chinese signs. See `given_away`.
    """

    whole: tuple[str, ...]
    words: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    squeezed: str
    pieces: frozenset[str]

    @classmethod
    def of(cls, item: Item, kinds: Collection[str] = ()) -> Secret:
        """What must not be said of the item. `kinds` are words that name kinds of items (see `kinds_of`)."""
        title = stems(item.title)
        squeezed = _squeezed(item.title)
        return cls(
            whole=tuple(title),
            words=frozenset(word for word in title if len(word) > 1 and word not in SMALL_WORDS and word not in kinds),
            pairs=frozenset(pair for pair in pairwise(title) if not SMALL_WORDS.intersection(pair)),
            squeezed=squeezed if len(squeezed) >= SQUEEZED_CHARS else "",
            pieces=frozenset(piece for piece in _pieces(item.title) if not any(piece in kind for kind in kinds)),
        )

    def given_away(self, text: str) -> str | None:
        """The first piece of the title that the text holds, None where it holds none.

        A piece is the whole title; any telling word of it, in any number or possessive, that is neither a small word
        such as `the` nor the name of a kind; two words of it side by side; the title written as one word; two Chinese
        signs side by side. Case and accents do not count.
        """
        said, plain = stems(text), folded(text)
        found = [word for word in said if word in self.words]
        found += [" ".join(pair) for pair in pairwise(said) if pair in self.pairs]
        found += [piece for piece in sorted(self.pieces) if piece in plain]
        if self.squeezed and self.squeezed in _squeezed(text):
            found.append(self.squeezed)
        if _holds(said, self.whole):
            found.append(" ".join(self.whole))
        return found[0] if found else None


def kinds_of(items: Iterable[Item]) -> frozenset[str]:
    """The words that tags are spelled with which at least two of the items have: they name kinds, and may be said."""
    counts = Counter(tag for item in items for tag in set(item.tags))
    return frozenset(word for tag, n in counts.items() if n >= SHARED_BY for word in stems(tag))


def _holds(said: Sequence[str], whole: Sequence[str]) -> bool:
    n = len(whole)
    return n > 0 and any(tuple(said[at : at + n]) == tuple(whole) for at in range(len(said) - n + 1))


def _squeezed(text: str) -> str:
    return "".join(char for char in folded(text) if char.isalnum())


def _pieces(title: str) -> Iterable[str]:
    return (one + other for one, other in pairwise(folded(title)) if CJK.match(one) and CJK.match(other))
