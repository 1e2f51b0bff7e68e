"""Cuts what a reasoning model thought aloud from what it answered."""

from __future__ import annotations

import re

_NAMES = ("think", "thinking", "thought", "reasoning")
_TAG = re.compile(rf"<(?P<end>/)?(?P<name>{'|'.join(_NAMES)})>", re.IGNORECASE)
_TAGS = tuple(f"<{end}{name}>" for end in ("", "/") for name in _NAMES)
_LONGEST = max(map(len, _TAGS))
_PERHAPS = "perhaps"  # in place of a block's name: the prompt may have opened one, only its end will show


def without_thoughts(text: str) -> str:
    """The text without its `<think>...</think>` blocks (also thinking, thought, reasoning), stripped. Total, one pass.

    A block that never ends runs to the end of the text. An end without a beginning, which some chat templates cause by
    opening the block themselves, drops all before it. Blocks do not nest.
    """
    kept: list[str] = []
    start, inside = 0, ""
    for tag in _TAG.finditer(text):
        name = tag["name"].lower()
        if tag["end"] and (not inside or name == inside):
            kept = kept if inside else []
            start, inside = tag.end(), ""
        elif not tag["end"] and not inside:
            kept.append(text[start : tag.start()])
            inside = name
    if not inside:
        kept.append(text[start:])
    return "".join(kept).strip()


def begins_a_thought(text: str) -> bool:
    """Whether the text begins with the tag that opens a block of thoughts."""
    tag = _TAG.match(text.lstrip())
    return tag is not None and not tag["end"]


class ThoughtFilter:
    """Cuts thoughts from a text that comes in pieces, as `without_thoughts` does from a whole one, but strips nothing.

    What may still turn out to be a tag is held back. `orphans` counts the ends without a beginning: all that `add` gave
    before such an end was thought. With `opened` the text may begin inside a block: it is then held back up to that
    end, or up to `end` where there is none.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self.orphans = 0
        self._inside = _PERHAPS if opened else ""
        self._pending = ""
        self._doubtful: list[str] = []  # what comes while it is open whether a block was opened

    def add(self, piece: str) -> str:
        """What stands as answer now and did not before."""
        start = max(0, len(self._pending) - _LONGEST)
        self._pending += piece
        kept: list[str] = []
        while tag := _TAG.search(self._pending, start):
            before, self._pending, start = self._pending[: tag.start()], self._pending[tag.end() :], 0
            kept = self._kept_at(tag, before, kept)
        kept.append(self._settled())
        return "".join(kept)

    def end(self) -> str:
        """What was held back and is answer, now that nothing more comes."""
        if self._inside not in ("", _PERHAPS):
            return ""
        left, self._doubtful, self._pending = [*self._doubtful, self._pending], [], ""
        return "".join(left)

    def _kept_at(self, tag: re.Match[str], before: str, kept: list[str]) -> list[str]:
        """What is kept once a tag has come after `before`."""
        name = tag["name"].lower()
        if self._inside not in ("", _PERHAPS):
            self._inside = "" if tag["end"] and name == self._inside else self._inside
            return kept
        doubtful, self._doubtful = self._doubtful, []
        if tag["end"]:
            self.orphans += 1
            self._inside = ""
            return []
        self._inside = name
        return [*kept, *doubtful, before]

    def _settled(self) -> str:
        """The part of what is pending that no later piece can make a tag or a thought; the rest is held."""
        begun = self._pending.rfind("<", max(0, len(self._pending) - _LONGEST))
        open_tag = begun >= 0 and any(tag.startswith(self._pending[begun:].lower()) for tag in _TAGS)
        cut = begun if open_tag else len(self._pending)
        settled, self._pending = self._pending[:cut], self._pending[cut:]
        if self._inside == _PERHAPS:
            self._doubtful.append(settled)
        return "" if self._inside else settled
