"""Cells that hold several values: tags, people, countries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from agent.catalogue.rows import TokenSequence
from agent.catalogue.values import checked, is_absent, scalar_text, text_of

PEOPLE = frozenset(
    {
        *("actor", "actors", "artist", "artists", "author", "authors", "cast", "composer", "composers", "creator"),
        *("creators", "director", "directors", "illustrator", "illustrators", "narrator", "narrators", "performer"),
        *("performers", "producer", "producers", "star", "stars", "starring", "translator", "translators", "writer"),
        *("writers", "screenwriter", "screenwriters", "designer", "designers", "country", "countries", "languages"),
    }
)
"""Attribute names (as `attribute_name` writes them) whose text "A, B" is split into a tuple."""

MAX_LISTED_CHARS = 20_000
_AUTHORS = frozenset({"author", "authors"})
_SUFFIX = re.compile(r"(Jr|Sr|II|III|IV|M\.?D|Ph\.?D)\.?")
_QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_QUOTED_LIST = re.compile(rf"\[?\s*{_QUOTED}(?:\s*,\s*{_QUOTED})*\s*,?\s*\]?")
_QUOTED_PART = re.compile(_QUOTED)
_NAME_ENTRY = re.compile(rf"""['"]name['"]\s*:\s*({_QUOTED})""")


def tags_of(value: object, column: str) -> tuple[str, ...]:
    """The tags of a cell in their order, each once: a list, or text split on |, else ;, else commas.

    Text that writes a list out (JSON or Python, of strings or of objects with a `name`) is read as that list.
    """
    if is_absent(value):
        return ()
    if isinstance(value, list | tuple | set):
        return _unique(entry_text(part, column) for part in value)
    if not isinstance(value, str | bytes):
        return _unique((entry_text(value, column),))
    text = checked(value, column)
    return _unique(_split(TokenSequence(text) if isinstance(value, TokenSequence) else text, column))


def people_of(value: str, name: str) -> tuple[str, ...]:
    """The names in text such as "A, B, C Jr.". Authors may be parted by "/" too, and "King, Stephen" stays one name."""
    if name in _AUTHORS:
        if "/" in value:
            return _unique(value.split("/"))
        parts = value.split(",")
        if len(parts) == 2 and all(len(part.split()) == 1 for part in parts):
            return (value,)
    return _unique(_split(value, name))


def written_list(value: str, column: str) -> tuple[str, ...] | None:
    """The entries of text that writes a list out, (`["a", "b"]`, `[{'id': 1, 'name': 'a'}]`); None for other text."""
    if len(value) > MAX_LISTED_CHARS or value[:1] not in "[\"'" or not value:
        return None
    if value.startswith("[") and (entries := _json_list(value)) is not None:
        return _unique(entry_text(entry, column) for entry in entries)
    if re.match(r"\[\s*\{", value):
        return _unique(_unquoted(part) for part in _NAME_ENTRY.findall(value)) or None
    if _QUOTED_LIST.fullmatch(value):
        return _unique(_unquoted(part) for part in _QUOTED_PART.findall(value))
    return None


def entry_text(value: object, column: str) -> str:
    """One entry of a list as text; of an object that has a `name`, the name."""
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        value = value["name"]
    if isinstance(value, str | bytes) or value is None:
        return text_of(value, column)
    return scalar_text(value, column)


def token_sequence(value: TokenSequence, column: str) -> tuple[str, ...]:
    """The tokens of a RecBole sequence: parted by commas or | where there are any, else by spaces."""
    return _unique(_split(value, column))


def _split(value: str, column: str) -> Iterable[str]:
    text = value.strip()
    if (listed := written_list(text, column)) is not None:
        return listed
    for separator in "|;":
        if separator in text:
            return text.split(separator)
    if isinstance(value, TokenSequence) and "," not in text:
        return text.split()
    return _rejoined(text.split(","))


def _rejoined(parts: Iterable[str]) -> list[str]:
    """Names again after a split on commas: "Downey", "Jr." is one name."""
    whole: list[str] = []
    for part in parts:
        if whole and _SUFFIX.fullmatch(part.strip()):
            whole[-1] = f"{whole[-1]},{part}"
        else:
            whole.append(part)
    return whole


def _json_list(text: str) -> list[object] | None:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return entries if isinstance(entries, list) else None


def _unquoted(part: str) -> str:
    return re.sub(r"\\(.)", r"\1", part[1:-1])


def _unique(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
