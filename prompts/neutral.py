"""Text that can pose as nothing: neither as the structure of a prompt nor as a model's control tokens. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_SPACES = re.compile(r"\s+")


def neutralise(text: str, control_tokens: Iterable[str] = ()) -> str:
    """The text on one line, without invisible characters, its control-token spellings broken by a space.

    Drops NUL and other control characters, bidirectional overrides, zero-width and tag characters, lone surrogates;
    runs of white space become one space. A spelling such as `<|im_end|>` becomes `< |im_end|>`, repeatedly, until none
    is left. Total: any string gives a string.
    """
    if not text.isprintable() or "  " in text:  # else there is nothing to take out of it
        text = _SPACES.sub(" ", _INVISIBLE.sub("", text))
    text, tokens = text.strip(), _spelled(tuple(control_tokens))
    while any(token in text for token in tokens):
        for token in tokens:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


@lru_cache(maxsize=64)
def _spelled(control_tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The tokens that can be broken by a space."""
    return tuple(token for token in map(str.strip, control_tokens) if len(token) > 1)
