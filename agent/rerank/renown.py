"""Rank by how well known the model takes each item to be: what popularity says, where nobody's behaviour is known.

    score(item) = log p(item | a list of what everyone knows) - log p(item | a list of what nobody has heard of)

What makes a title likely in both lists (its length, its words) cancels out. No part depends on the person, so both
are cached by model, prompt and item, and a known catalogue costs nothing at request time. Measured with what
depends on the person in docs/decisions/006-renown.md. A language model knows what is popular from what is written
of it: Hou et al., "Large Language Models are Zero-Shot Rankers for Recommender Systems" (ECIR 2024), as a bias.

Costs two lines per candidate that was never met, each token once; else nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.deadline import Deadline
from agent.llm.base import Model
from agent.rerank.baseline import likelihoods
from agent.rerank.prompted import Opinion, Prompted
from agent.store.cache import Cache
from agent.types import Item
from prompts import Prompt


class Renown(Prompted):
    """The reranker that knows no person, for models that can score: part of a sum, rather than alone. In nats."""

    name = "renown"

    def __init__(self, model: Model, prompt: Prompt, cache: Cache, *, noun: str = "titles") -> None:
        super().__init__(model, prompt, noun=noun)
        self._cache = cache

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        """All there is to know of each item; see `Reranker.precompute`."""
        self._opinion(self._prefix([], None), items, deadline)

    def _opinion(self, prefix: str, candidates: Sequence[Item], deadline: Deadline) -> Opinion:
        lines = self._each(candidates, deadline)
        known = self._likelihoods(prefix, lines, deadline)
        unknown = self._likelihoods(self._listed(renowned=False), lines, deadline)
        return Opinion([k - u for k, u in zip(known, unknown, strict=True)])

    def _prefix(self, history: Sequence[Item], wish: str | None) -> str:  # noqa: ARG002 - whoever asks
        return self._listed(renowned=True)

    def _listed(self, *, renowned: bool) -> str:
        return self._prompt.prefix(noun=self._noun, renowned=renowned)

    def _likelihoods(self, prefix: str, lines: Sequence[str], deadline: Deadline) -> list[float]:
        return likelihoods(self._model, self._cache, "renown", prefix, lines, deadline)
