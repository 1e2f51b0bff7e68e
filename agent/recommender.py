"""The path of a recommendation, from what a person did and said to a slate with reasons.

events -> profile -> queries -> recall -> fuse -> rerank -> blend -> slate -> rationales
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import prompts
from agent.deadline import Deadline
from agent.embed.base import Embedder
from agent.errors import ConfigError
from agent.language import Language
from agent.llm.base import Model
from agent.observe import stages as observed
from agent.parts.holdings import Holdings
from agent.parts.parts import Parts, Progress, Told
from agent.parts.pictures import Shown, glance, heeding
from agent.path.asked import Asked, Ranked, passing_over
from agent.path.ranker import EmbeddedItems, Ranker, Taste
from agent.path.reasons import explained
from agent.path.stages import (
    generator_of,
    items_of,
    make_ready,
    ranker_of,
    recall,
    reranker_of,
    written_for,
)
from agent.people.leaning import NO_LEANING, Leaning
from agent.people.person import person_of, person_with, said
from agent.recall.signals import tag_rates
from agent.recall.where import parse_where
from agent.settings import Settings, load_settings
from agent.slate.arranging import arranged
from agent.slate.making import Stopwatch, distinct, given_to, listed, one_of, remembered, slate_of, unranked
from agent.store.store import Store
from agent.types import Degradation, Item, Slate

if TYPE_CHECKING:
    from agent.recall.index import Index


class Recommender(Holdings):
    """Palate as an object: tell it what people like, and ask it what they would like next. Use it as a context.

    Safe for several threads; one process per data folder. Parts open when first needed, so a question that needs no
    model loads none. Methods raise PalateError; a model that fails degrades the answer instead.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.settings = parts.settings

    @classmethod
    def open(
        cls,
        config: str | Path | None = None,
        *,
        settings: Settings | None = None,
        progress: Progress | None = None,
        told: Told | None = None,
    ) -> Self:
        """A recommender on a settings file (`./palate.toml` where there is one), or on settings made by hand.

        Raises ConfigError, and PromptError where the prompts of the settings cannot be rendered.
        """
        chosen = settings or load_settings(Path(config) if config else None).settings
        prompts.check(chosen.prompts)
        return cls(Parts(chosen, progress=progress, told=told))

    def close(self) -> None:
        """Close store, index and model. Calling it twice is harmless."""
        self.parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def store(self) -> Store:
        """Items, events and conversations."""
        return self.parts.store

    @property
    def index(self) -> Index:
        """The vector index as it lies on disk, perhaps behind the catalogue."""
        return self.parts.index

    @property
    def embedder(self) -> Embedder:
        """Texts to vectors."""
        return self.parts.embedder

    @property
    def model(self) -> Model:
        """The language model. Raises ModelError and ConfigError."""
        return self.parts.model

    # What they would like next

    def recommend(
        self,
        user_id: str,
        wish: str | None = None,
        *,
        k: int = 5,
        where: str | None = None,
        image: Shown | None = None,
        llm: bool = True,
        timeout_s: float | None = None,
    ) -> Slate:
        """Up to k items the person has not seen, best first, with reasons; `wish` is what they are in the mood for.

        `where` keeps items that pass a test such as `year>=1990 and tags=Comedy`; `image` is a picture (a path, an
        address, its bytes) that what comes should look like (docs/images.md). Without `llm`, the prior orders them.
        Without a wish, someone who liked nothing yet is taken at their last one. Nobody is unknown: without events and
        wish the most popular items come. Raises NotFound for an empty catalogue, ConfigError.
        """
        erasure = self.parts.store.erasure
        asked = self.asked(user_id, wish, k=k, where=where, llm=llm, timeout_s=timeout_s)
        slate = self.ranked(asked, image=image).slate
        slate = asked.watch.on(explained(asked.parts, slate, asked.person, asked.deadline, llm=llm))
        return remembered(slate, self.parts.store, erasure)

    def asked(
        self,
        user_id: str,
        wish: str | None,
        *,
        k: int,
        where: str | None = None,
        llm: bool = True,
        timeout_s: float | None = None,
        language: Language | None = None,
        beside: Collection[str] = (),
        sought: str | None = None,
        leaning: Leaning = NO_LEANING,
    ) -> Asked:
        """A request as `recommend` takes it, checked, its parts open and its time running.

        Items `beside` are not shown; answers are in the `language`, else in that of the wish. Raises ConfigError.
        """
        if k < 1:
            raise ConfigError(f"k is {k}", "Ask for at least one recommendation")
        passes = parse_where(where) if where else None
        parts = self.parts.speaking(wish, language)
        deadline, watch = self._begin(llm, timeout_s, parts=parts), Stopwatch()
        person = passing_over(person_of(parts, user_id, _now()), beside)
        return Asked(parts, person, person.wish(wish), passes, k, llm, deadline, watch, sought, leaning)

    def ranked(self, asked: Asked, *, image: Shown | None = None) -> Ranked:
        """The slate of a request, its order settled, still without reasons; kept nowhere."""
        parts, person, wish, k = asked.parts, asked.person, asked.seeking, asked.k
        written = written_for(parts, person, wish, asked.deadline, generator_of(parts, asked.llm))
        seen = glance(parts, image, asked.deadline)
        candidates = recall(parts, person, wish, asked.where, k, written.queries, picture=seen.vector)
        asked.watch.lap("recall")
        ranker, degraded = ranker_of(parts, asked.llm)
        order = ranker.rank(person.taste, items_of(parts.store, candidates), wish, asked.deadline)
        asked.watch.lap("rank")
        order = asked.leaning.over(heeding(parts, order, seen))
        chosen = arranged(parts, person, order, k=k, wish=wish, where=asked.where)
        observed.ended("slate", ms=asked.watch.lap("slate"))
        user_id, said = person.profile.user_id, asked.wish
        slate = slate_of(user_id, chosen, k=k, wish=said, candidates=candidates, degraded=degraded, written=written)
        return Ranked(slate, order.places)

    def order(self, user_id: str, *, k: int = 5) -> Slate:
        """What `recommend` would give now without the model: no reasons, and nothing is kept. Raises NotFound."""
        return self.ranked(self.asked(user_id, None, k=k, llm=False)).slate

    def why(self, user_id: str, title: str | Item, *, llm: bool = True, timeout_s: float | None = None) -> Slate:
        """The whole path of one item, alone in a slate: from the person's newest slate with it, else computed now.

        The path ends with the place the item had. Raises NotFound and Ambiguous for the title.
        """
        item = self.find(title)
        for given in given_to(self.parts.store, user_id):
            if slate := one_of(given, item.item_id):
                return slate
        return self.placed(self.asked(user_id, None, k=1, llm=llm, timeout_s=timeout_s), item)

    def placed(self, asked: Asked, item: Item) -> Slate:
        """The path of one item among what a request finds, computed now, alone in a slate with its reason."""
        parts, person, deadline = asked.parts, asked.person, asked.deadline
        candidates = recall(parts, person, asked.seeking, asked.where, asked.k)
        others = [other for other in items_of(parts.store, candidates) if other.item_id != item.item_id]
        ranker, degraded = ranker_of(parts, asked.llm)
        ranked = ranker.rank(person.taste, [*others, item], asked.seeking, deadline)
        user_id = person.profile.user_id
        whole = slate_of(user_id, ranked, k=len(others) + 1, candidates=candidates, degraded=degraded)
        return explained(parts, one_of(whole, item.item_id) or whole, person, deadline, llm=asked.llm)

    def explain(
        self,
        user_id: str,
        titles: Sequence[str | Item],
        *,
        wish: str | None = None,
        llm: bool = True,
        timeout_s: float | None = None,
    ) -> Slate:
        """Reasons for items that anyone chose, in the order given, by titles or item ids."""
        items = distinct(map(self.find, listed("titles", titles)))
        parts = self.parts.speaking(wish)
        deadline, person = self._begin(llm, timeout_s, parts=parts), person_of(parts, user_id, _now())
        return explained(parts, unranked(user_id, items, said(wish)), person, deadline, llm=llm)

    def rank(
        self,
        history: Sequence[str | Item],
        candidates: Sequence[str | Item],
        wish: str | None = None,
        *,
        llm: bool = True,
        timeout_s: float | None = None,
    ) -> Slate:
        """The reranker alone: all candidates in order, with scores and paths, no reasons.

        `history` is what the person liked, oldest first. Titles and ids are found in the catalogue; as soon as one Item
        is given, all are taken as they are and the catalogue is not needed. Raises NotFound, Ambiguous.
        """
        given = any(isinstance(entry, Item) for entry in (*history, *candidates))
        liked = [self.find(entry) for entry in listed("history", history)]
        pool = distinct(map(self.find, listed("candidates", candidates)))
        deadline = self._begin(llm, timeout_s, catalogue=not given)
        over = [*liked, *pool]
        ranker, degraded = self.ranker_over(over, llm=llm, deadline=deadline) if given else ranker_of(self.parts, llm)
        ranked = ranker.rank(Taste.of(liked), pool, said(wish), deadline)
        return slate_of("", ranked, k=len(pool), wish=said(wish), degraded=degraded)

    def rank_for(
        self, user_id: str, candidates: Sequence[str | Item], wish: str | None = None, *, llm: bool = True
    ) -> Slate:
        """The reranker alone, for a known person: all candidates in order, with scores and paths, no reasons.

        Raises NotFound, Ambiguous.
        """
        pool = distinct(map(self.find, listed("candidates", candidates)))
        deadline, person = self._begin(llm), person_of(self.parts, user_id, _now())
        ranker, degraded = ranker_of(self.parts, llm)
        ranked = ranker.rank(person.taste, pool, person.wish(wish), deadline)
        return slate_of(user_id, ranked, k=len(pool), wish=person.wish(wish), degraded=degraded)

    def explain_items(
        self, history: Sequence[Item], items: Sequence[Item], wish: str | None = None, *, llm: bool = True
    ) -> Slate:
        """Reasons for items that anyone chose, for someone who liked `history`; the catalogue is not needed.

        Evidence of kind `event` names the place in the history, as `history-1`, `history-2`, ...
        """
        slate = unranked("", distinct(items), said(wish))
        parts = self.parts.speaking(wish)
        deadline = self._begin(llm, catalogue=False, parts=parts)
        return explained(parts, slate, person_with(history), deadline, llm=llm, over=[*history, *items])

    # Its own parts, for those who build on them

    def ranker_over(
        self, items: Sequence[Item], *, llm: bool = True, deadline: Deadline | None = None
    ) -> tuple[Ranker, tuple[Degradation, ...]]:
        """A ranker whose catalogue is these items, embedded in memory; and what it lacks: the model, or time."""
        (reranker, degraded), embedder = reranker_of(self.parts, llm), self.parts.embedder
        vectors = EmbeddedItems(items, embedder, deadline)
        ranker = Ranker(vectors, embedder, self.parts.weights, tag_rates(items), reranker)
        return ranker, (*degraded, *vectors.degraded)

    def _begin(
        self, llm: bool = True, timeout_s: float | None = None, *, catalogue: bool = True, parts: Parts | None = None
    ) -> Deadline:
        """The time a request has, which runs once the parts it needs are open."""
        time_s = self.settings.model.timeout_s if timeout_s is None else timeout_s
        if not time_s > 0:
            raise ConfigError(f"timeout_s is {time_s:g}", "Give a request some time, such as 5")
        make_ready(parts or self.parts, llm, catalogue=catalogue)
        return Deadline(time_s)


def _now() -> datetime:
    return datetime.now(UTC)
