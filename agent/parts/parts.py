"""The parts a recommender stands on, each opened when first needed and closed together."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

import prompts
from agent.embed.base import Embedder
from agent.errors import ConfigError, ModelError, NotFound, StoreError
from agent.explain.rationale import Explainer
from agent.language import Language, language_of
from agent.llm.base import Model
from agent.once import forget, forget_all, once
from agent.parts.indexing import behind, brought_up, open_index, sync_index
from agent.parts.workshop import workshop
from agent.path.ranker import Ranker
from agent.people.folds import Folds
from agent.profile.ledger import Background
from agent.recall.signals import tag_rates
from agent.rerank.base import Reranker
from agent.rerank.weights import Weights, load_weights
from agent.settings import Settings
from agent.store.cache import Cache
from agent.store.opening import open_store
from agent.store.store import Store
from agent.titles import Titles
from agent.types import Item

if TYPE_CHECKING:
    from agent.converse.understand.reader import Reader
    from agent.learn.learned import Learned
    from agent.parts.pictures import Pictures
    from agent.recall.collaborative import Collaborative
    from agent.recall.generated import Generator
    from agent.recall.index import Index
    from agent.recall.report import SyncReport
    from agent.recall.shelved import Shelved

_TAG_RATES = "tag rates"  # a note in the store: of which catalogue_version

Progress = Callable[[int, int], None]
Told = Callable[[str], None]


class Parts:
    """Everything the path of a recommendation calls on. Opening one part may raise its PalateError; others still work.

    `progress(done, of)` hears of indexing, `told` of slow first-time steps such as fetching a model.
    """

    def __init__(self, settings: Settings, *, progress: Progress | None = None, told: Told | None = None) -> None:
        self.settings = settings
        self.progress = progress
        self._told = told
        self._open = ExitStack()
        self._closed = False
        self._explainers: dict[Model | None, Explainer] = {}
        self._other: Parts | None = None
        self._catalogue = self.items_of = ""  # versions: as last heeded, and of the items that were read

    def close(self) -> None:
        """Close what was opened; nothing opens again. Calling it twice is harmless."""
        self._closed = True
        self._open.close()
        forget_all(self)

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigError("this recommender is closed", "Open another one: Recommender.open()")

    def say(self, line: str) -> None:
        """Tell whoever listens of something that went another way than asked."""
        if self._told is not None:
            self._told(line)

    def speaking(self, words: str | None, language: Language | None = None) -> Parts:
        """These parts, or ones that speak a language asked for, else that of the words, if the settings name none."""
        language = language or (None if self.settings.names_language else language_of(words or ""))
        return self if language in (None, self.settings.language) else self._spoken

    @once
    def _spoken(self) -> Parts:
        from agent.parts.spoken import Spoken

        self._check_open()
        self._other = self._open.enter_context(closing(Spoken(self)))
        return self._other

    @once
    def store(self) -> Store:
        """Items, events and conversations."""
        self._check_open()
        return self._open.enter_context(open_store(self.settings))

    @once
    def cache(self) -> Cache:
        """Values that can be computed again: vectors of texts, unconditional scores."""
        self._check_open()
        return self._open.enter_context(Cache(self.settings.cache_folder / "cache.sqlite"))

    @once
    def embedder(self) -> Embedder:
        """Texts to vectors."""
        from agent.embed.e5 import E5

        return E5(self.cache)

    @once
    def index(self) -> Index:
        """The vector index as it lies on disk, its folder locked for this process, or as all processes share it."""
        index = self._open.enter_context(open_index(self))
        index.forgiving = True
        return index

    @once
    def fresh_index(self) -> Index:
        """The vector index, brought up to date with the catalogue. Raises NotFound when the catalogue is empty."""
        self.require_items()
        return brought_up(self)

    def heed(self) -> None:
        """Take up what other processes changed since it was last called: the catalogue, or an index that all share."""
        version, known = self.store.catalogue_version, self._catalogue
        self._catalogue = version
        if known not in ("", version):
            self.catalogue_changed()
        elif behind(self, version):
            forget(self, "fresh_index")

    def require_items(self) -> None:
        """Do nothing where there are items. Raises NotFound when the catalogue is empty."""
        if not self.store.count_items():
            raise NotFound("the catalogue is empty", "Load one with: palate load FILE")

    def sync_index(self, *, rebuild: bool = False) -> SyncReport:
        """Make the vector index equal the catalogue and what was written about its thin items; what was done."""
        return sync_index(self, rebuild=rebuild)

    def _keep(self, key: str, value: str) -> None:
        with suppress(StoreError):  # where nothing can be written: it can be computed again
            self.store.meta_put(key, value)

    @once
    def items(self) -> list[Item]:
        """The whole catalogue."""
        self.items_of = self.store.catalogue_version
        return self.store.items()

    def catalogue_changed(self) -> None:
        """Forget what was derived from the catalogue, so that it is derived anew when next needed."""
        forget(self, "items", "titles", "reader", "tag_rates", "background", "generator")
        forget(self, "fresh_index", "ranker", "plain_ranker")
        self._explainers.clear()
        if self._other is not None:
            self._other.catalogue_changed()

    @property
    def model(self) -> Model:
        """The language model of the settings. Raises ModelError and ConfigError; see `open_model_again`."""
        opened = self._opened_model
        if isinstance(opened, ModelError):
            raise opened
        return opened

    @once
    def _opened_model(self) -> Model | ModelError:
        self._check_open()
        return self._open_model()

    def _open_model(self) -> Model | ModelError:
        from agent.llm.registry import open_model

        try:
            model = open_model(self.settings, progress=self._told)
        except ModelError as error:
            return error
        self._open.callback(model.close)
        return model

    @once
    def titles(self) -> Titles:
        """Titles of the catalogue to items."""
        return Titles(self.items)

    @once
    def reader(self) -> Reader:
        """What messages about the catalogue mean. Raises ConfigError, ModelUnavailable."""
        from agent.converse.understand.reader import Reader

        return Reader.of(self)

    @once
    def tag_rates(self) -> Mapping[str, float]:
        """How common each tag is in the catalogue."""
        version = self.store.catalogue_version
        kept = json.loads(self.store.meta_get(_TAG_RATES) or "{}")
        if kept.get("version") != version:
            kept = {"version": version, "rates": tag_rates(self.items)}
            self._keep(_TAG_RATES, json.dumps(kept))
        return dict(kept["rates"])

    @once
    def background(self) -> Background:
        """What a person's interests are seen against: the tags of all, and how texts and items are read for them."""
        from agent.people.interests import background_of

        return background_of(self)

    @once
    def folds(self) -> Folds:
        """What the events of people have been folded into."""
        return Folds(self.store, lambda: self.background)

    @once
    def weights(self) -> Weights:
        """The weights of prior and blend."""
        return load_weights(self.settings.rerank.weights)

    @once
    def reranker(self) -> Reranker:
        """The strategy of the settings, on the model. Raises as `model` does, ConfigError if it cannot do it."""
        return workshop(self.model, self.cache, self.settings).reranker(self.settings.rerank.strategy)

    @once
    def shelved(self) -> Shelved:
        """Where what was learned from behaviour is kept, locked for this process."""
        from agent.recall.shelved import Shelved

        self._check_open()
        s = self.settings
        return self._open.enter_context(closing(Shelved.open(s.folder, s.chroma, private=s.privacy.on)))

    @once
    def collaborative(self) -> Collaborative | None:
        """What was learned from behaviour, to find items by; None where nothing was, or it is damaged."""
        return self.shelved.collaborative if (self.settings.folder / "learned").is_dir() else None

    @once
    def learning_trouble(self) -> str:
        """What is wrong with what was learned, as it stood when first asked: damaged or outdated; empty for nothing."""
        if not (self.settings.folder / "learned").is_dir():
            return ""
        from agent.parts.learning import standing

        return standing(self).trouble

    @once
    def pictures(self) -> Pictures | None:
        """Pictures of items, to find others by; None where no model looks at them. Raises ConfigError, StoreError."""
        if self.settings.images.source == "off":
            return None
        from agent.parts.looking import open_pictures

        self._check_open()
        return self._open.enter_context(closing(open_pictures(self.settings, self.cache, self.embedder)))

    def _learned(self) -> Learned | None:
        return self.collaborative.learned if self.collaborative else None

    def learned_anew(self) -> None:
        """Forget what stands on what was learned before."""
        forget(self, "collaborative", "learning_trouble", "ranker", "plain_ranker", "background", "folds")
        if self._other is not None:
            self._other.learned_anew()

    @once
    def ranker(self) -> Ranker:
        """The ranker over the catalogue, with the model."""
        return Ranker(self.fresh_index, self.embedder, self.weights, self.tag_rates, self.reranker, self._learned())

    @once
    def plain_ranker(self) -> Ranker:
        """The ranker over the catalogue, without a model."""
        return Ranker(self.fresh_index, self.embedder, self.weights, self.tag_rates, None, self._learned())

    @once
    def generator(self) -> Generator:
        """What the model writes as queries. Raises as `model` does, PromptError."""
        from agent.recall.generated import generator_on

        return generator_on(self.model, Cache(None), self.settings, self.items)  # a person's words: never in a file

    def explainer(self, model: Model | None) -> Explainer:
        """Rationales, with a model or without, by the catalogue's tags; made once for each."""
        if model not in self._explainers:
            self._explainers[model] = self._explainer(model, self.tag_rates)
        return self._explainers[model]

    def explainer_over(self, items: Iterable[Item], model: Model | None) -> Explainer:
        """Rationales where these items stand for the catalogue."""
        return self._explainer(model, {tag for item in items for tag in item.tags})

    def _explainer(self, model: Model | None, tags: Collection[str]) -> Explainer:
        s, own = self.settings, prompts.check(self.settings.prompts)
        return Explainer(model, language=s.language, noun=s.noun, writer=s.explain.writer, vocabulary=tags, prompts=own)
