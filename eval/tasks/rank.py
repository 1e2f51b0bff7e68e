"""The task `rank`: put a case's candidates in order for someone with its history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent.deadline import Deadline
from agent.errors import ModelError, PromptError
from agent.path.ranker import EmbeddedItems, Ranker
from agent.recall.signals import tag_rates
from agent.types import Slate
from eval.cases import Case, DataSet
from eval.learning import Taught, taught
from eval.rankers import OverItems, Shown, patience_s
from eval.tasks.base import Answerer, Opening, Task


@contextmanager
def open_rank(dataset: DataSet, opening: Opening) -> Iterator[Answerer]:
    """Answers with all candidates in order; vectors are centred on the mean of the data set's whole catalogue."""
    items, parts = dataset.items, opening.parts
    with opening.watch("Embedding the items") as show:
        embedder = Shown(parts.embedder, show)
        embedded = EmbeddedItems(list(items.values()), embedder)
    rates = tag_rates(list(items.values()))
    learned = _taught(dataset, opening)
    rankers = [
        OverItems(Ranker(embedded, embedder, parts.weights, rates, opening.reranker, one), patience_s(opening.settings))
        for one in (learned.by_fold if learned else (None,))
    ]
    _precompute(dataset, opening)

    def answer(case: Case) -> Slate:
        """The slate for one case."""
        over = rankers[learned.fold(case) if learned else 0]
        return over.rank([items[i] for i in case.history], [items[i] for i in case.candidates], case.wish)

    yield answer


def _taught(dataset: DataSet, opening: Opening) -> Taught | None:
    if not opening.learns:
        return None
    with opening.watch("Learning from behaviour"):
        return taught(dataset, opening.settings.learn)


def _precompute(dataset: DataSet, opening: Opening) -> None:
    """Let the reranker read, all together, the items that cases will ask about. Where it cannot, the cases tell why."""
    if opening.reranker is None:
        return
    ids = dict.fromkeys(item_id for case in dataset.cases(opening.limit) for item_id in case.candidates)
    with opening.watch("Reading the items") as show:
        show(0, len(ids))
        try:
            opening.reranker.precompute([dataset.items[item_id] for item_id in ids], Deadline.never())
        except (ModelError, PromptError) as error:
            opening.told(f"items are read case by case: {error}")


RANK = Task("rank", "put given candidates in order", ("history", "candidates"), open_rank)
