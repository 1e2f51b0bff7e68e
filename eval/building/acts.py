"""What people did, in columns: 25 bytes an event and each name once, so that memory grows with the acts alone."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.profile.fold import middle_of_scale, top_of_scale
from agent.types import Event, EventKind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNDATED = datetime(9000, 1, 1, tzinfo=UTC)
"""The moment given to rows that tell no time; nobody's event is as late."""

KINDS = tuple(EventKind)
_TURNED_DOWN = (EventKind.DISLIKE, EventKind.SKIP)
_JUDGED = (EventKind.RATE, EventKind.REVIEW)

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Acts:
    """Events in the file's order. `user` and `item` are places in `users` and in the catalogue.

    `at` counts microseconds since 1970 (UTC); where the source tells no time (`dated` False) it is the place in the
    file. `kind` is a place in `KINDS`, `value` NaN where there is none.
    """

    users: Sequence[str]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    at: Numbers
    kind: NDArray[np.int8]
    value: NDArray[np.float64]
    dated: bool

    def __len__(self) -> int:
        return len(self.user)

    @property
    def judged(self) -> Flags:
        """Which are ratings or reviews."""
        return np.isin(self.kind, [KINDS.index(kind) for kind in _JUDGED])

    def liked(self, min_rating: float | None) -> Flags:
        """Which count as liked: all but dislikes and skips, and of ratings and reviews those of `min_rating` or more.

        Without `min_rating` every rating counts, as in protocols that ask what a person met next. With it a review
        without a value does not count.
        """
        turned_down = np.isin(self.kind, [KINDS.index(kind) for kind in _TURNED_DOWN])
        if min_rating is None:
            return ~turned_down
        return ~turned_down & (~self.judged | (self.value >= min_rating))

    @property
    def disliked(self) -> Flags:
        """Which are dislikes, or ratings and reviews below the middle of the scale that holds all of these."""
        given = self.value[self.judged & ~np.isnan(self.value)]
        disliked: Flags = self.kind == KINDS.index(EventKind.DISLIKE)
        if not given.size:
            return disliked
        middle = middle_of_scale(top_of_scale((float(given.min()), float(given.max()))))
        low: Flags = self.judged & (self.value < middle)
        return disliked | low

    def in_time(self) -> Numbers:
        """The places of all events, oldest first; ties in the file's order."""
        return np.argsort(self.at, kind="stable").astype(np.int64)

    def by_user(self) -> tuple[Numbers, Numbers]:
        """The places of all events, person by person and oldest first, and where each person's begin (and the end)."""
        order = np.lexsort((self.at, self.user)).astype(np.int64)
        starts = np.searchsorted(self.user[order], np.arange(len(self.users) + 1)).astype(np.int64)
        return order, starts


class Recorder:
    """Takes events one by one; `left_out` counts those that cannot be used, by reason."""

    def __init__(self, items: Mapping[str, int]) -> None:
        self.left_out: Counter[str] = Counter()
        self._items = items
        self._users: dict[str, int] = {}
        self._user, self._item = array("i"), array("i")
        self._at, self._kind, self._value = array("q"), array("b"), array("d")

    def add(self, event: Event) -> None:
        """Take one event."""
        at = (event.at - EPOCH) // timedelta(microseconds=1)
        self.record(event.user_id, event.item_id, KINDS.index(event.kind), event.value, at)

    def record(self, user_id: str, item_id: str | None, kind: int, value: float | None, at: int) -> None:
        """Take one event by its parts: `kind` is a place in `KINDS`, `at` counts microseconds since 1970 (UTC)."""
        if item_id is None:
            self.left_out["names no item"] += 1
        elif (item := self._items.get(item_id)) is None:
            self.left_out["names an item that the catalogue does not hold"] += 1
        else:
            self._user.append(self._users.setdefault(user_id, len(self._users)))
            self._item.append(item)
            self._at.append(at)
            self._kind.append(kind)
            self._value.append(float("nan") if value is None else value)

    def acts(self) -> Acts:
        """All that was taken. Where only some events have a time, those without one are left out."""
        at = np.array(self._at, dtype=np.int64)
        undated = at >= (UNDATED - EPOCH) // timedelta(microseconds=1)
        dated = not undated.all()
        kept = ~undated if dated else np.ones_like(undated)
        self.left_out["has no time"] += int((~kept).sum())
        return Acts(
            tuple(self._users),
            np.array(self._user, dtype=np.int32)[kept],
            np.array(self._item, dtype=np.int32)[kept],
            at[kept] if dated else np.arange(len(at), dtype=np.int64),
            np.array(self._kind, dtype=np.int8)[kept],
            np.array(self._value, dtype=np.float64)[kept],
            dated,
        )
