"""llama.cpp through its Python bindings: as people use them (`Llama`), and bare, which is the limit of the machine."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import llama_cpp
import numpy as np

from agent.errors import ModelUnavailable
from eval.speed.figures import PREFILL_TOKENS, WRITTEN_TOKENS

CONTEXT_TOKENS = 4096
BATCH, UBATCH = 2048, 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """What was written, and how many tokens went in and came out."""

    text: str
    tokens_in: int
    tokens_out: int


class Bindings:
    """`llama_cpp.Llama`, as its documentation opens it. Raises ModelUnavailable for everything that it refuses."""

    def __init__(self, path: Path, *, threads: int, n_gpu_layers: int) -> None:
        self._llama = _tried(
            lambda: llama_cpp.Llama(
                str(path),
                n_ctx=CONTEXT_TOKENS,
                n_threads=threads,
                n_threads_batch=threads,
                n_gpu_layers=n_gpu_layers,
                logits_all=False,
                verbose=False,
            )
        )

    def close(self) -> None:
        """Free the model."""
        self._llama.close()

    @property
    def tokens_decoded(self) -> int:
        """How many tokens it has decoded so far, by llama.cpp's own count."""
        counts = llama_cpp.llama_perf_context(self._llama.ctx)
        return int(counts.n_p_eval) + int(counts.n_eval)

    def forget(self) -> None:
        """Let the next prompt be decoded in full: the one kept prompt counts no more."""
        self._llama.reset()

    def leaning(self, prompt: str, options: Sequence[Sequence[str]]) -> float:
        """How much likelier the first option is next than the second, in nats, over their spellings of one token.

        What the prompt shares with the one before it is not decoded again: that is what the bindings do.
        """
        tokens = self._llama.tokenize(prompt.encode(), add_bos=True, special=False)
        if len(tokens) >= CONTEXT_TOKENS:
            raise ModelUnavailable(f"a prompt of {len(tokens)} tokens exceeds the context of {CONTEXT_TOKENS}")
        writing = self._llama.generate(tokens, temp=0.0)
        _tried(lambda: next(writing))
        writing.close()
        row = np.ctypeslib.as_array(
            llama_cpp.llama_get_logits_ith(self._llama.ctx, -1), shape=(self._llama.n_vocab(),)
        ).astype(np.float64)
        yes, no = (float(np.logaddexp.reduce(row[self._single(spellings)])) for spellings in options[:2])
        return yes - no

    def _single(self, spellings: Sequence[str]) -> list[int]:
        found = (self._llama.tokenize(text.encode(), add_bos=False, special=False) for text in spellings)
        return sorted({tokens[0] for tokens in found if len(tokens) == 1})

    def chat_json(self, system: str, user: str, schema: dict[str, object], max_tokens: int) -> Reply:
        """The reply of a chat completion that is held to a JSON schema, at temperature 0."""
        answer = _tried(
            lambda: self._llama.create_chat_completion(
                messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
                response_format={"type": "json_object", "schema": schema},
                temperature=0.0,
                max_tokens=max_tokens,
            )
        )
        usage = answer["usage"]
        text = answer["choices"][0]["message"]["content"] or ""
        return Reply(text, int(usage["prompt_tokens"]), int(usage["completion_tokens"]))


class Limit:
    """The loop of llama-bench over the low-level API: random tokens, one sequence, an empty cache, one row of logits.

    Neither tokenising nor Python per token, so nothing that reads prompts with this library is faster.
    """

    def __init__(self, path: Path, *, threads: int, n_gpu_layers: int) -> None:
        chosen = llama_cpp.llama_model_default_params()
        chosen.n_gpu_layers = n_gpu_layers if n_gpu_layers >= 0 else 2**31 - 1
        self._model = llama_cpp.llama_model_load_from_file(os.fsencode(path), chosen)
        if not self._model:
            raise ModelUnavailable(f"llama.cpp cannot load {path}")
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = PREFILL_TOKENS, BATCH, UBATCH
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.swa_full = False
        self._context = llama_cpp.llama_init_from_model(self._model, parameters)
        if not self._context:
            llama_cpp.llama_model_free(self._model)
            raise ModelUnavailable(f"llama.cpp could not make a context for {path}")
        size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        drawn = np.random.default_rng(1).integers(0, size, PREFILL_TOKENS)
        self._tokens = (llama_cpp.llama_token * PREFILL_TOKENS)(*(int(token) for token in drawn))

    def close(self) -> None:
        """Free context and model."""
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def clear(self) -> None:
        """Empty the cache."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)

    def read(self) -> None:
        """Decode 512 tokens at once."""
        self._decode(self._tokens, PREFILL_TOKENS)

    def write(self) -> None:
        """Decode 128 tokens, one after the other."""
        for n in range(WRITTEN_TOKENS):
            self._decode((llama_cpp.llama_token * 1)(self._tokens[n]), 1)

    def _decode(self, tokens: ctypes.Array[ctypes.c_int32], count: int) -> None:
        status = llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(tokens, count))
        llama_cpp.llama_synchronize(self._context)
        if status:
            raise ModelUnavailable(f"llama.cpp refused a batch (status {status})")


def _tried(work: Callable[[], T]) -> T:
    try:
        return work()
    except (ValueError, RuntimeError, OSError, KeyError) as error:
        raise ModelUnavailable(f"llama-cpp-python: {error}") from error
