"""The texts that a sentence may rely on, each with the place it comes from, and how to look things up in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from agent.explain.facts import field_texts
from agent.explain.words import CJK, folded, stems
from agent.types import Item

MAX_KEPT_CHARS = 300
_FIGURE = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a claim stands: a field (`ref`) of the `item` or of a `liked` item, the `wish`, or what was `given`.

    `value` is that field's text, left out where it is long.
    """

    owner: str
    ref: str
    item_id: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """One text to rely on. `words` holds its stems between single spaces; `text` is kept for Chinese only."""

    source: Source
    text: str
    words: str
    figures: frozenset[str]


def passages_of(item: Item, owner: str) -> list[Passage]:
    """Everything the catalogue says of the item, field by field; `owner` is `item` or `liked`."""
    return [passage(Source(owner, ref, item.item_id, _short(text)), text) for ref, text in field_texts(item)]


def _short(text: str) -> str:
    return text if len(text) <= MAX_KEPT_CHARS else ""


def passage(source: Source, text: str) -> Passage:
    """A text made ready to look things up in."""
    words, figures = _read(text) if len(text) > MAX_KEPT_CHARS else _reread(text)
    return Passage(source, folded(text) if CJK.search(text) else "", words, figures)


def _read(text: str) -> tuple[str, frozenset[str]]:
    return f" {' '.join(stems(text))} ", frozenset(plain_number(match.group()) for match in _FIGURE.finditer(text))


_reread = lru_cache(maxsize=8192)(_read)


def holding(text: str, passages: Iterable[Passage]) -> tuple[Source, ...]:
    """Where the text stands, whole words of it; Chinese anywhere."""
    if CJK.search(text):
        wanted = folded(text)
        return tuple(p.source for p in passages if wanted in p.text)
    words = " ".join(stems(text))
    return tuple(p.source for p in passages if words and f" {words} " in p.words)


def plain_number(figure: str) -> str:
    """Digits with commas and a point, in one spelling: `4,512` and `4512.0` give `4512`; other signs stay."""
    try:
        return f"{float(figure.replace(',', '')):.10g}"
    except ValueError:  # a number in Chinese signs, such as `两`, which no passage holds as digits
        return figure


def in_decade(figure: str, decade: str) -> bool:
    """Whether a year lies in the decade, which is given as `1990` or as `90`."""
    if not (figure.isdecimal() and len(figure) == 4 and decade.isdecimal() and decade.endswith("0")):
        return False
    return figure[:3] == decade[:3] if len(decade) == 4 else len(decade) == 2 and figure[2] == decade[0]
