"""A model's vocabulary: text to tokens and back."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from functools import cached_property

import llama_cpp

from agent.errors import PromptError

_UNKNOWN, _CONTROL, _ADDED = 1 << 0, 1 << 3, 1 << 4  # LLAMA_TOKEN_ATTR_UNKNOWN, _CONTROL, _USER_DEFINED
_WORDS = re.compile(r"[\w\s▁]*")
_MARK = "\n"  # no token reaches over it from a text to what stands before


class Vocabulary:
    """The vocabulary of a loaded model. Reading it is safe from several threads, as long as the model is loaded."""

    def __init__(self, model: ctypes.c_void_p) -> None:
        self.pointer = llama_cpp.llama_model_get_vocab(model)
        self.size = int(llama_cpp.llama_vocab_n_tokens(self.pointer))

    @cached_property
    def control_tokens(self) -> tuple[str, ...]:
        """Every spelling that this vocabulary treats as a control token, sorted.

        So it does those that were added to it and are no words, such as `<tool_call>`: it finds them in any text.
        """
        return tuple(sorted(set(self.special.values())))

    @cached_property
    def special(self) -> dict[int, str]:
        """The tokens that stand for no text of a person, and how each is spelled."""
        return {token: text for token in range(self.size) if (text := self._spelling_of_special(token))}

    def _spelling_of_special(self, token: int) -> str:
        """How a special token is spelled; empty for a token of text."""
        kind = llama_cpp.llama_vocab_get_attr(self.pointer, token)
        if not kind & (_UNKNOWN | _CONTROL | _ADDED):
            return ""
        text: str = llama_cpp.llama_vocab_get_text(self.pointer, token).decode("utf-8", "replace")
        return text if kind & _CONTROL or not _WORDS.fullmatch(text) else ""

    def tokenise(self, text: str, *, begin: bool = False, most: int | None = None) -> list[int]:
        """The tokens of a text; control-token spellings in it are read as plain text.

        `begin` puts the tokens first that the model expects at a beginning; without it a text goes on from another, and
        gets no space of its own. Raises PromptError for a text too long, of which only the beginning is read where that
        alone takes twice as many tokens as `most`.
        """
        if most is not None and len(text) > 16 * most and len(self.tokenise(text[: 16 * most])) > 2 * most:
            raise PromptError(
                f"a text of {len(text):,} characters takes more tokens than the context holds, {most}",
                "Shorten the history or the item text, or raise model.context_tokens",
            )
        mark = () if begin else self._mark
        tokens = self._tokens(_MARK + text if mark else text, begin=begin)
        return tokens[len(mark) :]

    @cached_property
    def _mark(self) -> Sequence[int]:
        """The tokens of a mark that a text is put behind, where the vocabulary puts a space before all it reads."""
        tokens = self._tokens("a", begin=False)
        return self._tokens(_MARK, begin=False) if (self.piece(tokens[0]) or b"").startswith(b" ") else ()

    def _tokens(self, text: str, *, begin: bool) -> list[int]:
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        while True:
            tokens = (llama_cpp.llama_token * room)()
            n = llama_cpp.llama_tokenize(self.pointer, raw, len(raw), tokens, room, begin, False)
            if n >= 0:
                found: list[int] = tokens[:n]
                return found
            if -n <= room:
                raise PromptError(f"a text of {len(raw):,} bytes could not be tokenised", "Shorten it")
            room = -n

    def piece(self, token: int) -> bytes | None:
        """The bytes a token stands for; None for a token that ends the text."""
        if llama_cpp.llama_vocab_is_eog(self.pointer, token):
            return None
        room = 512
        while True:
            buffer = ctypes.create_string_buffer(room)
            n = llama_cpp.llama_token_to_piece(self.pointer, token, buffer, room, 0, False)
            if n >= -room:
                return buffer.raw[: max(n, 0)]
            room = -n

    def alone(self, text: str) -> int | None:
        """The one token that a text is; None where it is several."""
        tokens = self.tokenise(text)
        return tokens[0] if len(tokens) == 1 else None

    def options(self, options: Sequence[Sequence[str]]) -> list[list[int]]:
        """The tokens that say each option: its spellings of one token, each token once.

        Raises PromptError where an option has none, or shares one with another.
        """
        found = [list(dict.fromkeys(t for s in spellings if (t := self.alone(s)) is not None)) for spellings in options]
        for spellings, tokens in zip(options, found, strict=True):
            if not tokens:
                raise PromptError(
                    f"no spelling of the option {list(spellings)} is one token of this model", "Choose a shorter word"
                )
        said = [token for tokens in found for token in tokens]
        if len(set(said)) < len(said):
            raise PromptError("two options are said by the same token of this model", "Spell them differently")
        return found
