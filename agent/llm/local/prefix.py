"""Decoding many texts that go on from one shared prefix.

The prefix is decoded once and stays in the key-value cache as a sequence of its own; each text is a further sequence
that begins as a free copy of it (on a unified cache, copying a sequence copies no cells). Texts are decoded together,
as a trie, so that a token which several of them begin with is decoded once, and their cells are given back at once.
A later prefix that begins like a kept one decodes only what differs.

Sequence numbers: 0 .. KEPT-1 hold kept prefixes, KEPT .. KEPT+WIDTH-1 the texts in flight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agent.deadline import Deadline
from agent.errors import ModelError, ModelUnavailable, PromptError
from agent.llm.base import Score
from agent.llm.local.context import Context, Entry
from agent.llm.local.logits import Row, common_length, log_normalisers, log_sums
from agent.llm.local.trie import Tokens, Trie, tries_of

KEPT = 6  # prefixes kept in the cache
WIDTH = 32  # texts decoded together: more makes attention span cells of no use
SEQUENCES = KEPT + WIDTH


class Writer(Protocol):
    """Who decides how one text goes on."""

    def next(self, logits: Row) -> Sequence[int]:
        """The tokens to go on with, given the logits of what comes next; none once the text has ended."""
        ...


@dataclass(slots=True)
class _Kept:
    """A prefix in the cache: its sequence, its tokens, the log-probabilities after its last token, when last used."""

    sequence: int
    tokens: list[int]
    last_row: Row
    used: int


class PrefixDecoder:
    """Scores, choices and texts after shared prefixes, on one context of SEQUENCES sequences. One thread owns it.

    The kept prefixes and the texts in flight share the context's cells; the prefix that was not used for longest makes
    room. All prompts here are tokens.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._kept: list[_Kept] = []
        self._clock = 0

    def close(self) -> None:
        """Free the context. Calling it twice is harmless."""
        self.context.close()
        self._kept.clear()

    def score(self, prefix: Tokens, continuations: Sequence[Tokens], deadline: Deadline) -> list[Score]:
        """The summed log-probability (nats) of each continuation after the prefix, in order; empty ones give 0.

        Equal to decoding each `prefix + continuation` alone, up to rounding in the last bits of the batch's shape.
        Raises PromptError when prefix and longest continuation exceed the context, ModelTimeout at the deadline.
        """
        self._check_room(prefix, continuations)
        kept = self._keep(prefix, deadline)
        totals = np.zeros(len(continuations))
        for trie in self._tries(continuations, kept, rows=True):
            token, parent = np.array([(n.token, n.parent) for n in trie.nodes], dtype=np.int64).reshape(-1, 2).T
            logprob = np.where(parent < 0, kept.last_row[token], 0.0).astype(np.float64)
            for owners, rows in self._rows(kept, trie, [node.goes_on for node in trie.nodes], deadline):
                children = np.flatnonzero(np.isin(parent, owners))
                row = np.searchsorted(owners, parent[children])
                logprob[children] = rows[row, token[children]] - log_normalisers(rows)[row]
            totals[trie.order] = [logprob[path].sum() for path in trie.path]
        return [Score(float(total), len(c)) for total, c in zip(totals, continuations, strict=True)]

    def choose(
        self, prefix: Tokens, suffixes: Sequence[Tokens], options: Sequence[Tokens], deadline: Deadline
    ) -> list[tuple[float, ...]]:
        """For each suffix the log-probability (nats) that one token of each option comes next. Raises as `score`."""
        self._check_room(prefix, suffixes)
        kept = self._keep(prefix, deadline)
        found = np.tile(log_sums(kept.last_row[None], options)[0], (len(suffixes), 1))
        for trie in self._tries(suffixes, kept):
            of_node: dict[int, Row] = {}
            for owners, rows in self._rows(kept, trie, [node.ends for node in trie.nodes], deadline):
                chances = log_sums(rows, options) - log_normalisers(rows)[:, None]
                of_node.update(zip(owners, chances, strict=True))
            for place, path in zip(trie.order, trie.path, strict=True):
                if path:
                    found[place] = of_node[path[-1]]
        return [tuple(float(value) for value in row) for row in found]

    def write(
        self, prefix: Tokens, suffixes: Sequence[Tokens], writers: Sequence[Writer], deadline: Deadline, *, room: int
    ) -> None:
        """Go on from every `prefix + suffix` as its writer says, all together, each for at most `room` tokens.

        A text that has ended gives its cells back at once. More suffixes than fit in the cache at once are taken in
        turn. Raises as `score` does, and PromptError when a writer exceeds its room.
        """
        self._check_room(prefix, suffixes, room)
        kept = self._keep(prefix, deadline)
        for trie in self._tries(suffixes, kept, spare=room):
            with self._opened(kept, len(trie.order)):
                self._write(kept, trie, suffixes, writers, deadline, room)

    def _write(
        self,
        kept: _Kept,
        trie: Trie,
        suffixes: Sequence[Tokens],
        writers: Sequence[Writer],
        deadline: Deadline,
        room: int,
    ) -> None:
        ends = [len(kept.tokens) + len(suffixes[place]) for place in trie.order]
        limits = [end + room for end in ends]
        due = {
            number: list(writers[place].next(kept.last_row))
            for number, (place, path) in enumerate(zip(trie.order, trie.path, strict=True))
            if not path
        }
        for owners, rows in self._rows(kept, trie, [node.ends for node in trie.nodes], deadline, opened=True):
            row_of = dict(zip(owners, rows, strict=True))
            for number, (place, path) in enumerate(zip(trie.order, trie.path, strict=True)):
                if path and path[-1] in row_of:
                    due[number] = list(writers[place].next(row_of[path[-1]]))
        while due := self._alive(due):
            entries = []
            for number, tokens in due.items():
                if ends[number] + len(tokens) > limits[number]:
                    raise PromptError(f"a text went beyond its room of {room} tokens", "Raise max_tokens")
                sequence = KEPT + number
                entries += [Entry(t, ends[number] + i, sequence, sequence, False) for i, t in enumerate(tokens)]
                entries[-1] = entries[-1]._replace(wanted=True)
                ends[number] += len(tokens)
            told = iter(list(due))
            for _, rows in self._in_parts(entries, deadline):
                due.update({(n := next(told)): list(writers[trie.order[n]].next(row)) for row in rows})

    def _alive(self, due: dict[int, list[int]]) -> dict[int, list[int]]:
        """The texts that go on; the cells of the others are given back."""
        for number in [n for n, tokens in due.items() if not tokens]:
            self.context.free(KEPT + number)
        return {number: tokens for number, tokens in due.items() if tokens}

    def _check_room(self, prefix: Tokens, texts: Sequence[Tokens], room: int = 0) -> None:
        if not self.context.is_open:
            raise ModelUnavailable("the model is closed", "Open it again")
        if not prefix:
            raise PromptError("the prompt's prefix is empty", "A prompt begins with at least one token")
        longest = max((len(text) for text in texts), default=0) + room
        if len(prefix) + longest > self.context.cells:
            raise PromptError(
                f"the prompt takes {len(prefix)} + {longest} tokens, and the context holds {self.context.cells}",
                "Shorten the history or the item text, or raise model.context_tokens",
            )

    def _tries(self, texts: Sequence[Tokens], kept: _Kept, *, spare: int = 0, rows: bool = False) -> Iterator[Trie]:
        """The texts in tries that fit in the cache and fill a batch; `rows` where most nodes' logits are wanted."""
        longest = max((len(text) for text in texts), default=0)
        self._make_room(max(self.context.cells // 4, longest + spare), spared=kept)
        free = self.context.cells - self._cells_in_use()
        best = min(self.context.batch_tokens, self.context.batch_rows + WIDTH if rows else self.context.batch_tokens)
        return tries_of(texts, most_texts=WIDTH, most_nodes=free, spare=spare, best_nodes=best)

    def _keep(self, prefix: Tokens, deadline: Deadline) -> _Kept:
        """The prefix as a kept sequence, decoding only what no kept prefix already holds."""
        self._clock += 1
        nearest = max(self._kept, key=lambda k: common_length(k.tokens, prefix), default=None)
        shared = common_length(nearest.tokens, prefix) if nearest else 0
        if nearest and shared == len(prefix) == len(nearest.tokens):
            nearest.used = self._clock
            return nearest
        shared = min(shared, len(prefix) - 1)
        if not self._make_room(len(prefix) - shared, spared=nearest, most=KEPT - 1):
            nearest, shared = None, 0
            self._make_room(len(prefix), spared=None, most=KEPT - 1)
        free = min(set(range(KEPT)) - {k.sequence for k in self._kept})
        if nearest and shared:
            self.context.copy(nearest.sequence, free, shared)
        try:
            entries = [Entry(prefix[i], i, free, free, i == len(prefix) - 1) for i in range(shared, len(prefix))]
            last = [row - log_normalisers(rows)[0] for _, rows in self._in_parts(entries, deadline) for row in rows]
        except ModelError:
            self.context.free(free)
            raise
        kept = _Kept(free, list(prefix), last[-1], self._clock)
        self._kept.append(kept)
        return kept

    def _make_room(self, needed: int, *, spared: _Kept | None, most: int = KEPT) -> bool:
        """Drop the least recently used prefixes until `most` are left and `needed` cells are free; whether they are."""
        while self._kept and (len(self._kept) > most or self._cells_in_use() + needed > self.context.cells):
            oldest = min((k for k in self._kept if k is not spared), key=lambda k: k.used, default=None)
            if oldest is None:
                return False
            self.context.free(oldest.sequence)
            self._kept.remove(oldest)
        return True

    def _cells_in_use(self) -> int:
        return sum(len(k.tokens) for k in self._kept)  # an upper bound: what prefixes share is counted twice

    @contextmanager
    def _opened(self, kept: _Kept, width: int) -> Iterator[None]:
        """Sequences that begin as copies of the prefix; whatever happens, none of them is left behind."""
        for number in range(width):
            self.context.copy(kept.sequence, KEPT + number)
        try:
            yield
        finally:
            for number in range(width):
                self.context.free(KEPT + number)

    def _rows(
        self, kept: _Kept, trie: Trie, wanted: Sequence[bool], deadline: Deadline, *, opened: bool = False
    ) -> Iterator[tuple[list[int], Row]]:
        """The wanted nodes, in order, and their rows of logits, a part of them at a time."""
        if not opened:
            with self._opened(kept, len(trie.order)):
                yield from self._rows(kept, trie, wanted, deadline, opened=True)
            return
        at = len(kept.tokens)
        entries = [
            Entry(n.token, at + n.depth, KEPT + n.first, KEPT + n.last, w)
            for n, w in zip(trie.nodes, wanted, strict=True)
        ]
        yield from self._in_parts(entries, deadline)

    def _in_parts(self, entries: Sequence[Entry], deadline: Deadline) -> Iterator[tuple[list[int], Row]]:
        """The places of the wanted entries and their rows, in as many batches as the limits ask for."""
        start = rows = 0
        for end, entry in enumerate(entries, start=1):
            rows += entry.wanted
            following = end < len(entries) and rows + entries[end].wanted <= self.context.batch_rows
            if not following or end - start == self.context.batch_tokens:
                part = entries[start:end]
                yield [start + n for n, e in enumerate(part) if e.wanted], self._decode(part, deadline)
                start, rows = end, 0

    def _decode(self, entries: Sequence[Entry], deadline: Deadline) -> Row:
        deadline.check("the model was reading the prompt")
        try:
            return self.context.decode(entries, deadline)
        except ModelError:
            self.context.clear()
            self._kept.clear()
            raise
