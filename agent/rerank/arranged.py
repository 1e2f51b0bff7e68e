"""Rank a list by letting the model write the labels in its order, under a grammar that allows each exactly once.

For models that go on with a text and do not chat: every answer is a permutation, whatever the model. Each window is
shown several times in other orders, and its ranks are averaged (Borda), less what a slot gets on average (see `slots`).
Source: Tang et al., "Found in the Middle: Permutation Self-Consistency Improves Listwise Ranking in LLMs" (NAACL 2024).

Costs `times` lines and `times` written tokens per candidate, all after one prefix; the windows write side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.deadline import Deadline
from agent.rerank.blocked import Windowed
from agent.rerank.labels import LABELS, suffixes_of
from agent.rerank.presentations import Block
from agent.types import Item


class Arranged(Windowed):
    """The listwise reranker for models that can arrange. A score of 1 is the way from last to first in a window.

    For its windows see `Windowed`, for the rest `Blocked`. There is a call for each length of window, so two at most.
    """

    name = "listwise"

    def _blocks(self, ids: Sequence[str]) -> list[Block]:
        return sorted(super()._blocks(ids), key=len)

    def _values(
        self, prefix: str, shown: Sequence[Item], blocks: Sequence[Block], deadline: Deadline
    ) -> tuple[list[tuple[float, ...]], int]:
        values: list[tuple[float, ...]] = []
        lengths = sorted({len(block) for block in blocks})
        for length in lengths:
            suffixes = suffixes_of(self._prompt, shown, [block for block in blocks if len(block) == length])
            labels = [f" {label}" for label in LABELS[:length]]
            values += [_from_first(order) for order in self._model.arrange(prefix, suffixes, labels, deadline)]
        return values, len(lengths)


def _from_first(order: Sequence[int]) -> tuple[float, ...]:
    """The value of each slot: 1 where it is put first, 0 where it is put last."""
    return tuple(1 - order.index(slot) / max(1, len(order) - 1) for slot in range(len(order)))
