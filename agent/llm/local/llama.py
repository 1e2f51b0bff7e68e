"""A GGUF file through llama.cpp, in this process. With `prefix.py` the only importer of llama_cpp.

One worker thread owns the context; calls from any thread queue for it.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import re
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar, cast

import llama_cpp

from agent.cores import available_cores
from agent.deadline import Deadline
from agent.errors import ModelTimeout, ModelUnavailable, PromptError
from agent.llm.base import Ability, Completion, Score
from agent.llm.local.prefix import PrefixDecoder

log = logging.getLogger(__name__)
T = TypeVar("T")

_CONTROL = 1 << 3  # LLAMA_TOKEN_ATTR_CONTROL
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers")
_GRACE_S = 0.2  # how long past its deadline a call may take to notice it


class Llama:
    """A local model: scores continuations and continues texts. See `Model` for the promises.

    `n_gpu_layers` is how many layers to put on a GPU, -1 for all; without a GPU in the build none are, and asking for
    some by number is warned about. `threads` defaults to the cores this process may use.
    Raises ModelUnavailable when the file cannot be loaded, or is of a kind that cannot score continuations.
    """

    abilities: frozenset[Ability] = frozenset({"score", "continue"})

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        sha256: str,
        n_gpu_layers: int = -1,
        context_tokens: int = 4096,
        threads: int | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.fingerprint = sha256
        self.threads = threads or available_cores()
        self.layers_asked = n_gpu_layers
        self._lock = threading.RLock()  # held where the model or its vocabulary is used outside the worker
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="llama")
        heard = _listen()
        self._model: ctypes.c_void_p | None = self._load(n_gpu_layers, heard)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._n_vocab = llama_cpp.llama_vocab_n_tokens(self._vocab)
        cells = min(context_tokens, llama_cpp.llama_model_n_ctx_train(self._model))
        self._offloaded = next((f"{m[1]}/{m[2]}" for text in heard if (m := _OFFLOADED.search(text))), "")
        try:
            self._decoder = PrefixDecoder(self._model, self._n_vocab, cells=cells, threads=self.threads)
        except ModelUnavailable:
            llama_cpp.llama_model_free(self._model)
            raise

    def _load(self, n_gpu_layers: int, heard: Sequence[str]) -> ctypes.c_void_p:
        parameters = llama_cpp.llama_model_default_params()
        offload = llama_cpp.llama_supports_gpu_offload()
        parameters.n_gpu_layers = (2**31 - 1 if n_gpu_layers < 0 else n_gpu_layers) if offload else 0
        if n_gpu_layers > 0 and not offload:
            log.warning("%d GPU layers were asked for, but this build of llama.cpp has no GPU", n_gpu_layers)
        model = llama_cpp.llama_model_load_from_file(os.fsencode(self.path), parameters)
        if not model:
            reason = next((line for line in reversed(heard) if "error" in line or "failed" in line), "no reason given")
            raise ModelUnavailable(
                f"llama.cpp cannot load {self.path}: {reason.strip()}", "Check the file with: palate models info"
            )
        if llama_cpp.llama_model_is_recurrent(model) or llama_cpp.llama_model_is_hybrid(model):
            llama_cpp.llama_model_free(model)
            raise ModelUnavailable(f"{self.path} is a recurrent model", "Choose a model with plain attention")
        no_words = llama_cpp.llama_vocab_type(llama_cpp.llama_model_get_vocab(model)) == llama_cpp.LLAMA_VOCAB_TYPE_NONE
        if no_words or llama_cpp.llama_model_has_encoder(model) or not llama_cpp.llama_model_has_decoder(model):
            llama_cpp.llama_model_free(model)
            raise ModelUnavailable(f"{self.path} cannot go on with a text", "Choose a generative model")
        return cast(ctypes.c_void_p, model)

    @cached_property
    def control_tokens(self) -> tuple[str, ...]:
        """Every spelling that this vocabulary treats as a control token, sorted."""
        vocab = self._vocab
        control = (t for t in range(self._n_vocab) if llama_cpp.llama_vocab_get_attr(vocab, t) & _CONTROL)
        texts = (llama_cpp.llama_vocab_get_text(vocab, t).decode("utf-8", "replace") for t in control)
        return tuple(sorted({text for text in texts if text}))

    @cached_property
    def facts(self) -> dict[str, str | int | bool | None]:
        """What `palate doctor` shows: architecture, size, context, threads, chat template, GPU offload as it was."""
        layers = llama_cpp.llama_model_n_layer(self._model) + 1
        template = llama_cpp.llama_model_chat_template(self._model, None)
        description = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_desc(self._model, description, len(description))
        return {
            "description": description.value.decode("utf-8", "replace"),
            "bytes": llama_cpp.llama_model_size(self._model),
            "context_trained": llama_cpp.llama_model_n_ctx_train(self._model),
            "context_used": self._decoder.cells,
            "vocabulary": self._n_vocab,
            "threads": self.threads,
            "chat_template": bool(template),
            "gpu_supported": bool(llama_cpp.llama_supports_gpu_offload()),
            "gpu_layers_asked": "all" if self.layers_asked < 0 else self.layers_asked,
            "gpu_layers_offloaded": self._offloaded or f"0/{layers}",
        }

    @property
    def tokens_decoded(self) -> int:
        """How many tokens this model has decoded so far."""
        return self._decoder.tokens_decoded

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:
        """See `Model.score`."""
        texts = [self.tokenise(text) for text in continuations]
        head = self.tokenise(prefix, begin=True)
        return self._call(lambda: self._decoder.score(head, texts, deadline), deadline) if texts else []

    def complete(
        self,
        prefix: str,
        suffixes: Sequence[str],
        deadline: Deadline,
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, object] | None = None,
    ) -> list[Completion]:
        """See `Model.complete`. A schema cannot be enforced here. Raises PromptError where one is given."""
        if schema is not None:
            raise PromptError("a local model cannot be held to a JSON schema", "Use rerank.strategy = 'likelihood'")
        head = self.tokenise(prefix, begin=True)
        tails = [self.tokenise(suffix) for suffix in suffixes]
        texts = [_Growing(self, stop) for _ in suffixes]
        self._call(
            lambda: self._decoder.extend(
                head, tails, deadline, max_tokens=max_tokens, on_token=lambda n, token: texts[n].take(token)
            ),
            deadline,
        )
        sizes = [len(head) + len(tail) for tail in tails]
        return [Completion(t.text, t.finish_reason, size, t.tokens) for t, size in zip(texts, sizes, strict=True)]

    def tokenise(self, text: str, *, begin: bool = False) -> list[int]:
        """The tokens of a text; control-token spellings in it are read as plain text.

        `begin` puts the tokens first that the model expects at a beginning.
        """
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        tokens = (llama_cpp.llama_token * room)()
        with self._lock:
            self._check_open()
            n = llama_cpp.llama_tokenize(self._vocab, raw, len(raw), tokens, room, begin, False)
        if n < 0:
            raise PromptError(f"a text of {len(raw):,} bytes could not be tokenised", "Shorten it")
        return [int(token) for token in tokens[:n]]

    def piece(self, token: int) -> bytes | None:
        """The bytes a token stands for; None for a token that ends the text."""
        if llama_cpp.llama_vocab_is_eog(self._vocab, token):
            return None
        buffer = ctypes.create_string_buffer(512)
        n = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(n, 0)]

    def close(self) -> None:
        """Free the model. Calling it twice is harmless."""
        with self._lock:
            model, self._model = self._model, None
        if model:
            self._worker.submit(self._decoder.close).result()
            self._worker.shutdown()
            with self._lock:
                llama_cpp.llama_model_free(model)

    def _call(self, work: Callable[[], T], deadline: Deadline) -> T:
        with self._lock:
            self._check_open()
            future = self._worker.submit(work)
        try:
            return future.result(None if math.isinf(deadline.remaining_s) else deadline.remaining_s + _GRACE_S)
        except FutureTimeout as error:
            future.cancel()
            raise ModelTimeout("out of time while waiting for the model", "Raise the time limit") from error

    def _check_open(self) -> None:
        if not self._model:
            raise ModelUnavailable(f"the model {self.name} is closed", "Open it again")


class _Growing:
    """One text being written: bytes so far, cut at the first stop string."""

    def __init__(self, model: Llama, stop: Sequence[str]) -> None:
        self._model = model
        self._stop = [s.encode() for s in stop]
        self._raw = b""
        self.tokens = 0
        self.finish_reason: Literal["stop", "length"] = "length"

    @property
    def text(self) -> str:
        """What has been written, without the stop string."""
        return self._raw.decode("utf-8", "ignore")

    def take(self, token: int) -> bool:
        """Add a token; whether to go on."""
        piece = self._model.piece(token)
        if piece is not None:
            self.tokens += 1
            self._raw += piece
        cut = min((at for s in self._stop if (at := self._raw.find(s)) >= 0), default=-1)
        if cut >= 0:
            self._raw = self._raw[:cut]
        if piece is None or cut >= 0:
            self.finish_reason = "stop"
            return False
        return True


def requantise(source: Path, target: Path, *, kind: str = "Q4_0", threads: int | None = None) -> None:
    """Write a variant of a GGUF file in another quantisation, whole or not at all.

    `kind` names one of llama.cpp's file types, such as Q4_0. Raises ModelUnavailable when llama.cpp refuses.
    """
    _listen()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    parameters.allow_requantize = True
    parameters.nthread = threads or available_cores()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(descriptor)
    part = Path(name)
    try:
        if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(part), ctypes.byref(parameters)) != 0:
            raise ModelUnavailable(f"llama.cpp could not requantise {source} to {kind}", "Set model.requantise = false")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def supports_gpu() -> bool:
    """Whether this build of llama.cpp found a GPU to put layers on."""
    return bool(llama_cpp.llama_supports_gpu_offload())


_lines: list[str] = []


def _hear(_level: int, text: bytes, _user: ctypes.c_void_p) -> None:
    line = text.decode("utf-8", "replace")
    _lines.append(line)
    del _lines[:-2_000]
    log.debug("%s", line.rstrip())


_heard = llama_cpp.llama_log_callback(_hear)  # kept for as long as llama.cpp may call it


def _listen() -> list[str]:
    """Route llama.cpp's own log into ours at debug level; the lines heard since."""
    llama_cpp.llama_log_set(_heard, ctypes.c_void_p(0))
    _lines.clear()
    return _lines
