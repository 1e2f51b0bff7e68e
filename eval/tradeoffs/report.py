"""Which value of each knob half of the people would choose, and what it does to the other half."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from agent.errors import ConfigError
from eval.beyond import ALPHA, CALIBRATION, LOWER_IS_BETTER, NOVELTY, VECTOR_DIVERSITY, Shelf, coverage
from eval.chance import part_of
from eval.metrics import HEADLINE
from eval.statistics import Difference, difference, percentile
from eval.tradeoffs.gathering import Gathered
from eval.tradeoffs.measuring import EXPLORED, FIGURES, GRID, TARGETS, K, Turned, turned

MARGIN = 0.005
METHOD = {
    "choice": f"the largest value whose interval of the change in {HEADLINE} lies above -{MARGIN:g} and whose interval"
    " of the change in the knob's own figure shows a gain; 0 where there is none",
    "change": "mean paired difference to the knob at 0, case by case; 95 % bootstrap interval of people",
    "together": "all knobs at the values chosen, against all at 0",
    "halves": "people by a hash of their name: chosen on one half, reported on the other; intervals over people",
    "holds": "whether the same is true of the people that it was not chosen on",
    EXPLORED: "share of places that they have only because of the draw; nothing is chosen by it, for what exploring"
    " brings shows only in what people do later",
    "coverage": f"different items in the first {K} places of all cases / items of the catalogue",
}

Places = Sequence[int]


@dataclass(frozen=True)
class Side:
    """One value of a knob for one half of the people: mean figures, and what changes in hits and in the knob's own.

    A change is paired, against the knob at 0. A figure that means nothing here is absent.
    """

    figures: Mapping[str, float]
    change: Mapping[str, Difference]
    coverage: float

    def pays(self, target: str) -> bool:
        """Whether it costs no more hits than it may, and gains what the knob is there for."""
        hits, gain = self.change.get(HEADLINE), self.change.get(target)
        if target == EXPLORED or hits is None or gain is None:
            return False
        if gain.low is None or gain.high is None:
            return False
        return spares(hits) and (gain.high < 0 if target in LOWER_IS_BETTER else gain.low > 0)


def spares(hits: Difference) -> bool:
    """Whether a change in hits is shown to be no loss of the margin, or changes nothing at all."""
    return not (hits.wins or hits.losses) or (hits.low is not None and hits.low > -MARGIN)


@dataclass(frozen=True)
class Row:
    """One value of a knob: what it does to the people chosen on, and to the others."""

    value: float
    chosen_on: Side
    reported_on: Side


@dataclass(frozen=True)
class Knob:
    """One knob: its values from 0 on, and the one to choose; `holds` says whether it pays on the other people too."""

    name: str
    target: str
    rows: Sequence[Row]

    @property
    def chosen(self) -> float:
        """The value to choose, 0 where none pays."""
        return max((row.value for row in self.rows if row.chosen_on.pays(self.target)), default=0.0)

    @property
    def holds(self) -> bool | None:
        """None where nothing is chosen."""
        return next((r.reported_on.pays(self.target) for r in self.rows if r.value == self.chosen > 0), None)


@dataclass(frozen=True)
class Report:
    """All knobs, for so many people in either half; `choice_ms` is the time of a choice, at the median and the p95.

    `together` is what all chosen values at once do to the people that they were not chosen on; None for none.
    """

    knobs: Sequence[Knob]
    together: Side | None
    people: tuple[int, int]
    n: tuple[int, int]
    candidates: float
    choice_ms: tuple[float, float]

    def as_json(self, about: Mapping[str, object]) -> dict[str, object]:
        """The documented JSON shape of `palate eval tradeoffs --json`."""
        return {
            **about,
            "k": K,
            "margin": MARGIN,
            "people": dict(zip(("chosen_on", "reported_on"), self.people, strict=True)),
            "cases": dict(zip(("chosen_on", "reported_on"), self.n, strict=True)),
            "candidates": self.candidates,
            "knobs": [
                {
                    "knob": one.name,
                    "target": one.target,
                    "chosen": one.chosen,
                    "holds": one.holds,
                    "rows": [asdict(row) for row in one.rows],
                }
                for one in self.knobs
            ],
            "together": None if self.together is None else asdict(self.together),
            "choice_ms": dict(zip(("p50", "p95"), self.choice_ms, strict=True)),
            "method": METHOD,
        }


def report(found: Gathered, seed: int, show: Callable[[int, int], None] = lambda _done, _of: None) -> Report:
    """The report over the grid of every knob. Raises ConfigError where the people cannot be halved."""
    whose = [one.case.user_id for one in found.cases]
    first = [part_of(2, seed, "half", user_id) == 0 for user_id in whose]
    halves = [[n for n, is_first in enumerate(first) if is_first is side] for side in (True, False)]
    people = [len({whose[n] for n in half}) for half in halves]
    if min(people) < 2:
        raise ConfigError(f"{len(set(whose))} people cannot be halved", "Give data with more people")
    grid = [(knob, value) for knob in TARGETS for value in GRID]
    plain, others = turned(found, {}), dict[tuple[str, float], Turned]()
    for done, (knob, value) in enumerate(grid, start=1):
        others[knob, value] = turned(found, {knob: value})
        show(done, len(grid))

    def _sides(one: Turned, *names: str) -> list[Side]:
        return [_side(found, half, (plain, one), names) for half in halves]

    knobs = [
        Knob(
            knob,
            target,
            [Row(0.0, *_sides(plain)), *(Row(x, *_sides(others[knob, x], HEADLINE, target)) for x in GRID)],
        )
        for knob, target in TARGETS.items()
    ]
    best = {one.name: one.chosen for one in knobs if one.chosen}
    together = _sides(turned(found, best), HEADLINE, *(TARGETS[name] for name in best))[1] if best else None
    times = [ms for one in others.values() for ms in one.times_ms]
    spans = percentile(times, 0.5), percentile(times, 0.95)
    candidates = float(np.mean([len(one.pool.items) for one in found.cases]))
    return Report(knobs, together, (people[0], people[1]), (len(halves[0]), len(halves[1])), candidates, spans)


def _side(found: Gathered, half: Places, pair: tuple[Turned, Turned], names: Sequence[str]) -> Side:
    """The second of the pair on one half, and how the figures of these names change from the first to it."""
    figures, change = {}, {}
    for name in FIGURES:
        base, given = (one.figures[name][list(half)] for one in pair)
        known = ~(np.isnan(given) | np.isnan(base))
        if known.any():
            figures[name] = float(given[known].mean())
        if known.any() and name in names:
            clusters = [found.cases[n].case.user_id for n, there in zip(half, known, strict=True) if there]
            change[name] = difference(given[known], base[known], span=_span(name, found.shelf), clusters=clusters)
    shown = [pair[1].shown[found.cases[n].case.case_id] for n in half]
    return Side(figures, change, coverage(shown, found.shelf.tags) or 0.0)


def _span(name: str, shelf: Shelf) -> float:
    """The largest difference that there can be in a figure."""
    if name == NOVELTY:
        return max(shelf.surprise.values(), default=1.0) - min(shelf.surprise.values(), default=0.0) or 1.0
    return {CALIBRATION: -math.log(ALPHA), VECTOR_DIVERSITY: 2.0}.get(name, 1.0)
