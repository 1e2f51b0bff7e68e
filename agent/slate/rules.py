"""Hard rules of a slate: how many of its places may share a director, a tag, or whatever items can be asked for. Pure.

    slate.max_per = {director = 2, "tags=Horror" = 1, "year<1950" = 3}

The name of a field caps each of its values by itself; a test, as filters have it, caps all that pass it together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.recall.where import Fact, Test, Where, facts_of, field_named, parse_where

if TYPE_CHECKING:
    from agent.types import Item


@dataclass(frozen=True)
class Cap:
    """At most so many places for each value of a field or, with a test, for all items that pass it."""

    name: str
    most: int
    field: str
    test: Where | None = None

    @classmethod
    def of(cls, name: str, most: int) -> Cap:
        """The cap that a setting names. Raises ConfigError where it is neither a field nor a test."""
        if not any(sign in name for sign in "<>=!"):
            return cls(name, most, field_named(name))
        test = parse_where(name)
        return cls(name, most, test.tests[0].field, test)

    @property
    def asks(self) -> Where:
        """A filter that names the fields of the cap, to check that there are such."""
        return self.test or Where((Test(self.field, "=", ("",)),))

    def __str__(self) -> str:
        """The rule in words."""
        return f"at most {self.most} {'of' if self.test else 'per'} {self.name}"


class Caps:
    """Counts places as they are given; `refused` says which caps kept how many candidates out."""

    def __init__(self, caps: Sequence[Cap] = ()) -> None:
        self._caps = caps
        self._known: dict[str, Sequence[tuple[Cap, Hashable]]] = {}  # what each item counts for, by its id
        self._taken: Counter[Hashable] = Counter()
        self.refused: Counter[str] = Counter()

    def anew(self) -> Caps:
        """The same caps, with no place given."""
        other = Caps(self._caps)
        other._known = self._known
        return other

    def admit(self, item: Item) -> bool:
        """Whether the item may have a place; if so, it has it."""
        if not self._caps:
            return True
        keys = self._known.get(item.item_id)
        if keys is None:
            keys = self._known[item.item_id] = list(self._keys(item))
        broken = next((cap for cap, key in keys if self._taken[key] >= cap.most), None)
        if broken is not None:
            self.refused[str(broken)] += 1
            return False
        self._taken.update(key for _, key in keys)
        return True

    def _keys(self, item: Item) -> Iterator[tuple[Cap, Hashable]]:
        facts = facts_of(item)
        for cap in self._caps:
            if cap.test is None:
                fact = facts.get(cap.field, Fact())
                yield from ((cap, (cap.name, value)) for value in fact.texts or fact.numbers)
            elif cap.test.holds(facts):
                yield cap, cap.name


def caps_of(most: Mapping[str, int]) -> tuple[Cap, ...]:
    """The caps of the setting `slate.max_per`. Raises ConfigError for one that cannot be understood."""
    return tuple(Cap.of(name, count) for name, count in most.items())


def caps_in(text: str) -> dict[str, int]:
    """`director=2, tags=Horror=1` as caps by name. Raises ConfigError for anything else."""
    found: dict[str, int] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, most = part.rpartition("=")
        if not name.strip() or not (most.strip().isascii() and most.strip().isdigit()):
            raise ConfigError(f"{part!r} is no cap", "Write a field and a number, such as director=2")
        found[name.strip()] = int(most)
    return found
