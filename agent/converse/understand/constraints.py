"""What a message asks of items, as tests of the catalogue's fields and the words they came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.converse.state import Constraint, State
from agent.converse.understand.lengths import lengths_in
from agent.converse.understand.message import Message
from agent.converse.understand.origins import Origins
from agent.converse.understand.people import People
from agent.converse.understand.tags import Tags
from agent.converse.understand.vocabulary import Vocabulary, values_in
from agent.converse.understand.years import years_in
from agent.recall.where import field_named
from agent.titles import Titles, year_of
from agent.types import Item


class Constraints:
    """Finds what a message asks for, of what the catalogue knows."""

    def __init__(self, vocabulary: Vocabulary, titles: Titles) -> None:
        self._vocabulary, self._titles = vocabulary, titles
        self._people, self._origins, self._tags = People(vocabulary), Origins(vocabulary), Tags(vocabulary)

    def people(self, message: Message) -> list[Constraint]:
        """The constraints on who made an item or plays in it."""
        return _once(list(self._people(message)))

    def others(self, message: Message, state: State) -> list[Constraint]:
        """All other constraints in the words that no rule has read yet, each test once; tags last."""
        items = [item for item in map(self._titles.get, state.slate) if item is not None]
        years = [year for year in map(year_of, items) if year is not None]
        lengths = _numbers(items, self._vocabulary.minutes or self._vocabulary.pages)
        found = [
            *years_in(message, self._vocabulary, years),
            *lengths_in(message, self._vocabulary, lengths),
            *self._origins(message),
            *self._tags(message),
        ]
        return _once(found)


def _numbers(items: Iterable[Item], field: str | None) -> list[float]:
    """The numbers of a field of these items."""
    values = [
        value
        for item in items
        for name, held in item.attributes.items()
        if field_named(name) == field
        for value in values_in(held)
    ]
    return [float(value) for value in values if isinstance(value, int | float)]


def _once(found: Sequence[Constraint]) -> list[Constraint]:
    """Each test once; a hard one stands for a soft one."""
    kept: dict[str, Constraint] = {}
    for one in found:
        if one.test not in kept or (one.hard and not kept[one.test].hard):
            kept[one.test] = one
    return list(kept.values())
