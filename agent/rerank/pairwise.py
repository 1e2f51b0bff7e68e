"""Rank the best few by comparing each with each, in both orders.

    preference(i over j) = mean over both orders of  log p(label of i) - log p(label of j)

Source: Qin et al., "Large Language Models are Effective Text Rankers with Pairwise Ranking Prompting" (PRP, 2023), its
all-pairs form. What the first place gains on average over all comparisons is taken away first; where the two orders of
a pair still contradict each other, the pair is a tie.

Costs depth * (depth - 1) comparisons of two lines each, all after one prefix and in one call, and nothing is written:
30 for the default 6. So it polishes the head of a list that something cheaper has ordered: `likelihood>pairwise`.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.deadline import Deadline
from agent.llm.base import Model
from agent.rerank.labels import bias_extras, chosen
from agent.rerank.presentations import Block, pairs_of
from agent.rerank.prompted import Opinion, Prompted, with_rest
from agent.rerank.slots import LOWEST, position_bias
from agent.types import Item
from prompts import Prompt

DEPTH = 6


class Pairwise(Prompted):
    """The reranker of comparisons, for models that can choose. Scores are summed preferences, in nats.

    The best `depth` candidates by the prior are compared, each with each; the rest tie below them. `counts`: calls,
    comparisons, contradictions (pairs that tie), unseen (the rest). `extras`: `bias.A` and `bias.B` as in `FirstToken`.
    """

    name = "pairwise"

    def __init__(self, model: Model, prompt: Prompt, *, noun: str = "titles", depth: int = DEPTH) -> None:
        super().__init__(model, prompt, noun=noun)
        self._depth = depth

    def _opinion(self, prefix: str, candidates: Sequence[Item], deadline: Deadline) -> Opinion:
        shown = candidates[: self._depth]
        pairs = pairs_of(len(shown))
        values = chosen(self._model, self._prompt, prefix, shown, pairs, deadline)
        scores, contradictions = preferences(pairs, values, len(shown))
        counts = {
            "calls": 1,
            "comparisons": len(pairs),
            "contradictions": contradictions,
            "unseen": len(candidates) - len(shown),
        }
        return Opinion(with_rest(scores, len(candidates)), counts, bias_extras(position_bias(values)))


def preferences(pairs: Sequence[Block], values: Sequence[Sequence[float]], n: int) -> tuple[list[float], int]:
    """The summed preference of each of n items, and how many pairs contradict themselves. Pure.

    `pairs` holds every pair in both orders; `values` are the log-probabilities of the first and the second label.
    """
    leads = [max(first, LOWEST) - max(second, LOWEST) for first, second in values]
    bias = sum(leads) / max(1, len(leads))
    lead = {pair: value - bias for pair, value in zip(pairs, leads, strict=True)}
    scores = [0.0] * n
    contradictions = 0
    for (i, j), forth in lead.items():
        back = -lead[j, i]
        if forth * back > 0:
            scores[i] += (forth + back) / 2
        elif i < j:
            contradictions += 1
    return scores, contradictions
