"""Answers about an item, from what the catalogue says of it and nothing else; and which small talk a message is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from agent.converse.options import LENGTHS
from agent.converse.pieces import Mention, Words
from agent.explain.facts import role_of
from agent.explain.standing import standing_of
from agent.recall.where import parse_where
from agent.types import Item

if TYPE_CHECKING:
    from agent.converse.answering import Answer

MAX_QUOTED_CHARS = 320
MAX_VALUES = 6

_ASKS: Mapping[str, re.Pattern[str]] = {  # what is asked for, first match first
    "director": re.compile(r"(?i)\bdirect(?:ed|or|s)\b|导演|谁导|执导"),
    "author": re.compile(r"(?i)\b(?:wrote|writ(?:er|ers|ten|es)|authors?|screenplay)\b|作者|编剧|谁写"),
    "cast": re.compile(r"(?i)\b(?:cast|act(?:or|ress)(?:e?s)?|stars?|starring|who(?:'s| is) in)\b|主演|演员|谁演"),
    "length": re.compile(r"(?i)\bhow long\b|\b(?:length|runtime|minutes|duration|pages)\b|多长|片长|时长|多少页"),
    "year": re.compile(r"(?i)\b(?:when|how old|year|released?|(?:come|came) out)\b|哪年|哪一年|什么时候|年份"),
    "language": re.compile(r"(?i)\b(?:language|spoken|subtitles?)\b|语言|什么语"),
    "country": re.compile(r"(?i)\b(?:country|countries|where (?:is|was) (?:it|this|that))\b|哪国|国家|哪个国"),
    "tags": re.compile(r"(?i)\b(?:genres?|what kind|what sort|what type|tags?)\b|类型|哪类|什么片"),
    "rating": re.compile(
        r"(?i)\b(?:rated|ratings?|scores?|reviews?|awards?|oscars?|any good)\b|评分|口碑|获奖|好看吗|好不好"
    ),
    "text": re.compile(
        r"(?i)\b(?:about|plot|story|happens?|describe|premise|synopsis|tell me more)\b|讲什么|讲的|剧情|内容|简介|介绍"
    ),
}
_HELLO = re.compile(
    r"(?i)^\W*(?:hi|hello|hey|good (?:morning|evening|day|afternoon)|greetings|howdy)\b|[你您早晚]上?好|嗨"
)
_THANKS = re.compile(r"(?i)\b(?:thanks?|thank you|cheers|great|perfect|nice|awesome|cool)\b|谢|太好了|不错")


def answered(answer: Answer) -> Iterator[Words | Mention]:
    """What the catalogue says to a question about an item; what it does not say is said to be unknown."""
    items = answer.named or answer.items([answer.before.focus] if answer.before.focus else [])
    if not items:
        yield from answer.say("ask", "unknown", said="")
        return
    for item in items[:3]:
        yield from _of(answer, item)


def _of(answer: Answer, item: Item) -> Iterator[Words | Mention]:
    fitting = [(one.said, parse_where(one.test).matches(item)) for one in answer.understood.constraints if one.test]
    if fitting:
        kind = "fits" if all(fits for _, fits in fitting) else "fails"
        yield from answer.say("about", kind, [item], values=[said for said, _ in fitting], **_shown(item))
        return
    asked = next((name for name, words in _ASKS.items() if words.search(answer.understood.message)), "all")
    values = values_of(item, asked) if asked != "all" else []
    kind = asked if values or asked == "all" else "unsaid"
    yield from answer.say("about", kind, [item], values=values, asked=asked, **_shown(item))


def values_of(item: Item, asked: str) -> list[str]:
    """What the catalogue says of one matter, as texts; empty where it says nothing."""
    if asked == "year":
        return [str(item.year)] if item.year is not None else []
    if asked == "tags":
        return list(item.tags[:MAX_VALUES])
    if asked == "text":
        return [quoted(item.text)] if item.text.strip() else []
    if asked == "rating":
        standing = standing_of(item)
        return [f"{standing.label} {standing.shown}"] if standing else []
    found = [value for name, value in item.attributes.items() if _is(name, asked)]
    own = [item.language] if asked == "language" and item.language else []
    values = [str(one) for value in found for one in (value if isinstance(value, tuple) else (value,))]
    return list(dict.fromkeys([*own, *values]))[:MAX_VALUES]


def _is(name: str, asked: str) -> bool:
    return name.casefold() in LENGTHS if asked == "length" else role_of(name) == asked


def _shown(item: Item) -> dict[str, object]:
    """The fields that a summary tells."""
    return {
        "year": str(item.year or ""),
        "tags": list(item.tags[:3]),
        "people": values_of(item, "director") or values_of(item, "author"),
        "text": quoted(item.text),
    }


def quoted(text: str) -> str:
    """The beginning of a text, whole sentences as far as they fit."""
    flat = " ".join(text.split())
    if len(flat) <= MAX_QUOTED_CHARS:
        return flat
    cut = flat[:MAX_QUOTED_CHARS]
    ends = [found.end() for found in re.finditer(r"[.!?](?=\s)|[。！？]", cut)]
    return cut[: ends[-1]] if ends else cut.rsplit(" ", 1)[0] + " …"


def talk_kind(message: str) -> str:
    """Which small talk a message is: `hello`, `thanks`, or `talk` for all else."""
    if _HELLO.search(message):
        return "hello"
    return "thanks" if _THANKS.search(message) else "talk"
