"""What a person says of items: seen, liked, disliked, for each one that is named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.converse.state import Feeling
from agent.converse.understand.message import Message, Span
from agent.converse.understand.references import Spoken
from agent.converse.understand.words import rule
from agent.types import EventKind

_OF = {  # felt of what follows; the first that fits some words has them
    EventKind.DISLIKE: rule("dislike_of"),
    EventKind.LIKE: rule("like_of"),
    EventKind.VIEW: rule("seen_of"),
}
_IS = {
    EventKind.DISLIKE: rule("dislike_is"),
    EventKind.LIKE: rule("like_is"),
    EventKind.VIEW: rule("seen_is"),
}  # said of what stands before
_NONE = rule("no_feeling", after=r"\s*(?:\w+ly|have|ever|really|also|just|be|love to)?\s*$")
_BUT_NOT = re.compile(
    r"\s*(?:and |just )?not\b|\s*不是|.*\bnot(?: so much| really| at all| as much)?\s*$", re.IGNORECASE
)
_BETWEEN = re.compile(r"(?:\s|\b(?:and|or|also|the)\b|[和跟与、])*", re.IGNORECASE)
_STRENGTH = {EventKind.VIEW: 0, EventKind.LIKE: 1, EventKind.DISLIKE: 1}


@dataclass(frozen=True)
class Felt:
    """Words that say what a person feels, and whether what they feel it of follows them."""

    span: Span
    kind: EventKind
    follows: bool


def felt_in(message: Message) -> list[Felt]:
    """All feelings that a message tells, in order; none in a question, a wish or a condition."""
    found: list[Felt] = []
    for clause in message.clauses:
        if not message.asks(clause):
            found += _felt_within(message, clause)
    return sorted(found, key=lambda felt: felt.span.start)


def feelings_of(message: Message, felt: Sequence[Felt], spoken: Sequence[Spoken]) -> list[Feeling]:
    """What is felt of each item: by the words nearest to it in its clause, else by those of the clause after it.

    Of one item a liking or disliking counts before a sighting, a later one before an earlier one.
    """
    found: dict[str, EventKind] = {}
    for each, kind in _pairs(message, felt, spoken):
        known = found.get(each.reference.item_id)
        if known is None or _STRENGTH[kind] >= _STRENGTH[known]:
            found[each.reference.item_id] = kind
    return [Feeling(item_id=item_id, kind=kind) for item_id, kind in found.items()]


def _felt_within(message: Message, clause: Span) -> Iterator[Felt]:
    taken: list[Span] = []
    for group, follows in ((_OF, True), (_IS, False)):
        for kind, pattern in group.items():
            for match in pattern.finditer(message.text, clause.start, clause.end):
                span = Span(*match.span())
                if any(span.meets(other) for other in taken) or not message.free(span):
                    continue
                taken.append(span)
                if not (
                    follows and kind is not EventKind.DISLIKE and _NONE.search(message.text[clause.start : span.start])
                ):
                    yield Felt(span, kind, follows)


def _pairs(message: Message, felt: Sequence[Felt], spoken: Sequence[Spoken]) -> Iterator[tuple[Spoken, EventKind]]:
    bare: list[Spoken] = []  # items of the last clause that had any
    last: list[EventKind] = []  # what was said last
    for clause in message.clauses:
        items = [each for each in spoken if clause.start <= each.span.start < clause.end]
        said = [each for each in felt if clause.start <= each.span.start < clause.end]
        if items and said:
            yield from ((item, kind) for item in items for kind in _kinds_of(message, item, items, said))
        elif said:
            yield from ((item, each.kind) for item in bare for each in said)
        elif items and last and _goes_on(message, clause, items):
            yield from ((item, kind) for item in items for kind in last)
        elif items and EventKind.LIKE in last and _BUT_NOT.match(message.text, clause.start):
            yield from ((item, EventKind.DISLIKE) for item in items)
        last = [each.kind for each in said][-1:] or last
        bare = items or bare


def _goes_on(message: Message, clause: Span, items: Sequence[Spoken]) -> bool:
    """Whether the clause is nothing but items, as in a list: seen Frozen, Brave and Cars."""
    text, start = "", clause.start
    for each in items:
        text += message.text[start : each.span.start]
        start = each.span.end
    return _BETWEEN.fullmatch(text + message.text[start : clause.end]) is not None


def _kinds_of(message: Message, item: Spoken, items: Sequence[Spoken], felt: Sequence[Felt]) -> list[EventKind]:
    """What the words of its clause say of an item: those after it up to the next item, else those before it."""
    others = [each.span.start for each in items if each.span.start > item.span.start]
    until = min(others, default=len(message.text))
    later = [each for each in felt if item.span.end <= each.span.start < until]
    after = [each.kind for each in later if not each.follows or not others]
    before = [each.kind for each in felt if each.follows and each.span.start < item.span.start][-1:]
    if after or before:
        return [*before, *after]
    last_verb = [each.kind for each in felt if item.span.end <= each.span.start][:1]
    return last_verb or [each.kind for each in felt][-1:]
