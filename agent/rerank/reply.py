"""Any text a model may answer, read as an order of the labels 1..n. Pure and total."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.llm.thoughts import without_thoughts

MAX_READ_CHARS = 100_000

_MARKS = r"[\"'`*_]{0,4}"
_NUMBER = re.compile(r"(?<![A-Za-z\d_.])(?P<number>[-−]?\d+)(?![A-Za-z\d_]|\.\d)")
_BETWEEN = re.compile(r"(?:[\s,;>→≻»≥|、。،؛\[\](){}\"'`*_#]|->|(?<=\s)[-+•·](?=\s))*")
_ORDER = re.compile(r"[\"']order[\"']\s{0,9}:(?P<value>[^{}:]*)", re.IGNORECASE)
_BRACKETED = re.compile(rf"[\[(<【「]\s?{_MARKS}(?P<number>[-−]?\d+){_MARKS}\s?[\])>】」]")
_NAMED = re.compile(
    r"(?:\b(?:label|id|index|item|candidate|option|number|no\.?)|#|选项|候选|编号|序号|标签)"
    rf"{_MARKS}\s?[:#=]?\s?[\[(]?{_MARKS}(?P<number>[-−]?\d+)(?![A-Za-z\d_]|\.\d)",
    re.IGNORECASE,
)
_LEADING = re.compile(
    rf"^[ \t]{{0,9}}(?:[-+*•·][ \t])?{_MARKS}(?P<number>\d+){_MARKS}(?:[.):|]|[ \t]-)(?!\d)", re.MULTILINE
)
_NUMBERING = re.compile(
    rf"^[ \t]{{0,9}}(?:#{{1,6}}[ \t])?{_MARKS}(?P<number>\d{{1,4}}){_MARKS}(?:[.):]\s|、)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """An order read from a reply. `order` is a permutation of range(n): the places, from 0, of the labels 1..n.

    Labels that the reply names come first, as it names them; the others follow in the order given. `named` + `missing`
    is n. `foreign` counts numbers that are no label, `repeated` labels named again (the first time holds).
    """

    order: tuple[int, ...]
    named: int
    missing: int
    foreign: int
    repeated: int


def permutation_from(reply: str, n: int) -> Parsed:
    """The order of the labels 1..n that a reply gives; the order given, with `named` 0, where it gives none.

    Reads, after dropping thoughts: a JSON object's `order`; numbers in a row (`[3] > [1]`, `3, 1`, one a line); labels
    amid words (`[3] Heat`, `"label": 3`, `item 3`, `3: Heat` at the start of lines). Of several lists the one that
    names most labels holds, among equals the last of the most trusted form; numbers outside it do not count.
    No label is: the numbering 1., 2., 3. of lines; bare numbers amid prose of which fewer than two are labels; a
    decimal; a number that ends the reply inside an open bracket, where more digits could have followed. Digits of
    every script are read, Roman numerals and words are not.
    Total: any text (the first 100,000 characters count) and any n (below 1 gives the empty order).
    """
    text = unicodedata.normalize("NFKC", without_thoughts(reply)[:MAX_READ_CHARS])
    text = _without_numbering(_without_cut_label(text, n))
    best = _tally((), n)
    for numbers in _lists_in(text, n):
        found = _tally(numbers, n)
        if (found.named, found.foreign > 0) >= (best.named, best.foreign > 0):
            best = found
    return best


def _tally(numbers: Iterable[int], n: int) -> Parsed:
    places: dict[int, None] = {}
    foreign = repeated = 0
    for number in numbers:
        if not 1 <= number <= n:
            foreign += 1
        elif number - 1 in places:
            repeated += 1
        else:
            places[number - 1] = None
    rest = [place for place in range(n) if place not in places]
    return Parsed((*places, *rest), len(places), len(rest), foreign, repeated)


def _lists_in(text: str, n: int) -> Iterator[Sequence[int]]:
    """Every list of numbers that the text may mean, the most trusted form last."""
    for form in (_LEADING, _NAMED, _BRACKETED):
        yield [_value(match) for match in form.finditer(text)]
    prose = any(char.isalpha() for char in text)
    for row in _rows(text):
        if not prose or len({number for number in row if 1 <= number <= n}) > 1:
            yield from _orders_in(row, n)
    for match in _ORDER.finditer(text):
        for row in _rows(match["value"]):
            yield from _orders_in(row, n)


def _rows(text: str) -> Iterator[list[int]]:
    """The numbers of the text, in runs that nothing but separators parts."""
    row: list[int] = []
    end = 0
    for match in _NUMBER.finditer(text):
        if row and not _BETWEEN.fullmatch(text, end, match.start()):
            yield row
            row = []
        row.append(_value(match))
        end = match.end()
    if row:
        yield row


def _orders_in(row: Sequence[int], n: int) -> Iterator[Sequence[int]]:
    """The row, cut wherever it has named every label and goes on to name every label again."""
    ends: list[int] = []
    seen: set[int] = set()
    for end, number in enumerate(row, start=1):
        if 1 <= number <= n:
            seen.add(number)
            if len(seen) == n:
                ends.append(end)
                seen = set()
    for start, end in pairwise((0, *ends[:-1], len(row))):
        yield row[start:end]


def _value(match: re.Match[str]) -> int:
    """The number matched; -1, which is no label, where it is negative or absurdly long."""
    number = match["number"]
    return int(number) if number[0] not in "-−" and len(number) < 10 else -1


def _without_cut_label(text: str, n: int) -> str:
    """The text without a number that ends it inside an open bracket, where a longer label could begin so."""
    head = text.rstrip("0123456789")
    digits = text[len(head) :]
    is_open = head.rfind("[") > head.rfind("]")
    return head if is_open and 0 < len(digits) < 10 and int(digits) * 10 <= n else text


def _without_numbering(text: str) -> str:
    """The text without the numbering of its lines, where that runs 1, 2, 3, ... (and perhaps again from 1)."""
    matches = list(_NUMBERING.finditer(text))
    numbers = [int(match["number"]) for match in matches]
    runs_on = all(after in (before + 1, 1) for before, after in pairwise(numbers))
    if len(numbers) < 2 or numbers[:2] != [1, 2] or not runs_on:
        return text
    return _NUMBERING.sub("", text)
