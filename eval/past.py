"""What people did before the cases of a data set, person by person, in a few bytes an event.

It comes from `events.jsonl.gz`, or, where there is none, from `train-histories.jsonl.gz`: what others met, oldest
first, for systems that learn from behaviour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from agent.profile.fold import SEEN
from agent.types import Event, EventKind
from eval.building.acts import EPOCH, KINDS, Acts, Numbers, Recorder
from eval.jsonlines import Fault, read_objects, refuse

FILE, HISTORIES = "events.jsonl.gz", "train-histories.jsonl.gz"
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
    faults: list[Fault] = []
    for found in read_objects(folder / source) if source else ():
        if isinstance(found, Fault):
            faults.append(found)
            continue
        line, row = found
        try:
            for event in _events_of(row, line) if source == HISTORIES else (_event_of(row, line),):
                recorder.add(event)
        except (ValidationError, TypeError, ValueError, OverflowError) as error:
            faults.append(Fault(folder / source, line, f"is no event: {_in_short(error)}"))
    refuse(faults)
    return Past(recorder.acts(), items, source, {why: n for why, n in recorder.left_out.items() if n})


def _event_of(row: Mapping[str, object], line: int) -> Event:
    return Event.model_validate(
        {
            "event_id": f"line-{line}",
            "user_id": row.get("user_id"),
            "kind": row.get("kind", EventKind.VIEW),
            "item_id": row.get("item_id"),
            "value": row.get("value"),
            "at": EPOCH + timedelta(seconds=float(str(row.get("at")))),
        }
    )


def _events_of(row: Mapping[str, object], line: int) -> Iterator[Event]:
    history = row.get("history")
    if not isinstance(history, list):
        raise TypeError("history is no list")
    for n, item_id in enumerate(history):
        yield Event(
            event_id=f"line-{line}-{n}",
            user_id=str(row.get("user_id")),
            kind=EventKind.LIKE,
            item_id=str(item_id),
            at=EPOCH + timedelta(seconds=n),
        )


def _in_short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"[:200]
    return str(error)[:200]
