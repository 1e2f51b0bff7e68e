"""The settings of recall that are searched: which there are, what each may be, and what is in force now. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.recall.weights import BEHAVIOUR, FAMILIES, SHIPPED
from agent.settings import Settings

WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)  # of behaviour, beside a wish
CENTRES = (1, 2, 4)
CENTRE, GENERATED = "centre", "generated"


@dataclass(frozen=True, order=True)
class Writing:
    """How many queries the model writes, and the folder of its prompts (None: the built-in ones)."""

    n: int
    prompts: Path | None = None

    def __str__(self) -> str:
        return f"{self.n}" if self.prompts is None else f"{self.n} {self.prompts}"


@dataclass(frozen=True)
class Choice:
    """Settings of recall. A source without a weight is not asked; `writing` is None where the model writes nothing."""

    weights: Mapping[str, float]
    beside_wish: float
    centres: int = 1
    writing: Writing | None = None

    def __getitem__(self, family: str) -> float:
        return self.weights.get(family, 0.0)

    def having(self, family: str, weight: float) -> Choice:
        """The same with another weight of one source."""
        return replace(self, weights={**self.weights, family: weight})

    def without(self, family: str) -> Choice:
        """The same without one source; without its queries the model writes none."""
        less = self.having(family, 0.0)
        return replace(less, writing=None) if family == GENERATED else less

    def alone(self, family: str) -> Choice:
        """One source alone, asked as in this choice."""
        return replace(self, weights={family: self[family]}, beside_wish=self.beside_wish or 1.0)

    @property
    def rows(self) -> dict[str, float]:
        """What is asked, and what it weighs: sources, `centre@N` in N centres, `generated@N` by a writing."""
        rows = {name: weight for name, weight in self.weights.items() if weight and name not in (CENTRE, GENERATED)}
        if self.centres > 1 and self[CENTRE]:
            rows[centre_row(self.centres)] = self[CENTRE]
        if self.writing and self[GENERATED]:
            rows[written_row(self.writing)] = self[GENERATED]
        return rows

    @property
    def families(self) -> tuple[str, ...]:
        """The sources that are asked."""
        return tuple(row.partition("@")[0] for row in self.rows)


def centre_row(centres: int) -> str:
    """What the centres of a taste are called where there may be so many."""
    return f"{CENTRE}@{centres}"


def written_row(writing: Writing) -> str:
    """What the queries of a writing are called."""
    return f"{GENERATED}@{writing}"


@dataclass(frozen=True)
class Space:
    """What is searched: the weights of these sources and, where some case has a wish, that of behaviour beside one."""

    families: tuple[str, ...]
    wishes: bool
    centres: tuple[int, ...]
    writings: tuple[Writing | None, ...]

    def coordinates(self, at: Choice) -> Iterator[list[Choice]]:
        """For each setting all that it may be while the others stay."""
        for family in self.families:
            if family in FAMILIES and (family != CENTRE or at.centres > 1):
                yield [at.having(family, weight) for weight in WEIGHTS]
        if at.writing:
            yield [at.having(GENERATED, weight) for weight in WEIGHTS if weight]
        if self.shares:
            yield [replace(at, beside_wish=share) for share in SHARES]
        yield [self._in_centres(at, centres) for centres in self.centres]
        yield [self._written(at, writing) for writing in self.writings]

    @property
    def shares(self) -> bool:
        """Whether behaviour stands beside a wish in any case."""
        return self.wishes and any(family in BEHAVIOUR for family in self.families)

    def settings(self, choice: Choice, now: Settings) -> dict[str, object]:
        """The settings of a choice by dotted key, those alone that were searched; `now` are those in force."""
        found: dict[str, object] = {"recall.weights": self._weights(choice, now), "profile.centres": choice.centres}
        if self.shares:
            found["recall.beside_wish"] = choice.beside_wish
        if len(self.writings) > 1:
            found["recall.generated"] = choice.writing.n if choice.writing else 0
        if choice.writing:
            found["recall.generated_weight"] = choice[GENERATED]
            if choice.writing.prompts != now.prompts:
                found["prompts"] = str(choice.writing.prompts)
        return found

    def _weights(self, choice: Choice, now: Settings) -> dict[str, float]:
        asked = [f for f in self.families if f in FAMILIES and (f != CENTRE or choice.centres > 1)]
        return {**{str(name): weight for name, weight in now.recall.weights.items()}, **{f: choice[f] for f in asked}}

    def _in_centres(self, at: Choice, centres: int) -> Choice:
        weight = at[CENTRE] or SHIPPED[CENTRE]
        return replace(at, centres=centres).having(CENTRE, weight if centres > 1 else at[CENTRE])

    def _written(self, at: Choice, writing: Writing | None) -> Choice:
        return replace(at, writing=writing)


def current(now: Settings, families: Sequence[str] = FAMILIES) -> Choice:
    """The choice that settings make, of these sources. Those that cannot be weighed keep their weight, 1."""
    own = {str(name): weight for name, weight in now.recall.weights.items()}
    weights = {family: own.get(family, SHIPPED.get(family, 1.0)) for family in families}
    writing = Writing(now.recall.generated, now.prompts) if now.recall.generated else None
    return Choice(
        {**weights, GENERATED: now.recall.generated_weight}, now.recall.beside_wish, now.profile.centres, writing
    )


def writings_of(now: Settings, numbers: Sequence[int], folders: Sequence[Path]) -> tuple[Writing | None, ...]:
    """None, what the settings have the model write, and every number of queries by every folder of prompts."""
    own = [Writing(now.recall.generated, now.prompts)] if now.recall.generated else []
    more = [Writing(n, folder) for n in numbers if n for folder in (now.prompts, *folders)]
    return (None, *dict.fromkeys([*own, *more]))
