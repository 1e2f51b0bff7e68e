"""What a reader made of scripted messages, message by message: which parts are right. Pure but for the reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent.converse.state import Constraint, Intent, Understood
from agent.converse.told import Reads
from agent.errors import ConfigError
from agent.recall.where import Facts, facts_of, parse_where
from agent.types import Item
from eval.understanding.messages import Message

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one message. None where the message does not say what would be right.

    `where`: its constraints let the same items of the catalogue pass as they should; `items`: just these were found;
    `feels`: each item it speaks of got that feeling; `skips`: the same.
    """

    message: Message
    found: Intent
    confidence: float
    likelihood: float
    ms: float
    where: bool | None = None
    items: bool | None = None
    feels: bool | None = None
    skips: bool | None = None

    @property
    def right(self) -> bool:
        """Whether the intent is right."""
        return self.found is self.message.intent


class Shelf:
    """The items of a catalogue as filters see them."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._facts: list[tuple[str, Facts]] = [(item.item_id, facts_of(item)) for item in items]

    def passing(self, where: str) -> frozenset[str]:
        """The ids of all items that pass; all of them for an empty filter. Raises ConfigError."""
        if not where.strip():
            return frozenset(item_id for item_id, _ in self._facts)
        wanted = parse_where(where)
        return frozenset(item_id for item_id, facts in self._facts if wanted.holds(facts))

    def amount_to(self, constraints: Sequence[Constraint], wanted: str) -> bool:
        """Whether the constraints, hard and soft, let just the items pass that the filter does."""
        try:
            return self.passing(" and ".join(one.test for one in constraints)) == self.passing(wanted)
        except ConfigError:
            return False


def scored(
    messages: Sequence[Message],
    reader: Reads,
    shelf: Shelf,
    *,
    progress: Progress = lambda _done, _of: None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Outcome]:
    """Every message read once, in its order. Raises ConfigError where the reader does."""
    outcomes = []
    for done, message in enumerate(messages, start=1):
        began = clock()
        understood = reader.read(message.row.say, message.state)
        outcomes.append(_outcome(message, understood, shelf, (clock() - began) * 1_000))
        progress(done, len(messages))
    return outcomes


def _outcome(message: Message, understood: Understood, shelf: Shelf, ms: float) -> Outcome:
    row, intents = message.row, understood.intents
    return Outcome(
        message=message,
        found=understood.intent,
        confidence=intents.get(understood.intent, 0.0),
        likelihood=intents.get(message.intent, 0.0),
        ms=ms,
        where=_where(row.where, row.other, understood, shelf),
        items=_items(message, understood),
        feels=_feels(message, understood),
        skips=None if row.skips is None else understood.skips is row.skips,
    )


def _where(wanted: str | None, other: str | None, understood: Understood, shelf: Shelf) -> bool | None:
    if wanted is None:
        return None
    return any(shelf.amount_to(understood.constraints, one) for one in (wanted, other) if one is not None)


def _items(message: Message, understood: Understood) -> bool | None:
    if message.row.unclear:
        return bool(understood.unclear)
    if message.items is None:
        return None
    return {reference.item_id for reference in understood.items} == set(message.items)


def _feels(message: Message, understood: Understood) -> bool | None:
    if message.feels is None or message.items is None:
        return None
    found = {(feeling.item_id, feeling.kind) for feeling in understood.feelings}
    return found == {(item_id, message.feels) for item_id in message.items}
