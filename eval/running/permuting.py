"""A case asked with its candidates in several orders: the first is the ranker's own, the others are drawn by lot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.deadline import Deadline
from agent.errors import PalateError
from agent.path.ranker import unshuffled
from agent.rerank.base import Ranking, Reranker
from agent.types import Item
from eval.cases import Case
from eval.chance import drawn
from eval.running.answers import Permuted
from eval.systems import LIKELIHOOD_ONLY, MODEL, RERANK, Order, slate_order, stage_order

if TYPE_CHECKING:
    from eval.running.opening import OpenedCell


class Permuting:
    """A reranker whose model can be shown the candidates in another order: number 0 is the one given.

    Scores come back in the order given. `shown` are the ids as the model saw them last.
    """

    def __init__(self, reranker: Reranker, seed: int) -> None:
        self.name = reranker.name
        self.shown: Order = ()
        self._reranker = reranker
        self._seed = seed
        self._number = 0

    @contextmanager
    def in_order(self, number: int) -> Iterator[None]:
        """The order of this number meanwhile."""
        self._number = number
        try:
            yield
        finally:
            self._number = 0

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        """See `Reranker.rank`."""
        places = self._places([item.item_id for item in candidates])
        self.shown = tuple(candidates[n].item_id for n in places)
        found = self._reranker.rank(history, [candidates[n] for n in places], wish, deadline)
        parts = {name: unshuffled(scores, places) for name, scores in found.parts.items()}
        return replace(found, scores=unshuffled(found.scores, places), parts=parts)

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        """See `Reranker.precompute`."""
        self._reranker.precompute(items, deadline)

    def _places(self, ids: Sequence[str]) -> list[int]:
        if not self._number:
            return list(range(len(ids)))
        return sorted(range(len(ids)), key=lambda n: drawn(self._seed, "order", self._number, ids[n]))


def permuted(
    opened: OpenedCell, case: Case, first: Mapping[str, Order], repeat: int, orders: int
) -> tuple[Permuted, ...]:
    """The case in all its orders, the one that was just answered (with the orders `first`) before the others.

    None where there is one order only, or the cell cannot show others.
    """
    permuting = opened.permuting
    if orders < 2 or permuting is None or not permuting.shown:
        return ()
    found = [Permuted(permuting.shown, {name: first[name] for name in (MODEL, LIKELIHOOD_ONLY) if name in first})]
    for number in range(1, orders):
        with permuting.in_order(number):
            found.append(_asked(opened, permuting, case, repeat))
    return tuple(found)


def _asked(opened: OpenedCell, permuting: Permuting, case: Case, repeat: int) -> Permuted:
    noted = opened.begin(repeat)
    failed, orders = None, dict[str, Order]()
    try:
        slate = opened.answer(case)
        orders = {MODEL: slate_order(case, slate), LIKELIHOOD_ONLY: stage_order(case, slate, RERANK)}
    except PalateError as error:
        failed = str(error)
    return Permuted(permuting.shown, orders, dict(noted.tokens), dict(noted.calls), failed)
