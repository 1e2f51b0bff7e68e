"""Lengths that a message asks for, where the catalogue knows any: under two hours, ninety minutes, 两小时以内."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median

from agent.converse.state import Constraint
from agent.converse.understand.clause import only_leans, refused
from agent.converse.understand.message import Message, Span
from agent.converse.understand.tests_of import compared
from agent.converse.understand.vocabulary import Vocabulary
from agent.converse.understand.words import number_of, rule

SHORT_MINUTES, LONG_MINUTES = 95, 150  # what short and long mean where nothing was shown
_NUMBER = (
    r"\d+(?:\.\d+)?|an?|one|two|three|four|five|six|seven|eight|nine|ten|fifteen|twenty|thirty|forty[- ]five|forty|"
    r"fifty|sixty|ninety|a hundred|[一二两三四五六七八九十半]+"
)
_HOURS = (
    r"(?P<half>half an hour|半个?小时)|"
    rf"(?P<h>{_NUMBER})[- ]?(?P<more>个半|and a half )?(?:个)?[- ]?(?:hours?|hrs?|h\b|小时|钟头)"
    rf"(?P<and> and a half|半)?(?:(?: and)? ?(?P<m>{_NUMBER})[- ]?(?:minutes?|mins?|m\b|分钟))?"
)
_AMOUNT = rf"(?:{_HOURS}|(?P<min>{_NUMBER})[- ]?(?:minutes?|mins?\b|分钟)|(?P<p>\d+)[- ]?(?:pages?|页))"
_BEFORE = "|".join(f"(?P<{name}>{rule(name).pattern})" for name in ("at_most", "at_least", "about"))
_AFTER = "".join(f"(?P<{name}>{rule(name).pattern})?" for name in ("or_less", "or_more"))
_LENGTH = re.compile(rf"(?:(?:{_BEFORE})\s*)?(?<![\w.]){_AMOUNT}\s*{_AFTER}", re.IGNORECASE)
_LENGTH_ZH = re.compile(rf"(?:(?:{_BEFORE})\s*)?{_AMOUNT}\s*{_AFTER}", re.IGNORECASE)
_STRICT = (
    "under",
    "less than",
    "shorter than",
    "below",
    "不到",
    "少于",
    "短于",
    "over",
    "more than",
    "longer than",
    "above",
)
_SHORTER, _LONGER = rule("shorter"), rule("longer")


def lengths_in(message: Message, vocabulary: Vocabulary, shown: Sequence[float]) -> Iterator[Constraint]:
    """The constraints on minutes or pages; `shown` are the lengths of the slate, which shorter and longer speak of."""
    for match in (*_LENGTH.finditer(message.text), *_LENGTH_ZH.finditer(message.text)):
        span = Span(*match.span())
        field = vocabulary.pages if match["p"] else vocabulary.minutes
        sign = _sign(match, refuses=refused(message, span))
        if sign and field and message.free(span):
            message.take(span)
            yield from _bounds(field, sign, _amount(match), message.said(span), hard=not only_leans(message, span))
    if (field := vocabulary.minutes or vocabulary.pages) is not None:
        yield from _vague(message, field, shown, in_minutes=vocabulary.minutes is not None)


def _amount(match: re.Match[str]) -> float:
    """Minutes or pages."""
    if match["p"]:
        return float(match["p"])
    if match["min"]:
        return number_of(match["min"]) or 0.0
    if match["half"]:
        return 30.0
    hours = number_of(match["h"].replace("个半", "")) or 0.0
    halves = 0.5 if match["more"] or match["and"] else 0.0
    return 60.0 * (hours + halves) + (number_of(match["m"]) or 0.0 if match["m"] else 0.0)


def _sign(match: re.Match[str], *, refuses: bool) -> str:
    """The operator that the words beside an amount stand for; nothing where they ask for no length."""
    if match["about"]:
        return "~"
    strict = ((match["at_most"] or match["at_least"] or "").lower()) in _STRICT
    if match["at_most"] or match["or_less"]:
        return ">=" if refuses else "<" if strict else "<="
    if match["at_least"] or match["or_more"]:
        return "<=" if refuses else ">" if strict else ">="
    return ""


def _bounds(field: str, sign: str, amount: float, said: str, *, hard: bool) -> Iterator[Constraint]:
    if amount <= 0:
        return
    if sign == "~":
        yield Constraint(test=compared(field, ">=", round(0.85 * amount)), said=said, hard=False)
        yield Constraint(test=compared(field, "<=", round(1.15 * amount)), said=said, hard=False)
    else:
        yield Constraint(test=compared(field, sign, amount), said=said, hard=hard)


def _vague(message: Message, field: str, shown: Sequence[float], *, in_minutes: bool) -> Iterator[Constraint]:
    """Shorter or longer than what was shown, or than what short and long mean."""
    for pattern, longer in ((_SHORTER, False), (_LONGER, True)):
        for match in message.matches(pattern):
            span, words = Span(*match.span()), match[0].lower()
            wants = longer != (
                refused(message, span) and not words.startswith(("too ", "so ", "that ", "太", "不要", "别"))
            )
            if shown:
                test = compared(field, ">" if wants else "<", round(median(shown)))
            elif in_minutes:
                test = compared(field, ">=" if wants else "<=", LONG_MINUTES if wants else SHORT_MINUTES)
            else:
                continue
            yield Constraint(test=test, said=words, hard=False)
