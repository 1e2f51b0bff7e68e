"""The candidates of every case as ranked without a model, with all that the choice of a slate asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from agent.deadline import Deadline
from agent.errors import ConfigError
from agent.parts.parts import Parts
from agent.path.ranker import Ranker
from agent.path.stages import items_of, recall
from agent.people.person import Person, person_of, said
from agent.recall.collaborative import Collaborative
from agent.sections import SlateSettings
from agent.slate.arranging import pool_of
from agent.slate.choosing import Pool
from agent.types import Event, EventKind, Item
from eval.beyond import Shelf
from eval.building.acts import EPOCH
from eval.cases import Case, DataSet
from eval.chance import drawn
from eval.learning import Taught
from eval.popularity import shelf_of

Show = Callable[[int, int], None]


@dataclass(frozen=True)
class Asked:
    """One case: its candidates, and what the person liked before, oldest first."""

    case: Case
    pool: Pool
    liked: Sequence[str]


@dataclass(frozen=True)
class Gathered:
    """All cases, over one catalogue: `shelf` has the tags, vectors and popularity of its items."""

    cases: Sequence[Asked]
    shelf: Shelf


def gathered(
    dataset: DataSet,
    parts: Parts,
    *,
    seed: int,
    limit: int | None = None,
    taught: Taught | None = None,
    show: Show = lambda _done, _of: None,
) -> Gathered:
    """The cases with their candidates: those they name, or what recall finds, `recall.n_candidates` of them.

    `taught` is what was learned from behaviour without the cases' answers. Raises ConfigError where there are no cases.
    """
    vectors = parts.fresh_index.vectors(list(dataset.items))
    shelf = replace(shelf_of(dataset), vectors=vectors)
    _tell_histories(dataset, parts, limit)
    found: list[Asked] = []
    for one in _asked(dataset, parts, seed, limit, taught):
        pool = replace(one.pool, vectors=vectors, popularity=shelf.popularity)
        found.append(replace(one, pool=pool))
        show(len(found), dataset.n_run(limit))
    if not found:
        raise ConfigError(f"{dataset.name} has no cases", "Trade-offs are measured on cases with known answers")
    return Gathered(found, shelf)


def _tell_histories(dataset: DataSet, parts: Parts, limit: int | None) -> None:
    """Let the person of a case of whom no event is known have liked the history of that case, an item a day."""
    for case in dataset.cases(limit):
        if case.user_id not in dataset.past.users:
            person = _account(dataset, case)
            parts.store.put_events(
                Event(
                    event_id=f"{person}-{n}",
                    user_id=person,
                    kind=EventKind.LIKE,
                    item_id=item_id,
                    at=EPOCH + timedelta(days=n),
                )
                for n, item_id in enumerate(case.history)
            )


def _account(dataset: DataSet, case: Case) -> str:
    """Under which id the person of a case is known: one of the case alone where they did nothing before their cases.

    The history of one case may hold the answer to another.
    """
    return case.user_id if case.user_id in dataset.past.users else f"case:{drawn(case.case_id)}"


def _asked(dataset: DataSet, parts: Parts, seed: int, limit: int | None, taught: Taught | None) -> Iterator[Asked]:
    learned = list(taught.by_fold) if taught else [None]
    rankers = [Ranker(parts.fresh_index, parts.embedder, parts.weights, parts.tag_rates, None, one) for one in learned]
    sources = [Collaborative(one) if one else None for one in learned]
    for case in dataset.cases(limit):
        fold, wish = taught.fold(case) if taught else 0, said(case.wish)
        person = person_of(parts, _account(dataset, case))
        items = _candidates(dataset, parts, case, person, sources[fold])
        ranked = rankers[fold].rank(person.taste, items, wish, Deadline.never())
        knobs = SlateSettings(calibration=1, exploration=1, seed=seed)
        liked = [reaction.item_id for reaction in person.profile.liked]
        yield Asked(case, pool_of(parts, person, ranked.places, knobs, wish), liked)


def _candidates(
    dataset: DataSet, parts: Parts, case: Case, person: Person, learned: Collaborative | None
) -> list[Item]:
    if case.candidates:
        return [dataset.items[item_id] for item_id in case.candidates]
    return items_of(parts.store, recall(parts, person, said(case.wish), None, 1, (), learned))
