"""Text that can pose as nothing: neither as the structure of a prompt nor as a model's control tokens. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_INVISIBLE = re.compile(  # control, bidirectional and zero-width characters, fillers, selectors, tags, lone surrogates
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SPACES = re.compile(r"\s+")


def neutralise(text: str, control_tokens: Iterable[str] = ()) -> str:
    """The text on one line, without invisible characters, its control-token spellings broken by a space.

    Drops NUL and other control characters, bidirectional overrides, zero-width and tag characters, fillers, variation
    selectors, lone surrogates; runs of white space become one space. A spelling such as `<|im_end|>` becomes
    `< |im_end|>`, repeatedly, until none is left. Total: any string gives a string.
    """
    if not (text.isascii() and text.isprintable()) or "  " in text:  # else there is nothing to take out of it
        text = _SPACES.sub(" ", _INVISIBLE.sub("", text))
    text = text.strip()
    tokens, openers = _spelled(tuple(control_tokens))
    if not openers or not openers.search(text):
        return text
    while posing := [token for token in tokens if token in text]:
        for token in posing:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


@lru_cache(maxsize=64)
def _spelled(control_tokens: tuple[str, ...]) -> tuple[tuple[str, ...], re.Pattern[str] | None]:
    """The tokens that can be broken by a space, and what finds a character that one of them begins with."""
    tokens = tuple(token for token in map(str.strip, control_tokens) if len(token) > 1)
    openers = "".join(re.escape(char) for char in sorted({token[0] for token in tokens}))
    return tokens, re.compile(f"[{openers}]") if openers else None
