"""Rank a list by one token: the log-probability of each candidate's label as the answer to "which one?".

Nothing is written: one row of logits ranks a whole window. Source: Reddy et al., "FIRST: Faster Improved Listwise
Reranking with Single Token Decoding" (EMNLP 2024). Models prefer some labels whatever stands there (Zheng et al.,
"Large Language Models Are Not Robust Multiple Choice Selectors", ICLR 2024), so every window is shown several times
in other orders, and what a slot gets on average is taken away (see `slots`).

Costs `times` lines per candidate, all after one prefix and in one call.
"""

from __future__ import annotations

from agent.rerank.blocked import Windowed


class FirstToken(Windowed):
    """The listwise reranker that reads one token, for models that can choose. Scores are nats around 0.

    For its windows see `Windowed`, for the rest `Blocked`.
    """

    name = "first-token"
