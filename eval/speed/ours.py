"""Palate's own rows: a strategy in one of the states that its caches may be in, and the writing of reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from agent.deadline import Deadline
from agent.errors import ModelUnavailable
from agent.store.cache import Cache
from agent.types import Item
from eval.chance import best_first
from eval.speed.figures import Work
from eval.speed.questions import Question
from eval.speed.rows import Outcome
from eval.speed.stand import Stand

State = Literal["cold", "warm", "next", "next-wish", "first-sight"]

STATES: dict[State, str] = {
    "cold": "a person not seen before, items that were",
    "warm": "the person was ranked for just before, for the same items",
    "next": "the same items again after one more liked",
    "next-wish": "the same items again after a wish",
    "first-sight": "a person and items not seen before",
}
# Each state has the history in an order of its own, so that no state finds what another one left in the cache.
_TURNS: dict[State, int] = {"cold": 0, "warm": 2, "next": 4, "next-wish": 6, "first-sight": 8}
_ALIKE_FOR_ALL = frozenset({"likelihood", "pointwise"})  # these keep a part of each item's score for good
REASONS = 5
REASON_TOKENS = 48


class Strategy:
    """A strategy asked in one state. What does not depend on the person is known, but for `first-sight`."""

    def __init__(self, stand: Stand, strategy: str, state: State = "cold") -> None:
        self._stand = stand
        self._strategy = strategy
        self._state = state
        self._reranker = stand.reranker(strategy)

    def prepare(self, question: Question) -> None:
        """Ask what the state says was asked before."""
        history = question.turned(_TURNS[self._state])
        match self._state:
            case "cold" if self._strategy in _ALIKE_FOR_ALL:
                self._rank(question.of_somebody_else.history, question)
            case "warm" | "next-wish":
                self._rank(history, question)
            case "next":
                self._rank(history[:-1], question)
            case "first-sight":
                self._reranker = self._stand.reranker(self._strategy, Cache(None))
            case _:
                pass

    def run(self, question: Question) -> Outcome:
        """Rank for the person."""
        wish = question.wish if self._state == "next-wish" else None
        return self._rank(question.turned(_TURNS[self._state]), question, wish)

    def _rank(self, history: Sequence[Item], question: Question, wish: str | None = None) -> Outcome:
        before = done(self._stand)
        ranking = self._reranker.rank(history, question.candidates, wish, Deadline(math.inf))
        work = since(before, done(self._stand))
        reason = "; ".join(degradation.reason for degradation in ranking.degraded)
        if reason and len(set(ranking.scores)) < 2:
            raise ModelUnavailable(reason)
        return Outcome(order_by(ranking.scores, question), work.tokens, work=work, degraded=reason)


class Reasons:
    """Reasons for the first candidates in the model's own words, in one call or one call each."""

    def __init__(self, stand: Stand, *, together: bool) -> None:
        self._stand = stand
        self._together = together
        self._prompt = stand.prompt("rationale-continue")

    def prepare(self, question: Question) -> None:
        """Let the prompt's examples be known, as they are from the second reason on."""
        self._stand.engine.complete(
            self._prompt.prefix(), self._suffixes(question)[:1], Deadline(math.inf), max_tokens=1
        )

    def run(self, question: Question) -> Outcome:
        """Write them all."""
        suffixes = self._suffixes(question)
        calls = [suffixes] if self._together else [[suffix] for suffix in suffixes]
        before = done(self._stand)
        prefix = self._prompt.prefix()
        written = 0
        for call in calls:
            replies = self._stand.engine.complete(
                prefix, call, Deadline(math.inf), max_tokens=REASON_TOKENS, stop=("\n",)
            )
            written += sum(reply.tokens_out for reply in replies)
        work = since(before, done(self._stand))
        return Outcome(tokens=work.tokens, written=written, work=work)

    def _suffixes(self, question: Question) -> list[str]:
        liked = [{"title": item.title, "year": item.year, "act": "liked"} for item in question.history[-1:]]
        return [
            self._prompt.candidate(
                item={"title": item.title, "year": item.year},
                facts=list(item.tags) or ["new"],
                cited=liked,
                asked=[],
                turn=turn,
            )
            for turn, item in enumerate(question.candidates[:REASONS])
        ]


def done(stand: Stand) -> Work:
    """All that the engine has decoded so far."""
    engine = stand.engine
    return Work(engine.tokens_decoded, engine.rows_read, engine.cells_attended)


def since(before: Work, after: Work) -> Work:
    """What was decoded between the two."""
    return Work(after.tokens - before.tokens, after.rows - before.rows, after.cells - before.cells)


def order_by(scores: Sequence[float], question: Question) -> tuple[int, ...]:
    """Indices of the candidates by score, highest first; ties are drawn by lot, alike in every run."""
    places = {item.item_id: n for n, item in enumerate(question.candidates)}
    return tuple(places[item_id] for item_id in best_first(dict(zip(places, scores, strict=True)), question.name))
