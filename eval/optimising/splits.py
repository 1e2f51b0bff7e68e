"""Cases in three parts by person: to learn from, to choose by, and to report on, which is sealed till then. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from agent.errors import ConfigError
from eval.cases import Case
from eval.chance import drawn

SHARES = (0.3, 0.3)  # of the people, to train and to choose; the rest is the test, which needs most
LEAST_USERS = 10
MINIBATCH = 10
VAL_OF_BUDGET = 6  # a look at the val cases may cost this part of the budget, no more


@dataclass(frozen=True)
class Split:
    """The parts. Nobody has cases in two of them; `minibatch` cases of train are asked at a step."""

    train: tuple[Case, ...]
    val: tuple[Case, ...]
    test: tuple[Case, ...]
    minibatch: int

    @property
    def step_cost(self) -> int:
        """The most questions that one step of the search may ask: parent and child on a minibatch, the child on val."""
        return 2 * self.minibatch + len(self.val)


def split(cases: Sequence[Case], budget: int, seed: int) -> Split:
    """The cases in three parts, people drawn by the seed; equal for equal people, whatever their order.

    Val holds no more than the budget can look at some times, or one person; people left over go to train, never to
    test. Raises ConfigError: too few people for three parts, a budget that allows no step.
    """
    theirs: dict[str, list[Case]] = {}
    for case in cases:
        theirs.setdefault(case.user_id, []).append(case)
    people = sorted(theirs, key=lambda user_id: drawn(seed, "split", user_id))
    if len(people) < LEAST_USERS:
        raise ConfigError(f"{len(people)} people cannot be split in three", f"Give cases of at least {LEAST_USERS}")
    train, val = (round(len(people) * sum(SHARES[:n])) for n in (1, 2))
    kept = train + _fitting([len(theirs[user_id]) for user_id in people[train:val]], budget // VAL_OF_BUDGET)
    parts = (people[:train] + people[kept:val], people[train:kept], people[val:])
    learn, choose, test = (tuple(case for user_id in some for case in theirs[user_id]) for some in parts)
    made = Split(learn, choose, test, max(1, min(MINIBATCH, len(learn), budget // (2 * VAL_OF_BUDGET))))
    if budget < (least := len(made.val) + made.step_cost):
        raise ConfigError(f"a budget of {budget} allows no step", f"Ask for at least {least}")
    return made


def _fitting(sizes: Sequence[int], most: int) -> int:
    """How many of the first sizes add up to no more than `most`; at least one."""
    return max(1, sum(1 for total in accumulate(sizes) if total <= most))
