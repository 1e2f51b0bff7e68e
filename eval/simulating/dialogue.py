"""Dialogues of seekers with a recommender, turn by turn, and the places that blind recommenders reach without words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.errors import PalateError
from agent.types import Item, Slate
from eval.cases import Case
from eval.chance import drawn
from eval.simulating.leaks import kinds_of
from eval.simulating.seeker import Seeker

ANSWER_KNOWN, NOTHING_TO_SAY = "the case itself holds the answer", "nothing can be said of the item but its title"


class Guide(Protocol):
    """The recommender that seekers talk to."""

    def meet(self, user_id: str, liked: Sequence[Item]) -> None:
        """Get to know a person by what they liked before, oldest first."""
        ...

    def show(self, user_id: str, wish: str, k: int) -> Slate:
        """Up to k items that the person has not seen, best first. Raises PalateError."""
        ...

    def hear(self, user_id: str, rejected: Item, seen: Sequence[Item]) -> None:
        """Learn that none of the items just shown was it: `rejected` least of all, `seen` are the others."""
        ...


@dataclass(frozen=True)
class Talk:
    """How long dialogues go on: `turns` of at most `k` items each, in a language; the seed of all drawn by lot.

    `reticent`: in conversations seekers say nothing of their item after the first message, unless they are asked.
    """

    turns: int
    k: int
    language: str
    seed: int
    reticent: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: the wish, the ids shown, best first, and the one rejected; None where the item was found.

    `answers` names the question that the wish answers, where one was asked.
    """

    wish: str
    shown: tuple[str, ...]
    rejected: str | None
    answers: str | None = None


@dataclass(frozen=True)
class Dialogue:
    """One seeker's whole dialogue. `found_at` is the turn, from 1, that showed the target's id; None if none did.

    `failed` says why it broke off; `degraded` what was done with less than asked, as `stage: reason`; `ms` one time for
    each turn.
    """

    case_id: str
    user_id: str
    target: str
    turns: tuple[Turn, ...]
    found_at: int | None
    failed: str | None = None
    degraded: tuple[str, ...] = ()
    ms: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Quest:
    """A case as a dialogue to be had: who seeks, and what they liked before."""

    case: Case
    seeker: Seeker
    liked: tuple[Item, ...]


def quests(cases: Iterable[Case], items: Mapping[str, Item], talk: Talk) -> Iterator[Quest | str]:
    """A quest for each case, or why it has none. The target is the first relevant item that it does not name."""
    kinds = kinds_of(items.values())
    for case in cases:
        target = next((item_id for item_id in case.relevant if item_id not in case.leaked), None)
        if target is None:
            yield ANSWER_KNOWN
            continue
        seeker = Seeker.of(items[target], kinds, talk.language, f"{talk.seed} {case.case_id}")
        liked = tuple(items[item_id] for item_id in case.history)
        yield Quest(case, seeker, liked) if seeker.can_speak else NOTHING_TO_SAY


def converse(
    quest: Quest, guide: Guide, items: Mapping[str, Item], talk: Talk, clock: Callable[[], float] = time.perf_counter
) -> Dialogue:
    """The dialogue: it ends when the target's id is shown, after the last turn, or when the guide fails.

    A guide that shows nothing is asked again with more words. Never raises PalateError.
    """
    case, heard = quest.case, _Heard()
    try:
        guide.meet(case.case_id, quest.liked)
        while not heard.found and len(heard.turns) < talk.turns:
            _exchange(quest, guide, items, talk, heard, clock)
    except PalateError as error:
        heard.failed = str(error)
    return Dialogue(
        case_id=case.case_id,
        user_id=case.user_id,
        target=quest.seeker.target.item_id,
        turns=tuple(heard.turns),
        found_at=len(heard.turns) if heard.found else None,
        failed=heard.failed,
        degraded=tuple(dict.fromkeys(heard.degraded)),
        ms=tuple(heard.ms),
    )


@dataclass
class _Heard:
    """A dialogue so far."""

    turns: list[Turn] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    rejected: Item | None = None
    found: bool = False
    failed: str | None = None


def _exchange(
    quest: Quest, guide: Guide, items: Mapping[str, Item], talk: Talk, heard: _Heard, clock: Callable[[], float]
) -> None:
    """One turn more. Raises PalateError where the guide does."""
    seeker, user_id = quest.seeker, quest.case.case_id
    wish, began = seeker.wish(len(heard.turns) + 1, heard.rejected), clock()
    slate = guide.show(user_id, wish, talk.k)
    heard.ms.append((clock() - began) * 1_000)
    heard.degraded += [f"{degradation.stage}: {degradation.reason}" for degradation in slate.degraded]
    shown = [items[r.item.item_id] for r in slate]
    heard.found = any(item.item_id == seeker.target.item_id for item in shown)
    heard.rejected = seeker.rejects(shown) if shown and not heard.found else None
    rejected_id = heard.rejected.item_id if heard.rejected else None
    heard.turns.append(Turn(wish, tuple(item.item_id for item in shown), rejected_id))
    if heard.rejected:
        guide.hear(user_id, heard.rejected, [item for item in shown if item.item_id != rejected_id])


def popularity_turn(quest: Quest, order: Mapping[str, int], talk: Talk) -> int | None:
    """The turn at which the target comes up where all unseen items are shown by popularity; None if too late.

    `order` gives each item's place among all, from 0.
    """
    target = quest.seeker.target.item_id
    ahead = sum(1 for item_id in {item.item_id for item in quest.liked} if order[item_id] < order[target])
    return turn_of(order[target] - ahead, talk)


def random_turn(quest: Quest, n_items: int, talk: Talk) -> int | None:
    """The turn at which the target comes up where all unseen items are shown in a random order; None if too late.

    The place in such an order is itself drawn, alike for equal seeds and cases.
    """
    unseen = n_items - len({item.item_id for item in quest.liked})
    return turn_of(int(drawn(talk.seed, "blind", quest.case.case_id), 16) % unseen, talk)


def turn_of(place: int, talk: Talk) -> int | None:
    """The turn, from 1, that shows the item at a place, from 0, of an endless list; None if it is not reached."""
    turn = place // talk.k + 1
    return turn if turn <= talk.turns else None
