"""Answers without the model's opinion: where a cell fails on a case, the other signals still have their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from agent.deadline import Deadline
from agent.rerank.base import Ranking, Reranker
from agent.types import Item, Slate
from eval.cases import Case
from eval.tasks.base import Answerer


class Quiet:
    """A reranker that has no opinion, and asks nobody, while it is `hushed`."""

    def __init__(self, reranker: Reranker) -> None:
        self.name = reranker.name
        self._reranker = reranker
        self._hushed = False

    @contextmanager
    def hushed(self) -> Iterator[None]:
        """No opinion meanwhile."""
        self._hushed = True
        try:
            yield
        finally:
            self._hushed = False

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        """See `Reranker.rank`."""
        if self._hushed:
            return Ranking((0.0,) * len(candidates))
        return self._reranker.rank(history, candidates, wish, deadline)

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        """See `Reranker.precompute`."""
        self._reranker.precompute(items, deadline)


class Sparing:
    """An answerer that can also do without its reranker, which is the one given."""

    def __init__(self, answer: Answerer, reranker: Quiet) -> None:
        self._answer, self._reranker = answer, reranker

    def __call__(self, case: Case) -> Slate:
        """See `Answerer`."""
        return self._answer(case)

    def without_model(self, case: Case) -> Slate:
        """The slate by the signals that need no model. Raises PalateError where these fail, too."""
        with self._reranker.hushed():
            return self._answer(case)
