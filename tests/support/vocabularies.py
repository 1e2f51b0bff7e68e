"""The vocabularies of the models that are on this machine, read from their files without their weights."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path

import llama_cpp

from agent.llm.local.vocabulary import Vocabulary
from agent.llm.registry import known
from agent.settings import Settings

_SPECIAL = 1 << 0 | 1 << 3 | 1 << 4  # unknown, control, added by hand: what llama.cpp looks for in a text
_CONTROL = 1 << 3


class Read:
    """A vocabulary as llama.cpp reads it, and as Palate does (`own`)."""

    def __init__(self, path: Path) -> None:
        options = llama_cpp.llama_model_default_params()
        options.vocab_only = True
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), options)
        self._pointer = llama_cpp.llama_model_get_vocab(self._model)
        self.own = Vocabulary(ctypes.c_void_p(self._model) if isinstance(self._model, int) else self._model)

    @cached_property
    def special(self) -> dict[int, str]:
        """Every token that llama.cpp finds in a text by its spelling, but for white space."""
        return self._of_kind(_SPECIAL)

    @cached_property
    def control(self) -> dict[int, str]:
        """Those of them that steer a model."""
        return self._of_kind(_CONTROL)

    def specials_in(self, text: str) -> Counter[int]:
        """The special tokens of a text, read as a server reads a whole prompt: spellings of control tokens count."""
        return Counter(token for token in self._tokens(text) if token in self.special)

    def _of_kind(self, kind: int) -> dict[int, str]:
        n = llama_cpp.llama_vocab_n_tokens(self._pointer)
        of = (token for token in range(n) if llama_cpp.llama_vocab_get_attr(self._pointer, token) & kind)
        texts = {token: llama_cpp.llama_vocab_get_text(self._pointer, token).decode("utf-8", "replace") for token in of}
        return {token: text for token, text in texts.items() if text.strip(" \t\r\n▁")}

    def _tokens(self, text: str) -> Sequence[int]:
        raw = text.encode("utf-8", "replace")
        tokens = (llama_cpp.llama_token * (len(raw) + 8))()
        n = llama_cpp.llama_tokenize(self._pointer, raw, len(raw), tokens, len(tokens), False, True)
        found: list[int] = tokens[:n]
        return found


@cache
def on_this_machine() -> dict[str, Path]:
    """The files of the models known by name that are here; the default model is always among them."""
    return {card.reference: card.installed for card in known(Settings()) if card.installed}


@cache
def vocabulary_of(reference: str) -> Read:
    """The vocabulary of one of them."""
    return Read(on_this_machine()[reference])
