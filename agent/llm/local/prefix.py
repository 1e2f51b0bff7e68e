"""Decoding many texts that go on from one shared prefix.

The prefix is decoded once and stands in the key-value cache as a sequence of its own; each text is a further sequence
that begins as a free copy of it (on a unified cache, copying a sequence copies no cells). Texts are decoded together,
as a trie, so that a token which several of them begin with is decoded once, and their cells are given back at once.
Prefixes that were used before are kept outside (see `prefixes`); a later one that begins like one of them decodes only
what differs.

Sequence 0 holds the prefix, 1 .. WIDTH the texts in flight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from agent.deadline import Deadline
from agent.errors import ModelError, ModelUnavailable, PromptError
from agent.llm.base import Score
from agent.llm.local.context import Context, Entry
from agent.llm.local.logits import Row, common_length, log_normalisers, log_sums
from agent.llm.local.prefixes import Prefix, Prefixes
from agent.llm.local.trie import Tokens, Trie, tries_of

WIDTH = 32  # texts decoded together: more makes attention span cells of no use
SEQUENCES = 1 + WIDTH
PREFIX, FIRST = 0, 1  # the sequences of the prefix and of the first text


class Writer(Protocol):
    """Who decides how one text goes on."""

    def next(self, logits: Row) -> Sequence[int]:
        """The tokens to go on with, given the logits of what comes next; none once the text has ended."""
        ...


class PrefixDecoder:
    """Scores, choices and texts after shared prefixes, on one context of SEQUENCES sequences. One thread owns it.

    The prefix and the texts in flight share the context's cells; `prefix_bytes` of memory keep prefixes that were used
    before. All prompts here are tokens.
    """

    def __init__(self, context: Context, prefix_bytes: int) -> None:
        self.context = context
        self.prefixes = Prefixes(prefix_bytes)
        self._current: Prefix | None = None  # what stands in the cache now

    def close(self) -> None:
        """Free the context. Calling it twice is harmless."""
        self.context.close()
        self._current = None

    def score(self, prefix: Tokens, continuations: Sequence[Tokens], deadline: Deadline) -> list[Score]:
        """The summed log-probability (nats) of each continuation after the prefix, in order; empty ones give 0.

        Equal to decoding each `prefix + continuation` alone, up to rounding in the last bits of the batch's shape. The
        last token of a continuation is scored but not decoded, unless others go on from it. Raises PromptError
        when prefix and longest continuation exceed the context, ModelTimeout at the deadline.
        """
        self._check_room(prefix, continuations)
        read = self._read(prefix, deadline)
        totals = np.zeros(len(continuations))
        for trie in self._tries(continuations, read, rows=True):
            token, parent = np.array([(n.token, n.parent) for n in trie.nodes], dtype=np.int64).reshape(-1, 2).T
            logprob = np.where(parent < 0, read.last_row[token], 0.0).astype(np.float64)
            for owners, rows in self._rows(read, trie, [node.goes_on for node in trie.nodes], deadline):
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
        read = self._read(prefix, deadline)
        found = np.tile(log_sums(read.last_row[None], options)[0], (len(suffixes), 1))
        for trie in self._tries(suffixes, read):
            of_node: dict[int, Row] = {}
            for owners, rows in self._rows(read, trie, [node.ends for node in trie.nodes], deadline):
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
        read = self._read(prefix, deadline)
        for trie in self._tries(suffixes, read, spare=room):
            with self._opened(len(trie.order)):
                self._write(read, trie, suffixes, writers, deadline, room)

    def _write(
        self,
        read: Prefix,
        trie: Trie,
        suffixes: Sequence[Tokens],
        writers: Sequence[Writer],
        deadline: Deadline,
        room: int,
    ) -> None:
        ends = [len(read.tokens) + len(suffixes[place]) for place in trie.order]
        limits = [end + room for end in ends]
        due = {
            number: list(writers[place].next(read.last_row))
            for number, (place, path) in enumerate(zip(trie.order, trie.path, strict=True))
            if not path
        }
        for owners, rows in self._rows(read, trie, [node.ends for node in trie.nodes], deadline, opened=True):
            row_of = dict(zip(owners, rows, strict=True))
            for number, (place, path) in enumerate(zip(trie.order, trie.path, strict=True)):
                if path and path[-1] in row_of:
                    due[number] = list(writers[place].next(row_of[path[-1]]))
        while due := self._alive(due):
            entries = []
            for number, tokens in due.items():
                if ends[number] + len(tokens) > limits[number]:
                    raise PromptError(f"a text went beyond its room of {room} tokens", "Raise max_tokens")
                sequence = FIRST + number
                entries += [Entry(t, ends[number] + i, sequence, sequence, False) for i, t in enumerate(tokens)]
                entries[-1] = entries[-1]._replace(wanted=True)
                ends[number] += len(tokens)
            told = iter(list(due))
            for _, rows in self._in_parts(entries, deadline):
                due.update({(n := next(told)): list(writers[trie.order[n]].next(row)) for row in rows})

    def _alive(self, due: dict[int, list[int]]) -> dict[int, list[int]]:
        """The texts that go on; the cells of the others are given back."""
        for number in [n for n, tokens in due.items() if not tokens]:
            self.context.free(FIRST + number)
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

    def _tries(self, texts: Sequence[Tokens], read: Prefix, *, spare: int = 0, rows: bool = False) -> Iterator[Trie]:
        """The texts in tries that fit in the cache and fill a batch; `rows` where most nodes' logits are wanted."""
        free = self.context.cells - len(read.tokens)
        batch = self.context.batch_rows if rows else self.context.batch_tokens - WIDTH
        return tries_of(texts, most_texts=WIDTH, most_nodes=free, spare=spare, batch=batch)

    def _read(self, prefix: Tokens, deadline: Deadline) -> Prefix:
        """The prefix as it stands in the cache, decoding only what no prefix used before begins with."""
        wanted = tuple(prefix)
        nearest = self.prefixes.nearest(wanted, self._current)
        shared = self._begin_as(nearest, wanted)
        if nearest and shared == len(wanted):
            self._current = nearest
            return nearest
        entries = [Entry(wanted[i], i, PREFIX, PREFIX, i == len(wanted) - 1) for i in range(shared, len(wanted))]
        last = [row - log_normalisers(rows)[0] for _, rows in self._in_parts(entries, deadline) for row in rows]
        self._current = Prefix(wanted, last[-1], self.context.save(PREFIX, self.prefixes.most_bytes))
        self.prefixes.add(self._current)
        return self._current

    def _begin_as(self, nearest: Prefix | None, wanted: tuple[int, ...]) -> int:
        """Let the cache hold what the nearest has in common with what is wanted; how many tokens that is.

        The last token of what is wanted is among them only where the two are equal, as its logits are needed.
        """
        current, self._current = self._current, None
        if nearest is None or nearest is not current:
            self.context.clear()
            if nearest is None or not self.context.restore(PREFIX, nearest.state):
                return 0
        if nearest.tokens == wanted:
            return len(wanted)
        shared = min(common_length(nearest.tokens, wanted), len(wanted) - 1)
        self.context.trim(PREFIX, shared)
        return shared

    @contextmanager
    def _opened(self, width: int) -> Iterator[None]:
        """Sequences that begin as copies of the prefix; whatever happens, none of them is left behind."""
        for number in range(width):
            self.context.copy(PREFIX, FIRST + number)
        try:
            yield
        finally:
            for number in range(width):
                self.context.free(FIRST + number)

    def _rows(
        self, read: Prefix, trie: Trie, wanted: Sequence[bool], deadline: Deadline, *, opened: bool = False
    ) -> Iterator[tuple[list[int], Row]]:
        """The wanted nodes, in order, and their rows of logits, a part of them at a time."""
        if not opened:
            with self._opened(len(trie.order)):
                yield from self._rows(read, trie, wanted, deadline, opened=True)
            return
        at = len(read.tokens)
        told = [n for n, node in enumerate(trie.nodes) if wanted[n] or node.goes_on]  # what says nothing is left out
        nodes = [(trie.nodes[n], wanted[n]) for n in told]
        entries = [Entry(n.token, at + n.depth, FIRST + n.first, FIRST + n.last, w) for n, w in nodes]
        for places, rows in self._in_parts(entries, deadline):
            yield [told[place] for place in places], rows

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
            self._current = None
            raise
