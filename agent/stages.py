"""The stages of the path that need the parts: who is asking, what recall finds, who ranks it, and the reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from agent.deadline import Deadline
from agent.errors import ModelError
from agent.parts import Parts
from agent.profile.fold import profile_from
from agent.profile.taste import taste_vector
from agent.ranker import Ranker, Taste
from agent.recall.fuse import fuse
from agent.recall.queries import queries_for
from agent.recall.where import Where
from agent.rerank.base import Reranker
from agent.store import Store
from agent.types import Candidate, Degradation, Event, EventKind, Item, Profile, Query, Reaction, Slate, Vector


@dataclass(frozen=True)
class Person:
    """Someone's events, the profile folded from them, and the items they speak of that the catalogue knows."""

    events: Sequence[Event]
    profile: Profile
    known: Mapping[str, Item]

    @classmethod
    def of(cls, user_id: str, events: Sequence[Event], known: Mapping[str, Item]) -> Person:
        """The person whose events these are."""
        return cls(events, profile_from(user_id, events, known), known)

    @property
    def taste(self) -> Taste:
        """What ranking needs to know of them."""
        liked = [r for r in self.profile.liked if r.item_id in self.known]
        return Taste(
            [self.known[r.item_id] for r in liked],
            [r.strength for r in liked],
            [self.known[r.item_id] for r in self.profile.disliked if r.item_id in self.known],
        )

    def wish(self, now: str | None) -> str | None:
        """What they ask for now; without that, and with nothing liked to go by, the last wish they stated."""
        last = self.profile.wishes[-1].text if self.profile.wishes and not self.profile.liked else None
        return said(now) or said(last)


def person_from(store: Store, user_id: str) -> Person:
    """The person as their events tell; an empty profile where there are none."""
    events = store.events_of(user_id)
    known = {item.item_id: item for item in store.items({e.item_id for e in events if e.item_id is not None})}
    return Person.of(user_id, events, known)


def person_with(history: Sequence[Item]) -> Person:
    """Someone of whom only liked items are known, oldest first; their events are `history-1`, `history-2`, ..."""
    start = datetime.fromtimestamp(0, UTC)
    events = [
        Event(
            event_id=f"history-{n}",
            user_id="history",
            kind=EventKind.LIKE,
            item_id=item.item_id,
            at=start + timedelta(seconds=n),
        )
        for n, item in enumerate(history, start=1)
    ]
    return Person.of("history", events, {item.item_id: item for item in history})


def recall(parts: Parts, person: Person, wish: str | None, where: Where | None, k: int) -> list[Candidate]:
    """Unseen candidates, best first: found by every query, fused, and filled up with popular ones where they are few.

    There are `recall.n_candidates` of them, or k where that is more, as far as the catalogue goes.
    """
    index, settings = parts.fresh_index, parts.settings.recall
    if where is not None:
        index.check(where)
    wanted = max(settings.n_candidates, k)
    queries = _queries(parts, person, wish)
    depth = max(settings.per_query, wanted)
    seen = person.profile.seen
    found = fuse(
        [index.search(_vector(parts, q), depth, source=q.source, where=where, exclude=seen) for q in queries],
        [query.weight for query in queries],
    )[:wanted]
    if len(found) < wanted:
        found += _popular(parts.store, wanted - len(found), where, seen | {c.item_id for c in found}, after=len(found))
    return found


def make_ready(parts: Parts, llm: bool, *, catalogue: bool = True) -> None:
    """Bring model and, for the catalogue, the index up: what the first request must wait for, before its time runs.

    Both at once, but only when the catalogue has items and its index is ours. Raises as the parts do; a model that
    fails is left for `reranker_of` to report.
    """
    if not catalogue:
        reranker_of(parts, llm)
        return
    parts.require_items()
    _ = parts.index
    with ThreadPoolExecutor(1, thread_name_prefix="opening") as aside:
        opening = aside.submit(reranker_of, parts, llm)
        _ = parts.fresh_index, parts.tag_rates
        opening.result()


def said(wish: str | None) -> str | None:
    """A wish in words, trimmed; None where there are none."""
    return (wish or "").strip() or None


def reranker_of(parts: Parts, llm: bool) -> tuple[Reranker | None, tuple[Degradation, ...]]:
    """The strategy on the model or, where the model fails, none and the reason."""
    try:
        return (parts.reranker if llm else None), ()
    except ModelError as error:
        return None, (Degradation(stage="model", reason=str(error)),)


def ranker_of(parts: Parts, llm: bool) -> tuple[Ranker, tuple[Degradation, ...]]:
    """The ranker over the catalogue, with the model or, where that fails, without it and the reason."""
    reranker, degraded = reranker_of(parts, llm)
    return (parts.ranker if reranker else parts.plain_ranker), degraded


def explained(
    parts: Parts,
    slate: Slate,
    person: Person,
    deadline: Deadline,
    *,
    llm: bool = True,
    over: Sequence[Item] | None = None,
) -> Slate:
    """The slate with a rationale for every item. `over` are items to stand for the catalogue."""
    degraded = slate.degraded
    try:
        model = parts.model if llm else None
    except ModelError as error:
        model = None
        if not any(d.stage == "model" for d in degraded):
            degraded = (*degraded, Degradation(stage="model", reason=str(error)))
    explainer = parts.explainer_over(over, model) if over is not None else parts.explainer(model)
    items = [r.item for r in slate]
    told = explainer.explain(person.profile, person.known, items, slate.wish, deadline, events=person.events)
    recommendations = tuple(
        r.model_copy(update={"rationale": why}) for r, why in zip(slate, told.rationales, strict=True)
    )
    return slate.model_copy(
        update={
            "recommendations": recommendations,
            "degraded": (*degraded, *told.degraded),
            "prompts": {**slate.prompts, **told.prompts},
        }
    )


def items_of(store: Store, candidates: Iterable[Candidate]) -> list[Item]:
    """The candidates' items, in the same order."""
    ids = [candidate.item_id for candidate in candidates]
    found = {item.item_id: item for item in store.items(ids)}
    return [found[item_id] for item_id in ids if item_id in found]


def _queries(parts: Parts, person: Person, wish: str | None) -> list[Query]:
    profile = person.profile
    vectors = parts.fresh_index.vectors([r.item_id for r in (*profile.liked, *profile.disliked)])

    def _rows(reactions: Sequence[Reaction]) -> list[Vector]:
        return [vectors[r.item_id] for r in reactions if r.item_id in vectors]

    strengths = [r.strength for r in profile.liked if r.item_id in vectors]
    taste = taste_vector(_rows(profile.liked), strengths, _rows(profile.disliked))
    return queries_for(profile, wish, taste, vectors, {i: item.name for i, item in person.known.items()})


def _vector(parts: Parts, query: Query) -> Vector:
    if query.vector is not None:
        return query.vector
    vectors: Vector = parts.fresh_index.centre(parts.embedder.queries([query.text or ""]))
    return np.asarray(vectors[0])


def _popular(store: Store, n: int, where: Where | None, exclude: frozenset[str], *, after: int) -> list[Candidate]:
    """The n most popular items that pass, ranked on from `after`."""
    items = store.popular(n if where is None else store.count_items(), exclude=exclude)
    fitting = [item for item in items if where is None or where.matches(item)][:n]
    return [
        Candidate(item_id=item.item_id, source="popular", rank=after + rank, score=item.popularity or 0.0)
        for rank, item in enumerate(fitting, start=1)
    ]
