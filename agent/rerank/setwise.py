"""Rank by which of a few each candidate's block is thought best, all blocks at once.

Setwise (Zhuang et al., "A Setwise Approach for Effective and Highly Efficient Zero-shot Ranking", SIGIR 2024) sorts by
asking for the best of a few, one question after the other. Here the questions do not wait for each other: in each of
`rounds` all candidates are shuffled and cut into blocks, and an item's score comes from all the labels it has had. That
blocks which overlap between rounds are enough to order a whole list is shown by JointRank (Dedov, 2025) and TourRank
(Chen et al., 2024).

Costs `rounds` lines per candidate, all after one prefix and in one call, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.llm.base import Model
from agent.rerank.blocked import DEPTH, Blocked
from agent.rerank.presentations import Block, rounds_of
from prompts import Prompt


class Setwise(Blocked):
    """The reranker of small blocks, for models that can choose. Scores are nats around 0. For the rest see `Blocked`.

    `size` is the most that are shown together, `rounds` how often each candidate is.
    """

    name = "setwise"

    def __init__(
        self,
        model: Model,
        prompt: Prompt,
        *,
        noun: str = "titles",
        rounds: int = 4,
        size: int = 5,
        depth: int = DEPTH,
        seed: int = 0,
    ) -> None:
        super().__init__(model, prompt, noun=noun, times=rounds, size=size, depth=depth, seed=seed)

    def _blocks(self, ids: Sequence[str]) -> list[Block]:
        return rounds_of(ids, self._size, self._times, self._seed)
