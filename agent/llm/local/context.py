"""One llama.cpp context: sequences in a key-value cache, and batches of tokens decoded into rows of logits.

Every limit whose breach would abort the process inside llama.cpp is checked here first.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from agent.deadline import Deadline
from agent.errors import ModelUnavailable, PromptError
from agent.llm.local.logits import Row
from agent.llm.local.options import Options

UBATCH_CPU, UBATCH_GPU = 512, 2048
OUTPUT_BYTES = 56 << 20  # memory for the rows of logits that one batch may ask for; llama.cpp holds them twice
TILE = 64  # tokens from which flash attention on a processor takes them by the block, four times as quickly
WORTH_FILLING = 20  # a batch of so many tokens takes longer than one filled up to a block

_FLASH_ATTENTION = {"auto": -1, "off": 0, "on": 1}
_CACHE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "bf16": 30}  # ggml's numbers


class Entry(NamedTuple):
    """A token to decode at `position` of the sequences `first` to `last`, inclusive; `wanted` asks for its logits."""

    token: int
    position: int
    first: int
    last: int
    wanted: bool


class Context:
    """A context over a loaded model, with sequences 0 to `sequences` - 1. Not thread-safe: one thread owns it.

    `cells`: tokens that all sequences may hold together; what they share counts once. `batch_tokens`, `batch_rows`:
    the most tokens, and rows of logits, of one `decode`. Counted since the beginning: `tokens_decoded`, `rows_read`,
    and `cells_attended` (the sum over decoded tokens of the tokens that each one sees, itself included). Tokens that
    fill a batch up, where that is quicker, do not count.
    Raises ModelUnavailable where llama.cpp cannot make it.
    """

    def __init__(
        self,
        model: ctypes.c_void_p,
        vocabulary: int,
        options: Options,
        *,
        cells: int,
        threads: int,
        sequences: int,
        on_gpu: bool,
    ) -> None:
        self.cells = cells
        self.sequences = sequences
        ubatch = options.ubatch_tokens or (UBATCH_GPU if on_gpu else UBATCH_CPU)
        self.batch_tokens = max(min(ubatch, cells), sequences)
        rows = max(OUTPUT_BYTES // (4 * vocabulary), sequences, TILE)
        self.batch_rows = min(rows, self.batch_tokens)
        self.tokens_decoded = self.rows_read = self.cells_attended = 0
        self._vocabulary = vocabulary
        self._deadline = Deadline.never()
        self._stopped = False
        self._is_late = llama_cpp.ggml_abort_callback(lambda _: self._stopped or self._deadline.expired)
        self._context = llama_cpp.llama_init_from_model(model, self._parameters(options, threads))
        memory = llama_cpp.llama_get_memory(self._context) if self._context else None
        if not memory:
            self.close()
            raise ModelUnavailable(
                f"llama.cpp could not make a context of {cells} tokens, type {options.cache_type}, for this model",
                "Lower model.context_tokens, free memory, or leave model.cache_type at f16",
            )
        self._memory = memory
        self._batch = _Batch(max(self.batch_tokens, TILE), sequences + 1)
        self._fills = options.flash_attention != "off" and not on_gpu

    def _parameters(self, options: Options, threads: int) -> llama_cpp.llama_context_params:
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = max(self.cells, self.sequences) + TILE
        parameters.n_batch = parameters.n_ubatch = max(self.batch_tokens, TILE)
        parameters.n_seq_max = self.sequences + 1  # the last one is that of the filling
        parameters.n_outputs_max = max(self.batch_rows, parameters.n_seq_max)
        parameters.kv_unified = True
        parameters.swa_full = True  # a sliding window keeps what a kept prefix may need again
        parameters.flash_attn_type = _FLASH_ATTENTION[options.flash_attention]
        parameters.type_k = parameters.type_v = _CACHE_TYPES[options.cache_type]
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.abort_callback = self._is_late
        return parameters

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed."""
        return bool(self._context)

    def close(self) -> None:
        """Free the context. Calling it twice is harmless."""
        if self._context:
            llama_cpp.llama_free(self._context)
            self._context = None

    def stop(self) -> None:
        """Cut the decode under way short, from any thread, and refuse every later one as if it was closed."""
        self._stopped = True

    def copy(self, source: int, target: int) -> None:
        """Let an empty `target` begin as all of `source`; no cell is copied."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def trim(self, sequence: int, length: int) -> None:
        """Leave the first `length` tokens of a sequence, and give back the other cells."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, length, -1)

    def save(self, sequence: int, most: int) -> bytes:
        """The cells of a sequence, to be kept outside the context; empty where it takes more than `most` bytes."""
        size = int(llama_cpp.llama_state_seq_get_size(self._context, sequence))
        if size > most:
            return b""
        state = (ctypes.c_uint8 * size)()
        written = int(llama_cpp.llama_state_seq_get_data(self._context, state, size, sequence))
        return memoryview(state)[:written].tobytes()

    def restore(self, sequence: int, state: bytes) -> bool:
        """Fill a sequence with cells that `save` gave; whether it could be done, and if not the sequence is empty."""
        source = ctypes.cast(ctypes.c_char_p(state), ctypes.POINTER(ctypes.c_uint8))
        done = llama_cpp.llama_state_seq_set_data(self._context, source, len(state), sequence)
        if not done:
            self.free(sequence)
        return bool(done)

    def free(self, sequence: int) -> None:
        """Empty a sequence, and give back the cells that no other one holds."""
        if self._context:
            llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def clear(self) -> None:
        """Empty every sequence."""
        llama_cpp.llama_memory_clear(self._memory, False)

    def decode(self, entries: Sequence[Entry], deadline: Deadline) -> Row:
        """The logits of the wanted entries, in their order, shape (wanted, vocabulary): a view until the next decode.

        Within every sequence positions go on where it ends. Raises ModelTimeout when cut at the deadline and
        ModelUnavailable when llama.cpp refuses the batch: both leave sequences in an unknown state, so `clear` them.
        """
        if len(entries) > self.batch_tokens:
            raise PromptError(f"{len(entries)} tokens in a batch of {self.batch_tokens}", "Decode fewer at a time")
        filling = TILE - len(entries) if self._fills and WORTH_FILLING <= len(entries) < TILE else 0
        wanted = self._batch.fill(entries, filling) if entries else 0
        if wanted > self.batch_rows:
            raise PromptError(
                f"{wanted} rows of logits were asked for, and a batch gives {self.batch_rows}", "Ask for fewer"
            )
        if not entries:
            return np.empty((0, self._vocabulary), dtype=np.float32)
        self._run(deadline)
        if filling:
            self.free(self.sequences)
        self.tokens_decoded += len(entries)
        self.rows_read += wanted
        self.cells_attended += sum(entry.position for entry in entries) + len(entries)
        if not wanted:
            return np.empty((0, self._vocabulary), dtype=np.float32)
        logits = llama_cpp.llama_get_logits(self._context)
        rows = np.ctypeslib.as_array(logits, shape=(wanted, self._vocabulary))
        if np.isnan(rows[:, 0]).any():  # where one logit of a row is no number, none is
            raise ModelUnavailable(
                "the model computes no numbers: its file is damaged, or its values are too large for 16 bits",
                "Fetch the file again; or set model.cache_type = f32 and model.flash_attention = off",
            )
        return rows

    def _run(self, deadline: Deadline) -> None:
        self._check(deadline)
        self._deadline = deadline
        status = llama_cpp.llama_decode(self._context, self._batch.struct)
        if status != 0:
            self._check(deadline)
            raise ModelUnavailable(f"llama.cpp refused a batch (status {status})", "Lower model.context_tokens")

    def _check(self, deadline: Deadline) -> None:
        if self._stopped or not self._context:
            raise ModelUnavailable("the model is closed", "Open it again")
        deadline.check("the model was reading the prompt")


class _Batch:
    """A llama batch whose arrays are NumPy's, so that filling it is a few vector stores. `size` is in tokens.

    The sequences of a token are a range of numbers, so its list of them is a place in one array that counts up.
    """

    def __init__(self, size: int, sequences: int) -> None:
        self._token, self._position, self._count = np.zeros((3, size), dtype=np.int32)
        self._wanted = np.zeros(size, dtype=np.int8)
        self._counting = np.arange(sequences, dtype=np.int32)
        self._lists: NDArray[np.uint64] = np.zeros(size, dtype=np.uint64)
        int32s = ctypes.POINTER(ctypes.c_int32)
        self.struct = llama_cpp.llama_batch(
            token=self._token.ctypes.data_as(int32s),
            pos=self._position.ctypes.data_as(int32s),
            n_seq_id=self._count.ctypes.data_as(int32s),
            seq_id=self._lists.ctypes.data_as(ctypes.POINTER(int32s)),
            logits=self._wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def fill(self, entries: Sequence[Entry], filling: int) -> int:
        """Write the entries, and tokens of no account in the last sequence; how many want their logits."""
        n, end = len(entries), len(entries) + filling
        self.struct.n_tokens = end
        self._token[:n], self._position[:n], first, last, self._wanted[:n] = np.array(entries, dtype=np.int64).T
        self._count[:n] = last - first + 1
        self._lists[:n] = np.uint64(self._counting.ctypes.data) + 4 * first.astype(np.uint64)
        self._token[n:end], self._position[n:end] = self._token[0], np.arange(filling)
        self._count[n:end], self._wanted[n:end] = 1, 0
        self._lists[n:end] = self._counting.ctypes.data + 4 * (len(self._counting) - 1)
        return int(self._wanted[:n].sum())
