"""The items that a message speaks of: by title, by place, by pronoun; and the words that name none or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.converse.state import Reference, State, Unclear
from agent.converse.understand.message import Message, Span
from agent.converse.understand.places import Placed, places_in, pronouns_in
from agent.converse.understand.titles_in import Mentioned, TitlesIn, chosen

MAX_CHOICES = 10


@dataclass(frozen=True)
class Spoken:
    """An item where the message speaks of it; `every` where it is one of all that were shown."""

    span: Span
    reference: Reference
    every: bool = False


@dataclass
class References:
    """All items that a message speaks of, in order, and what stayed unclear."""

    spoken: list[Spoken]
    unclear: list[tuple[Span, Unclear]]

    def before(self, span: Span) -> Spoken | None:
        """The item spoken of last before the span."""
        earlier = [each for each in self.spoken if each.span.start < span.start and not each.every]
        return max(earlier, key=lambda each: each.span.start, default=None)


def titles_of(message: Message, titles: TitlesIn, state: State) -> References:
    """The items that a message names by titles written as they are. Other words are left to further rules."""
    found = References([], [])
    for mentioned in (*titles.quoted(message), *titles.exact(message)):
        _add_title(found, message, mentioned, state)
    return found


def places_of(message: Message, state: State, found: References) -> None:
    """Add the items that a message names by their places in the slate."""
    for placed in places_in(message, len(state.slate)):
        _add_places(found, message, placed, state.slate)


def slips_of(message: Message, titles: TitlesIn, state: State, found: References) -> None:
    """Add the items whose titles a message misspells."""
    for mentioned in titles.misspelt(message):
        _add_title(found, message, mentioned, state)


def pronouns_of(message: Message, state: State, found: References, *, needed: bool) -> None:
    """Add what it, that one and the like stand for: an item named before, the focus, or the only one shown.

    Where none is known, that is unclear only if an item is `needed`; those shown are the choices.
    """
    spans = pronouns_in(message)
    for span in spans:
        earlier = found.before(span)
        item_id = earlier.reference.item_id if earlier else _spoken_of(state)
        if item_id is not None and (earlier is None or not _same_clause(message, earlier.span, span)):
            found.spoken.append(Spoken(span, Reference(item_id=item_id, said=message.said(span), how="focus")))
    if needed and spans and not (found.spoken or found.unclear):
        found.unclear.append((spans[0], Unclear(said=message.said(spans[0]), choices=state.slate[:MAX_CHOICES])))


def in_order(found: References) -> tuple[list[Reference], list[Unclear]]:
    """The references, each item once, and what is unclear, in the order of the message."""
    spoken = sorted(found.spoken, key=lambda each: each.span.start)
    by_item: dict[str, Reference] = {}
    for each in spoken:
        by_item.setdefault(each.reference.item_id, each.reference)
    return list(by_item.values()), [unclear for _, unclear in sorted(found.unclear, key=lambda pair: pair[0].start)]


def _spoken_of(state: State) -> str | None:
    return state.focus or (state.slate[0] if len(state.slate) == 1 else None)


def _same_clause(message: Message, one: Span, other: Span) -> bool:
    return message.clause_at(one.start) == message.clause_at(other.start)


def _add_title(found: References, message: Message, mentioned: Mentioned, state: State) -> None:
    items, said = chosen(mentioned, _near(state)), message.said(mentioned.span)
    if len(items) == 1:
        found.spoken.append(Spoken(mentioned.span, Reference(item_id=items[0].item_id, said=said, how=mentioned.how)))
    else:
        choices = tuple(item.item_id for item in items[:MAX_CHOICES])
        found.unclear.append((mentioned.span, Unclear(said=said, choices=choices)))


def _near(state: State) -> frozenset[str]:
    return frozenset(state.slate) | frozenset(filter(None, [state.focus]))


def _add_places(found: References, message: Message, placed: Placed, slate: Sequence[str]) -> None:
    said = message.said(placed.span)
    for item_id in _at(placed.places, slate):
        if item_id is None:
            found.unclear.append((placed.span, Unclear(said=said)))
            return
        reference = Reference(item_id=item_id, said=said, how="place")
        found.spoken.append(Spoken(placed.span, reference, placed.every))


def _at(places: Sequence[int], slate: Sequence[str]) -> Iterator[str | None]:
    """The items at these places, None for a place that the slate does not have."""
    for place in places:
        number = len(slate) if place == -1 else place
        yield slate[number - 1] if 1 <= number <= len(slate) else None


def left_out(message: Message, state: State) -> list[Spoken]:
    """The item spoken of last, for words that leave theirs out (already seen); nothing where none was."""
    item_id = _spoken_of(state)
    if item_id is None:
        return []
    whole = Span(0, len(message.text))
    return [Spoken(whole, Reference(item_id=item_id, said=message.said(whole), how="focus"))]
