"""From what people type to the item they mean: exact after harmless differences are taken away, else a refusal."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from rapidfuzz import fuzz, process

from agent.errors import Ambiguous, NotFound
from agent.types import Item

MAX_CHOICES = 10
MAX_SUGGESTIONS = 5
_SUGGESTION_CUTOFF = 60.0  # of 100: below it, two titles have too little in common to be a slip of the keyboard

_CLOSING = frozenset(")]）】 ")
_YEAR = re.compile(r"\s*[(\[（【]\s*(\d{4})\s*[)\]）】]\s*$")
_BARE_YEAR = re.compile(r"\s+(\d{4})\s*$")
_BRACKETS = re.compile(r"\s*[(\[（]([^()\[\]（）]*)[)\]）]")
_ALSO_KNOWN_AS = re.compile(r"^(?:a\.?k\.?a\.?|also known as)\s+", re.IGNORECASE)
_MARKS = re.compile(r"[\u0300-\u036f]")
_APOSTROPHES = re.compile(r"['’ʼ`´‘]")
_BETWEEN_WORDS = re.compile(r"[\W_]+")
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"})
_TRAILING_ARTICLE = re.compile(
    r"^(.*\S)\s*,\s*(the|a|an|le|la|les|l['’]|un|une|der|die|das|ein|eine|el|los|las|il|lo|gli|i|o|os|as|det|den|de|het)$"
)
_LEADING_ARTICLE = re.compile(r"^(?:the|an?|les?|la|der|das|el|il|une?)\s+(?=\S)")


def normalised(title: str) -> str:
    """The title without case, accents, punctuation and year, its article first: "Matrix, The (1999)" is "the matrix".

    A title of nothing but punctuation stays as it is.
    """
    text = _plain(_without_year(title) or title).strip()
    if "," in text and (moved := _TRAILING_ARTICLE.match(text)):
        text = f"{moved[2]} {moved[1]}"
    words = _BETWEEN_WORDS.sub(" ", _APOSTROPHES.sub("", text)).strip()
    return words or text


def without_article(key: str) -> str:
    """A normalised title without its leading article: "the matrix" -> "matrix"."""
    return _LEADING_ARTICLE.sub("", key)


def year_of(item: Item) -> int | None:
    """The year the item states, in its attributes or in brackets at the end of its title."""
    if item.year is not None:
        return item.year
    found = _YEAR.search(item.title)
    return int(found[1]) if found else None


def label(item: Item) -> str:
    """What a person needs to tell the item from others: "Hamlet (1996) [id 1411]"."""
    year = year_of(item)
    named = item.title if year is None or _YEAR.search(item.title) else f"{item.title} ({year})"
    return f"{named} [id {item.item_id}]"


class Titles:
    """The items of a catalogue by title. `len()` counts them."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._by_id: dict[str, Item] = {}
        self._literal: dict[str, list[str]] = defaultdict(list)
        self._keys: dict[str, list[str]] = defaultdict(list)
        self._loose: dict[str, list[str]] = defaultdict(list)
        for item in items:
            self._add(item)

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, text: str) -> Item:
        """The one item that the text names: its id, or its title up to case, accents, punctuation and article.

        The year narrows where it is given and may be left out; a name in brackets inside a title counts as a title.
        Spelling is never corrected. Raises Ambiguous where several items fit, NotFound (with the nearest titles as its
        hint) where none does.
        """
        wanted = text.strip()
        found = self._fitting(wanted)
        if len(found) == 1:
            return self._by_id[found[0]]
        if found:
            choices = [label(item) for item in self._best_known(found)]
            raise Ambiguous(
                f"{wanted!r} fits {len(choices)} items: {_listed(choices[:MAX_CHOICES])}",
                choices[:MAX_CHOICES],
                "Add the year, as in 'Hamlet (1996)', or give the id instead of the title",
            )
        raise NotFound(f"no item is called {wanted!r}", self._hint(wanted))

    def get(self, item_id: str) -> Item | None:
        """The item with this id, or None."""
        return self._by_id.get(item_id)

    def called(self, text: str) -> list[Item]:
        """All items whose title the text is, as `find` compares them, the best known first."""
        wanted = text.strip()
        return self._best_known(self._fitting(wanted)) if wanted else []

    def nearly(self, text: str, least: float, limit: int = MAX_CHOICES) -> list[Item]:
        """Items whose titles are a slip of the keyboard away, so alike at least (of 100): nearest and best known first.

        Titles that are less alike than the nearest are left out.
        """
        keys = closest(without_article(normalised(text)), self._loose, least)
        return self._best_known(dict.fromkeys(item_id for key in keys for item_id in self._loose[key]))[:limit]

    def suggestions(self, text: str, limit: int = MAX_SUGGESTIONS) -> list[Item]:
        """The items whose titles are nearest to the text, best first: those that contain it, then by edit distance."""
        wanted = without_article(normalised(text))
        if not wanted:
            return []
        holding = sorted((key for key in self._loose if wanted in key), key=lambda key: (len(key), key))[:limit]
        close = process.extract(
            wanted, self._loose.keys(), scorer=fuzz.ratio, limit=limit, score_cutoff=_SUGGESTION_CUTOFF
        )
        near = [key for key, score, _ in close if score >= 80]  # a slip of the keyboard goes before a longer title
        keys = dict.fromkeys([*near, *holding, *(key for key, _, _ in close)])
        ids = dict.fromkeys(item_id for key in keys for item_id in self._loose[key])
        return [self._by_id[item_id] for item_id in ids][:limit]

    def _add(self, item: Item) -> None:
        self._by_id[item.item_id] = item
        self._literal[_literally(item.title)].append(item.item_id)
        for key in dict.fromkeys(normalised(title) for title in _titles_in(item.title)):
            self._keys[key].append(item.item_id)
            loose = self._loose[without_article(key)]
            if item.item_id not in loose:
                loose.append(item.item_id)

    def _fitting(self, text: str) -> list[str]:
        """Ids of the items that fit at the strictest level at which any fits; an id goes beside literal titles."""
        literal = dict.fromkeys([text] if text in self._by_id else [])
        literal.update(dict.fromkeys(self._literal.get(_literally(text), ())))
        if literal:
            return list(literal)
        key, year = normalised(text), _year_in(text, _YEAR)
        for ids in (self._keys.get(key, ()), self._loose.get(without_article(key), ())):
            if fitting := self._of_year(ids, year):
                return fitting
        return self._fitting_bare_year(text) if year is None else []

    def _fitting_bare_year(self, text: str) -> list[str]:
        year = _year_in(text, _BARE_YEAR)
        if year is None:
            return []
        key = without_article(normalised(_BARE_YEAR.sub("", text)))
        return [item_id for item_id in self._loose.get(key, ()) if year_of(self._by_id[item_id]) == year]

    def _of_year(self, ids: Sequence[str], year: int | None) -> list[str]:
        if year is None:
            return list(ids)
        years = {item_id: year_of(self._by_id[item_id]) for item_id in ids}
        return [i for i in ids if years[i] == year] or [i for i in ids if years[i] is None]

    def _best_known(self, ids: Iterable[str]) -> list[Item]:
        items = [self._by_id[item_id] for item_id in ids]
        return sorted(items, key=lambda item: (-(item.popularity or 0.0), item.item_id))

    def _hint(self, text: str) -> str:
        if not self._by_id:
            return "The catalogue is empty: load one with `palate load FILE`"
        nearest = [label(item) for item in self.suggestions(text)]
        return f"Did you mean {_listed(nearest)}?" if nearest else "Check the spelling, or give the item's id"


def closest(text: str, among: Iterable[str], least: float) -> list[str]:
    """Those of `among` that are most alike to the text, all equally so and at least `least` of 100; perhaps none.

    The measure is the normalised distance of insertions and deletions.
    """
    close = process.extract(text, list(among), scorer=fuzz.ratio, limit=MAX_CHOICES, score_cutoff=least)
    return [name for name, score, _ in close if score == close[0][1]]


def _titles_in(title: str) -> Iterator[str]:
    """The title, and where it has brackets, what is outside and what is inside them."""
    yield title
    bare = _without_year(title)
    if not any(bracket in bare for bracket in "([（"):
        return
    outside = _BRACKETS.sub("", bare).strip()
    if outside:
        yield outside
        yield from (_ALSO_KNOWN_AS.sub("", inside).strip() for inside in _BRACKETS.findall(bare) if len(inside) > 2)


def _plain(text: str) -> str:
    """Lower case, Latin letters without their marks; other scripts keep theirs, which make different letters."""
    if not text.isascii():
        apart = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
        text = unicodedata.normalize("NFC", _MARKS.sub("", apart))
    return text.lower().replace("&", " and ")


def _without_year(title: str) -> str:
    return _YEAR.sub("", title) if title[-1:] in _CLOSING else title


def _literally(title: str) -> str:
    text = title if title.isascii() else unicodedata.normalize("NFC", title)
    return " ".join(text.casefold().split())


def _year_in(text: str, pattern: re.Pattern[str]) -> int | None:
    found = pattern.search(text)
    return int(found[1]) if found else None


def _listed(names: Sequence[str]) -> str:
    return "; ".join(names)
