"""Runs of tokens as a trie, so that what they begin with in common is decoded once. Pure.

Texts are taken in the order of their tokens; then the texts that pass through a node are neighbours, and a node's
sequences are a range of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from agent.llm.local.logits import common_length

Tokens = Sequence[int]


@dataclass(slots=True)
class Node:
    """One token, `depth` tokens into the texts `first` to `last` (numbers in the trie's order, inclusive)."""

    token: int
    depth: int
    first: int
    last: int
    parent: int  # the node before it, -1 where it begins the text
    ends: bool = False  # a text ends here
    goes_on: bool = False  # a text goes on from here


@dataclass(slots=True)
class Trie:
    """The texts' nodes, each after its parent and depth first; `path[n]` are the nodes of text n, in the trie's order.

    `order[n]` is the place that text n has in the sequence the trie was made of. Equal texts have one path and two
    numbers. An empty text has an empty path.
    """

    order: list[int] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    path: list[list[int]] = field(default_factory=list)

    def new_nodes(self, text: Tokens, before: Tokens) -> int:
        """How many nodes a text adds after another."""
        return len(text) - common_length(text, before)

    def add(self, place: int, text: Tokens, before: Tokens) -> None:
        """Add the text of that place, the next in order after `before`."""
        number = len(self.order)
        shared = common_length(text, before) if self.path else 0
        path = self.path[-1][:shared] if self.path else []
        for n in path:
            self.nodes[n].last = number
        for depth in range(shared, len(text)):
            parent = path[-1] if path else -1
            if parent >= 0:
                self.nodes[parent].goes_on = True
            path.append(len(self.nodes))
            self.nodes.append(Node(text[depth], depth, number, number, parent))
        if path:
            self.nodes[path[-1]].ends = True
        self.order.append(place)
        self.path.append(path)


def tries_of(
    texts: Sequence[Tokens], *, most_texts: int, most_nodes: int, spare: int = 0, batch: int | None = None
) -> Iterator[Trie]:
    """The texts in tries of at most `most_texts` texts and `most_nodes` cells, in the order of their tokens.

    A cell is a node, or one of the `spare` tokens kept free for each text. Tries of about equal size are made, as few
    as may be, such that each has at most `batch` nodes, its texts' last ones not counted. A text that fits nowhere is
    alone in its trie.
    """
    order = sorted(range(len(texts)), key=lambda n: list(texts[n]))
    share = _share([texts[n] for n in order], batch or most_nodes)
    trie, before = Trie(), list[int]()
    for place in order:
        text = texts[place]
        new = trie.new_nodes(text, before) if trie.path else len(text)
        held, inner = len(trie.nodes) + spare * len(trie.order), len(trie.nodes) - len(trie.order)
        full = len(trie.order) == most_texts or held + new + spare > most_nodes
        if trie.order and (full or inner >= share or inner + new > (batch or most_nodes)):
            yield trie
            trie = Trie()
        trie.add(place, text, before)
        before = list(text)
    if trie.order:
        yield trie


def _share(texts: Sequence[Tokens], batch: int) -> int:
    """At how many nodes to close a trie, the texts' last ones not counted, for all to be few and alike."""
    new = [len(text) - common_length(text, before) - 1 for text, before in zip(texts, [(), *texts], strict=False)]
    if sum(new) <= batch:
        return batch
    return math.ceil(sum(new) / math.ceil(sum(new) / max(1, batch - max(new))))
