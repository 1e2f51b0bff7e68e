"""Finds the answer in a reply that comes in pieces: what of it can be told already, whatever comes next. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.llm.remote.chat import storable
from agent.llm.thoughts import ThoughtFilter


class Answer:
    """The answer in a text that comes in pieces: without thoughts, cut at a stop string, no white space around it.

    What may yet be cut is held back, so the pieces given, joined, are `text`. The exception is a block of thoughts
    that the chat template opened: its end alone shows (`orphans`), and `text` begins anew behind it.
    """

    def __init__(self, stop: Sequence[str] = (), *, opened: bool = False) -> None:
        self.is_over = False  # a stop string has come
        self._stop = [end for end in stop if end]
        self._thoughts = ThoughtFilter(opened=opened)
        self._given: list[str] = []
        self._held = ""

    @property
    def text(self) -> str:
        """All that stands so far."""
        return "".join(self._given)

    @property
    def orphans(self) -> int:
        """How many blocks of thoughts ended that had not begun."""
        return self._thoughts.orphans

    def add(self, piece: str) -> str:
        """What stands now and did not before; empty where nothing does."""
        orphans = self.orphans
        more = self._thoughts.add(piece)
        if self.orphans > orphans:
            self._held, self._given = "", []
        return self._stands(more)

    def end(self) -> str:
        """What stands of what was held back, now that nothing more comes."""
        return self._stands(self._thoughts.end(), is_last=True)

    def _stands(self, more: str, *, is_last: bool = False) -> str:
        text = self._held + more
        text = text if self._given else text.lstrip()
        found = [at for end in self._stop if (at := text.find(end)) >= 0]
        self.is_over = self.is_over or bool(found)
        cut = min(found) if found else len(text.rstrip()) if is_last else self._sure(text)
        stands, self._held = storable(text[:cut]), text[cut:]
        if stands:
            self._given.append(stands)
        return stands

    def _sure(self, text: str) -> int:
        """How much of the text stands whatever comes: no white space at its end, no beginning of a stop string."""
        cut = len(text.rstrip())
        if "\ud800" <= text[-1:] <= "\udbff":  # half a character
            cut = len(text) - 1
        for end in self._stop:
            longest = min(len(end) - 1, len(text))
            begun = next((n for n in range(longest, 0, -1) if text.endswith(end[:n])), 0)
            cut = min(cut, len(text) - begun)
        return cut
