"""Palate's own ranker over a data set: its catalogue is the data set's items, its parts are those of the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import numpy as np

from agent.deadline import Deadline
from agent.embed.base import Embedder
from agent.llm.base import Model
from agent.parts.parts import Parts
from agent.path.ranker import EmbeddedItems, Ranker, Taste
from agent.recall.signals import tag_rates
from agent.rerank.base import Reranker
from agent.settings import Settings
from agent.slate.making import slate_of
from agent.types import Item, Slate, Vector
from eval.fit import Pair
from eval.runs import Opened, Told, Watch

if TYPE_CHECKING:
    from agent.learn.learned import Learned

BATCH = 256
PATIENCE_S = 600.0


class OverItems:
    """A ranker that answers with slates. Vectors are centred on the mean of the whole catalogue it was made over."""

    def __init__(self, ranker: Ranker, timeout_s: float) -> None:
        self._ranker = ranker
        self._timeout_s = timeout_s

    def rank(self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None = None) -> Slate:
        """See `RankerLike.rank`."""
        order = self._ranker.rank(Taste.of(history), candidates, wish, Deadline(self._timeout_s))
        return slate_of("", order, k=len(candidates), wish=wish)


class Shown:
    """An embedder that says how far it is with the passages."""

    def __init__(self, embedder: Embedder, show: Callable[[int, int], None]) -> None:
        self._embedder, self._show = embedder, show
        self.name, self.dimensions = embedder.name, embedder.dimensions

    def queries(self, texts: Sequence[str]) -> Vector:
        """See `Embedder.queries`."""
        return self._embedder.queries(texts)

    def passages(self, texts: Sequence[str]) -> Vector:
        """See `Embedder.passages`."""
        done = [np.empty((0, self.dimensions), dtype=np.float32)]
        for start in range(0, len(texts), BATCH):
            self._show(start, len(texts))
            done.append(self._embedder.passages(texts[start : start + BATCH]))
        self._show(len(texts), len(texts))
        return np.concatenate(done)


@contextmanager
def open_ranker(
    items: Mapping[str, Item],
    settings: Settings,
    watch: Watch,
    told: Told,
    *,
    learned: Learned | None = None,
    llm: bool = True,
) -> Iterator[Opened]:
    """The ranker of these settings over these items, with what was learned from behaviour; without `llm`, no model.

    `watch(doing)` gives a place to show progress, `told` hears of slow first steps. Raises ModelError when the
    model cannot be opened (there would be nothing to measure), ConfigError for wrong settings.
    """
    with closing(Parts(settings, told=told)) as parts:
        about = about_model(parts) if llm else about_none(settings)
        weights, listed = parts.weights, list(items.values())
        with watch("Embedding the items") as show:
            embedder = Shown(parts.embedder, show)
            embedded = EmbeddedItems(listed, embedder)
        reranker = parts.reranker if llm else None
        ranker = Ranker(embedded, embedder, weights, tag_rates(listed), reranker, learned)
        over = OverItems(ranker, patience_s(settings))
        yield Opened(over, about, Pair(weights.prior, weights.blend))


def about_model(parts: Parts) -> dict[str, object]:
    """The facts of the model and the strategy that figures hold for. Raises as `Parts.reranker` does."""
    return facts_of(parts.settings, parts.model, parts.reranker)


def about_none(settings: Settings) -> dict[str, object]:
    """The facts that figures without a model hold for."""
    return {"reference": "none", "language": settings.language, "noun": settings.noun}


def facts_of(settings: Settings, model: Model, reranker: Reranker) -> dict[str, object]:
    """The facts of this model, run by these settings, and of the strategy that asks it."""
    return {
        "reference": settings.model.reference,
        "name": model.name,
        "fingerprint": model.fingerprint,
        "strategy": reranker.name,
        "language": settings.language,
        "noun": settings.noun,
    }


def patience_s(settings: Settings) -> float:
    """How long one answer may take where its quality is measured, and not how busy the machine is."""
    return max(PATIENCE_S, settings.model.timeout_s)
