"""Scores of one text at a time in a plain context of llama.cpp, to hold the engine's own against."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from agent.cores import available_cores
from agent.llm.local.loading import listen

CONTEXT = 2048


class OneByOne:
    """A model in a context of one sequence, which is emptied before every text. Made by `one_by_one`."""

    def __init__(self, path: Path, *, flash_attention: bool) -> None:
        listen()
        self._model = llama_cpp.llama_model_load_from_file(os.fsencode(path), llama_cpp.llama_model_default_params())
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = CONTEXT
        parameters.swa_full = False  # a sliding window that forgets, as it slides
        parameters.flash_attn_type = -1 if flash_attention else 0
        parameters.n_threads = parameters.n_threads_batch = available_cores()
        self._context = llama_cpp.llama_init_from_model(self._model, parameters)
        self._size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))

    def close(self) -> None:
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def logprobs(self, prefix: Sequence[int], text: Sequence[int]) -> NDArray[np.float64]:
        """The log-probability of each token of the text after the prefix, shape (len(text),)."""
        rows = self.rows([*prefix, *text], len(text) + 1)[:-1]
        return rows[np.arange(len(text)), list(text)]

    def rows(self, tokens: Sequence[int], n: int) -> NDArray[np.float64]:
        """The log-probabilities of all that may come after each of the last n tokens, shape (n, vocabulary)."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place] = token, place
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
            batch.logits[place] = place >= len(tokens) - n
        status = llama_cpp.llama_decode(self._context, batch)
        llama_cpp.llama_batch_free(batch)
        if status != 0:
            raise RuntimeError(f"llama.cpp refused {len(tokens)} tokens: {status}")
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(self._context), shape=(n, self._size))
        exact = logits.astype(np.float64)
        return exact - np.logaddexp.reduce(exact, axis=1, keepdims=True)


@contextmanager
def one_by_one(path: Path, *, flash_attention: bool = True) -> Iterator[OneByOne]:
    """The model of a file, freed at the end."""
    model = OneByOne(path, flash_attention=flash_attention)
    try:
        yield model
    finally:
        model.close()
