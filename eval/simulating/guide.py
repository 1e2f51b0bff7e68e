"""Palate as the recommender that seekers talk to: a data folder of its own, made for the purpose and thrown away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent.deadline import Deadline
from agent.parts.parts import Parts
from agent.path.stages import items_of, ranker_of, recall
from agent.people.person import person_of
from agent.settings import Settings
from agent.slate.making import slate_of
from agent.types import Event, EventKind, Item, Slate
from eval.apart import apart
from eval.rankers import about_model, patience_s
from eval.runs import Told, Watch
from eval.simulating.dialogue import Guide

NEITHER = 3.0  # the middle of five: an item that is known now, and neither liked nor disliked
_START = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class OpenedGuide:
    """A guide ready to be talked to, and the facts of its model."""

    guide: Guide
    model: Mapping[str, object]


class Palate:
    """See `Guide`. The recommender's own path but for the reasons, which nobody reads here.

    What people do is dated by their acts alone, so that equal dialogues leave equal events.
    """

    def __init__(self, parts: Parts, *, llm: bool, timeout_s: float) -> None:
        self._parts = parts
        self._llm = llm
        self._timeout_s = timeout_s
        self._acts: dict[str, int] = {}

    def meet(self, user_id: str, liked: Sequence[Item]) -> None:
        """See `Guide.meet`."""
        self._note(user_id, ((EventKind.LIKE, item, None) for item in liked))

    def show(self, user_id: str, wish: str, k: int) -> Slate:
        """See `Guide.show`."""
        parts, deadline = self._parts, Deadline(self._timeout_s)
        person = person_of(parts, user_id)
        candidates = recall(parts, person, wish, None, k)
        ranker, degraded = ranker_of(parts, self._llm)
        ranked = ranker.rank(person.taste, items_of(parts.store, candidates), wish, deadline)
        return slate_of(user_id, ranked, k=k, wish=wish, candidates=candidates, degraded=degraded)

    def hear(self, user_id: str, rejected: Item, seen: Sequence[Item]) -> None:
        """See `Guide.hear`. The others count as rated in the middle: seen, and no word about the taste."""
        rated = ((EventKind.RATE, item, NEITHER) for item in seen)
        self._note(user_id, [*rated, (EventKind.DISLIKE, rejected, None)])

    def _note(self, user_id: str, acts: Iterable[tuple[EventKind, Item, float | None]]) -> None:
        events = []
        for kind, item, value in acts:
            n = self._acts[user_id] = self._acts.get(user_id, 0) + 1
            at = _START + timedelta(seconds=n)
            events.append(Event(user_id=user_id, kind=kind, item_id=item.item_id, value=value, at=at))
        self._parts.store.put_events(events)


@contextmanager
def open_palate(
    items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool = True
) -> Iterator[OpenedGuide]:
    """Palate with these settings over these items, in a temporary data folder with an index of its own.

    Raises ModelError when the model cannot be opened, ConfigError for wrong settings.
    """
    with open_parts(items, settings, watch, told, llm=llm) as (parts, about):
        yield OpenedGuide(Palate(parts, llm=llm, timeout_s=patience_s(settings)), about)


@contextmanager
def open_parts(
    items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool = True
) -> Iterator[tuple[Parts, Mapping[str, object]]]:
    """The parts over these items in a temporary data folder, indexed, and the facts of the model.

    Raises as `open_palate` does.
    """
    with ExitStack() as stack:
        own = stack.enter_context(apart(settings))
        with watch("Indexing the items") as show:
            parts = stack.enter_context(closing(Parts(own, progress=show, told=told)))
            about = about_model(parts) if llm else _without_model(settings)
            parts.store.put_items(items.values())
            parts.sync_index()
        yield parts, about


def _without_model(settings: Settings) -> dict[str, object]:
    return {
        "reference": None,
        "name": None,
        "fingerprint": None,
        "strategy": None,
        "language": settings.language,
        "noun": settings.noun,
    }
