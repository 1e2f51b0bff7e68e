"""Rank by how likely the model finds each item as the next of the person's list.

    score(item) = log p(item | history, wish) - pmi_weight * log p(item | no history)

The second term takes away what is likely for everyone: well-known titles, short titles. It does not depend on the
person, so it is cached by model, prompt and item. Source: the language model as recommender of Sileo et al.,
"Zero-Shot Recommendation as Language Modeling" (ECIR 2022); domain-conditional PMI of Holtzman et al. (EMNLP 2021).

Costs the prefix and one line per candidate, each token once; a line that was never met costs its tokens once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from agent.deadline import Deadline
from agent.llm.base import Model, Score
from agent.rerank.baseline import likelihoods
from agent.rerank.prompted import Opinion, Prompted
from agent.store.cache import Cache
from agent.types import Item
from prompts import Prompt

PMI_WEIGHT = 1.0  # 0.75 ranks as well alone, 1.0 better in the blend (docs/decisions/003-prior-and-blend.md)


class Likelihood(Prompted):
    """The reranker for models that can score. Candidates are scored after one shared prefix, in nats.

    `per`: the `sum` of a line's log-probabilities, or their `mean` per token, which long lines do not lower.
    `pmi_weight`: how much of the unconditional part to take away; 0 never asks for it.
    """

    name = "likelihood"

    def __init__(
        self,
        model: Model,
        prompt: Prompt,
        cache: Cache,
        *,
        noun: str = "titles",
        per: Literal["sum", "mean"] = "sum",
        pmi_weight: float = PMI_WEIGHT,
    ) -> None:
        super().__init__(model, prompt, noun=noun)
        self._cache = cache
        self._per = per
        self._pmi_weight = pmi_weight

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        """The unconditional part of each item; see `Reranker.precompute`."""
        if self._pmi_weight:
            self._unconditional(self._each(items, deadline), deadline)

    def _opinion(self, prefix: str, candidates: Sequence[Item], deadline: Deadline) -> Opinion:
        lines = self._each(candidates, deadline)
        given = self._model.score(prefix, lines, deadline)
        alone = self._unconditional(lines, deadline) if self._pmi_weight else [0.0] * len(lines)
        return Opinion([self._scored(g, a) for g, a in zip(given, alone, strict=True)])

    def _scored(self, given: Score, alone: float) -> float:
        score = given.logprob - self._pmi_weight * alone
        return score / max(1, given.tokens) if self._per == "mean" else score  # both parts have as many tokens

    def _unconditional(self, lines: Sequence[str], deadline: Deadline) -> list[float]:
        """The log-probability of each line after the prefix without history or wish, from the cache if it is there."""
        return likelihoods(self._model, self._cache, "unconditional", self._prefix([], None), lines, deadline)
