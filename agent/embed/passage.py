"""What an item says to the embedder: a few plain sentences, the most telling first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.types import Attribute, Item

MAX_CHARS = 1_000
_MAX_VALUES = 3  # of one attribute: more of them blur the vector
_MAX_FACT_CHARS = 60  # of all attributes together: every token costs time, and title, tags and text say more
_MAX_VALUE_CHARS = 200
_MAX_WORD_CHARS = 40  # what is longer is an address or an identifier, not a word
_LEADS: Mapping[str, str] = {
    "director": "Directed by",
    "cast": "With",
    "star": "With",
    "actor": "With",
    "author": "By",
    "writer": "Written by",
    "artist": "By",
    "composer": "Music by",
    "brand": "By",
    "creator": "Created by",
    "developer": "Developed by",
    "publisher": "Published by",
}
_IN_THE_NAME = frozenset({"year"})


def passage_of(item: Item, max_chars: int = MAX_CHARS) -> str:
    """One line of at most `max_chars` characters: "Toy Story (1995). Animation, Comedy. Directed by X. <text>".

    Tags keep their order. Attributes in words follow, people and makers first, as far as 60 characters go; numbers,
    addresses and identifiers are left out. The text fills what room is left. Equal items give equal passages.
    """
    sentences = [_name(item), ", ".join(item.tags), *_facts(item.attributes), item.text]
    line = " ".join(_ended(" ".join(sentence.split())) for sentence in sentences if sentence.strip())
    return line if len(line) <= max_chars else _cut(line, max_chars)


def _name(item: Item) -> str:
    return item.title if item.title.endswith(f"({item.year})") else item.name


def _facts(attributes: Mapping[str, Attribute]) -> Iterator[str]:
    room = _MAX_FACT_CHARS
    named = {key.strip().lower().replace("_", " "): value for key, value in attributes.items()}
    for name in sorted(named, key=lambda name: _known_lead(name) is None):
        value = named[name]
        values = value if isinstance(value, tuple) else (value,)
        words = [v.strip() for v in values if isinstance(v, str) and _is_words(v)][:_MAX_VALUES]
        fact = f"{_known_lead(name) or f'{name.capitalize()}:'} {', '.join(words)}"
        if words and name not in _IN_THE_NAME and len(fact) <= room:
            room -= len(fact)
            yield fact


def _known_lead(name: str) -> str | None:
    return _LEADS.get(name) or _LEADS.get(name.removesuffix("s"))


def _is_words(text: str) -> bool:
    return (
        0 < len(text.strip()) <= _MAX_VALUE_CHARS
        and "://" not in text
        and any(char.isalpha() for char in text)
        and (max(map(len, text.split())) <= _MAX_WORD_CHARS)
    )


def _cut(line: str, max_chars: int) -> str:
    """The line up to the last whole word, where words are set apart by blanks."""
    whole, _, part = line[: max_chars + 1].rpartition(" ")
    return whole if whole and len(part) <= _MAX_WORD_CHARS else line[:max_chars]


def _ended(sentence: str) -> str:
    return sentence if sentence[-1] in ".!?…。！？" else f"{sentence}."
