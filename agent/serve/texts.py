"""A reply as running text, for clients that know nothing of pieces: items by name, a slate as a numbered list."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.converse.pieces import Mention, Piece, Reasoned, Slated, Words
from agent.types import Item, Recommendation

_MARKUP = re.compile(r"[\\`*_\[\]<>|~#]")


def named(item: Item) -> str:
    """The item's name on one line, with what Markdown would act on made harmless: titles come from anywhere."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(item.name.split()))


class RunningText:
    """The text of one reply, some with every piece. A place of a slate is told as soon as its reason is known."""

    def __init__(self) -> None:
        self._places: list[Recommendation] = []
        self._reasons: dict[int, str] = {}
        self._told = 0  # places that are told whole
        self._text = False  # whether anything was told yet
        self._new_line = False  # whether a list ended just now

    def add(self, piece: Piece) -> str:
        """What this piece adds; empty where it says nothing, or nothing yet."""
        added = "".join(self._added(piece))
        self._text = self._text or bool(added)
        return added

    def _added(self, piece: Piece) -> Iterator[str]:
        match piece:
            case Words(text=text):
                yield from self._rest()
                yield text.lstrip() if self._new_line else text
                self._new_line = self._new_line and not text.strip()
            case Mention(item=item):
                yield from self._rest()
                yield named(item)
            case Slated(slate=slate):
                yield from self._rest()
                self._places = list(slate)
                self._reasons = {r.rank: r.rationale.sentence for r in slate if r.rationale}
                yield from self._begun()
                yield from self._ready()
            case Reasoned(place=place, rationale=rationale):
                self._reasons[place] = rationale.sentence
                yield from self._ready()
            case _:
                yield from self._rest()

    def _begun(self) -> Iterator[str]:
        """The first name of the list, below what was said before."""
        if self._places:
            yield ("\n\n" if self._text else "") + self._name(0)

    def _ready(self) -> Iterator[str]:
        """The reasons that are known, as far as the places follow each other, and the name of the next place."""
        while self._told < len(self._places) and self._told + 1 in self._reasons:
            yield from self._line(self._reasons[self._told + 1])

    def _rest(self) -> Iterator[str]:
        """The places that are left, with the reasons there are."""
        if not self._places:
            return
        while self._told < len(self._places):
            yield from self._line(self._reasons.get(self._told + 1, ""))
        self._places, self._reasons, self._told, self._new_line = [], {}, 0, True
        yield "\n"

    def _line(self, reason: str) -> Iterator[str]:
        """The rest of the line of this place, and the name of the next."""
        yield (f": {' '.join(reason.split())}" if reason else "") + "\n"
        self._told += 1
        if self._told < len(self._places):
            yield self._name(self._told)

    def _name(self, place: int) -> str:
        return f"{place + 1}. {named(self._places[place].item)}"
