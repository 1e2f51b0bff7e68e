"""Rank a list by one token: the log-probability of each candidate's label as the answer to "which one?".

Nothing is written: one row of logits ranks a whole window. Source: Reddy et al., "FIRST: Faster Improved Listwise
Reranking with Single Token Decoding" (EMNLP 2024). Models prefer some labels whatever stands there (Zheng et al.,
"Large Language Models Are Not Robust Multiple Choice Selectors", ICLR 2024), so every window is shown several times
in other orders, and what a slot gets on average is taken away (see `slots`).

Costs `times` lines per candidate, all after one prefix and in one call.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.llm.base import Model
from agent.rerank.blocked import DEPTH, Blocked
from agent.rerank.presentations import Block, windows_of
from prompts import Prompt


class FirstToken(Blocked):
    """The listwise reranker that reads one token, for models that can choose. Scores are nats around 0.

    `window` is the most that are shown together; more candidates are dealt over windows that all hold the same mix
    of the prior's good and bad (see `windows_of`), so that scores around each window's mean compare. For the rest see
    `Blocked`.
    """

    name = "first-token"

    def __init__(
        self,
        model: Model,
        prompt: Prompt,
        *,
        noun: str = "titles",
        times: int = 4,
        window: int = 20,
        depth: int = DEPTH,
        seed: int = 0,
    ) -> None:
        super().__init__(model, prompt, noun=noun, times=times, size=window, depth=depth, seed=seed)

    def _blocks(self, ids: Sequence[str]) -> list[Block]:
        return windows_of(ids, self._size, self._times, self._seed)
