"""A grammar that a text must follow, checked by llama.cpp token by token."""

from __future__ import annotations

import ctypes
import json
import re
import weakref
from collections.abc import Mapping

import llama_cpp
import numpy as np
from llama_cpp.llama_grammar import json_schema_to_gbnf
from numpy.typing import NDArray

from agent.errors import PromptError
from agent.llm.local.logits import Row
from agent.llm.local.vocabulary import Vocabulary

DEEPEST = 1_000  # llama.cpp reads a grammar by recursion, and far deeper ones end the process
LIKELIEST = 64  # tried before the whole vocabulary, which takes long

_ESCAPED = re.compile(r"\\(?!u(?!d[89a-f]|00[01]))")  # in JSON: an escape, save one of a character that needs none
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


def gbnf_of(schema: dict[str, object]) -> str:
    """The grammar, in llama.cpp's notation, of the JSON texts that a JSON schema allows. Raises PromptError."""
    try:
        text = json.dumps(schema)
        _check_literals(schema)
        gbnf = str(json_schema_to_gbnf(text))
    except (KeyError, ValueError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise PromptError(
            f"the JSON schema cannot be followed by this model: {error!r}", "Use plain types, enums and lists"
        ) from error
    depth = _depth(gbnf)
    if depth > DEEPEST:
        raise PromptError(f"the grammar of the JSON schema is nested {depth:,} deep", "Lower maxLength and maxItems")
    return gbnf


def _check_literals(schema: object) -> None:
    """Raises ValueError for a text to be written as it stands that the conversion would spell wrongly."""
    if isinstance(schema, Mapping):
        literal = [list(schema.get("properties", {})), schema.get("enum"), schema.get("const")]
        if _ESCAPED.search(json.dumps(literal)):
            raise ValueError(f"a quote, a backslash, a control character or an emoji in {literal!r:.200}")
        for value in schema.values():
            _check_literals(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            _check_literals(value)


def _depth(gbnf: str) -> int:
    """How deep the parentheses of a grammar are nested, those in its texts included."""
    codes = np.frombuffer(gbnf.encode(), dtype=np.uint8)
    steps = (codes == ord("(")).astype(np.int64) - (codes == ord(")"))
    return int(steps.cumsum().max(initial=0))


class Grammar:
    """What may come next in one text. Used by one thread; freed with the last reference to it."""

    def __init__(self, vocabulary: Vocabulary, gbnf: str) -> None:
        """Raises PromptError where llama.cpp cannot read the grammar."""
        self._sampler = llama_cpp.llama_sampler_init_grammar(vocabulary.pointer, gbnf.encode(), b"root")
        if not self._sampler:
            raise PromptError("llama.cpp cannot read the grammar of the reply", "Simplify the schema")
        weakref.finalize(self, llama_cpp.llama_sampler_free, self._sampler)

    def masked(self, logits: Row) -> Row:
        """The logits, shape (vocabulary,), with -inf for every token that may not come next.

        Where one of the likeliest tokens may, the less likely ones may be left out, too.
        """
        found = np.full_like(logits, -np.inf)
        most = min(LIKELIEST, len(logits))
        for tokens in (np.argpartition(logits, -most)[-most:], np.arange(len(logits))):
            found[tokens] = self._checked(tokens, logits)
            if np.isfinite(found).any():
                break
        return found

    def accept(self, token: int) -> None:
        """Go on behind a token that may come next."""
        llama_cpp.llama_sampler_accept(self._sampler, token)

    def _checked(self, tokens: NDArray[np.intp], logits: Row) -> Row:
        """The logits of these tokens, -inf for those that may not come next."""
        rows = np.zeros(len(tokens), dtype=_CANDIDATE)
        rows["id"], rows["logit"] = tokens, logits[tokens]
        array = llama_cpp.llama_token_data_array(
            data=rows.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data)),
            size=len(rows),
            selected=-1,
            sorted=False,
        )
        llama_cpp.llama_sampler_apply(self._sampler, ctypes.byref(array))
        return np.asarray(rows["logit"])
