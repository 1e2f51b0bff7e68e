"""The task `rank`: put a case's candidates in order for someone with its history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent.ranker import EmbeddedItems, Ranker
from agent.recall.signals import tag_rates
from agent.types import Slate
from eval.cases import Case, DataSet
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
    ranker = Ranker(embedded, embedder, parts.weights, rates, opening.reranker)
    over = OverItems(ranker, patience_s(opening.settings))

    def answer(case: Case) -> Slate:
        return over.rank([items[i] for i in case.history], [items[i] for i in case.candidates], case.wish)

    yield answer


RANK = Task("rank", "put given candidates in order", ("history", "candidates"), open_rank)
