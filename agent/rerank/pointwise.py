"""Rank by how much likelier the model finds yes than no, asked of each item alone whether the person would enjoy it.

    score(item) = log p(yes | person, item) - log p(no | person, item)    less the same for a person of whom nothing
                                                                          is known

The second part takes away the model's habit of agreeing and what everyone likes; it is cached by model, prompt and
item. Probabilities are summed over spellings, as rank_llm does (Sharifymoghaddam et al., 2025).

Costs the prefix and one question per candidate, each token once, and nothing is written; a question that was never met
costs its tokens once more.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.deadline import Deadline
from agent.llm.base import Model
from agent.rerank.baseline import Baseline
from agent.rerank.prompted import Opinion, Prompted
from agent.rerank.slots import LOWEST
from agent.store.cache import Cache
from agent.types import Item
from prompts import Prompt

SPELLINGS = {  # by the prompt's language: yes, no
    "en": ((" yes", "yes", " Yes", "Yes", " YES", "YES"), (" no", "no", " No", "No", " NO", "NO")),
    "zh": (("是", " 是", "会", " 会", " yes", "Yes"), ("否", " 否", "不", " 不", " no", "No")),
}


class Pointwise(Prompted):
    """The reranker of one yes-or-no question per candidate, for models that can choose.

    Scores are nats, around 0 where the person makes no difference. `counts`: calls, questions (those asked with the
    person in view).
    """

    name = "pointwise"

    def __init__(self, model: Model, prompt: Prompt, cache: Cache, *, noun: str = "titles") -> None:
        super().__init__(model, prompt, noun=noun)
        self._cache = cache
        self._options = SPELLINGS[prompt.name.partition("/")[0]]

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        """How the model leans for nobody in particular, for each item; see `Reranker.precompute`."""
        self._unconditional(self._each(items, deadline), deadline)

    def _opinion(self, prefix: str, candidates: Sequence[Item], deadline: Deadline) -> Opinion:
        questions = self._each(candidates, deadline)
        given = self._leaning(prefix, questions, deadline)
        alone = self._unconditional(questions, deadline)
        counts = {"calls": 1, "questions": len(questions)}
        return Opinion([g - a for g, a in zip(given, alone, strict=True)], counts)

    def _unconditional(self, questions: Sequence[str], deadline: Deadline) -> list[float]:
        nobody = self._prefix([], None)
        baseline = Baseline(self._cache, "yes-no", self._model.fingerprint, nobody)
        return baseline.scores(questions, lambda missing: self._leaning(nobody, missing, deadline))

    def _leaning(self, prefix: str, questions: Sequence[str], deadline: Deadline) -> list[float]:
        """How much likelier yes is than no, in nats, for each question."""
        chosen = self._model.choose(prefix, questions, self._options, deadline)
        return [max(yes, LOWEST) - max(no, LOWEST) for yes, no in chosen]
