"""One question to a strategy alone, without the blend, and the order that it answers with."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from agent.deadline import Deadline
from agent.parts.parts import Parts
from agent.parts.workshop import workshop
from agent.rerank.base import Ranking, Reranker
from agent.rerank.strategies import Workshop
from agent.settings import Settings
from agent.types import Item
from eval.chance import drawn
from eval.probe.remembering import Remembering
from eval.rankers import about_model, patience_s
from eval.runs import Told
from eval.systems import Order

ALONE = frozenset(("likelihood", "pointwise", "renown"))  # strategies that judge each candidate by itself
TOGETHER = 100  # candidates that are judged in one call
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


@runtime_checkable
class Foreseeing(Protocol):
    """An asker that is the faster when it knows what comes."""

    def foresee(self, questions: Sequence[Question]) -> None:
        """What is to be asked next; it may be asked otherwise. Never raises ModelError."""
        ...


class Strategy:
    """A strategy on an opened model. A reranker is made for each noun when it is first asked for."""

    def __init__(self, workshop: Workshop, strategy: str, model: Mapping[str, object], timeout_s: float) -> None:
        self.model = model
        self._model = Remembering(workshop.model)
        self._workshop = replace(workshop, model=self._model)
        self._strategy = strategy
        self._timeout_s = timeout_s
        self._rerankers: dict[str, Reranker] = {}

    def ask(self, question: Question, lot: str) -> Answer:
        """See `Asker.ask`. Raises ConfigError and PromptError where the strategy cannot be made for the noun."""
        reranker = self._reranker(question.noun or self._workshop.noun)
        deadline = Deadline(self._timeout_s)
        ranking = reranker.rank(question.history, question.candidates, question.wish, deadline)
        return answer_of(ranking, [item.item_id for item in question.candidates], lot)

    def foresee(self, questions: Sequence[Question]) -> None:
        """Have every candidate of these questions judged once, many together, where each is judged by itself.

        What the model says of one is remembered until the next call, so that a candidate that no change touches has the
        same score in all of the questions. Raises as `ask` does.
        """
        self._model.begin()
        told = str(self.model.get("strategy", self._strategy)) if self._strategy == "auto" else self._strategy
        if not ALONE.issuperset(re.findall("[a-z][a-z-]*", told)):
            return
        for one in merged(questions):
            for start in range(0, len(one.candidates), TOGETHER):
                self.ask(replace(one, candidates=one.candidates[start : start + TOGETHER]), "")

    def _reranker(self, noun: str) -> Reranker:
        if noun not in self._rerankers:
            self._rerankers[noun] = replace(self._workshop, noun=noun).reranker(self._strategy)
        return self._rerankers[noun]


def merged(questions: Iterable[Question]) -> list[Question]:
    """Questions that differ in their candidates only as one, with each candidate of them once, in order."""
    first: dict[Hashable, Question] = {}
    shown: dict[Hashable, dict[Hashable, Item]] = {}
    for one in questions:
        asked = one.noun, one.wish, tuple(item.item_id for item in one.history)
        first.setdefault(asked, one)
        shown.setdefault(asked, {}).update({(c.item_id, c.title, c.tags, c.text): c for c in one.candidates})
    return [replace(one, candidates=tuple(shown[asked].values())) for asked, one in first.items()]


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
