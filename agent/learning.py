"""Learning from everyone's behaviour: whether it is due, and doing it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from agent.errors import NotFound
from agent.interests import learn_prior
from agent.learn.acts import histories_of
from agent.learn.behaviour import behaviour_of
from agent.learn.factors import HINT, installed
from agent.learn.learned import Learned, Recipe, learn
from agent.parts import Parts
from agent.recall.shelved import Record
from agent.sections import LearnSettings


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
    told = (event for user_id in store.users() for event in store.events_of(user_id))
    behaviour = behaviour_of(histories_of(told), (item.item_id for item in parts.items))
    if not behaviour.n_people:
        raise NotFound("nobody has taken anything up yet", "Load events with: palate load FILE --events")
    learned = learn(behaviour, recipe_of(settings), seed=seed)
    record = _record(learned, behaviour.n_people, events, catalogue, settings, now or datetime.now(UTC))
    parts.shelved.keep(learned, record)
    learn_prior(store)
    parts.learned_anew()
    return standing(parts), _notes(settings, learned)


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
