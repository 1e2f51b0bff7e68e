"""The words of replies: all of them from prompts, one of several wordings chosen by conversation and turn."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from agent.converse.pieces import Mention, Words
from agent.parts.parts import Parts
from agent.types import Item
from prompts import Prompt, check, load

_MARK = re.compile(r"\[(\d{1,3})\]")
_TELLING_CHARS = 5  # shorter titles, such as It or Her, are words like others
_ALONE = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_BRACKETS = str.maketrans("[]", "()")


def mark(number: int) -> str:
    """How a sentence of a prompt names an item, by its 1-based number among the items at hand."""
    return f"[{number}]"


class Wording:
    """What is said in one turn, in the language of the parts. Equal salts choose equal words."""

    def __init__(self, parts: Parts, salt: str) -> None:
        self.language = parts.settings.language
        self._noun = parts.settings.noun
        self._folder = check(parts.settings.prompts)
        self._salt = salt

    def prompt(self, task: str, control_tokens: Iterable[str] = ()) -> Prompt:
        """The prompt `reply-<task>` of the language, for a model with these control tokens. Raises PromptError."""
        return load(f"reply-{task}", self.language, control_tokens=control_tokens, folder=self._folder)

    def say(self, task: str, kind: str, **given: object) -> str:
        """One sentence on a matter, with items as marks; empty where the prompt has none for this kind.

        What is `given` never poses as a mark, but where `items`, `item` or `other` are marks themselves.
        """
        prompt = self.prompt(task)
        known = {"kind": kind, "noun": self._noun, "language": self.language}
        plain = {name: value if name in _MARKS else _unmarked(value) for name, value in given.items()}
        variables = {name: "" for name in prompt.variables} | {n: v for n, v in known.items() if n in prompt.variables}
        lines = prompt.candidate(**variables | plain).splitlines()
        found = [text.strip() for line in lines if ": " in line for _, text in [line.split(": ", 1)]]
        return found[zlib.crc32(f"{self._salt} {task} {kind}".encode()) % len(found)] if found else ""


_MARKS = frozenset(("item", "other", "items"))


def spoken(text: str, items: Sequence[Item], places: Mapping[str, int]) -> Iterator[Words | Mention]:
    """A sentence with marks as pieces: words, and mentions of the items that the marks number.

    `places` are 1-based places in the slate by item id. A mark without an item is left out.
    """
    at = 0
    for found in _MARK.finditer(text):
        if found.start() > at:
            yield Words(text=text[at : found.start()])
        at, number = found.end(), int(found[1])
        if 0 < number <= len(items):
            item = items[number - 1]
            yield Mention(item=item, place=places.get(item.item_id))
    if at < len(text):
        yield Words(text=text[at:])


def with_marks(text: str, items: Sequence[Item]) -> str:
    """A text in which the names of these items are marks: as titles with years, and as titles that are no mere word."""
    text = text.translate(_BRACKETS)
    names = [(item.name, n) for n, item in enumerate(items, start=1)]
    names += [(f"《{item.title}》（{item.year}）", n) for n, item in enumerate(items, start=1)]
    names += [(f"《{item.title}》", n) for n, item in enumerate(items, start=1)]
    names += [(item.title, n) for n, item in enumerate(items, start=1) if len(item.title) >= _TELLING_CHARS]
    for name, number in sorted(names, key=lambda pair: -len(pair[0])):
        text = re.sub(rf"{_ALONE[0]}{re.escape(name.translate(_BRACKETS))}{_ALONE[1]}", mark(number), text)
    return text


def _unmarked(value: object) -> object:
    if isinstance(value, str):
        return value.translate(_BRACKETS)
    if isinstance(value, list | tuple):
        return [_unmarked(one) for one in value]
    if isinstance(value, dict):
        return {name: _unmarked(one) for name, one in value.items()}
    return value
