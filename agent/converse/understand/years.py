"""Years that a message asks for: 90s, nothing older than 2000, the last ten years, 80年代, 2000年以后."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median

from agent.converse.state import Constraint
from agent.converse.understand.clause import only_leans, refused
from agent.converse.understand.message import Message, Span
from agent.converse.understand.tests_of import compared, constraints
from agent.converse.understand.vocabulary import Vocabulary
from agent.converse.understand.words import number_of, rule

Years = tuple[int, int]  # the first and the last of them

_NAMES = (*("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties", "noughties"),)
_DECADES = {name: 1920 + 10 * place for place, name in enumerate(_NAMES)}
_TIME = (
    r"(?:(?:the |year )?(?:(?:early|mid|late)[- ]?)?(?:'?\d0['’]?s|(?:18|19|20)\d0['’]?s|" + "|".join(_DECADES) + r")\b"
    r"|(?:上世纪|上个世纪|二十世纪|20世纪)?(?:(?:18|19|20)\d0|\d0|[一二三四五六七八九]十|一九[一二三四五六七八九]零|[零〇]零)年代"
    r"|(?:the year )?(?<![\d.:])(?:1[89]\d\d|20\d\d)(?![\d.:]\d|\d|\s*(?:min|pages|字|页|分))年?)"
)
_NOT = r"(?:\b(?:nothing|no|none|not|never|without|avoid)\b|n['’]t\b)[^,.;!?]{0,30}?"
_NOT_ZH = r"(?:不要|不想看|不看|别给我|别要|别|不想要|不需要)"
_FORMS = [  # the form in words, and the sign that it puts before the first (a) or the last (z) of the years
    (rf"{_NOT}\b(?:older than|before|earlier than|prior to|pre[- ]?)\s*(?P<t>{_TIME})", ">=a"),
    (rf"{_NOT}\b(?:newer than|after|later than|more recent than|past|post[- ]?|since)\s*(?P<t>{_TIME})", "<=z"),
    (rf"{_NOT_ZH}(?P<t>{_TIME})(?:以前|之前|前)的?", ">=a"),
    (rf"{_NOT_ZH}(?P<t>{_TIME})(?:以后|之后|后|以来)的?", "<a"),
    (rf"(?:不早于|不老于)(?P<t>{_TIME})", ">=a"),
    (rf"(?:不晚于|不新于)(?P<t>{_TIME})", "<=z"),
    (
        rf"\b(?:between|from)?\s*(?P<t>{_TIME})\s*(?:-|–|~|to|and|until|till|through|到|至)\s*(?P<u>{_TIME})(?:之间)?",
        ">=a<=z",
    ),
    (rf"\bfrom\s*(?P<t>{_TIME})\s*(?:on(?:wards?)?|and (?:later|after|newer)|or (?:later|newer))\b", ">=a"),
    (
        rf"(?P<t>{_TIME})\s*(?:onwards?|and (?:later|after|newer|up)|or (?:later|newer|after)|以后|之后|后|以来|起)的?",
        ">=a",
    ),
    (rf"(?P<t>{_TIME})\s*(?:and (?:earlier|before|older)|or (?:earlier|before|older)|及以前)", "<=z"),
    (rf"(?P<t>{_TIME})(?:以前|之前|前)的?", "<a"),
    (rf"(?:\b(?:older than|before|earlier than|prior to|pre[- ])|早于|老于)\s*(?P<t>{_TIME})", "<a"),
    (rf"(?:\b(?:newer than|after|later than|more recent than|post[- ])|晚于|新于)\s*(?P<t>{_TIME})", ">z"),
    (rf"\b(?:since|starting (?:in|from|with)|as of)\s*(?P<t>{_TIME})|自(?P<u>{_TIME})", ">=a"),
    (rf"\b(?:until|till|up to|no later than)\s*(?P<t>{_TIME})|到(?P<u>{_TIME})为止", "<=z"),
    (rf"\b(?:around|about|circa|roughly)\s+(?P<t>{_TIME})|(?P<u>{_TIME})左右", "~"),
    (rf"(?:\b(?:from|in|of|during|made in|released in|shot in)\s+)?(?P<t>{_TIME})(?=['’s\s,.;!?)的]|$|[^\d])", "="),
]
_PATTERNS = [(re.compile(form, re.IGNORECASE), sign) for form, sign in _FORMS]
_SPAN_EN = (
    r"(?:the )?(?:last|past|previous) (?:(?P<n>\w+) )?(?P<unit>years|decades?|couple of years|few years)\b"
    r"|\b(?P<r>recent years)\b"
)
_SPAN_ZH = r"(?:最近|过去|近)的?(?P<n>[\d一二两三四五六七八九十几]+)(?P<unit>年)(?:来|内)?"
_SPANS = [re.compile(_SPAN_EN, re.IGNORECASE), re.compile(_SPAN_ZH)]
_FIXED = [
    (
        re.compile(r"\b(?:this|the 21st|the twenty-first) century\b|本世纪|21世纪|二十一世纪", re.IGNORECASE),
        (2000, None),
    ),
    (re.compile(r"\b(?:last|the 20th|the twentieth) century\b|上个?世纪|20世纪|二十世纪", re.IGNORECASE), (1900, 1999)),
]
_THIS_YEAR = re.compile(r"\b(?P<last>last year)\b(?! ?old)|\bthis year\b|(?P<zh>去年)|今年", re.IGNORECASE)
_NEWER, _OLDER = rule("newer"), rule("older")
RECENT_YEARS, OLD_YEARS = 10, 30  # what recent and old mean, before the newest item


def years_in(message: Message, vocabulary: Vocabulary, shown: Sequence[int]) -> Iterator[Constraint]:
    """The constraints on the year; `shown` are the years of the slate, which newer and older speak of."""
    if not vocabulary.dated or vocabulary.newest is None:
        return
    yield from _spans_of_years(message, vocabulary.newest)
    for pattern, sign in _PATTERNS:
        for match in message.matches(pattern):
            first, last = _years(match["t"] or match["u"])
            if "u" in match.groupdict() and match["t"] and match["u"]:
                last = _years(match["u"])[1]
            yield from _bounded(message, match, sign, (min(first, last), max(first, last)))
    yield from _vague(message, vocabulary.newest, shown)


def _bounded(message: Message, match: re.Match[str], sign: str, years: Years) -> list[Constraint]:
    span, said = Span(*match.span()), " ".join(match[0].split())
    if sign == "~":
        return _within((years[0] - 5, years[1] + 5), said, hard=False)
    hard = not only_leans(message, span)
    if sign in ("=", ">=a<=z"):
        return _without(years, said) if refused(message, span) else _within(years, said, hard=hard)
    op, number = sign[:-1], years[0] if sign.endswith("a") else years[1]
    return constraints([compared("year", op, number)], said, hard=hard)


def _within(years: Years, said: str, *, hard: bool) -> list[Constraint]:
    first, last = years
    tests = (
        [compared("year", "=", first)]
        if first == last
        else [compared("year", ">=", first), compared("year", "<=", last)]
    )
    return constraints(tests, said, hard=hard)


def _without(years: Years, said: str) -> list[Constraint]:
    """Outside of ten years at most: a longer time is refused by its ends."""
    first, last = years
    return constraints(
        [compared("year", "!=", year) for year in range(first, min(last, first + 9) + 1)], said, hard=True
    )


def _years(words: str) -> Years:
    """The years that a word for a time means: a decade, a part of one, or one year."""
    text = words.lower()
    if (digits := re.search(r"(?:1[89]|20)\d\d", text)) and not re.search(r"\d['’]?s\b|年代", text):
        return int(digits[0]), int(digits[0])
    first = _decade(text)
    if "early" in text:
        return first, first + 3
    if "late" in text:
        return first + 6, first + 9
    return (first + 3, first + 6) if "mid" in text else (first, first + 9)


def _decade(text: str) -> int:
    if named := next((year for name, year in _DECADES.items() if name in text), None):
        return named
    if digits := re.search(r"(1[89]\d|20\d)0", text.replace("20世纪", "")):
        return int(digits[0])
    if short := re.search(r"(?<!\d)\d0", text.replace("20世纪", "")):
        tens = int(short[0])
        return 2000 + tens if tens <= 10 else 1900 + tens
    signs = re.search(r"([一二三四五六七八九])[十零]年代", text)
    return 1900 + int(10 * (number_of(signs[1]) or 0)) if signs else 2000


def _spans_of_years(message: Message, newest: int) -> Iterator[Constraint]:
    for pattern in _SPANS:
        for match in message.matches(pattern):
            many = _how_many(match)
            yield from constraints([compared("year", ">=", newest - many + 1)], match[0], hard=True)
    for fixed, (first, last) in _FIXED:
        for match in message.matches(fixed):
            if last is None:
                yield from constraints([compared("year", ">=", first)], match[0], hard=True)
            else:
                yield from _within((first, last), match[0], hard=True)
    for match in message.matches(_THIS_YEAR):
        year = newest - 1 if match["last"] or match["zh"] else newest
        yield from constraints([compared("year", "=", year)], match[0], hard=True)


def _how_many(match: re.Match[str]) -> int:
    unit = match["unit"] or ""
    if "couple" in unit:
        return 2
    number = number_of(match["n"]) if match["n"] else None
    if "decade" in unit:
        return int(10 * (number or 1))
    return max(1, min(200, int(number))) if number else 5


def _vague(message: Message, newest: int, shown: Sequence[int]) -> Iterator[Constraint]:
    """Newer than what was shown, or than ten years ago; older than what was shown, or than thirty years ago."""
    for pattern, newer in ((_NEWER, True), (_OLDER, False)):
        for match in message.matches(pattern):
            compares = bool(shown) and not match[0].lower().startswith(
                ("modern", "contemporary", "classic", "vintage", "recent")
            )
            if compares:
                test = compared("year", ">" if newer else "<", int(median(shown)))
            else:
                test = compared(
                    "year", ">=" if newer else "<=", newest - (RECENT_YEARS if newer else OLD_YEARS) + newer
                )
            yield Constraint(test=test, said=" ".join(match[0].split()), hard=False)
