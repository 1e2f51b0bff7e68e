"""What recall is asked for a case: who is asking, with which wish; and what every source answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent.deadline import Deadline
from agent.errors import ConfigError
from agent.parts.parts import Parts
from agent.path.stages import Found, generator_of, searched, written_for
from agent.people.person import Person, person_of, person_with, said
from agent.recall.collaborative import Collaborative
from agent.recall.fuse import fuse
from agent.recall.weights import family_of
from agent.types import Degradation
from eval.cases import Case, DataSet
from eval.learning import Taught
from eval.tasks.converse import wish_of

TASKS = ("recommend", "converse")
DEPTH = 100


@dataclass(frozen=True)
class Answered:
    """What the sources found for one case, and the milliseconds that writing queries took."""

    case: Case
    found: Sequence[Found]
    written_ms: float
    degraded: tuple[Degradation, ...]

    @property
    def families(self) -> dict[str, list[Found]]:
        """The sources by family (see `family_of`)."""
        families: dict[str, list[Found]] = {}
        for one in self.found:
            families.setdefault(family_of(one.source), []).append(one)
        return families

    def order(self, found: Sequence[Found]) -> tuple[str, ...]:
        """These sources fused: item ids, best first."""
        fused = fuse([one.candidates for one in found], [one.weight for one in found])
        return tuple(candidate.item_id for candidate in fused[:DEPTH])


def answered(
    dataset: DataSet, parts: Parts, task: str, limit: int | None, least_liked: int, taught: Taught | None = None
) -> Iterator[Answered]:
    """Every source's answer to each case, at most `limit`; cases of people who liked fewer items are passed over.

    `taught` is what was learned from behaviour without the case's answer.
    """
    generator = generator_of(parts, True)
    for case, person, wish, learned in asked(dataset, parts, task, limit, least_liked, taught):
        began = time.perf_counter()
        written = written_for(parts, person, wish, Deadline.never(), generator)
        took_ms = (time.perf_counter() - began) * 1e3
        found = searched(parts, person, wish, None, DEPTH, written.queries, learned)
        yield Answered(case, found, took_ms, written.degraded)


class Asked(NamedTuple):
    """A case, who is asking, with which wish, and what was learned from behaviour without its answer."""

    case: Case
    person: Person
    wish: str | None
    learned: Collaborative | None


def asked(
    dataset: DataSet, parts: Parts, task: str, limit: int | None, least_liked: int, taught: Taught | None = None
) -> Iterator[Asked]:
    """Who asks in each case, at most `limit`; cases of people who liked fewer items are passed over."""
    learned = [Collaborative(one) for one in taught.by_fold] if taught else []
    n = 0
    for case in dataset.cases():
        person, wish = who_asks(dataset, parts, task, case)
        if len(person.profile.liked) < least_liked:
            continue
        if limit is not None and n >= limit:
            return
        n += 1
        yield Asked(case, person, wish, learned[taught.fold(case)] if taught else None)


def who_asks(dataset: DataSet, parts: Parts, task: str, case: Case) -> tuple[Person, str | None]:
    """The person of a case and their wish, as the task of this name has it. Raises ConfigError for another task."""
    if task == "converse":
        named = [dataset.items[item_id] for item_id in dict.fromkeys((*case.history, *case.mentioned))]
        return person_with(named), said(wish_of(case.messages))
    if task != "recommend":
        raise ConfigError(f"recall cannot be measured on the task {task!r}", f"Tasks: {', '.join(TASKS)}")
    person = person_of(parts, case.user_id)
    if not person.events:
        person = person_with([dataset.items[item_id] for item_id in case.history])
    return person, said(case.wish)


def orders_of(one: Answered, families: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """What each family finds alone, all together under `all`, and all but one under `without <family>`."""
    theirs = {name: found for name, found in one.families.items() if name in families}
    every = [source for found in theirs.values() for source in found]
    orders = {ALL: one.order(every)}
    for name in families:
        orders[name] = one.order(theirs.get(name, ()))
        orders[without(name)] = one.order([source for source in every if source not in theirs.get(name, ())])
    return orders


ALL = "all"


def without(name: str) -> str:
    """What the sum of all other families is called."""
    return f"without {name}"
