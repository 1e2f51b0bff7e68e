"""What people did before the cases of a data set, person by person, in a few bytes an event.

It comes from `events.jsonl.gz`, or, where there is none, from `train-histories.jsonl.gz`: what others met, oldest
first, for systems that learn from behaviour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from agent.profile.fold import SEEN
from agent.types import Event, EventKind, Identifier
from eval.building.acts import EPOCH, KINDS, Acts, Numbers, Recorder
from eval.jsonlines import Fault, read_objects, refuse

FILE, HISTORIES = "events.jsonl.gz", "train-histories.jsonl.gz"
MAX_SECONDS = 100_000_000_000.0  # the year 5138
_ID = TypeAdapter(Identifier)
_KINDS = {kind.value: place for place, kind in enumerate(KINDS)}
_SEEN = [KINDS.index(kind) for kind in SEEN]


@dataclass(frozen=True)
class Past:
    """Who did what with which item of the catalogue. `source` is the file's name, empty where there is none.

    `items` are the catalogue's ids in its order; `left_out` counts events that cannot be used, by reason.
    """

    acts: Acts
    items: Sequence[str]
    source: str
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.acts)

    @cached_property
    def users(self) -> Mapping[str, int]:
        """The place of each person who did anything."""
        return {user_id: place for place, user_id in enumerate(self.acts.users)}

    @cached_property
    def met_by(self) -> NDArray[np.int64]:
        """How many people did anything with each item, in the order of the items: each of them counts once."""
        pairs = np.unique(self.acts.user.astype(np.int64) * max(1, len(self.items)) + self.acts.item)
        return np.bincount(pairs % max(1, len(self.items)), minlength=len(self.items)).astype(np.int64)

    @cached_property
    def _by_user(self) -> tuple[Numbers, Numbers]:
        return self.acts.by_user()

    def places(self, user_id: str) -> Numbers:
        """The places in `acts` of what one person did, oldest first; empty for nobody known."""
        user = self.users.get(user_id)
        order, starts = self._by_user
        return order[:0] if user is None else order[starts[user] : starts[user + 1]]

    def met(self, user_id: str) -> frozenset[str]:
        """The items that one person has watched, bought, rated or the like; a mere click or skip does not count."""
        acts = self.acts
        return frozenset(self.items[acts.item[n]] for n in self.places(user_id) if acts.kind[n] in _SEEN)

    def touched(self, user_id: str) -> frozenset[str]:
        """The items that any event of one person is about, a mere click or skip too."""
        return frozenset(self.items[self.acts.item[n]] for n in self.places(user_id))

    def ratings(self, user_id: str) -> dict[int, float]:
        """What one person rated, by the item's place in the catalogue: the newest rating of each."""
        acts = self.acts
        rated = (n for n in self.places(user_id).tolist() if acts.value[n] == acts.value[n])  # not NaN
        return {int(acts.item[n]): float(acts.value[n]) for n in rated}

    def events(self) -> Iterator[Event]:
        """All events, person by person and oldest first."""
        return (self._event(int(n)) for n in self._by_user[0])

    def _event(self, n: int) -> Event:
        acts = self.acts
        value = float(acts.value[n])
        return Event(
            event_id=f"past-{n}",
            user_id=acts.users[acts.user[n]],
            kind=KINDS[acts.kind[n]],
            item_id=self.items[acts.item[n]],
            value=None if value != value else value,
            at=EPOCH + timedelta(microseconds=int(acts.at[n])),
        )


def load_past(folder: Path, items: Sequence[str]) -> Past:
    """The past in a data set's folder, streamed; `items` are the ids of the catalogue, in its order.

    Empty where there is neither file. Raises CatalogueError naming the first lines that cannot be read.
    """
    recorder = Recorder({item_id: place for place, item_id in enumerate(items)})
    source = next((name for name in (FILE, HISTORIES) if (folder / name).is_file()), "")
    take = _Taking(recorder).history if source == HISTORIES else _Taking(recorder).event
    faults: list[Fault] = []
    for found in read_objects(folder / source) if source else ():
        if isinstance(found, Fault):
            faults.append(found)
            continue
        try:
            take(found[1])
        except (TypeError, ValueError, OverflowError) as error:
            faults.append(Fault(folder / source, found[0], f"is no event: {_in_short(error)}"))
    refuse(faults)
    return Past(recorder.acts(), items, source, {why: n for why, n in recorder.left_out.items() if n})


class _Taking:
    """Gives lines to a recorder; each person's id is checked once, for files hold millions of lines."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._users: set[object] = set()

    def event(self, row: Mapping[str, object]) -> None:
        """Take a line of events. Raises TypeError, ValueError or OverflowError for one that is none."""
        kind, value = row.get("kind", EventKind.VIEW.value), row.get("value")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise ValueError(f"there is no kind {kind!r}")
        if kind == EventKind.RATE and value is None:
            raise ValueError("a rating needs a value")
        at = _finite(row.get("at"), "at")
        if abs(at) > MAX_SECONDS:
            raise OverflowError(f"at is {at:g}, which are no seconds since 1970")
        self._record(row, row.get("item_id"), _KINDS[kind], None if value is None else _finite(value, "value"), at)

    def history(self, row: Mapping[str, object]) -> None:
        """Take a line of histories. Raises as `event` does."""
        history = row.get("history")
        if not isinstance(history, list):
            raise TypeError("history is no list")
        for n, item_id in enumerate(history):
            self._record(row, item_id, _KINDS[EventKind.LIKE], None, n)

    def _record(self, row: Mapping[str, object], item_id: object, kind: int, value: float | None, at: float) -> None:
        user_id = row.get("user_id")
        if user_id not in self._users:
            self._users.add(_ID.validate_python(user_id))
        if item_id is not None and not isinstance(item_id, str):
            raise TypeError(f"item_id is {item_id!r}, which is no text")
        self._recorder.record(str(user_id), item_id, kind, value, round(at * 1e6))


def _finite(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{name} is {value!r}, which is no number")
    return float(value)


def _in_short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"user_id: {error.errors(include_url=False, include_context=False)[0]['msg']}"[:200]
    return str(error)[:200]
