"""Settings of recall fitted on half of the people and judged on the others: figures, evidence, verdict."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from agent.errors import ConfigError
from agent.settings import Settings
from eval.chance import part_of
from eval.comparisons import Comparison, compare
from eval.metrics import PerCase
from eval.recall.asking import without
from eval.recall.measure import CUTS, METRICS, Row, row_of
from eval.statistics import shown
from eval.tuning.gathering import Lists
from eval.tuning.packed import Packed
from eval.tuning.searching import Best, search
from eval.tuning.space import GENERATED, Choice, Space

CURRENT, CHOSEN = "current", "chosen"
LEAST_PEOPLE = 10  # in each half


@dataclass(frozen=True)
class Fitted:
    """How the choice was found: on how many cases of how many people, their score before and after, and the search."""

    n: int
    people: int
    before: float
    after: float
    looked_at: int
    seconds: float

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape."""
        found = {"n": self.n, "people": self.people, CURRENT: self.before, CHOSEN: self.after}
        return {**found, "looked_at": self.looked_at, "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Tuned:
    """The settings in force, those chosen, and what held-out people say: rows, the gain, and what each source adds.

    `gain` compares the choice with the settings in force, and is None where they are the same; `adds` compares it with
    itself without one of its sources.
    """

    metric: str
    space: Space
    now: Settings
    current: Choice
    chosen: Choice
    fitted: Fitted
    rows: tuple[Row, ...]
    gain: Comparison | None
    adds: tuple[Comparison, ...]
    n: int
    people: int
    missing: int

    @property
    def better(self) -> bool:
        """Whether the choice is shown to beat the settings in force (see `eval.statistics.shown`)."""
        if self.gain is None:
            return False
        found, p = self.gain.metrics[self.metric], self.gain.p_holm[self.metric]
        return found.value > 0 and shown(found, p)

    @property
    def settings(self) -> dict[str, tuple[object, object]]:
        """Every setting searched, by dotted key: its value in force and its chosen one."""
        before, after = self.space.settings(self.current, self.now), self.space.settings(self.chosen, self.now)
        return {key: (before.get(key), after.get(key)) for key in {**before, **after}}


def tuned(cases: Sequence[Lists], space: Space, now: Settings, current: Choice, metric: str, seed: int) -> Tuned:
    """The choice that is best on half of the people, and the evidence of the others.

    `metric` is one of `METRICS`. Raises ConfigError where people are too few for two halves.
    """
    began = time.perf_counter()
    halves = [part_of(2, seed, "tune", one.user_id) for one in cases]
    fit, held = ([*compress(cases, (half == n for half in halves))] for n in (0, 1))
    people = [len({one.user_id for one in half}) for half in (fit, held)]
    if min(people) < LEAST_PEOPLE:
        known = f"{people[0]} and {people[1]} people are too few for two halves"
        raise ConfigError(known, f"Give cases of at least {LEAST_PEOPLE} people in each")
    best, before = _searched(Packed.of(fit), space, current, metric)
    fitted = Fitted(len(fit), people[0], before, best.score, best.looked_at, time.perf_counter() - began)
    seen = _Seen(Packed.of(held), held)
    chosen = current if best.score <= before else best.choice
    rows, gain, adds = seen.judged(current, chosen)
    missing = sum(one.missing for one in cases)
    return Tuned(metric, space, now, current, chosen, fitted, rows, gain, adds, len(held), people[1], missing)


def _searched(packed: Packed, space: Space, current: Choice, metric: str) -> tuple[Best, float]:
    cut = CUTS[METRICS.index(metric)]

    def _score(choice: Choice) -> float:
        return float(packed.recall(choice, cut)[0].mean())

    level = Choice({**dict.fromkeys(space.families, 1.0), GENERATED: 0.5}, 1.0, current.centres, current.writing)
    return search(space, [current, level], _score), _score(current)


@dataclass(frozen=True)
class _Seen:
    """The held-out cases, on which choices are judged."""

    packed: Packed
    cases: Sequence[Lists]

    def judged(
        self, current: Choice, chosen: Choice
    ) -> tuple[tuple[Row, ...], Comparison | None, tuple[Comparison, ...]]:
        """The row of every system, the gain, and what each source adds."""
        families = chosen.families
        systems = {CURRENT: current, CHOSEN: chosen, **{name: chosen.alone(name) for name in families}}
        ablated = {without(name): chosen.without(name) for name in families} if len(families) > 1 else {}
        values = {name: self._values(choice) for name, choice in {**systems, **ablated}.items()}
        people = [one.user_id for one in self.cases]
        rows = [row_of(name, values[name], people, self._times(choice)) for name, choice in systems.items()]
        rows += [row_of(name, values[name], people, None) for name in ablated]
        same = (chosen.rows, chosen.beside_wish) == (current.rows, current.beside_wish)
        gain = None if same else compare([(CHOSEN, CURRENT)], values, people)[0]
        return tuple(rows), gain, compare([(CHOSEN, name) for name in ablated], values, people)

    def _values(self, choice: Choice) -> PerCase:
        names = [one.case_id for one in self.cases]
        found = self.packed.recall(choice, *CUTS)
        return {
            metric: dict(zip(names, by_case.tolist(), strict=True))
            for metric, by_case in zip(METRICS, found, strict=True)
        }

    def _times(self, choice: Choice) -> list[float]:
        rows = choice.rows
        return [float(np.sum([one.ms.get(row, 0.0) for row in rows])) for one in self.cases]
