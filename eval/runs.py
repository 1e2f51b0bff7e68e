"""What a run over cases has collected: orders, times, troubles; and the cases as numbers to fit weights on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from agent.errors import PalateError
from agent.types import Item, Slate
from eval.cases import Case
from eval.systems import RECALL, RERANK, Order

if TYPE_CHECKING:
    from eval.fit import Choice, Pair

Progress = Callable[[int], None]
Watch = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
Told = Callable[[str], None]


class RankerLike(Protocol):
    """What a ranker is asked here; Palate's own is one, and so may anything else be."""

    def rank(self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None = None) -> Slate:
        """A slate of all candidates for someone with this history, oldest first.

        Each recommendation carries the path of steps that led to its place: a step of stage `recall` for each signal
        known without a model, one of stage `prior`, and one of stage `rerank` where a model has an opinion.
        """
        ...


@dataclass(frozen=True)
class Opened:
    """A ranker ready to be asked, the facts of its model, and the weights that it uses now."""

    ranker: RankerLike
    model: Mapping[str, object]
    weights: Pair


@dataclass
class Run:
    """What a run has collected; everything is keyed by case id, in the order of the cases.

    `n_degraded` cases got less than asked, `degraded` counts them by stage and reason; `failed` says why a case has no
    answer at all. `users` and `histories` are those of the cases. Of a stored run, `failed` names the first 20, times
    are with the counts of its cells, and orders are read from its files.
    """

    relevant: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    histories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    orders: Mapping[str, Mapping[str, Order]] = field(default_factory=dict)
    rank_ms: dict[str, float] = field(default_factory=dict)
    n_degraded: int = 0
    degraded: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    disliked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many cases were run, answered or not."""
        return len(self.relevant)

    @property
    def clusters(self) -> list[str]:
        """Whose each case is, in the order of the cases; a case of nobody known stands for itself."""
        return [self.users.get(case_id, case_id) for case_id in self.relevant]

    def answered(self, system: str) -> int:
        """How many cases the system gave an order for."""
        return sum(1 for order in self.orders[system].values() if order)


def run_choices(
    cases: Iterable[Case], items: Mapping[str, Item], ranker: RankerLike, *, progress: Progress = lambda _done: None
) -> tuple[list[Choice], Run]:
    """Every case as numbers to fit weights on, read off the path of its slate, and the run that gave them.

    Raises PalateError when the ranker fails or degrades on a case: a fit over part of the cases would mislead.
    """
    choices: list[Choice] = []
    relevant: dict[str, tuple[str, ...]] = {}
    users: dict[str, str] = {}
    run = Run(relevant, users)
    for done, case in enumerate(cases, start=1):
        relevant[case.case_id], users[case.case_id] = case.relevant, case.user_id
        slate = _ask(case, items, ranker, run, time.perf_counter)
        troubles = [*run.failed.values(), *run.degraded]
        if slate is None or troubles:
            raise PalateError(
                f"case {case.case_id}: {troubles[0]}", "Weights are fitted on whole answers only: mend this"
            )
        choices.append(choice_from(case, slate))
        progress(done)
    return choices, run


def choice_from(case: Case, slate: Slate) -> Choice:
    """The case as numbers: each signal and each model's opinion, one value a candidate, in the case's order.

    Raises ValueError when a stage scored some of the candidates only.
    """
    from eval.fit import Choice

    signals, opinions = (_scores(case, slate, stage) for stage in (RECALL, RERANK))
    return Choice(case.case_id, case.user_id, case.candidates, case.relevant, signals, opinions)


def _ask(
    case: Case, items: Mapping[str, Item], ranker: RankerLike, run: Run, clock: Callable[[], float]
) -> Slate | None:
    history, candidates = [items[i] for i in case.history], [items[i] for i in case.candidates]
    began = clock()
    try:
        slate = ranker.rank(history, candidates, case.wish)
    except PalateError as error:
        run.failed[case.case_id] = str(error)
        return None
    run.rank_ms[case.case_id] = (clock() - began) * 1_000
    run.n_degraded += bool(slate.degraded)
    run.degraded.update({f"{d.stage}: {d.reason}" for d in slate.degraded})
    run.prompts.update(slate.prompts)
    return slate


def _scores(case: Case, slate: Slate, stage: str) -> dict[str, list[float]]:
    found: dict[str, dict[str, float]] = {}
    for recommendation in slate:
        for step in recommendation.path:
            if step.stage == stage:
                found.setdefault(step.source, {})[recommendation.item.item_id] = step.score
    for source, scores in found.items():
        if set(scores) != set(case.candidates):
            raise ValueError(f"{stage}/{source} scored {len(scores)} of {len(case.candidates)} in case {case.case_id}")
    return {source: [scores[i] for i in case.candidates] for source, scores in sorted(found.items())}
