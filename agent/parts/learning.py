"""Learning from everyone's behaviour: whether it is due, and doing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import NamedTuple

from agent.errors import NotFound
from agent.learn.acts import taken_up
from agent.learn.behaviour import behaviour_of
from agent.learn.factors import HINT, installed
from agent.learn.learned import Learned, Recipe, learn
from agent.parts.parts import Parts
from agent.parts.releasing import released
from agent.people.interests import learn_prior
from agent.people.transfer import learn_transfer
from agent.profile.platforms import weigh_by
from agent.recall.shelved import Record
from agent.sections import LearnSettings, Settings
from agent.store.store import Store


@dataclass(frozen=True)
class Standing:
    """How what was learned stands: `record` is None where nothing was, `changed` counts events that came or went since.

    `problem` says why it cannot be used, empty where it can; `left` is how many people that it was learned from, too,
    were forgotten since.
    """

    record: Record | None
    changed: int
    threshold: int
    problem: str = ""
    left: int = 0

    @property
    def due(self) -> bool:
        """Whether it should be learned now: enough changed, somebody in it was forgotten, or it cannot be used."""
        return bool(self.problem) or self.left > 0 or self.changed >= self.threshold

    @property
    def outdated(self) -> bool:
        """Whether it tells of another time: so many came or went, and more than half as many as it was learned from."""
        return self.record is not None and self.changed >= max(self.threshold, self.record.events / 2 + 1)

    @property
    def trouble(self) -> str:
        """What is wrong with it and what to do, where that matters to what is recommended; empty where nothing is."""
        if self.problem:
            return f"what was learned from behaviour is not used, for {self.problem}; learn again: palate learn"
        if self.outdated and self.record and self.record.epsilon:
            return "what was learned from behaviour is of another time; learn again: palate learn"
        if self.outdated and self.record:
            rests = f"rests on {self.record.events:,} events, and {self.changed:,} came or went since"
            return f"what was learned from behaviour {rests}; learn again: palate learn"
        return ""

    def as_json(self) -> dict[str, object]:
        """Plain values, as `palate status --json` and `palate learn --json` write them."""
        record = self.record
        shown = {} if record is None else {k: v for k, v in asdict(record).items() if k not in ("files", "catalogue")}
        state = {
            "due": self.due,
            "changed_events": self.changed,
            "every_events": self.threshold,
            "forgotten": self.left,
        }
        return {"learned": shown or None, **state, "problem": self.problem or None}


def standing(parts: Parts) -> Standing:
    """How what was learned in this data folder stands."""
    events, threshold = parts.store.count_events(), parts.settings.learn.every_events
    if not (parts.settings.folder / "learned").is_dir():
        return Standing(None, events, threshold)
    record = parts.shelved.record
    left = forgotten(parts.store) - record.forgotten if record else 0
    return Standing(record, abs(events - (record.events if record else 0)), threshold, parts.shelved.problem, left)


def forgotten(store: Store) -> int:
    """How many times somebody was forgotten who had done anything."""
    return sum(receipt.erased.get("events", 0) > 0 for receipt in store.receipts())


def learn_now(parts: Parts, *, seed: int = 0, now: datetime | None = None) -> tuple[Standing, tuple[str, ...]]:
    """Learn from all events and put it in the place of what was learned before; how it stands, and what to know.

    Where `privacy.epsilon` is set, only what is released under differential privacy. Raises NotFound where nobody took
    anything up, ConfigError where the privacy budget does not reach, StoreError, StoreLocked.
    """
    parts.require_items()
    store, settings = parts.store, parts.settings
    began = _Began(store.catalogue_version, store.count_events(), forgotten(store), now or datetime.now(UTC))
    behaviour = behaviour_of(_histories(parts), (item.item_id for item in parts.items))
    if not behaviour.n_people:
        raise NotFound("nobody has taken anything up yet", "Load events with: palate load FILE --events")
    private = settings.privacy.on
    learned = released(parts) if private else learn(behaviour, recipe_of(settings.learn), seed=seed)
    record = _record(learned, 0 if private else behaviour.n_people, began, settings)
    parts.shelved.keep(learned, record)
    parts.learned_anew()  # the collection it replaced is gone: whoever is answered meanwhile needs the new one
    if not private:
        learn_prior(store)
        learn_transfer(parts)
        parts.learned_anew()
    return standing(parts), _notes(settings.learn, learned) if not private else ()


def _histories(parts: Parts) -> Iterator[list[str]]:
    """What each person took up, oldest first, under all accounts that are read together."""
    weigh = weigh_by(parts.settings.platforms)
    for accounts in parts.store.people():
        events = [event for account in accounts for event in parts.store.events_of(account) if weigh(event)]
        yield taken_up(sorted(events, key=attrgetter("dated")))


def recipe_of(settings: LearnSettings) -> Recipe:
    """How it is learned by these settings."""
    return Recipe(settings.neighbours, settings.factors, settings.regularisation, settings.alpha)


class _Began(NamedTuple):
    """How things stood when learning began."""

    catalogue: str
    events: int
    forgotten: int
    at: datetime


def _record(learned: Learned, people: int, began: _Began, settings: Settings) -> Record:
    return Record(
        version="",
        at=began.at.isoformat(timespec="seconds"),
        people=people,
        events=began.events,
        items=len(learned.popular),
        pairs=learned.neighbours.n_pairs,
        factors=0 if learned.factors is None else learned.factors.items.shape[1],
        catalogue=began.catalogue,
        recipe=asdict(recipe_of(settings.learn)),
        epsilon=settings.privacy.epsilon or 0.0,
        forgotten=began.forgotten,
    )


def _notes(settings: LearnSettings, learned: Learned) -> tuple[str, ...]:
    if settings.factors and learned.factors is None and not installed():
        return (f"no factors were fitted, for implicit is not installed; {HINT[:1].lower()}{HINT[1:]}",)
    return ()
