"""What the benchmark asks: people with a history, and candidates to put in order; from a data set, or made up."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from agent.errors import ConfigError
from agent.types import Item
from eval.cases import Case, DataSet
from eval.chance import drawn
from eval.speed.films import made_up

HISTORY = 10  # items of a person's history, the newest
WISHES = (
    "something lighter for tonight",
    "a slow one with a good ending",
    "anything that is not about a war",
    "something to watch with the children",
    "a story that happens at sea",
)


@dataclass(frozen=True)
class Question:
    """One person to rank for. `relevant` is empty where nobody knows the answer."""

    name: str
    history: tuple[Item, ...]
    candidates: tuple[Item, ...]
    relevant: tuple[str, ...] = ()

    def turned(self, by: int) -> tuple[Item, ...]:
        """The history in another order, which no cache has met: turned by so many places, then reversed and turned."""
        once = self.history if by // max(1, len(self.history)) % 2 == 0 else self.history[::-1]
        at = by % max(1, len(self.history))
        return once[at:] + once[:at]

    @property
    def of_somebody_else(self) -> Question:
        """The same candidates for a person who shares nothing with this one but the instructions of a prompt."""
        return replace(self, name=f"not {self.name}", history=self.history[-1:])

    @property
    def wish(self) -> str:
        """What the person asks for next, the same for the same person."""
        return WISHES[int(drawn("wish", self.name), 16) % len(WISHES)]


@dataclass(frozen=True)
class Source:
    """Where questions come from: items, and one question for each case. `name` is that of the data set."""

    name: str
    items: Mapping[str, Item]
    cases: Sequence[Case]
    judged: bool

    def questions(self, n: int, start: int, count: int) -> list[Question]:
        """That many questions with n candidates each, from the case number `start` on.

        A case with fewer candidates gets more, drawn from the items; one with more loses the last that are not
        relevant. Raises ConfigError where there are not so many cases or items.
        """
        if start + count > len(self.cases):
            raise ConfigError(
                f"{self.name} holds {len(self.cases)} cases and {start + count} are needed: each repetition asks for"
                " somebody new",
                "Lower --users, or measure fewer --candidates at once",
            )
        return [self._question(case, n) for case in self.cases[start : start + count]]

    def as_given(self, count: int) -> list[Question]:
        """The questions of so many cases, as far as there are, each with its own candidates."""
        return [self._question(case, len(case.candidates)) for case in self.cases[:count]]

    def _question(self, case: Case, n: int) -> Question:
        relevant = [item_id for item_id in case.candidates if item_id in case.relevant][:n]
        others = [item_id for item_id in case.candidates if item_id not in case.relevant]
        chosen = relevant + others[: n - len(relevant)]
        if len(chosen) < n:
            chosen += islice(self._strangers(case), n - len(chosen))
        if len(chosen) < n:
            raise ConfigError(f"{self.name} has too few items for {n} candidates", "Lower --candidates")
        order = sorted(chosen, key=lambda item_id: drawn("place", case.case_id, item_id))
        history = tuple(self.items[item_id] for item_id in case.history[-HISTORY:])
        return Question(
            case.case_id, history, tuple(self.items[i] for i in order), case.relevant if self.judged else ()
        )

    def _strangers(self, case: Case) -> Iterator[str]:
        known = {*case.history, *case.candidates, *case.relevant}
        return iter(sorted(self.items.keys() - known, key=lambda item_id: drawn("stranger", case.case_id, item_id)))


def from_data_set(dataset: DataSet) -> Source:
    """The cases of a data set, those with a long history first, else in the file's order."""
    cases = sorted(dataset.cases(), key=lambda case: -min(HISTORY, len(case.history)))
    return Source(dataset.name, dataset.items, cases, judged=True)


def generated(n_items: int, n_cases: int, seed: int) -> Source:
    """Made-up films and people who liked some of them. Equal arguments give equal questions; nobody knows answers."""
    items = {item.item_id: item for item in made_up(n_items, seed)}
    chance = random.Random(seed)
    cases = []
    for n in range(n_cases):
        liked = tuple(chance.sample(sorted(items), HISTORY + 1))
        cases.append(Case(case_id=f"made-up-{n}", user_id=f"u{n}", relevant=liked[:1], history=liked[1:]))
    return Source("made-up films", items, cases, judged=False)
