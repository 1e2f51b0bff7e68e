"""One question to a strategy alone, without the blend, and the order that it answers with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from agent.deadline import Deadline
from agent.parts import Parts
from agent.rerank.base import Ranking, Reranker
from agent.rerank.strategies import Workshop
from agent.settings import Settings
from agent.types import Item
from agent.workshop import workshop
from eval.chance import drawn
from eval.rankers import about_model, patience_s
from eval.runs import Told
from eval.systems import Order

WRONG = ("missing", "foreign", "repeated")  # what may be wrong with the labels of a written reply


@dataclass(frozen=True, slots=True)
class Question:
    """What a strategy is asked: history oldest first, candidates in the order shown. `noun` None is the settings'."""

    history: tuple[Item, ...]
    candidates: tuple[Item, ...]
    wish: str | None = None
    noun: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Item ids best first; none where the strategy failed.

    `undecided`: it had no opinion and was not expected to have one, so all of the order was drawn by lot. `degraded`
    says why it did less than asked, else it is empty. `ids` counts the ids that the order lacks (`lost`), has without
    being shown (`foreign`) or has twice (`repeated`); `labels` the same of written replies (`missing` for `lost`).
    """

    order: Order
    undecided: bool = False
    degraded: str = ""
    ids: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)


class Asker(Protocol):
    """Whatever answers questions, and the facts of its model."""

    model: Mapping[str, object]

    def ask(self, question: Question, lot: str) -> Answer:
        """The answer; ties are drawn by `lot`, alike for equal lots. Never raises ModelError."""
        ...


class Strategy:
    """A strategy on an opened model. A reranker is made for each noun when it is first asked for."""

    def __init__(self, workshop: Workshop, strategy: str, model: Mapping[str, object], timeout_s: float) -> None:
        self.model = model
        self._workshop = workshop
        self._strategy = strategy
        self._timeout_s = timeout_s
        self._rerankers: dict[str, Reranker] = {}

    def ask(self, question: Question, lot: str) -> Answer:
        """See `Asker.ask`. Raises ConfigError and PromptError where the strategy cannot be made for the noun."""
        reranker = self._reranker(question.noun or self._workshop.noun)
        deadline = Deadline(self._timeout_s)
        ranking = reranker.rank(question.history, question.candidates, question.wish, deadline)
        return answer_of(ranking, [item.item_id for item in question.candidates], lot)

    def _reranker(self, noun: str) -> Reranker:
        if noun not in self._rerankers:
            self._rerankers[noun] = replace(self._workshop, noun=noun).reranker(self._strategy)
        return self._rerankers[noun]


def answer_of(ranking: Ranking, ids: Sequence[str], lot: str) -> Answer:
    """The ranking as an order of these ids, highest score first. A score that is no number loses its id."""
    named = [*ids, *(f"score {n}" for n in range(len(ids), len(ranking.scores)))]
    scores = {n: score for n, score in enumerate(ranking.scores) if not math.isnan(score)}
    order = tuple(named[n] for n in sorted(scores, key=lambda n: (-scores[n], drawn(lot, named[n]))))
    degraded = "; ".join(degradation.reason for degradation in ranking.degraded)
    undecided = len(set(scores.values())) < 2
    return Answer(
        order=() if undecided and degraded else order,
        undecided=undecided and not degraded,
        degraded=degraded,
        ids=wrong_ids(order, ids),
        labels=wrong_labels(ranking.counts),
        prompts=ranking.prompts,
    )


def wrong_ids(order: Sequence[str], shown: Sequence[str]) -> dict[str, int]:
    """How many of the ids shown the order lost, and how many of its own are foreign or repeated."""
    lost, foreign = set(shown) - set(order), set(order) - set(shown)
    return {"lost": len(lost), "foreign": len(foreign), "repeated": len(order) - len(set(order))}


def wrong_labels(counts: Mapping[str, int]) -> dict[str, int]:
    """The missing, foreign and repeated labels that all parts of a strategy counted in their replies."""
    found = Counter(dict.fromkeys(WRONG, 0))
    for name, count in counts.items():
        if (what := name.rpartition(".")[2]) in WRONG:
            found[what] += count
    return dict(found)


@contextmanager
def open_strategy(settings: Settings, told: Told) -> Iterator[Asker]:
    """The strategy and the model of these settings. `told` hears of slow first steps.

    Raises ModelError when the model cannot be opened, ConfigError when it cannot do the strategy.
    """
    with closing(Parts(settings, told=told)) as parts:
        about = about_model(parts)
        made = workshop(parts.model, parts.cache, settings)
        yield Strategy(made, settings.rerank.strategy, about, patience_s(settings))
