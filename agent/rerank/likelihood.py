"""Rank by how likely the model finds each item as the next of the person's list.

    score(item) = log p(item | history, wish) - PMI_WEIGHT * log p(item | no history)

The second term takes away what is likely for everyone: well-known titles, short titles. It does not depend on the
person, so it is cached by model, prompt and item. Source: the language model as recommender of Sileo et al.,
"Zero-Shot Recommendation as Language Modeling" (ECIR 2022); domain-conditional PMI of Holtzman et al. (EMNLP 2021).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence

from agent.cache import Cache
from agent.deadline import Deadline
from agent.errors import ModelError, PromptError
from agent.llm.base import Model
from agent.rerank.base import Ranking
from agent.types import Degradation, Item
from prompts import Prompt

HISTORY = 10  # the newest items of the history that the prompt shows
PMI_WEIGHT = 1.0  # 0.75 ranks as well alone, 1.0 better in the blend (docs/decisions/003-prior-and-blend.md)


class Likelihood:
    """The reranker for models that can score. Candidates are scored after one shared prefix."""

    name = "likelihood"

    def __init__(self, model: Model, prompt: Prompt, cache: Cache, *, noun: str = "titles") -> None:
        self._model = model
        self._prompt = prompt
        self._cache = cache
        self._noun = noun

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        """One score per candidate, in nats, higher is better; see `Reranker.rank`. Oldest history first.

        With neither history nor wish there is nothing to go by: all scores equal. Degrades, never raises ModelError.
        """
        prompts = {self._prompt.name: self._prompt.fingerprint}
        if not candidates or not (history or wish):
            return Ranking(tuple(0.0 for _ in candidates), prompts=prompts)
        try:
            lines = [self._prompt.candidate(item=item) for item in candidates]
            given = self._score(self._prefix(history[-HISTORY:], wish), lines, deadline)
            alone = self._unconditional(lines, deadline)
        except (ModelError, PromptError) as error:
            return Ranking(
                tuple(0.0 for _ in candidates),
                degraded=(Degradation(stage="rerank", reason=str(error)),),
                prompts=prompts,
            )
        return Ranking(tuple(g - PMI_WEIGHT * a for g, a in zip(given, alone, strict=True)), prompts=prompts)

    def _prefix(self, history: Sequence[Item], wish: str | None) -> str:
        return self._prompt.prefix(noun=self._noun, history=history, wish=wish)

    def _score(self, prefix: str, lines: Sequence[str], deadline: Deadline) -> list[float]:
        return [score.logprob for score in self._model.score(prefix, lines, deadline)]

    def _unconditional(self, lines: Sequence[str], deadline: Deadline) -> list[float]:
        """The score of each line after the prefix without history or wish, from the cache where it is there."""
        prefix = self._prefix([], None)
        namespace = f"unconditional/{self._model.fingerprint}/{_digest(prefix)}"
        keys = [_digest(line) for line in lines]
        known = {key: _unpack(raw) for key, raw in self._cache.get_many(namespace, keys).items()}
        missing = {key: line for key, line in zip(keys, lines, strict=True) if key not in known}
        fresh = (
            dict(zip(missing, self._score(prefix, list(missing.values()), deadline), strict=True)) if missing else {}
        )
        self._cache.put_many(namespace, _packed(fresh))
        known |= fresh
        return [known[key] for key in keys]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _packed(scores: Mapping[str, float]) -> dict[str, bytes]:
    return {key: struct.pack("<d", score) for key, score in scores.items()}


def _unpack(raw: bytes) -> float:
    return float(struct.unpack("<d", raw)[0])
