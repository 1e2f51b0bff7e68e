"""The stages of the path that need the parts: what recall finds, and who ranks it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

import numpy as np

from agent.deadline import Deadline
from agent.errors import ModelError
from agent.observe import stages as observed
from agent.parts.indexing import trouble_of
from agent.parts.parts import Parts
from agent.parts.pictures import PICTURED
from agent.path.ranker import Ranker
from agent.people.person import Person
from agent.profile.centres import centres_of
from agent.profile.corrections import only_removed, removed_of
from agent.recall.collaborative import WEIGHTS, WHY, Collaborative
from agent.recall.fuse import fuse
from agent.recall.generated import Generator, Written
from agent.recall.queries import Around, queries_for
from agent.recall.weights import weighed
from agent.recall.where import Where
from agent.rerank.base import Reranker
from agent.store.store import Store
from agent.types import Candidate, Degradation, Item, Query, Vector

FILTERED_DEPTH = 10  # how many times deeper behaviour is searched under a filter, which it does not know


@dataclass(frozen=True)
class Found:
    """What one source of recall gave: candidates best first, what they weigh in the fusion, and the time it took."""

    source: str
    why: str
    weight: float
    candidates: Sequence[Candidate]
    ms: float


def recall(
    parts: Parts,
    person: Person,
    wish: str | None,
    where: Where | None,
    k: int,
    written: Sequence[Query] = (),
    learned: Collaborative | None = None,
    picture: Vector | None = None,
) -> list[Candidate]:
    """Unseen candidates, best first: found by every source, fused, and filled up with popular ones where they are few.

    There are `recall.n_candidates` of them, or k where that is more, as far as the catalogue goes. `written` are
    further queries, those that a model wrote; `learned` is asked in place of what the parts learned from behaviour;
    `picture` is what a picture that is shown looks like.
    """
    settings, seen = parts.settings.recall, person.profile.seen
    wanted = max(settings.n_candidates, k)
    lists = searched(parts, person, wish, where, max(settings.per_query, wanted), written, learned, picture)
    started = time.perf_counter()
    found = _heeding(parts.store, person, fuse([one.candidates for one in lists], [one.weight for one in lists]))
    found = found[:wanted]
    observed.ended("fuse", ms=_since(started))
    if len(found) < wanted:
        met = seen | {c.item_id for c in found}
        found += _popular(parts.store, wanted - len(found), where, met, person.profile.pinned, after=len(found))
    return found


def searched(
    parts: Parts,
    person: Person,
    wish: str | None,
    where: Where | None,
    depth: int,
    written: Sequence[Query] = (),
    learned: Collaborative | None = None,
    picture: Vector | None = None,
) -> list[Found]:
    """What every source of recall finds by itself: up to `depth` unseen candidates each.

    A source that `recall.weights` gives 0 is not asked.
    """
    if where is not None:
        parts.fresh_index.check(where)
    queries = [*queries_of(parts, person, wish, parts.settings.profile.centres), *written]
    seen, collaborative = person.profile.seen, learned or parts.collaborative
    with ThreadPoolExecutor(max(1, len(queries)), thread_name_prefix="recall") as aside:  # words take longest to embed
        contexts = [copy_context() for _ in queries]  # so that who watches hears of each from its own thread
        asking = aside.map(lambda query, own: own.run(answered_by, parts, query, depth, where, seen), queries, contexts)
        behaviour = _by_behaviour(parts, collaborative, person, wish, where, depth) if collaborative else []
        return [*asking, *_by_pictures(parts, person, picture, where, depth), *behaviour]


def written_for(
    parts: Parts, person: Person, wish: str | None, deadline: Deadline, generator: Generator | None
) -> Written:
    """The queries that the model writes for a person, `recall.generated` of them; late ones are left out.

    They may take half of the time that is left. None without a generator.
    """
    settings = parts.settings.recall
    if generator is None or not settings.generated:
        return Written()
    time_s = min(settings.generated_timeout_s, deadline.remaining_s / 2)
    liked, interests = person.taste.liked, list(person.profile.interests)
    return generator.queries(liked, interests, wish, settings.generated, Deadline(time_s))


def generator_of(parts: Parts, llm: bool) -> Generator | None:
    """What writes queries, where they are asked for; None where the model fails, of which `ranker_of` tells."""
    try:
        return parts.generator if llm and parts.settings.recall.generated else None
    except ModelError:
        return None


def make_ready(parts: Parts, llm: bool, *, catalogue: bool = True) -> None:
    """Bring model and, for the catalogue, the index up: what the first request must wait for, before its time runs.

    Both at once, but only when the catalogue has items and its index is ours. Raises as the parts do; a model that
    fails is left for `reranker_of` to report.
    """
    if not catalogue:
        reranker_of(parts, llm)
        return
    parts.heed()
    parts.require_items()
    _ = parts.index
    with ThreadPoolExecutor(1, thread_name_prefix="opening") as aside:
        opening = aside.submit(reranker_of, parts, llm)
        _ = parts.fresh_index, parts.tag_rates
        opening.result()


def reranker_of(parts: Parts, llm: bool) -> tuple[Reranker | None, tuple[Degradation, ...]]:
    """The strategy on the model or, where the model fails, none and the reason."""
    try:
        return (parts.reranker if llm else None), ()
    except ModelError as error:
        return None, (Degradation(stage="model", reason=str(error)),)


def ranker_of(parts: Parts, llm: bool) -> tuple[Ranker, tuple[Degradation, ...]]:
    """The ranker over the catalogue, with the model or, where that fails, without it and the reason.

    Where what was learned from behaviour is damaged or outdated, or the index did not answer, that is told too.
    """
    reranker, degraded = reranker_of(parts, llm)
    troubles = filter(None, (parts.learning_trouble, trouble_of(parts)))
    trouble = tuple(Degradation(stage="recall", reason=reason) for reason in troubles)
    return (parts.ranker if reranker else parts.plain_ranker), (*degraded, *trouble)


def items_of(store: Store, candidates: Iterable[Candidate]) -> list[Item]:
    """The candidates' items, in the same order."""
    ids = [candidate.item_id for candidate in candidates]
    found = {item.item_id: item for item in store.items(ids)}
    return [found[item_id] for item_id in ids if item_id in found]


def queries_of(parts: Parts, person: Person, wish: str | None, centres: int) -> list[Query]:
    """What a person's taste, in up to so many centres, and their wish ask the catalogue.

    Each weighs what `recall.weights` says; what weighs nothing is not asked.
    """
    taste, own = person.taste, parts.settings.recall.weights
    vectors = parts.fresh_index.vectors([item.item_id for item in (*taste.liked, *taste.disliked)])
    liked = [(i, w) for i, w in zip(taste.liked, taste.weights, strict=True) if i.item_id in vectors]
    rows, weights = [vectors[item.item_id] for item, _ in liked], [weight for _, weight in liked]
    around = [
        Around(centre.vector, centre.mass, [liked[place][0].name for place in centre.members])
        for centre in centres_of(rows, weights, centres)
    ]
    asked = queries_for(wish, taste.vector(vectors), around, person.profile.pinned)
    weighing = [(query, weighed(query.source, query.weight, own)) for query in asked]
    return [query.model_copy(update={"weight": weight}) for query, weight in weighing if weight]


def answered_by(parts: Parts, query: Query, depth: int, where: Where | None, seen: frozenset[str]) -> Found:
    """What the index finds for one query, the time of its embedding included: up to `depth` unseen candidates."""
    started, vector = time.perf_counter(), _vector(parts, query)
    candidates = parts.fresh_index.search(vector, depth, source=query.source, where=where, exclude=seen)
    return _found(query.source, query.why, query.weight, candidates, started)


def _by_behaviour(
    parts: Parts, learned: Collaborative, person: Person, wish: str | None, where: Where | None, depth: int
) -> list[Found]:
    """What behaviour finds, of items that are in the catalogue still and pass the filter."""
    changed = learned.catalogue not in ("", parts.store.catalogue_version)
    deep, share = depth if where is None else depth * FILTERED_DEPTH, parts.settings.recall.beside_wish if wish else 1.0
    weights = {source: weighed(source, shipped, parts.settings.recall.weights) for source, shipped in WEIGHTS.items()}
    found = []
    for source, weight in weights.items():
        if not weight:
            continue
        started = time.perf_counter()
        candidates = learned.search(source, person.taste.history, deep, person.profile.seen)
        kept = _fitting(parts.store, candidates, where)[:depth] if changed or where is not None else candidates
        found.append(_found(source, WHY[source], weight * share, kept, started))
    return [one for one in found if one.candidates]


def _by_pictures(parts: Parts, person: Person, picture: Vector | None, where: Where | None, depth: int) -> list[Found]:
    """What looks like the picture shown and like what is liked, of items that are in the catalogue and pass."""
    pictures = parts.pictures
    if pictures is None or pictures.index.problem:
        return []
    changed = where is not None or parts.store.meta_get(PICTURED) != parts.store.catalogue_version
    deep, found = depth if where is None else depth * FILTERED_DEPTH, []
    for query in pictures.queries(person.taste, picture, parts.settings.images.weight):
        started = time.perf_counter()
        hits = pictures.search(query, deep, person.profile.seen)
        kept = _fitting(parts.store, hits, where)[:depth] if changed else hits
        found.append(_found(query.source, query.why, query.weight, kept, started))
    return found


def _found(source: str, why: str, weight: float, candidates: Sequence[Candidate], started: float) -> Found:
    ms = _since(started)
    observed.ended("recall", source, ms=ms)
    return Found(source, why, weight, candidates, ms)


def _since(started: float) -> float:
    """Milliseconds since a reading of the performance counter."""
    return (time.perf_counter() - started) * 1e3


def _fitting(store: Store, candidates: Sequence[Candidate], where: Where | None) -> list[Candidate]:
    """The candidates that the catalogue still holds and that pass, ranked anew."""
    return _left(candidates, (one for one in items_of(store, candidates) if where is None or where.matches(one)))


def _vector(parts: Parts, query: Query) -> Vector:
    if query.vector is not None:
        return query.vector
    vectors: Vector = parts.fresh_index.centre(parts.embedder.queries([query.text or ""]))
    return np.asarray(vectors[0])


def _heeding(store: Store, person: Person, candidates: list[Candidate]) -> list[Candidate]:
    """The candidates, without items of which the person removed every tag."""
    pinned = person.profile.pinned
    if not removed_of(pinned):
        return candidates
    return _left(candidates, (one for one in items_of(store, candidates) if not only_removed(one, pinned)))


def _left(candidates: Sequence[Candidate], items: Iterable[Item]) -> list[Candidate]:
    """Those candidates that are among the items, ranked anew."""
    kept = {item.item_id for item in items}
    left = (candidate for candidate in candidates if candidate.item_id in kept)
    return [candidate.model_copy(update={"rank": rank}) for rank, candidate in enumerate(left, start=1)]


def _popular(
    store: Store, n: int, where: Where | None, exclude: frozenset[str], pinned: Mapping[str, float], *, after: int
) -> list[Candidate]:
    """The n most popular items that pass, ranked on from `after`; none of which the person removed every tag."""
    every = where is not None or removed_of(pinned)
    items = store.popular(store.count_items() if every else n, exclude=exclude)
    fitting = [item for item in items if (where is None or where.matches(item)) and not only_removed(item, pinned)][:n]
    return [
        Candidate(item_id=item.item_id, source="popular", rank=after + rank, score=item.popularity or 0.0)
        for rank, item in enumerate(fitting, start=1)
    ]
