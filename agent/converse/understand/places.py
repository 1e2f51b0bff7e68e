"""Items by their place in the slate, and by pronouns: the second one, #3, 最后一个, both, it, 那部."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.converse.understand.message import Message, Span
from agent.converse.understand.words import number_of, rule

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NOUN = (
    r"(?:one|ones|film|films|movie|movies|book|books|novel|game|games|song|songs|album|albums|show|series|pick|picks|option|"
    r"suggestion|suggestions|choice|recommendation|recommendations|title|item|result|entry)"
)
_NEXT = (
    r"(?=\s*$|\s*[,.;:!?)\-]|['’]s\b|\s+(?:and|or|but|is|was|isn['’]t|wasn['’]t|are|looks?|sounds?|seems?|has|had|does|did|"
    r"again|instead|please|above|below|on|in|of|made|really|too|over|than|only|i|we|just|though|if|for|be|so|to|have|about|"
    r"already|yet|with|from|then|there|here|up|because|a|an|the|ranked|not|at|as|by)\b)"
)
_ORDINAL = rf"(?P<ordinal>{'|'.join(_ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th)|last|final|top|bottom|middle)"
_COUNTED = r"(?P<many>two|three|four|five|[2-9])"
_PATTERNS = [
    re.compile(rf"\b(?:the )?(?P<end>first|last) {_COUNTED}(?: {_NOUN})?\b{_NEXT}", re.IGNORECASE),
    re.compile(rf"\b(?:the |that |your )?{_ORDINAL} {_NOUN}\b", re.IGNORECASE),
    re.compile(rf"\bthe {_ORDINAL}\b{_NEXT}", re.IGNORECASE),
    re.compile(
        r"(?:\b(?:number|no\.?|nr\.?|option|item|pick|choice|suggestion)\s?|#\s?)"
        r"(?P<number>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten)\b",
        re.IGNORECASE,
    ),
    re.compile(rf"^\s*(?:(?:the|only|just|yes|and|or),? )*{_ORDINAL}(?:\s+please)?\s*[.!?]*\s*$", re.IGNORECASE),
    re.compile(
        r"第(?P<number>[一二三四五六七八九十\d]{1,2})(?![次时季集章名遍回天年届部分])(?:个|部|本|首|张|款|条|项|片)?"
    ),
    re.compile(r"第(?P<number>[一二三四五六七八九十\d]{1,2})部(?!分)"),
    re.compile(r"(?P<ordinal>最后)[一1]?(?:个|部|本|首|张|款|条)"),
    re.compile(r"(?P<end>前|后)(?P<many>[两二三四五六七八九2-9])(?:个|部|本|首|张|款)"),
    re.compile(r"(?P<number>[一二三四五六七八九十]|\d{1,2})号(?!线|楼)"),
]
_BARE = re.compile(r"^[\s#]*\d{1,2}(?:(?:\s*(?:,|&|and|or|和|、|跟)\s*|\s+)#?\d{1,2})*[\s.!?]*$")
_BESIDE = re.compile(
    r"(?:\b(?:why|about|seen|like|loved|liked|hated|not|than|explain|watched|for|is|was|saw|of)\s+|为什么|喜欢|看过|像)#?"
    r"(?P<number>\d{1,2})(?=\s*$|\s*[,.;!?]|\s+(?:and|or|but|is|was|please)\b|\s*[和跟、是])",
    re.IGNORECASE,
)
_AFTER_NUMBER = re.compile(
    r"\s*(?:,|&|and|or|not|和|、|跟)\s*(?:the |number |#)?(?P<number>\d{1,2}|[一二三四五六七八九十](?=$|[,.;!?\s]))"
    r"(?=\s*$|[\s,.;!?])"
)
_ALL = rule("every")
_PRONOUN = re.compile(
    rf"\b(?:that|this) (?:one|{_NOUN})\b|(?<!make )(?<!made )(?<!keep )\bit\b(?!['’]s (?:raining|late|all|a)\b)|"
    r"\bthat\b(?=\s*$|\s*[?.!,]|['’]s|\s+(?:is|was|so|too|very|already|back|again|when|in|as|last|twice)\b)|\bthis\b(?=\s*$|\s*[?.!,]|\s+(?:is|was)\b)"
    r"|[那这]一?(?:部|个|本|首|张|款)(?:电影|片子|书|游戏|专辑|歌|小说)?|(?<!其)它(?!们)|[那这]片子|该片",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Placed:
    """Words that name places of the slate, 1-based; -1 is the last. `every` means all of them."""

    span: Span
    places: tuple[int, ...]
    every: bool = False


def places_in(message: Message, size: int) -> Iterator[Placed]:
    """The places that a message names, of a slate of this size; 0 where none was shown."""
    if size and _BARE.match(message.text):
        for match in re.finditer(r"\d{1,2}", message.text):
            message.take(Span(*match.span()))
            yield Placed(Span(*match.span()), (int(match[0]),))
        return
    found = False
    for pattern in (*_PATTERNS, *([_BESIDE] if size else [])):
        for match in pattern.finditer(message.text):
            span = Span(match.start("number"), match.end("number")) if pattern is _BESIDE else Span(*match.span())
            if message.free(span):
                message.take(span)
                found = True
                yield Placed(span, _places(match.groupdict(), size))
                yield from _more(message, span, size)
    if size and not found:
        for match in message.matches(_ALL):
            if size == 2 or not match[0].lower().startswith("both"):
                yield Placed(Span(*match.span()), tuple(range(1, size + 1)), every=True)


def pronouns_in(message: Message) -> list[Span]:
    """Where a message says it, that one, 那部 and the like."""
    spans = (Span(*match.span()) for match in _PRONOUN.finditer(message.text))
    return [span for span in spans if message.free(span)]


def _more(message: Message, span: Span, size: int) -> Iterator[Placed]:
    """Numbers that go on with one just named: number 2 and 4."""
    while size and (match := _AFTER_NUMBER.match(message.text, span.end)):
        span = Span(match.start("number"), match.end("number"))
        if not message.free(span):
            return
        message.take(span)
        yield Placed(span, _places(match.groupdict(), size))


def _places(groups: dict[str, str | None], size: int) -> tuple[int, ...]:
    if number := groups.get("number"):
        return (int(number_of(number) or 0),)
    if many := groups.get("many"):
        count = int(number_of(many) or 1)
        first = (groups.get("end") or "").lower() in ("first", "前")
        return tuple(range(1, count + 1)) if first else tuple(range(max(1, size - count + 1), size + 1)) or (-1,)
    word = (groups.get("ordinal") or "last").lower()
    if word in ("last", "final", "bottom", "最后"):
        return (-1,)
    if word == "middle":
        return ((size + 1) // 2,)
    return (
        (1,) if word == "top" else ((_ORDINALS.index(word) + 1) if word in _ORDINALS else int(re.sub(r"\D", "", word)),)
    )
