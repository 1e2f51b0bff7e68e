"""Cuts what a reasoning model thought aloud from what it answered."""

from __future__ import annotations

import re

_TAG = re.compile(r"<(?P<end>/)?(?P<name>think|thinking|thought|reasoning)>", re.IGNORECASE)


def without_thoughts(text: str) -> str:
    """The text without its `<think>...</think>` blocks (also thinking, thought, reasoning), stripped. Total, one pass.

    A block that never ends runs to the end of the text. An end without a beginning, which some chat templates cause by
    opening the block themselves, drops all before it. Blocks do not nest.
    """
    kept: list[str] = []
    start, inside = 0, ""
    for tag in _TAG.finditer(text):
        name = tag["name"].lower()
        if tag["end"] and (not inside or name == inside):
            kept = kept if inside else []
            start, inside = tag.end(), ""
        elif not tag["end"] and not inside:
            kept.append(text[start : tag.start()])
            inside = name
    if not inside:
        kept.append(text[start:])
    return "".join(kept).strip()
