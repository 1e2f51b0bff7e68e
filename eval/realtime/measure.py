"""Times the way of one event, from a durable write in the store to the person's profile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from agent.parts.parts import Parts
from agent.people.folds import Folds
from agent.people.person import person_of
from agent.settings import Settings
from agent.types import Event, EventKind, Item
from eval.apart import apart
from eval.speed.films import made_up
from eval.statistics import percentile

FILMS = 6_000
TARGET_MS = 5.0  # for the 95th percentile of an update
LATE = 10  # every so manieth event is older than others that are known
ANEW = 5
_KINDS = (EventKind.RATE, EventKind.RATE, EventKind.LIKE, EventKind.VIEW, EventKind.DISLIKE, EventKind.SEARCH)
_BEGUN = datetime(2020, 1, 1, tzinfo=UTC)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Times:
    """Milliseconds for people of so many events, the median and the 95th percentile of `repetitions`.

    `write`: the event is on the disk. `update`: from there to the profile with it. `anew`: the median of folding all
    events of a person not kept, which a new process does once.
    """

    events: int
    repetitions: int
    write_p50_ms: float
    write_p95_ms: float
    update_p50_ms: float
    update_p95_ms: float
    anew_ms: float

    @property
    def met(self) -> bool:
        """Whether the update is within the target."""
        return self.update_p95_ms < TARGET_MS

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of one row."""
        return {**asdict(self), "target_p95_ms": TARGET_MS, "met": self.met}


def measure(settings: Settings, sizes: Sequence[int], repetitions: int, seed: int, progress: Progress) -> list[Times]:
    """The times for a person of each number of events, in a store of its own that vanishes in the end."""
    with ExitStack() as stack:
        parts = stack.enter_context(closing(Parts(stack.enter_context(apart(settings)))))
        films = list(made_up(FILMS, seed))
        parts.store.put_items(films)
        found = []
        for done, size in enumerate(sizes):
            progress(done, len(sizes))
            found.append(_times(parts, films, size, repetitions, random.Random(seed + size)))
        progress(len(sizes), len(sizes))
        return found


def _times(parts: Parts, films: Sequence[Item], size: int, repetitions: int, chance: random.Random) -> Times:
    user_id = f"person-{size}"
    acts = _acts(user_id, films, chance)
    parts.store.put_events([next(acts) for _ in range(size)])
    person_of(parts, user_id)
    writes, updates = [], []
    for n in range(repetitions):
        event = next(acts)
        if n % LATE == 0:
            event = event.model_copy(
                update={"at": _BEGUN + timedelta(hours=chance.randrange(max(1, size)), minutes=30)}
            )
        begun = time.perf_counter()
        parts.store.put_events([event])
        written = time.perf_counter()
        parts.folds.hear([event])
        person_of(parts, user_id)
        writes.append((written - begun) * 1e3)
        updates.append((time.perf_counter() - written) * 1e3)
    return Times(size, repetitions, *_ends(writes), *_ends(updates), percentile(list(_anew(parts, user_id)), 0.5))


def _anew(parts: Parts, user_id: str) -> Iterator[float]:
    for _ in range(ANEW):
        begun = time.perf_counter()
        Folds(parts.store, lambda: parts.background).read(user_id, lambda fold, _: fold.profile())
        yield (time.perf_counter() - begun) * 1e3


def _acts(user_id: str, films: Sequence[Item], chance: random.Random) -> Iterator[Event]:
    """What somebody does, an act an hour, for ever."""
    n = 0
    while True:
        n += 1
        kind = chance.choice(_KINDS)
        searched = kind is EventKind.SEARCH
        yield Event(
            event_id=f"{user_id}-{n}",
            user_id=user_id,
            kind=kind,
            item_id=None if searched else chance.choice(films).item_id,
            text=f"a {chance.choice(films[0].tags)} for tonight" if searched else None,
            value=float(chance.randint(1, 5)) if kind is EventKind.RATE else None,
            at=_BEGUN + timedelta(hours=n),
        )


def _ends(times_ms: Sequence[float]) -> tuple[float, float]:
    return percentile(times_ms, 0.5), percentile(times_ms, 0.95)
