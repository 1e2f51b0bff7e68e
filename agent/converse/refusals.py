"""What a message refuses in words: taken out of the wish, which would find just that, and kept to be avoided."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

MAX_REFUSED = 3  # of one message

_END = r"(?=\s+but\b|[,.;:!?\n]|$)"
_REFUSING = re.compile(
    r"(?i)\b(?:no|nothing|without|never|not|none|avoid|except|anything but|can'?t stand|hate|less"
    rf"|(?:do|does|is|are|was|were)(?:n'?t| not))\b[^,.;:!?\n]{{0,120}}?{_END}"
)
_REFUSING_ZH = re.compile(
    r"[\u4e00-\u9fff]{1,6}少一?[点些]|(?:不要|不想|不看|不喜欢|别|没有|讨厌|受不了)[^，。；：！？,.;:!?\n的]{0,60}的?"
)
LENGTH = re.compile(
    r"(?i)(?:\b(?:under|below|over|above|about|around|at (?:most|least)|(?:no )?(?:less|more|longer|shorter) than"
    r"|max\w*)\s+)?"
    r"\b(?:\d{1,3}|an|one|two|three|half an)\s*(?:-\s*)?(?:minutes?|mins?|hours?)\b(?:\s+(?:long|or (?:less|so)))?"
    r"|\d{1,3}\s*分钟(?:以内|以下)?|[一两二三]个?(?:半)?小时(?:以内|以下)?"
)
_NAMES = re.compile(
    r"(?i)\b(?:no more|no|without(?: any)?|nothing (?:with|about|to do with|involving|of)|not about|avoid"
    r"|(?:don'?t|do not|never) want (?:to see |to watch )?(?:any|another)?)\s+(?:the |more |any |too much )?"
    r"([a-z][a-z'-]{3,24})(?:\s+(?:and|or|nor)\s+([a-z][a-z'-]{3,24}))?"
)
_NAMES_ZH = re.compile(
    r"(?:不要|不想看|不看|别有|没有)(?!太|那么|这么|再|什么|别的)(?:有)?([\u4e00-\u9fff]{2,6}?)(?:的|片|电影|$|[，。！？])"
)
_LISTS = tomllib.loads((Path(__file__).parent / "refusals.toml").read_text(encoding="utf-8"))
_NO_NAMES, _FILLERS = (frozenset(_LISTS[name].split()) for name in ("no_names", "fillers"))
_WORD = re.compile(r"[\u4e00-\u9fff]|[^\W_]+(?:['’][^\W_]+)*")


def positive(text: str) -> str:
    """A wish without what it refuses, and without lengths; empty where nothing is left that says something."""
    kept = LENGTH.sub(" ", _REFUSING_ZH.sub(" ", _REFUSING.sub(" ", text)))
    kept = re.sub(r"\s+([,.;:!?])", r"\1", " ".join(kept.split())).strip(" ,.;:!?，。；：！？-")
    return kept if telling(kept) else ""


def telling(text: str) -> set[str]:
    """The words of a text that say something."""
    return {word for word in _WORD.findall(text.casefold()) if word not in _FILLERS}


def refused(message: str, told: Iterable[str]) -> tuple[str, ...]:
    """What is not to be spoken of, word by word: "nothing with zombies". `told` is what constraints stand for."""
    known = {word for text in told for word in _WORD.findall(text.casefold())}
    words = [word for names in _NAMES.findall(message) for word in names if word]
    words += [word for word in _NAMES_ZH.findall(message) if not any(word in text or text in word for text in told)]
    kept = [word for word in words if word.casefold() not in known | _NO_NAMES]
    return tuple(dict.fromkeys(kept))[:MAX_REFUSED]
