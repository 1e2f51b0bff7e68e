"""Prefixes that were read before, kept outside the context: what attention spans is then one prefix and its texts.

A prefix that stays in the context costs every batch time, as attention looks at all cells before it masks them: six
of 160 tokens slow scoring by a third (docs/decisions/009-where-prefixes-are-kept.md). A copy of its cells takes 2 ms to
put back, where reading it again takes 200.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from agent.llm.local.logits import Row, common_length


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """The tokens of a prefix, the log-probabilities after its last one, and its cells' state, empty if not kept."""

    tokens: tuple[int, ...]
    last_row: Row
    state: bytes

    @property
    def bytes(self) -> int:
        """The memory it takes."""
        return len(self.state) + self.last_row.nbytes


class Prefixes:
    """The prefixes used last, as many as fit in `most_bytes`. Not thread-safe."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._kept: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()  # least recently used first

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, prefix: Prefix) -> None:
        """Keep a prefix, and let those go that were not used for longest. One larger than the budget is not kept."""
        self.drop(prefix.tokens)
        if not prefix.state or prefix.bytes > self.most_bytes:
            return
        self._kept[prefix.tokens] = prefix
        self.bytes += prefix.bytes
        while self.bytes > self.most_bytes:
            self.drop(next(iter(self._kept)))

    def nearest(self, tokens: Sequence[int], current: Prefix | None = None) -> Prefix | None:
        """The prefix that begins like these tokens for longest, now the one used last; None where none begins alike.

        `current` takes part too, kept or not, and comes before others that are as near.
        """
        known = [current, *self._kept.values()] if current else list(self._kept.values())
        found = max(known, key=lambda one: common_length(one.tokens, tokens), default=None)
        if found is None or not common_length(found.tokens, tokens):
            return None
        if found.tokens in self._kept:
            self._kept.move_to_end(found.tokens)
        return found

    def drop(self, tokens: tuple[int, ...]) -> None:
        """Let a prefix go, if it is there."""
        gone = self._kept.pop(tokens, None)
        self.bytes -= gone.bytes if gone else 0
