"""Cells opened to be asked: a model that is kept open from cell to cell, its kept answers, and a task over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Self

from agent.deadline import Deadline
from agent.llm.base import Model
from agent.llm.files.reference import EndpointReference, parse
from agent.parts.parts import Parts
from agent.parts.workshop import workshop
from agent.path.ranker import EmbeddedItems
from agent.rerank.base import Ranking, Reranker
from agent.settings import Settings
from agent.store.cache import Cache
from agent.types import Item, Vector
from eval.cases import DataSet
from eval.plan.cells import NO_MODEL, Cell
from eval.rankers import about_none, facts_of
from eval.running.kept import FILE, Kept, Noted
from eval.running.permuting import Permuting
from eval.running.sparing import Quiet, Sparing
from eval.runs import Told, Watch
from eval.tasks import Answerer, Opening, task_named

LABELS = ("missing", "foreign", "repeated")


@dataclass(frozen=True)
class OpenedCell:
    """A cell ready to be asked, and the facts of its model. `begin(repeat)` starts the notes on one case.

    `vectors` gives those of all items by id; none: the diversity of what is shown is told by tags alone. `permuting`
    shows the model the candidates of a case in other orders; none: it cannot.
    """

    answer: Answerer
    model: Mapping[str, object]
    begin: Callable[[int], Noted] = field(default=lambda _: Noted())
    vectors: Callable[[], Mapping[str, Vector]] = field(default=dict)
    permuting: Permuting | None = None


CellOpener = Callable[[Cell, DataSet], AbstractContextManager[OpenedCell]]


@dataclass(frozen=True)
class Surroundings:
    """What opening cells takes: the settings of each, the seed, where progress is shown, who hears of slow steps.

    `fresh`: the model is asked also where its answer is kept, and that answer replaced. `limit`: how many cases of each
    data set are asked, None for all. `learns`: they may learn from its behaviour first.
    """

    settings_of: Callable[[Cell], Settings]
    seed: int
    watch: Watch
    told: Told
    fresh: bool = False
    limit: int | None = None
    learns: bool = False


Opens = Callable[[Surroundings], AbstractContextManager[CellOpener]]


class Noting:
    """A reranker that notes what was wrong with the replies it read: labels missing, foreign, repeated."""

    def __init__(self, reranker: Reranker, kept: Kept) -> None:
        self.name = reranker.name
        self._reranker = reranker
        self._kept = kept

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        """See `Reranker.rank`."""
        ranking = self._reranker.rank(history, candidates, wish, deadline)
        for name, count in ranking.counts.items():
            if (label := name.rpartition(".")[2]) in LABELS:
                self._kept.noted.flaws[label] += count
        return ranking

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        """See `Reranker.precompute`."""
        self._reranker.precompute(items, deadline)


class Models:
    """The one model that is open: cells that follow each other and name the same one share it."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._settings: Settings | None = None
        self._model: Model | None = None

    def of(self, settings: Settings) -> Model:
        """The model of these settings; another one is closed first. Raises as `open_model` does."""
        from agent.llm.registry import open_model

        same = self._settings is not None and _named(self._settings) == _named(settings)
        if self._model is None or not same:
            self.close()
            self._model, self._settings = open_model(settings, progress=self._told), settings
        return self._model

    def close(self) -> None:
        """Close the model, if one is open."""
        if self._model is not None:
            self._model.close()
            self._model = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def open_cells(around: Surroundings) -> Iterator[CellOpener]:
    """Opens Palate's own cells: models by their references, answers kept in the cache folder of the settings."""
    with Models(around.told) as models:

        def _open(cell: Cell, dataset: DataSet) -> AbstractContextManager[OpenedCell]:
            if cell.model == NO_MODEL:
                return _without_model(cell, dataset, around)
            return _opened(cell, dataset, around, models)

        yield _open


@contextmanager
def _opened(cell: Cell, dataset: DataSet, around: Surroundings, models: Models) -> Iterator[OpenedCell]:
    settings = around.settings_of(cell)
    with ExitStack() as stack:
        parts = stack.enter_context(closing(Parts(settings, told=around.told)))
        cache = stack.enter_context(Cache(settings.cache_folder / FILE))
        kept = Kept(models.of(settings), cache, seed=around.seed, run_as=_run_as(settings), fresh=around.fresh)
        asking = Noting(workshop(kept, parts.cache, settings).reranker(settings.rerank.strategy), kept)
        permuting = Permuting(asking, around.seed)
        reranker = Quiet(permuting)
        opening = _opening(cell, around, Opening(settings, parts, kept, reranker, around.watch, around.told))
        answer = Sparing(stack.enter_context(task_named(cell.task).open(dataset, opening)), reranker)
        facts = facts_of(settings, kept, reranker)
        yield OpenedCell(answer, facts, kept.begin, lambda: _vectors(dataset, parts), permuting)


@contextmanager
def _without_model(cell: Cell, dataset: DataSet, around: Surroundings) -> Iterator[OpenedCell]:
    settings = around.settings_of(cell)
    with closing(Parts(settings, told=around.told)) as parts:
        opening = _opening(cell, around, Opening(settings, parts, None, None, around.watch, around.told))
        with task_named(cell.task).open(dataset, opening) as answer:
            yield OpenedCell(answer, about_none(settings), vectors=lambda: _vectors(dataset, parts))


def _opening(cell: Cell, around: Surroundings, opening: Opening) -> Opening:
    return replace(opening, limit=around.limit, learns=around.learns, path=cell.path)


def _run_as(settings: Settings) -> str:
    """Everything but the weights that changes what a model answers: where it runs, in which precision, on what."""
    model = settings.model
    if isinstance(parse(model.reference), EndpointReference):
        return str(settings.endpoint.base_url)
    layout = (model.n_gpu_layers, model.split_mode, model.cache_type, model.flash_attention, model.ubatch_tokens)
    return repr((*layout, model.context_tokens, version("llama-cpp-python")))


def _vectors(dataset: DataSet, parts: Parts) -> Mapping[str, Vector]:
    """Every item's centred vector by id; the texts were embedded for the task, so the cache holds them."""
    return EmbeddedItems(list(dataset.items.values()), parts.embedder).vectors(list(dataset.items))


def _named(settings: Settings) -> object:
    return settings.model, settings.endpoint
