"""Orders given candidates for one person: prior signals, the model's opinion, the blend, and the path of each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from agent.deadline import Deadline
from agent.embed.base import Embedder
from agent.embed.passage import passage_of
from agent.observe import stages as observed
from agent.profile.corrections import told_rates
from agent.profile.taste import recency_weights, taste_vector
from agent.recall.signals import corrected, cosine, tag_affinity, tags_named, year_closeness
from agent.rerank.base import Ranking, Reranker
from agent.rerank.blend import blend, order
from agent.rerank.weights import Weights
from agent.types import Degradation, Item, Step, Vector

if TYPE_CHECKING:
    from agent.learn.learned import Learned

CORRECTIONS, CORRECTIONS_WEIGHT = "corrections", 1.0  # a person's own word counts as much as their acts

Signals = dict[str, Sequence[float]]
TEXTS_AT_ONCE = 16  # between two looks at the clock: about 0.3 s

Stages = dict[tuple[str, str], Sequence[float]]  # (stage, source) -> one score per candidate


class ItemVectors(Protocol):
    """Centred vectors of items, and the centre itself."""

    def vectors(self, item_ids: Sequence[str]) -> Mapping[str, Vector]:
        """The centred vector of each item that is known."""
        ...

    def centre(self, vectors: Vector) -> Vector:
        """The vectors less the catalogue's mean."""
        ...


class EmbeddedItems:
    """Items embedded in memory: the vectors of a data set or of one request, centred on their own mean.

    Those for which a deadline leaves no time, the last of them, have none, and `degraded` says so.
    """

    def __init__(self, items: Iterable[Item], embedder: Embedder, deadline: Deadline | None = None) -> None:
        listed = list({item.item_id: item for item in items}.values())
        raw = _embedded([passage_of(item) for item in listed], embedder, deadline)
        self._mean = raw.mean(axis=0) if len(raw) else 0.0
        self._vectors = dict(zip((item.item_id for item in listed), raw - self._mean, strict=False))
        late = len(listed) - len(raw)
        reason = f"out of time while embedding: {late} of {len(listed)} items are ranked by their tags and years alone"
        self.degraded = (Degradation(stage="prior", reason=reason),) if late else ()

    def vectors(self, item_ids: Sequence[str]) -> Mapping[str, Vector]:
        """See `ItemVectors.vectors`."""
        return {i: self._vectors[i] for i in item_ids if i in self._vectors}

    def centre(self, vectors: Vector) -> Vector:
        """See `ItemVectors.centre`."""
        return vectors - self._mean


@dataclass(frozen=True)
class Taste:
    """What ranking knows of a person: liked items oldest first with strengths in (0, 1], disliked items.

    `pinned` are the shares that they set their interests in tags to, 0 where they removed one. `timed` says what each
    liked item weighs now, in sum 1; where times are not known, the newest weighs most. `met` are the ids of all
    that they took up and did not dislike, oldest first; None: what they liked.
    """

    liked: Sequence[Item]
    strengths: Sequence[float]
    disliked: Sequence[Item] = ()
    pinned: Mapping[str, float] = field(default_factory=dict)
    timed: Sequence[float] | None = None
    met: Sequence[str] | None = None

    @classmethod
    def of(cls, history: Sequence[Item]) -> Taste:
        """The taste of someone who liked these items, oldest first, all alike."""
        return cls(history, [1.0] * len(history))

    @property
    def history(self) -> Sequence[str]:
        """The ids of what they took up, oldest first: what behaviour is looked up by."""
        return [item.item_id for item in self.liked] if self.met is None else self.met

    @property
    def weights(self) -> Sequence[float]:
        """What each liked item weighs; sums to 1."""
        return [float(w) for w in recency_weights(self.strengths)] if self.timed is None else self.timed

    def vector(self, vectors: Mapping[str, Vector]) -> Vector | None:
        """What they like in sum, among the vectors of those items that have one (see `taste_vector`)."""
        liked = [(vectors[i.item_id], w) for i, w in zip(self.liked, self.weights, strict=True) if i.item_id in vectors]
        away = [vectors[item.item_id] for item in self.disliked if item.item_id in vectors]
        return taste_vector([row for row, _ in liked], [weight for _, weight in liked], away)


@dataclass(frozen=True)
class Place:
    """One candidate's place: its final score and what each stage made of it."""

    item: Item
    score: float
    path: tuple[Step, ...]


@dataclass(frozen=True)
class Order:
    """Candidates best first, with what degraded, the prompts used and the milliseconds spent."""

    places: tuple[Place, ...]
    degraded: tuple[Degradation, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)


class Ranker:
    """The prior and the blend over any candidates. `rates` are the catalogue's tag rates (see `tag_rates`).

    `learned` is what everyone's behaviour taught, where something was learned.
    """

    def __init__(
        self,
        vectors: ItemVectors,
        embedder: Embedder,
        weights: Weights,
        rates: Mapping[str, float],
        reranker: Reranker | None = None,
        learned: Learned | None = None,
    ) -> None:
        self._vectors = vectors
        self._embedder = embedder
        self._weights = weights
        self._rates = rates
        self._reranker = reranker
        self._learned = learned

    def rank(self, taste: Taste, candidates: Sequence[Item], wish: str | None, deadline: Deadline) -> Order:
        """The candidates best first, ties by item_id. Without a reranker or an opinion of its, the prior's order."""
        started = time.perf_counter()
        signals = self.signals(taste, candidates, wish)
        told = {CORRECTIONS: CORRECTIONS_WEIGHT, **self._weights.prior}
        prior = list(blend(signals, told)) if signals else [0.0] * len(candidates)
        stages: Stages = {("recall", name): values for name, values in signals.items()} | {("prior", "prior"): prior}
        timings = {"prior": _since(started)}
        observed.ended("prior", ms=timings["prior"])
        started = time.perf_counter()
        ranking = self._opinion(taste, candidates, prior, wish, deadline)
        opinions = {name: scores for name, scores in self._parts(ranking).items() if len(set(scores)) > 1}
        stages |= {("rerank", name): scores for name, scores in opinions.items()}
        weights = {**self._weights.blend, **{name: self._weights.opinion(name) for name in opinions}}
        final = list(blend({"prior": prior, **opinions}, weights)) if opinions else prior
        timings["rerank"] = _since(started)
        observed.ended("rerank", self._reranker.name if self._reranker else "", ms=timings["rerank"])
        stages["blend", "blend"] = final
        return Order(_places(candidates, stages, final), ranking.degraded, ranking.prompts, timings)

    def _opinion(
        self, taste: Taste, candidates: Sequence[Item], prior: Sequence[float], wish: str | None, deadline: Deadline
    ) -> Ranking:
        """What the reranker, shown the candidates in the prior's order, thinks of each, in the order given here."""
        if self._reranker is None or not candidates:
            return Ranking(())
        shown = order(prior, [item.item_id for item in candidates])
        ranking = self._reranker.rank(taste.liked, [candidates[n] for n in shown], wish, deadline)
        parts = {name: unshuffled(scores, shown) for name, scores in ranking.parts.items()}
        return replace(ranking, scores=unshuffled(ranking.scores, shown), parts=parts)

    def _parts(self, ranking: Ranking) -> Mapping[str, Sequence[float]]:
        """The opinions to weigh, by name: the parts that a sum leaves to be weighed here, or the whole."""
        return ranking.parts or ({self._reranker.name: ranking.scores} if self._reranker else {})

    def signals(self, taste: Taste, candidates: Sequence[Item], wish: str | None) -> Signals:
        """The prior's signals, one number per candidate each: taste, tags, year; wish and wish_tags with a wish.

        With interests set by hand also corrections, whatever file the weights come from.

        Where something was learned, also together, factors and popularity; else popularity only for someone of whom
        nothing else is known. Empty without candidates.
        """
        known = self._vectors.vectors([i.item_id for i in (*taste.liked, *taste.disliked, *candidates)])
        signals: Signals = {}
        if not candidates:
            return signals
        nowhere = np.zeros(self._embedder.dimensions, dtype=np.float32)
        rows = [known.get(item.item_id, nowhere) for item in candidates]
        weights, vector = taste.weights, taste.vector(known)
        if vector is not None:
            signals["taste"] = cosine(vector, rows)
        if taste.liked:
            signals["tags"] = tag_affinity(taste.liked, weights, candidates, self._rates)
            signals["year"] = year_closeness(taste.liked, weights, candidates)
        if told := told_rates(taste.pinned, self._rates):
            signals[CORRECTIONS] = corrected(candidates, told, self._rates)
        if wish:
            signals["wish"] = cosine(self._vectors.centre(self._embedder.queries([wish]))[0], rows)
            signals["wish_tags"] = tags_named(wish, candidates, self._rates)
        if self._learned is not None:
            signals |= self._learned.signals(taste.history, [item.item_id for item in candidates])
        elif not signals.keys() - {CORRECTIONS}:
            signals["popularity"] = [item.popularity or 0.0 for item in candidates]
        return signals


def _embedded(texts: Sequence[str], embedder: Embedder, deadline: Deadline | None) -> Vector:
    """The vectors of the texts, or of the first of them where a deadline leaves no time for more."""
    if deadline is None:
        return embedder.passages(texts)
    rows = [np.zeros((0, embedder.dimensions), dtype=np.float32)]
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        if deadline.expired:
            break
        rows.append(embedder.passages(texts[start : start + TEXTS_AT_ONCE]))
    return np.concatenate(rows)


def _places(candidates: Sequence[Item], stages: Stages, final: Sequence[float]) -> tuple[Place, ...]:
    ids = [item.item_id for item in candidates]
    ranks = {stage: _ranks(scores, ids) for stage, scores in stages.items()}

    paths = [
        tuple(
            Step(stage=stage, source=source, score=float(scores[n]), rank=ranks[stage, source][n])
            for (stage, source), scores in stages.items()
        )
        for n in range(len(ids))
    ]
    return tuple(Place(candidates[n], float(final[n]), paths[n]) for n in order(final, ids))


def unshuffled(scores: Sequence[float], shown: Sequence[int]) -> tuple[float, ...]:
    """The scores of what was shown in that order, in the order of the candidates."""
    return tuple(score for _, score in sorted(zip(shown, scores, strict=True)))


def _ranks(scores: Sequence[float], ids: Sequence[str]) -> dict[int, int]:
    """The 1-based rank of each index."""
    return {n: rank for rank, n in enumerate(order(scores, ids), start=1)}


def _since(started: float) -> float:
    """Milliseconds since a reading of the performance counter."""
    return (time.perf_counter() - started) * 1e3
