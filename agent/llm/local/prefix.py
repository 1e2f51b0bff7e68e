"""Decoding many continuations of one shared prefix, in one llama.cpp context.

The prefix is decoded once and stays in the KV cache as a sequence of its own; each continuation is a further sequence
that begins as a free copy of it (`seq_cp` on a unified cache copies no cells). Continuations are decoded in chunks,
many in one batch, and their cells are given back at once. A later prefix that begins like a kept one decodes only what
differs. Every limit whose breach would abort the process inside llama.cpp is checked here first.

Sequence numbers: 0 .. KEPT-1 hold kept prefixes, KEPT .. KEPT+WIDTH-1 the continuations of the chunk in flight.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import llama_cpp
import numpy as np

from agent.deadline import Deadline
from agent.errors import ModelUnavailable, PromptError
from agent.llm.base import Score
from agent.llm.local.logits import Row, common_length, log_normalisers

KEPT = 6  # prefixes kept in the cache
WIDTH = 24  # continuations decoded together: more makes attention span cells of no use
MAX_BATCH_TOKENS = 1024
OUTPUT_BYTES = 64 << 20  # memory for the rows of logits that one batch may ask for

Tokens = Sequence[int]
Entry = tuple[int, int, int, bool]  # token, position, sequence, whether its logits are wanted
OnToken = Callable[[int, int], bool]  # (index of the text, token) -> go on?


@dataclass(slots=True)
class _Kept:
    """A prefix in the cache: its sequence, its tokens, the log-probabilities after its last token, when last used."""

    sequence: int
    tokens: list[int]
    last_row: Row
    used: int


class PrefixDecoder:
    """One llama.cpp context over a loaded model. Not thread-safe: one thread owns it.

    `cells` bounds what all kept prefixes and the chunk in flight hold together, in tokens.
    """

    def __init__(self, model: ctypes.c_void_p, vocabulary: int, *, cells: int, threads: int) -> None:
        self.cells = cells
        self.tokens_decoded = 0
        self._vocabulary = vocabulary
        self._max_rows = int(np.clip(OUTPUT_BYTES // (4 * vocabulary), WIDTH + KEPT, 512))
        self._batch_tokens = min(MAX_BATCH_TOKENS, cells)
        self._kept: list[_Kept] = []
        self._clock = 0
        self._deadline = Deadline.never()
        self._stop_decoding = llama_cpp.ggml_abort_callback(lambda _: self._deadline.expired)
        self._context = llama_cpp.llama_init_from_model(model, self._parameters(threads))
        memory = llama_cpp.llama_get_memory(self._context) if self._context else None
        if not memory:
            raise ModelUnavailable(
                f"llama.cpp could not make a context of {cells} tokens for this model",
                "Lower model.context_tokens, free memory, or choose a generative model",
            )
        self._memory = memory
        self._batch = _Batch(self._batch_tokens)

    def _parameters(self, threads: int) -> llama_cpp.llama_context_params:
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = self.cells
        parameters.n_batch = self._batch_tokens
        parameters.n_ubatch = min(512, self._batch_tokens)
        parameters.n_seq_max = KEPT + WIDTH
        parameters.n_outputs_max = self._max_rows
        parameters.kv_unified = True
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.abort_callback = self._stop_decoding
        return parameters

    def close(self) -> None:
        """Free the context. Calling it twice is harmless."""
        if self._context:
            llama_cpp.llama_free(self._context)
            self._context = None
            self._kept.clear()

    def score(self, prefix: Tokens, continuations: Sequence[Tokens], deadline: Deadline) -> list[Score]:
        """The summed log-probability (nats) of each continuation after the prefix, in order; empty ones give 0.

        Equal to decoding each `prefix + continuation` alone, up to rounding in the last bits of the batch's shape.
        Raises PromptError when prefix and longest continuation exceed the context, ModelTimeout at the deadline.
        """
        self._check_room(prefix, max((len(c) for c in continuations), default=0))
        kept = self._keep(prefix, deadline)
        first = np.array([kept.last_row[c[0]] if c else 0.0 for c in continuations], dtype=np.float64)
        for chunk in self._chunks(continuations, kept):
            with self._opened(kept, len(chunk)):
                entries = [
                    (token, len(prefix) + i, KEPT + slot, i < len(continuations[n]) - 1)
                    for slot, n in enumerate(chunk)
                    for i, token in enumerate(continuations[n])
                ]
                following = [(n, t) for n in chunk for t in continuations[n][1:]]
                for rows in self._in_parts(entries, deadline):
                    owner, token = np.array(following[: len(rows)], dtype=np.int64).reshape(-1, 2).T
                    np.add.at(first, owner, rows[np.arange(len(rows)), token] - log_normalisers(rows))
                    del following[: len(rows)]
        return [Score(float(s), len(c)) for s, c in zip(first, continuations, strict=True)]

    def extend(
        self, prefix: Tokens, suffixes: Sequence[Tokens], deadline: Deadline, *, max_tokens: int, on_token: OnToken
    ) -> None:
        """Go on greedily from every `prefix + suffix`, all together, for at most `max_tokens` tokens each.

        Each new token is told to `on_token(index, token)`, which answers whether to go on with that text. More
        suffixes than fit in the cache at once are taken in turn. Raises as `score` does.
        """
        self._check_room(prefix, max((len(s) for s in suffixes), default=0) + max_tokens)
        kept = self._keep(prefix, deadline)
        for chunk in self._chunks(suffixes, kept, spare=max_tokens):
            with self._opened(kept, len(chunk)):
                self._extend_chunk(kept, chunk, suffixes, deadline, max_tokens, on_token)

    def _extend_chunk(
        self,
        kept: _Kept,
        chunk: list[int],
        suffixes: Sequence[Tokens],
        deadline: Deadline,
        most: int,
        on_token: OnToken,
    ) -> None:
        entries = [
            (token, len(kept.tokens) + i, KEPT + slot, i == len(suffixes[n]) - 1)
            for slot, n in enumerate(chunk)
            for i, token in enumerate(suffixes[n])
        ]
        told = iter([int(np.argmax(row)) for rows in self._in_parts(entries, deadline) for row in rows])
        best = [next(told) if suffixes[n] else int(np.argmax(kept.last_row)) for n in chunk]
        position = [len(kept.tokens) + len(suffixes[n]) for n in chunk]
        alive = [slot for slot, n in enumerate(chunk) if on_token(n, best[slot])]
        for _ in range(most - 1):
            if not alive:
                return
            rows = self._decode([(best[s], position[s], KEPT + s, True) for s in alive], deadline)
            for slot, row in zip(alive, rows, strict=True):
                best[slot] = int(np.argmax(row))
                position[slot] += 1
            alive = [slot for slot in alive if on_token(chunk[slot], best[slot])]

    def _check_room(self, prefix: Tokens, longest: int) -> None:
        if not self._context:
            raise ModelUnavailable("the model is closed", "Open it again")
        if not prefix:
            raise PromptError("the prompt's prefix is empty", "A prompt begins with at least one token")
        if len(prefix) + longest > self.cells:
            raise PromptError(
                f"the prompt takes {len(prefix)} + {longest} tokens, and the context holds {self.cells}",
                "Shorten the history or the item text, or raise model.context_tokens",
            )

    def _chunks(self, texts: Sequence[Tokens], kept: _Kept, spare: int = 0) -> Iterator[list[int]]:
        """Indices of texts whose cells fit together, at most WIDTH of them."""
        self._evict(max(self.cells // 4, spare + max((len(t) for t in texts), default=0)), kept)
        free = self.cells - self._cells_in_use()
        chunk: list[int] = []
        cells = 0
        for n, text in enumerate(texts):
            size = len(text) + spare
            if chunk and (len(chunk) == WIDTH or cells + size > free):
                yield chunk
                chunk, cells = [], 0
            chunk.append(n)
            cells += size
        if chunk:
            yield chunk

    def _keep(self, prefix: Tokens, deadline: Deadline) -> _Kept:
        """The prefix as a kept sequence, decoding only what no kept prefix already holds."""
        self._clock += 1
        nearest = max(self._kept, key=lambda k: common_length(k.tokens, prefix), default=None)
        shared = common_length(nearest.tokens, prefix) if nearest else 0
        if nearest and shared == len(prefix) == len(nearest.tokens):
            nearest.used = self._clock
            return nearest
        shared = min(shared, len(prefix) - 1)
        if not self._evict(len(prefix) - shared, nearest):
            nearest, shared = None, 0
            self._evict(len(prefix), None)
        free = min(set(range(KEPT)) - {k.sequence for k in self._kept})
        if nearest and shared:
            llama_cpp.llama_memory_seq_cp(self._memory, nearest.sequence, free, 0, shared)
        logits = np.empty(0, dtype=np.float32)
        for start in range(shared, len(prefix), self._batch_tokens):
            end = min(start + self._batch_tokens, len(prefix))
            entries = [(prefix[i], i, free, i == len(prefix) - 1) for i in range(start, end)]
            logits = self._decode(entries, deadline)
        kept = _Kept(free, list(prefix), logits[0] - log_normalisers(logits)[0], self._clock)
        self._kept.append(kept)
        return kept

    def _evict(self, needed: int, spared: _Kept | None) -> bool:
        """Drop the least recently used prefixes until a sequence number and `needed` cells are free; if they are."""
        while self._kept and (len(self._kept) == KEPT or self._cells_in_use() + needed > self.cells):
            oldest = min((k for k in self._kept if k is not spared), key=lambda k: k.used, default=None)
            if oldest is None:
                return False
            llama_cpp.llama_memory_seq_rm(self._memory, oldest.sequence, -1, -1)
            self._kept.remove(oldest)
        return True

    def _cells_in_use(self) -> int:
        return sum(len(k.tokens) for k in self._kept)  # an upper bound: what prefixes share is counted twice

    @contextmanager
    def _opened(self, kept: _Kept, width: int) -> Iterator[None]:
        """Sequences that begin as copies of the prefix; whatever happens, none of them is left behind."""
        for slot in range(width):
            llama_cpp.llama_memory_seq_cp(self._memory, kept.sequence, KEPT + slot, -1, -1)
        try:
            yield
        finally:
            for slot in range(width if self._context else 0):
                llama_cpp.llama_memory_seq_rm(self._memory, KEPT + slot, -1, -1)

    def _in_parts(self, entries: Sequence[Entry], deadline: Deadline) -> Iterator[Row]:
        """The wanted rows, in as many batches as the limits of tokens and rows ask for."""
        size = min(self._batch_tokens, self._max_rows)
        for start in range(0, len(entries), size):
            yield self._decode(entries[start : start + size], deadline)

    def _decode(self, entries: Sequence[Entry], deadline: Deadline) -> Row:
        """Decode (token, position, sequence, wanted) entries; the wanted ones' logits, shape (wanted, vocabulary).

        The rows are a view that the next decode overwrites.
        """
        if not entries:
            return np.empty((0, self._vocabulary), dtype=np.float32)
        wanted = self._batch.fill(entries)
        if wanted > self._max_rows:
            raise PromptError(
                f"{wanted} rows of logits were asked for, and a batch gives {self._max_rows}", "Ask for fewer"
            )
        self._deadline = deadline
        status = llama_cpp.llama_decode(self._context, self._batch.struct)
        if status != 0:
            self._forget_all()
            if deadline.expired:
                deadline.check("the model was reading the prompt")
            raise ModelUnavailable(f"llama.cpp refused a batch (status {status})", "Lower model.context_tokens")
        self.tokens_decoded += len(entries)
        if not wanted:
            return np.empty((0, self._vocabulary), dtype=np.float32)
        logits = llama_cpp.llama_get_logits(self._context)
        return np.ctypeslib.as_array(logits, shape=(wanted, self._vocabulary))

    def _forget_all(self) -> None:
        llama_cpp.llama_memory_clear(self._memory, False)
        self._kept.clear()


class _Batch:
    """A llama batch whose arrays are NumPy's, so that filling it is a few vector stores. `size` is in tokens."""

    def __init__(self, size: int) -> None:
        self._token, self._position, self._sequence, self._count = np.ones((4, size), dtype=np.int32)
        self._wanted = np.zeros(size, dtype=np.int8)
        self._pointers = self._sequence.ctypes.data + 4 * np.arange(size, dtype=np.uint64)
        int32s = ctypes.POINTER(ctypes.c_int32)
        self.struct = llama_cpp.llama_batch(
            token=self._token.ctypes.data_as(int32s),
            pos=self._position.ctypes.data_as(int32s),
            n_seq_id=self._count.ctypes.data_as(int32s),
            seq_id=self._pointers.ctypes.data_as(ctypes.POINTER(int32s)),
            logits=self._wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def fill(self, entries: Sequence[Entry]) -> int:
        """Write the entries; how many of them want their logits."""
        n = self.struct.n_tokens = len(entries)
        self._token[:n], self._position[:n], self._sequence[:n], self._wanted[:n] = np.array(entries, dtype=np.int32).T
        return int(self._wanted[:n].sum())
