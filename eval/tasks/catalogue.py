"""Answers over a whole catalogue: recall finds, the reranker orders the first of them, the others follow as found."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from agent.deadline import Deadline
from agent.llm.base import Model
from agent.parts.parts import Parts
from agent.parts.pictures import sync_pictures
from agent.path.ranker import Order, Place, Ranker
from agent.path.stages import items_of, recall, written_for
from agent.people.leaning import NO_LEANING, Leaning
from agent.people.person import Person
from agent.recall.collaborative import Collaborative
from agent.recall.generated import generator_on
from agent.recall.where import Where
from agent.rerank.base import Reranker
from agent.settings import Settings
from agent.slate.making import slate_of
from agent.types import Item, Slate
from eval.apart import apart
from eval.cases import Case, DataSet
from eval.learning import Taught, taught
from eval.rankers import patience_s
from eval.runs import Told, Watch
from eval.systems import PLACES
from eval.tasks.base import Opening


class OverCatalogue:
    """The recommender's path up to its slate, over the catalogue of `parts` and with the reranker of the cell."""

    def __init__(
        self, parts: Parts, reranker: Reranker | None, model: Model | None, taught: Taught | None = None
    ) -> None:
        self._parts = parts
        self._taught = taught
        wanted = parts.settings.recall.generated
        self._generator = generator_on(model, None, parts.settings, parts.items) if wanted and model else None
        self._timeout_s = patience_s(parts.settings)
        self._reranked = parts.settings.recall.n_candidates
        folds = taught.by_fold if taught else (None,)
        self._rankers = [
            Ranker(parts.fresh_index, parts.embedder, parts.weights, parts.tag_rates, reranker, learned)
            for learned in folds
        ]
        self._collaborative = [Collaborative(learned) if learned else None for learned in folds]

    def answer(
        self,
        case: Case,
        person: Person,
        wish: str | None,
        where: Where | None = None,
        leaning: Leaning = NO_LEANING,
    ) -> Slate:
        """The first 100 items that the case's person has not met and that pass.

        The model and the leaning order `recall.n_candidates` of them.
        """
        fold = self._taught.fold(case) if self._taught else 0
        deadline = Deadline(self._timeout_s)
        written = written_for(self._parts, person, wish, deadline, self._generator)
        found = recall(self._parts, person, wish, where, PLACES, written.queries, self._collaborative[fold])
        items = items_of(self._parts.store, found)
        first, rest = items[: self._reranked], items[self._reranked :]
        ranked = leaning.over(self._rankers[fold].rank(person.taste, first, wish, deadline))
        ranked = _followed(ranked, [item for item in rest if not leaning.refused(item)])
        return slate_of(person.profile.user_id, ranked, k=PLACES, wish=wish, candidates=found, written=written)


@contextmanager
def open_catalogue(dataset: DataSet, opening: Opening) -> Iterator[tuple[Parts, OverCatalogue]]:
    """A data folder of its own with the items and events of the data set, indexed, and what answers over it.

    It lies in a temporary folder and vanishes in the end; vectors are kept in the cache of the settings. Raises as
    `Parts` does.
    """
    with open_folder(dataset, opening.settings, opening.watch, opening.told) as parts:
        learned = None
        if opening.learns:
            with opening.watch("Learning from behaviour"):
                learned = taught(dataset, opening.settings.learn)
        yield parts, OverCatalogue(parts, opening.reranker, opening.model, learned)


@contextmanager
def open_folder(dataset: DataSet, settings: Settings, watch: Watch, told: Told) -> Iterator[Parts]:
    """The parts over a temporary data folder with the items and events of the data set, indexed.

    Pictures of items, where the settings have somebody look at them, lie under `images.folder` or with the data set.
    """
    with ExitStack() as stack:
        own = stack.enter_context(apart(settings))
        with watch("Indexing the items") as show:
            made = Parts(_patient(own, dataset.folder), progress=show, told=told)
            parts = stack.enter_context(closing(made))
            parts.store.put_items(dataset.items.values())
            parts.store.put_events(dataset.past.events())
            _ = parts.fresh_index
            if (pictures := sync_pictures(parts, progress=show)) is not None and pictures.problem:
                told(f"pictures are left out: {pictures.problem}")
        yield parts


def _patient(settings: Settings, beside: Path) -> Settings:
    """The settings, patient with the queries that a model writes, pictures lying in a folder unless they say where."""
    recall = settings.recall.model_copy(update={"generated_timeout_s": patience_s(settings)})
    images = settings.images.model_copy(update={"folder": settings.images.folder or beside})
    return settings.model_copy(update={"recall": recall, "images": images})


def _followed(ranked: Order, rest: Sequence[Item]) -> Order:
    """The order with the rest behind it, at scores that fall on."""
    last = ranked.places[-1].score if ranked.places else 0.0
    behind = tuple(Place(item, last - n, ()) for n, item in enumerate(rest, start=1))
    return dataclasses.replace(ranked, places=(*ranked.places, *behind))
