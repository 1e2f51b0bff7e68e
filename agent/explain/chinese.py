"""Chinese names of common tags, countries and languages, for sentences on a catalogue in English."""

from __future__ import annotations

from agent.explain.words import CHINESE, folded

ENGLISH: dict[str, list[str]] = {}
for _name, _text in CHINESE.items():
    ENGLISH.setdefault(_text, []).append(_name)


def in_chinese(value: str) -> str:
    """The common Chinese name of a tag, country or language; the value itself where none is known."""
    return CHINESE.get(folded(value), value)


def meanings_in(text: str) -> dict[str, list[str]]:
    """The Chinese names that the text holds, each with the English spellings (small) that it stands for.

    A name inside a longer one that is found does not count: 意大利语 is not also 意大利.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(ENGLISH, key=len, reverse=True):
        if name in text:
            found[name] = ENGLISH[name]
            text = text.replace(name, " ")
    return found
