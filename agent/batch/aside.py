"""The parts of a worker: they read what others hold, and leave nothing behind."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.batch.job import Job
from agent.batch.snapshot import holds_vectors, open_index, open_learned
from agent.errors import ConfigError, ModelError, StoreError
from agent.llm.base import Model
from agent.once import forget, kept, once
from agent.parts.parts import Parts
from agent.people.folds import Folds
from agent.settings import Settings
from agent.store.cache import Cache

if TYPE_CHECKING:
    from agent.parts.pictures import Pictures
    from agent.profile.identity import Identity
    from agent.recall.collaborative import Collaborative
    from agent.recall.vector_index import VectorIndex
    from agent.store.store import Store
    from agent.store.stored import Standing
    from agent.types import Event

_REMEMBERING = ("_opened_model", "reranker", "ranker", "generator", "cache")  # what one shard must not pass on


class Aside(Parts):
    """Parts on a snapshot, or on the index that all share; as of a moment, with caches of their own in memory.

    Pictures are left out.
    """

    def __init__(self, job: Job) -> None:
        settings = Settings.model_validate(job.settings)
        if settings.model.threads is None:  # workers share the cores; and scores must not depend on how many they are
            model = settings.model.model_copy(update={"threads": 1})
            settings = settings.model_copy(update={"model": model})
        super().__init__(settings)
        self.job = job

    def begin(self) -> None:
        """Let go of what a model remembers. Raises StoreError where the catalogue is another one than at the start."""
        if self.store.catalogue_version != self.job.catalogue:
            raise StoreError("the catalogue has changed during the batch", "Begin anew with another --output")
        model: Model | ModelError | None = kept(self, "_opened_model")
        if model is not None and not isinstance(model, ModelError):
            model.close()
        forget(self, *_REMEMBERING)
        self._explainers.clear()

    def heed(self) -> None:
        """Nothing: the job is one of one catalogue."""

    def _keep(self, key: str, value: str) -> None:
        """Nothing is kept."""

    @once
    def cache(self) -> Cache:
        """Values of this shard alone."""
        return Cache(None)

    @once
    def index(self) -> VectorIndex:  # type: ignore[override]  # it reads as the other one does
        """The snapshot, or the index that all share."""
        if holds_vectors(Path(self.job.snapshot)):
            return open_index(Path(self.job.snapshot), self.embedder, self.store)
        from agent.parts.indexing import open_index as open_shared

        return self._open.enter_context(open_shared(self))

    @once
    def fresh_index(self) -> VectorIndex:  # type: ignore[override]  # as above
        """The same: it was brought up to date when the job began."""
        return self.index

    @once
    def folds(self) -> Folds:
        """People as their events up to the moment of the job tell."""
        return Folds(_AsOf(self.store, self.job.moment), lambda: self.background)

    @once
    def collaborative(self) -> Collaborative | None:
        """What was learned, from the snapshot."""
        return open_learned(Path(self.job.snapshot))

    @once
    def learning_trouble(self) -> str:
        """As it stood when the job began."""
        return self.job.trouble

    @once
    def pictures(self) -> Pictures | None:
        """None."""
        return None


class _AsOf:
    """The acts of people up to a moment."""

    def __init__(self, store: Store, at: datetime) -> None:
        if at.tzinfo is None:
            raise ConfigError(f"{at.isoformat()} has no time zone", "Write for example: 2026-11-22T18:00:00Z")
        self._store = store
        self._at = at
        self.items = store.items

    def identity_of(self, user_id: str) -> Identity:
        """See `Store.identity_of`."""
        return self._store.identity_of(user_id, self._at)

    def events_of(self, user_id: str, since: datetime | None = None) -> list[Event]:
        """See `Store.events_of`."""
        return [event for event in self._store.events_of(user_id, since) if event.at <= self._at]

    def standing_of(self, *user_ids: str) -> Standing:
        """See `Store.standing_of`."""
        found = self._store.standing_of(*user_ids)
        return found._replace(n_events=sum(len(self.events_of(user_id)) for user_id in user_ids))
