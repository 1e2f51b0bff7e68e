"""The words of `words.toml` and `rules.toml`, as the rules look them up. Pure once loaded."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_LISTS, RULES = (tomllib.loads((_HERE / name).read_text(encoding="utf-8")) for name in ("words.toml", "rules.toml"))


@dataclass(frozen=True)
class Tagged:
    """A group of tags: how catalogues spell it, the nouns that name it, and the words that lean towards it."""

    names: tuple[str, ...]
    nouns: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """A language and a land: words for both, and how catalogues spell them, in lower case."""

    adjectives: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    language_words: tuple[str, ...] = ()
    lands: tuple[str, ...] = ()
    land_words: tuple[str, ...] = ()


TAGGED = {
    name: Tagged(*(tuple(group[key]) for key in ("names", "nouns", "words"))) for name, group in _LISTS["tags"].items()
}
ORIGINS = {
    name: Origin(**{key: tuple(words) for key, words in origin.items()}) for name, origin in _LISTS["origins"].items()
}
FIELDS: dict[str, tuple[str, ...]] = {name: tuple(names) for name, names in _LISTS["fields"].items()}
ORDINARY = frozenset(_LISTS["ordinary"]["words"].split()) | frozenset(_LISTS["ordinary"]["signs"])

NO_TITLES = frozenset(  # single words that are a title in quotes or with a year alone
    word
    for words in (
        *((*group.nouns, *group.words) for group in TAGGED.values()),
        *((*origin.adjectives, *origin.language_words, *origin.land_words) for origin in ORIGINS.values()),
    )
    for word in words
)

_HAN = "\u3400-\u9fff"
_NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100}
_TENS |= {"a hundred": 100, "fifteen": 15, "forty-five": 45, "forty five": 45}
_SIGNS = "零一二三四五六七八九"


def number_of(words: str) -> float | None:
    """The number that digits, an English word up to a hundred, or Chinese signs up to 99 say; None for other words."""
    text = words.strip().lower().replace(",", "")
    if text.replace(".", "", 1).isdigit() and text.isascii():
        return float(text)
    if text in ("a", "an", "半"):
        return 0.5 if text == "半" else 1.0
    if text in _NUMBERS:
        return float(_NUMBERS.index(text) + 1)
    return float(_TENS[text]) if text in _TENS else _chinese(text.replace("两", "二").replace("〇", "零"))


def _chinese(signs: str) -> float | None:
    tens, ten, ones = signs.rpartition("十")
    if not signs or any(sign not in _SIGNS for sign in tens + ones):
        return None
    if not ten:
        return float("".join(str(_SIGNS.index(sign)) for sign in ones))
    if len(tens) > 1 or len(ones) > 1:
        return None
    return float(10 * (_SIGNS.index(tens) if tens else 1) + (_SIGNS.index(ones) if ones else 0))


def ordinary(keys: list[str]) -> bool:
    """Whether all of these words are so common that they are no name by themselves."""
    return all(key in ORDINARY or (len(key) > 3 and key.removesuffix("s") in ORDINARY) for key in keys)


def rule(name: str, *, before: str = "", after: str = "") -> re.Pattern[str]:
    """One of the lists of `rules.toml` as a pattern, with further signs before and after it."""
    lists = RULES[name]
    english = rf"(?<!\w)(?:{'|'.join(lists['en'])})(?![\w])" if lists.get("en") else ""
    both = "|".join([*filter(None, [english]), *lists.get("zh", [])])
    return re.compile(f"{before}(?:{both}){after}", re.IGNORECASE)


def any_of(forms: list[str]) -> re.Pattern[str]:
    """Any of these, the longest first; words in letters stand by themselves."""
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    apart = [re.escape(form) for form in ordered if not re.search(f"[{_HAN}]", form)]
    signs = [re.escape(form) for form in ordered if re.search(f"[{_HAN}]", form)]
    latin = [rf"(?<!\w)(?:{'|'.join(apart)})(?!\w)"] if apart else []
    beside = [rf"(?<![a-z])(?:{'|'.join(apart)})(?![a-z])"] if apart else []
    return re.compile("|".join([*latin, *signs, *beside]), re.IGNORECASE)
