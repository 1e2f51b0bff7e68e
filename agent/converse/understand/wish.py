"""The words of a message that say what is wanted, without the items that it only refers to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.converse.understand.feelings import Felt
from agent.converse.understand.message import Message, Span
from agent.converse.understand.references import Spoken
from agent.converse.understand.words import rule

_LIKENING = rule("likens", after=r"(?:\s+(?:the|a|an))?\s*$")
_FILLER = rule("filler")
_EDGES = re.compile(r"^[\s,.;:!?。;、\-]+|[\s,.;:、\-]+$")


def wish_of(message: Message, spoken: Sequence[Spoken], felt: Sequence[Felt]) -> str:
    """What is wanted, in the person's words; the whole message where it refers to no item, perhaps nothing.

    Items and the words that liken something to them (like, 像) are left out, so is a clause that tells what was felt
    of an item.
    """
    if not spoken:
        return message.said(Span(0, len(message.text)))
    parts = [_without(message, clause, spoken) for clause in message.clauses if not _tells(clause, spoken, felt)]
    kept = [part for part in parts if _FILLER.sub("", part).strip(" ,.!?'’的")]
    return ", ".join(kept)


def _tells(clause: Span, spoken: Sequence[Spoken], felt: Sequence[Felt]) -> bool:
    return any(clause.meets(each.span) for each in spoken) and any(clause.meets(each.span) for each in felt)


def _without(message: Message, clause: Span, spoken: Sequence[Spoken]) -> str:
    """The clause without its items, and without what likens something to them."""
    text, start = "", clause.start
    for each in sorted(spoken, key=lambda each: each.span.start):
        if clause.start <= each.span.start < clause.end and each.span.start >= start:
            text += _LIKENING.sub("", message.text[start : each.span.start])
            start = min(each.span.end, clause.end)
    return _EDGES.sub("", " ".join((text + message.text[start : clause.end]).split()))
