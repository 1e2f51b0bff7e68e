"""A person's evidence in columns, to which an entry is added, and from which the posterior is read, at once. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from agent.profile.evidence import WORDS, Evidence, Hyperparameters, Shares, evenly, of_reaction, of_words
from agent.profile.interests import Columns, Interests, interests_in
from agent.profile.platforms import Weigh, alike
from agent.profile.wording import NOTHING, Said
from agent.types import Event, EventKind, Item, Reaction


def _silent(_: str) -> Said:
    return NOTHING


@dataclass(frozen=True)
class Background:
    """What a person's evidence is seen against.

    `prior` holds the catalogue's share of each tag, above 0 and summing to 1; empty where no catalogue is known, and
    then shares are those of the evidence alone. `read` tells the tags a text speaks of, `spread` how an item is shared
    out among tags (summing to 1, or empty), `weigh` what an event counts, in [0, 1].
    """

    prior: Mapping[str, float] = field(default_factory=dict)
    read: Callable[[str], Said] = _silent
    spread: Callable[[Item], Shares] = evenly
    given: Hyperparameters = field(default_factory=Hyperparameters)
    weigh: Weigh = alike


class Ledger:
    """Entries for the items and words of one person. What it gives never depends on the order of entering.

    Items keep the tags that they had when first entered: begin a new ledger when the catalogue has changed.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._places = {tag: place for place, tag in enumerate(background.prior)}
        self._rows: dict[tuple[str, ...], int] = {}
        self._ids: list[str] = []
        self._at_s, self._toward, self._away = array("d"), array("d"), array("d")
        self._row, self._tag, self._share = array("q"), array("q"), array("d")
        self._corrections: dict[str, Event] = {}

    def react(self, reaction: Reaction, item: Item | None, *, chosen: bool, weight: float = 1.0) -> None:
        """Enter what the person thinks of an item in sum; an earlier entry for the item is replaced.

        `chosen`: whether they took it up (see `CHOSEN`); `weight`: what the event of the reaction counts, as its
        strength says already. An item that is not known, or without tags, says nothing.
        """
        if item is None:
            return
        shares, given = self._background.spread(item), self._background.given
        if shares:
            floor = weight if chosen else 0.0
            self._enter(("item", reaction.item_id), of_reaction(reaction, shares, chosen=floor, given=given))

    def hear(self, event: Event) -> None:
        """Enter the words of an event, a search, message, review or correction; other acts say nothing here."""
        if event.kind is EventKind.INTEREST:
            self._corrections[event.event_id] = event
        elif event.text and event.kind in WORDS:
            said = self._background.read(event.text)
            for n, found in enumerate(of_words(event, said.toward, said.away, self._background.weigh(event))):
                self._enter(("words", event.event_id, str(n)), found)

    @property
    def columns(self) -> Columns:
        """The evidence as it stands, rows in the order of entering; it does not change with later entries."""
        return Columns(
            tuple(self._places),
            tuple(self._ids),
            *(np.array(column) for column in (self._at_s, self._toward, self._away)),
            *(np.array(column) for column in (self._row, self._tag, self._share)),
        )

    def interests(self, now: datetime | None = None) -> Interests:
        """The posterior at a moment, by default that of the newest evidence."""
        background, corrections = self._background, self._corrections.values()
        return interests_in(self.columns, corrections, background.prior, background.given, now)

    def _enter(self, key: tuple[str, ...], found: Evidence) -> None:
        row = self._rows.get(key)
        if row is None:
            self._rows[key] = row = len(self._ids)
            self._ids.append(found.event_id)
            for column in (self._at_s, self._toward, self._away):
                column.append(0.0)
            for tag, share in found.shares:
                self._row.append(row)
                self._tag.append(self._places.setdefault(tag, len(self._places)))
                self._share.append(share)
        self._ids[row] = found.event_id
        self._at_s[row], self._toward[row], self._away[row] = found.at.timestamp(), found.toward, found.away
