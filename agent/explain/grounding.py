"""Checks a sentence against what is known: every title, person, number and tag it names must be there. Pure.

`check` is usable by itself, on sentences from anywhere. It reads a sentence as claims (`claims.py`) and looks each one
up in the item, in the liked items that the sentence names, and in the wish. It errs on the side of doubt: what it
cannot find it reports, and it does not understand paraphrase or negation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent.explain.chinese import meanings_in
from agent.explain.claims import (
    ClaimKind,
    Span,
    acts_in,
    blank,
    honours_in,
    names_in,
    numbers_in,
    others_in,
    quotes_in,
    tags_in,
    titles_in,
    unsafe_in,
    years_after,
)
from agent.explain.facts import called
from agent.explain.passages import Passage, Source, holding, in_decade, passage, passages_of, plain_number
from agent.explain.person import Because
from agent.explain.standing import standing_of
from agent.explain.words import PEOPLES, folded, stems, wish_words
from agent.types import Item

_ALIKE = re.compile(
    r"(?i)\b(?:like|same|shares?|sharing|shared|also|too|both|again|another|similar|just as|as in)\b|也|同样|一样|都|又"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Something a sentence names, and every place that says so; `sources` is empty where nothing does."""

    kind: ClaimKind
    text: str
    sources: tuple[Source, ...] = ()

    @property
    def is_shared(self) -> bool:
        """Whether both the item and the person (a liked item or the wish) hold it."""
        owners = {source.owner for source in self.sources}
        telling = self.kind in ("tag", "name", "decade", "wish", "quote", "together")
        return telling and "item" in owners and bool(owners & {"liked", "wish"})


@dataclass(frozen=True, slots=True)
class Check:
    """What a sentence claims, sorted. In the order in which the claims were found."""

    supported: tuple[Claim, ...]
    unsupported: tuple[Claim, ...]

    @property
    def grounded(self) -> bool:
        """Whether nothing is claimed that is not known."""
        return not self.unsupported

    @property
    def shared(self) -> tuple[Claim, ...]:
        """The claims that say what item and person have in common."""
        return tuple(claim for claim in self.supported if claim.is_shared)

    @property
    def passes(self) -> bool:
        """Whether the sentence is grounded and names at least one thing that is shared."""
        return self.grounded and bool(self.shared)


def check(
    sentence: str,
    item: Item,
    liked_items: Collection[Item],
    wish: str | None,
    vocabulary: Collection[str],
    given: Collection[str] = (),
) -> Check:
    """Every claim of the sentence, supported or not. Total: any text is sorted, none raises.

    `liked_items` are those that the sentence may call liked; `vocabulary` holds the tags of the whole catalogue, so
    that a tag which this item lacks is noticed; `given` are further texts to rely on, such as the person's ratings.
    Titles are looked up in the item and the liked items, numbers and quotations also in the liked items that the
    sentence names and in the wish. Tags, names and decades must be the item's own, or be told of a liked item that the
    sentence names; where it likens the item to that one, both must hold them.
    """
    return Grounds(liked_items, wish, vocabulary).check(sentence, item, given)


class Grounds:
    """What is known of one person, prepared once to check many sentences. The arguments are those of `check`.

    Without `because`, what was learned from behaviour, nothing that a sentence says of other people is known.
    """

    def __init__(
        self,
        liked_items: Collection[Item],
        wish: str | None,
        vocabulary: Collection[str],
        because: Because | None = None,
    ) -> None:
        self.because = because
        self.liked = {one.item_id: one for one in liked_items}
        self.wish = (wish or "").strip()
        self.asked = [passage(Source("wish", "wish"), self.wish)] if self.wish else []
        self.passages = {item_id: passages_of(one, "liked") for item_id, one in self.liked.items()}
        self.vocabulary = _index(frozenset(vocabulary)) | _keyed(tag for one in liked_items for tag in one.tags)

    def check(self, sentence: str, item: Item, given: Collection[str] = ()) -> Check:
        """Every claim of the sentence about the item, as the function `check` gives them."""
        return _Reading(sentence, item, self, given).check()


class _Reading:
    """One sentence being read: `text` is what no finder has explained yet."""

    def __init__(self, sentence: str, item: Item, grounds: Grounds, given: Collection[str]) -> None:
        self.sentence = sentence
        self.text = sentence
        self.item = item
        self.grounds = grounds
        self.liked = [one for one in grounds.liked.values() if one.item_id != item.item_id]
        self.vocabulary = grounds.vocabulary | _keyed(item.tags)
        self.own = [*passages_of(item, "item"), *_given(given)]
        self.named: list[Item] = []
        self.claims: list[Claim] = []

    def check(self) -> Check:
        """All claims, found in an order in which each finder leaves the next one less to explain."""
        self._read_titles()
        self._read_quotes()
        held = self._held()
        self._read_others()
        self.claims += [Claim(span.kind, span.text) for span in acts_in(self.text)]
        self._read_honours()
        self._read_figures(held)
        self._read_tags(held)
        self._read_names(held)
        self._read_wish_words()
        unsafe = [Claim(span.kind, span.text) for span in unsafe_in(self.sentence, self.text)]
        claims = list(dict.fromkeys([*unsafe, *self.claims]))
        return Check(tuple(c for c in claims if c.sources), tuple(c for c in claims if not c.sources))

    def _held(self) -> list[Passage]:
        """What may be relied on: the item, what was given, the wish, and the liked items named so far."""
        theirs = (p for one in self.named for p in self.grounds.passages[one.item_id])
        return [*self.own, *self.grounds.asked, *theirs]

    def _explain(self, spans: Iterable[Span]) -> Iterator[Span]:
        """The spans, covered in the text as they are handed out."""
        for span in list(spans):
            self.text = blank(self.text, [span])
            yield span

    def _read_titles(self) -> None:
        by_title: dict[str, list[Item]] = {}
        for one in [self.item, *self.liked]:
            for title in _spellings(one):
                by_title.setdefault(title, []).append(one)
        for span in self._explain(titles_in(self.text, by_title)):
            items = by_title[span.text]
            year = years_after(self.sentence, span.end)
            if year is not None:
                self.text = blank(self.text, [year])
                items = [one for one in items if str(one.year) == year.meaning]
            self.named += [one for one in items if one is not self.item]
            shown = f"{span.text} ({year.meaning})" if year else span.text
            self.claims.append(Claim("title", shown, tuple(_source_of(one, self.item, "title") for one in items)))

    def _read_quotes(self) -> None:
        held = self._held()
        titles = [p for p in held if p.source.ref == "title"]
        for span in self._explain(quotes_in(self.text)):
            self.claims.append(
                Claim(span.kind, span.text, holding(span.text, titles if span.kind == "title" else held))
            )

    def _read_others(self) -> None:
        """What others chose is known where behaviour holds the item together with every liked one that is named."""
        for span in others_in(self.text):
            liked = [Source("liked", "together", one.item_id, one.title) for one in self.named if self._goes_with(one)]
            beside = Source("item", "together", self.item.item_id)
            sources = (beside, *liked) if 0 < len(liked) == len(self.named) else ()
            self.claims.append(Claim(span.kind, span.text, sources))

    def _goes_with(self, one: Item) -> bool:
        return bool(self.grounds.because and self.grounds.because([one.item_id], self.item.item_id))

    def _read_honours(self) -> None:
        for span in self._explain(honours_in(self.text)):
            sources = holding(span.text, [*self.own, *self.grounds.asked])
            standing = standing_of(self.item)
            if not sources and standing and _honours(span.meaning, standing.kind):
                sources = (Source("item", standing.ref),)
            self.claims.append(Claim("honour", span.text, sources))

    def _read_figures(self, held: Sequence[Passage]) -> None:
        for span in self._explain(sorted(numbers_in(self.text), key=lambda s: s.start - s.end)):
            if span.kind == "decade":
                where = [p.source for p in held if any(in_decade(f, span.meaning) for f in p.figures)]
                others = [one for one in self.liked if in_decade(str(one.year), span.meaning)]
                self._claim("decade", span.text, where, [_source_of(one, self.item, "year") for one in others])
            else:
                where = [p.source for p in held if plain_number(span.meaning) in p.figures]
                self.claims.append(Claim(span.kind, span.text, tuple(dict.fromkeys(where))))

    def _read_tags(self, held: Sequence[Passage]) -> None:
        for span in self._explain(tags_in(self.text, self.vocabulary)):
            self._look_up("tag", span.text, [span.text, span.meaning], held)
        for name, spellings in meanings_in(self.text).items():
            known = [s for s in spellings if tuple(stems(s)) in self.vocabulary or holding(s, held)]
            if known:
                self._look_up("tag", name, [name, *known], held)
                self.text = self.text.replace(name, "■" * len(name))

    def _read_names(self, held: Sequence[Passage]) -> None:
        for span in self._explain(names_in(self.text)):
            for part in [span.text] if holding(span.text, held) else re.split(r"\s+(?:and|&)\s+|[和、与]", span.text):
                if part.strip("■ ") and part not in _CHINESE_FILLERS:
                    self._look_up("name", part.strip(), [part, *PEOPLES.get(folded(part), ())], held)

    def _read_wish_words(self) -> None:
        words = set(stems(self.sentence))
        for word in wish_words(self.grounds.wish):
            sources = holding(word, [*self.own, *self.grounds.asked])
            if set(stems(word)) <= words and any(source.owner == "item" for source in sources):
                self.claims.append(Claim("wish", word, sources))

    def _look_up(self, kind: ClaimKind, text: str, spellings: Sequence[str], held: Sequence[Passage]) -> None:
        """Record a tag or a name, with everyone who holds it under any of its spellings."""
        others = (p for one in self.liked for p in self.grounds.passages[one.item_id] if p.source.ref not in _LOOSE)
        where = [s for one in spellings for s in holding(one, held)]
        shared = _holding_any(spellings, others) if any(s.owner == "item" for s in where) else []
        self._claim(kind, text, where, shared)

    def _claim(self, kind: ClaimKind, text: str, where: Sequence[Source], others: Sequence[Source]) -> None:
        """Record a claim that must be true of the item. `others` hold it too, without being named in the sentence.

        The wish alone says nothing of the item. Where the sentence likens the item to a liked one that it names, both
        must hold the claim.
        """
        owners = {source.owner for source in where}
        alike = bool(self.named) and bool(_ALIKE.search(self.sentence))
        if owners <= {"wish"} or (alike and "given" not in owners and not owners >= {"item", "liked"}):
            where, others = [], []
        found = [*where, *(others if "item" in owners else [])]
        self.claims.append(Claim(kind, text, tuple(dict.fromkeys(found))))


@lru_cache(maxsize=8)
def _index(vocabulary: frozenset[str]) -> dict[tuple[str, ...], str]:
    return _keyed(sorted(vocabulary))


def _keyed(tags: Iterable[str]) -> dict[tuple[str, ...], str]:
    """The tags by their stems."""
    return {key: tag for tag in tags if (key := tuple(stems(tag)))}


def _given(texts: Iterable[str]) -> Iterator[Passage]:
    return (passage(Source("given", "given"), text) for text in texts)


def _source_of(one: Item, item: Item, ref: str) -> Source:
    value = one.title if ref == "title" else str(one.year)
    return Source("item" if one is item else "liked", ref, one.item_id, value)


def _holding_any(texts: Iterable[str], passages: Iterable[Passage]) -> list[Source]:
    held = list(passages)
    return [source for text in texts for source in holding(text, held)]


def _spellings(item: Item) -> set[str]:
    """What a sentence may call the item: its title, whole or shortened, with or without the article in front."""
    titles = {item.title, called(item)[0]}
    bare = {re.sub(r"^(?:The|A|An)\s+", "", title) for title in titles}
    return titles | {title for title in bare if len(title) > 4}


def _honours(claimed: str, recorded: str) -> bool:
    """Whether a standing of this kind bears out a word of that kind."""
    return recorded in {"award": ("oscars", "awards"), "acclaim": ("oscars", "awards", "rating")}.get(claimed, ())


_CHINESE_FILLERS = frozenset({"同样", "也", "再次", "又", "同一位导演", "同一人", "他", "她", "他们"})
_LOOSE = frozenset({"text", "title"})
