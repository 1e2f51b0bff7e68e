"""Learning from everyone's behaviour: whether it is due, and doing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import attrgetter

from agent.errors import NotFound
from agent.interests import learn_prior
from agent.learn.acts import taken_up
from agent.learn.behaviour import behaviour_of
from agent.learn.factors import HINT, installed
from agent.learn.learned import Learned, Recipe, learn
from agent.parts import Parts
from agent.profile.platforms import weigh_by
from agent.recall.shelved import Record
from agent.sections import LearnSettings
from agent.transfer import learn_transfer


@dataclass(frozen=True)
class Standing:
    """How what was learned stands: `record` is None where nothing was, `changed` counts events that came or went since.

    `problem` says why it cannot be used, empty where it can.
    """

    record: Record | None
    changed: int
    threshold: int
    problem: str = ""

    @property
    def due(self) -> bool:
        """Whether it should be learned now: enough has changed, or what is there cannot be used."""
        return bool(self.problem) or self.changed >= self.threshold

    @property
    def outdated(self) -> bool:
        """Whether it tells of another time: it is due, by more than half as many events as it was learned from."""
        return self.record is not None and self.due and self.changed > self.record.events / 2

    @property
    def trouble(self) -> str:
        """What is wrong with it and what to do, where that matters to what is recommended; empty where nothing is."""
        if self.problem:
            return f"what was learned from behaviour is not used, for {self.problem}; learn again: palate learn"
        if self.outdated and self.record:
            rests = f"rests on {self.record.events:,} events, and {self.changed:,} came or went since"
            return f"what was learned from behaviour {rests}; learn again: palate learn"
        return ""

    def as_json(self) -> dict[str, object]:
        """Plain values, as `palate status --json` and `palate learn --json` write them."""
        record = self.record
        shown = {} if record is None else {k: v for k, v in asdict(record).items() if k not in ("files", "catalogue")}
        state = {"due": self.due, "changed_events": self.changed, "every_events": self.threshold}
        return {"learned": shown or None, **state, "problem": self.problem or None}


def standing(parts: Parts) -> Standing:
    """How what was learned in this data folder stands."""
    events, threshold = parts.store.count_events(), parts.settings.learn.every_events
    if not (parts.settings.folder / "learned").is_dir():
        return Standing(None, events, threshold)
    record = parts.shelved.record
    return Standing(record, abs(events - (record.events if record else 0)), threshold, parts.shelved.problem)


def learn_now(parts: Parts, *, seed: int = 0, now: datetime | None = None) -> tuple[Standing, tuple[str, ...]]:
    """Learn from all events and put it in the place of what was learned before; how it stands, and what to know.

    Raises NotFound where nobody took anything up, StoreError, StoreLocked.
    """
    parts.require_items()
    store, settings = parts.store, parts.settings.learn
    catalogue, events = store.catalogue_version, store.count_events()
    behaviour = behaviour_of(_histories(parts), (item.item_id for item in parts.items))
    if not behaviour.n_people:
        raise NotFound("nobody has taken anything up yet", "Load events with: palate load FILE --events")
    learned = learn(behaviour, recipe_of(settings), seed=seed)
    record = _record(learned, behaviour.n_people, events, catalogue, settings, now or datetime.now(UTC))
    parts.shelved.keep(learned, record)
    parts.learned_anew()  # the collection it replaced is gone: whoever is answered meanwhile needs the new one
    learn_prior(store)
    learn_transfer(parts)
    parts.learned_anew()
    return standing(parts), _notes(settings, learned)


def _histories(parts: Parts) -> Iterator[list[str]]:
    """What each person took up, oldest first, under all accounts that are read together."""
    weigh = weigh_by(parts.settings.platforms)
    for accounts in parts.store.people():
        events = [event for account in accounts for event in parts.store.events_of(account) if weigh(event)]
        yield taken_up(sorted(events, key=attrgetter("dated")))


def recipe_of(settings: LearnSettings) -> Recipe:
    """How it is learned by these settings."""
    return Recipe(settings.neighbours, settings.factors, settings.regularisation, settings.alpha)


def _record(
    learned: Learned, people: int, events: int, catalogue: str, settings: LearnSettings, now: datetime
) -> Record:
    return Record(
        version="",
        at=now.isoformat(timespec="seconds"),
        people=people,
        events=events,
        items=len(learned.popular),
        pairs=learned.neighbours.n_pairs,
        factors=0 if learned.factors is None else learned.factors.items.shape[1],
        catalogue=catalogue,
        recipe=asdict(recipe_of(settings)),
    )


def _notes(settings: LearnSettings, learned: Learned) -> tuple[str, ...]:
    if settings.factors and learned.factors is None and not installed():
        return (f"no factors were fitted, for implicit is not installed; {HINT[:1].lower()}{HINT[1:]}",)
    return ()
