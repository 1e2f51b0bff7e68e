"""A GGUF file through llama.cpp, in this process.

One worker thread owns the contexts; calls from any thread queue for it.
"""

from __future__ import annotations

import ctypes
import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import llama_cpp

from agent.cores import available_cores
from agent.deadline import Deadline
from agent.errors import ModelTimeout, ModelUnavailable, PromptError
from agent.llm.base import GREEDY, Ability, Completion, OnText, Sampling, Score
from agent.llm.local.context import Context
from agent.llm.local.decoders import Decoders
from agent.llm.local.grammar import Grammar, gbnf_of
from agent.llm.local.loading import Loaded, listen, load
from agent.llm.local.memory import available_bytes, check_fits
from agent.llm.local.options import Options
from agent.llm.local.prefix import SEQUENCES
from agent.llm.local.vocabulary import Vocabulary
from agent.llm.local.writing import SEPARATOR, Arrangement, Text

T = TypeVar("T")

_CACHE_SIZE = re.compile(r"KV buffer size = +([\d.]+) MiB")
_GRACE_S = 0.2  # how long past its deadline a call may take to notice it


class Llama:
    """A local model: scores continuations, chooses, arranges, and goes on with texts. See `Model` for the promises.

    Raises ModelUnavailable when the file cannot be loaded, or is of a kind that cannot go on with a text.
    """

    abilities: frozenset[Ability] = frozenset({"score", "choose", "arrange", "continue"})

    def __init__(self, path: Path, *, name: str, sha256: str, options: Options = Options()) -> None:  # noqa: B008 - frozen
        self.name = name
        self.path = path
        self.fingerprint = sha256
        self.options = options
        self.threads = options.threads or available_cores()
        self._lock = threading.RLock()  # held where the model or its vocabulary is used outside the worker
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="llama", initializer=self._begin)
        self._worker_thread: int | None = None
        self._loaded: Loaded | None = load(path, options)
        self._vocabulary = Vocabulary(self._loaded.pointer)
        heard = listen()
        make = partial(self._new_context, self._loaded)
        try:
            self._decoders = Decoders(make, options, on_gpu=self._loaded.offloaded > 0)
        except ModelUnavailable:
            self._loaded.free()
            raise
        self._cache_mib = sum(float(m[1]) for line in heard for m in _CACHE_SIZE.finditer(line))
        self._cells = self._decoders.reading.context.cells

    def _new_context(self, loaded: Loaded, options: Options) -> Context:
        cells = min(options.context_tokens, max(1, llama_cpp.llama_model_n_ctx_train(loaded.pointer)))
        if not loaded.offloaded:
            check_fits(cells, *loaded.cache_shape(), options.cache_type, available=available_bytes())
        return Context(
            loaded.pointer,
            self._vocabulary.size,
            options,
            cells=cells,
            threads=self.threads,
            sequences=SEQUENCES,
            on_gpu=loaded.offloaded > 0,
        )

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Every spelling that this vocabulary treats as a control token, sorted."""
        return self._vocabulary.control_tokens

    @cached_property
    def facts(self) -> dict[str, str | int | float | bool | None]:
        """What `palate doctor` shows: architecture, size, context, threads, chat template, GPU offload as it was."""
        with self._reading() as loaded:
            description = ctypes.create_string_buffer(256)
            llama_cpp.llama_model_desc(loaded.pointer, description, len(description))
            return {
                "description": description.value.decode("utf-8", "replace"),
                "bytes": llama_cpp.llama_model_size(loaded.pointer),
                "context_trained": llama_cpp.llama_model_n_ctx_train(loaded.pointer),
                "context_used": self._cells,
                "cache_type": self.options.cache_type,
                "cache_mib": self._cache_mib,
                "ubatch_tokens": self._decoders.reading.context.batch_tokens,
                "vocabulary": self._vocabulary.size,
                "threads": self.threads,
                "chat_template": bool(llama_cpp.llama_model_chat_template(loaded.pointer, None)),
                "gpu_supported": bool(llama_cpp.llama_supports_gpu_offload()),
                "gpu_layers_asked": "all" if self.options.n_gpu_layers < 0 else self.options.n_gpu_layers,
                "gpu_layers_offloaded": f"{loaded.offloaded}/{loaded.layers}",
            }

    @property
    def tokens_decoded(self) -> int:
        """How many tokens this model has decoded so far."""
        return sum(context.tokens_decoded for context in self._decoders.contexts)

    @property
    def rows_read(self) -> int:
        """For how many tokens it has computed the logits of all its vocabulary."""
        return sum(context.rows_read for context in self._decoders.contexts)

    @property
    def cells_attended(self) -> int:
        """How many tokens each decoded token saw, itself included, summed over all decoded so far."""
        return sum(context.cells_attended for context in self._decoders.contexts)

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:
        """See `Model.score`."""
        if not continuations:
            return []
        head, texts = self._tokenised(prefix, continuations, deadline)
        return self._call(lambda: self._decoders.reading.score(head, texts, deadline), deadline)

    def choose(
        self, prefix: str, suffixes: Sequence[str], options: Sequence[Sequence[str]], deadline: Deadline
    ) -> list[tuple[float, ...]]:
        """See `Model.choose`."""
        if not suffixes:
            return []
        head, tails = self._tokenised(prefix, suffixes, deadline)
        with self._reading():
            tokens = self._vocabulary.options(options)
        return self._call(lambda: self._decoders.reading.choose(head, tails, tokens, deadline), deadline)

    def arrange(
        self, prefix: str, suffixes: Sequence[str], labels: Sequence[str], deadline: Deadline
    ) -> list[tuple[int, ...]]:
        """See `Model.arrange`. The model writes the labels as given, with a comma between them."""
        if not suffixes or not labels:
            return [()] * len(suffixes)
        head, tails = self._tokenised(prefix, suffixes, deadline)
        with self._reading():
            tokens = [option[0] for option in self._vocabulary.options([[label] for label in labels])]
            separator = self._vocabulary.tokenise(SEPARATOR)
        writers = [Arrangement(tokens, separator) for _ in suffixes]
        room = Arrangement.room(len(labels), separator)
        self._call(lambda: self._decoders.writing.write(head, tails, writers, deadline, room=room), deadline)
        return [tuple(writer.order) for writer in writers]

    def complete(
        self,
        prefix: str,
        suffixes: Sequence[str],
        deadline: Deadline,
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, object] | None = None,
        sampling: Sampling = GREEDY,
        on_text: OnText | None = None,
    ) -> list[Completion]:
        """See `Model.complete`. `on_text` is called in the worker thread: what it waits for, the model waits for."""
        if max_tokens < 1:
            raise PromptError(f"a text of at most {max_tokens} tokens was asked for", "Ask for at least 1")
        if not suffixes:
            return []
        head, tails = self._tokenised(prefix, suffixes, deadline)
        gbnf = gbnf_of(schema) if schema is not None else None
        with self._reading():
            writers = [
                Text(
                    self._vocabulary,
                    max_tokens=max_tokens,
                    stop=stop,
                    sampling=replace(sampling, seed=sampling.seed + n),
                    grammar=Grammar(self._vocabulary, gbnf) if gbnf is not None else None,
                    on_piece=partial(on_text, n) if on_text else None,
                )
                for n in range(len(tails))
            ]
        self._call(lambda: self._decoders.writing.write(head, tails, writers, deadline, room=max_tokens), deadline)
        sizes = [len(head) + len(tail) for tail in tails]
        return [Completion(w.text, w.finish_reason, size, w.tokens) for w, size in zip(writers, sizes, strict=True)]

    def tokenise(self, text: str, *, begin: bool = False) -> list[int]:
        """The tokens of a text; control-token spellings in it are read as plain text.

        `begin` puts the tokens first that the model expects at a beginning.
        """
        with self._reading():
            return self._vocabulary.tokenise(text, begin=begin)

    def piece(self, token: int) -> bytes | None:
        """The bytes a token stands for; None for a token that ends the text."""
        with self._reading():
            return self._vocabulary.piece(token)

    def close(self) -> None:
        """Free the model; a call under way in another thread ends with ModelUnavailable. Twice is harmless."""
        self._refuse_listener()
        with self._lock:
            loaded, self._loaded = self._loaded, None
        if loaded:
            self._decoders.stop()
            self._worker.submit(self._decoders.close).result()
            self._worker.shutdown()
            with self._lock:
                loaded.free()

    def _begin(self) -> None:
        self._worker_thread = threading.get_ident()

    def _tokenised(self, prefix: str, texts: Sequence[str], deadline: Deadline) -> tuple[list[int], list[list[int]]]:
        most, found = self._cells, []
        with self._reading():
            head = self._vocabulary.tokenise(prefix, begin=True, most=most)
            for text in texts:
                deadline.check("reading the texts")
                found.append(self._vocabulary.tokenise(text, most=most))
        return head, found

    @contextmanager
    def _reading(self) -> Iterator[Loaded]:
        """The model, which is not freed meanwhile. Raises ModelUnavailable when it is closed."""
        with self._lock:
            if self._loaded is None:
                raise ModelUnavailable(f"the model {self.name} is closed", "Open it again")
            yield self._loaded

    def _refuse_listener(self) -> None:
        """The worker cannot wait for itself."""
        if threading.get_ident() == self._worker_thread:
            raise ModelUnavailable(
                f"the model {self.name} is writing to this listener", "Call it when the text is done"
            )

    def _call(self, work: Callable[[], T], deadline: Deadline) -> T:
        self._refuse_listener()
        with self._reading():
            future = self._worker.submit(work)
        try:
            return future.result(None if math.isinf(deadline.remaining_s) else deadline.remaining_s + _GRACE_S)
        except FutureTimeout as error:
            future.cancel()
            raise ModelTimeout("out of time while waiting for the model", "Raise the time limit") from error
