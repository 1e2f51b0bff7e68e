"""Whether a case asked with its candidates in other orders is answered alike, and what the slot of a candidate does.

Stability is told by all orders of a case. Slots are told by those that were drawn by lot: in the first, which is the
ranker's own, good candidates stand first, so that slot and merit cannot be told apart.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations

from eval.agreement import kendall_tau, slope
from eval.running.answers import Answer, Permuted
from eval.statistics import SIGNED, Ends, Estimate, estimate, mean, rate
from eval.systems import LIKELIHOOD_ONLY, MODEL, Order

SLOTS = 10  # rows and columns of a heat map at most
TOP, TAUS = " top", " tau"
TAU = "mean over the pairs of orders of a case of Kendall's tau (Kendall 1938); 1 is the same answer, -1 the reverse"
SAME_TOP = "share of cases whose answers all put the same item first"
BIAS = (
    "places that the model's own scores put a candidate later for each slot it is shown later (least squares, a slope a"
    " case, over orders drawn by lot): 0 where the slot does not matter, 1 where the order shown is kept"
)
BY_SLOT = "mean place that the model's own scores give the candidates shown in a slot, of orders drawn by lot"


@dataclass
class Values:
    """One value a case, and whose case it is; `within` are the ends that values have, if they do."""

    values: array[float] = field(default_factory=lambda: array("d"))
    people: array[int] = field(default_factory=lambda: array("l"))
    within: Ends | None = None

    def add(self, value: float | None, person: int) -> None:
        """Take the value of one more case, if it has one."""
        if value is not None:
            self.values.append(value)
            self.people.append(person)

    @property
    def estimate(self) -> Estimate | None:
        """The mean with its interval over people; None without values."""
        return estimate(self.values, within=self.within, clusters=self.people) if self.values else None

    @property
    def share(self) -> Estimate | None:
        """The share of values that are 1, with Wilson's bounds for so many people; None without values."""
        n = len(self.values)
        return rate(round(sum(self.values)), n, len(set(self.people))) if n else None


@dataclass(frozen=True)
class Stable:
    """How alike the answers to a case are in its orders: of the whole blend, and of the model's scores alone.

    `by_slot` is the mean place by slot, `slots[shown, got]` counts candidates by slot and place (tenths of long lists).
    """

    orders: int
    tau: Estimate
    same_top: Estimate
    alone_tau: Estimate | None
    alone_same_top: Estimate | None
    bias: Estimate | None
    by_slot: tuple[Estimate, ...]
    slots: Counter[tuple[int, int]]
    longest: int

    def as_row(self) -> dict[str, object]:
        """The documented JSON shape."""
        alone = {"tau": self.alone_tau, "same_top": self.alone_same_top, "bias": self.bias}
        return {
            "orders": self.orders,
            "tau": asdict(self.tau),
            "same_top": asdict(self.same_top),
            "alone": {name: asdict(found) if found else None for name, found in alone.items()},
            "by_slot": [asdict(found) for found in self.by_slot],
        }


@dataclass
class Stability:
    """What the answers of a cell tell of it, counted answer by answer."""

    orders: int = 0
    longest: int = 0
    slots: Counter[tuple[int, int]] = field(default_factory=Counter)
    codes: dict[str, int] = field(default_factory=dict)
    figures: dict[str, Values] = field(default_factory=dict)

    def take(self, answer: Answer) -> None:
        """Count one more answer; nothing of one whose case was asked in one order only."""
        if len(answer.permuted) < 2:
            return
        person = self.codes.setdefault(answer.user_id, len(self.codes))
        self.orders = max(self.orders, len(answer.permuted))
        for system in (MODEL, LIKELIHOOD_ONLY):
            orders = [order for one in answer.permuted if (order := one.orders.get(system))]
            self._of(system + TAUS).add(_tau(orders), person)
            self._of(system + TOP).add(_same_top(orders), person)
        self._take_slots(answer.permuted[1:], person)

    @property
    def found(self) -> Stable | None:
        """The figures; None where nothing tells them."""
        told = {name: one.share if name.endswith(TOP) else one.estimate for name, one in self.figures.items()}
        tau, top = told.get(MODEL + TAUS), told.get(MODEL + TOP)
        if tau is None or top is None:
            return None
        alone = told.get(LIKELIHOOD_ONLY + TAUS), told.get(LIKELIHOOD_ONLY + TOP), told.get("bias")
        by_slot = tuple(one for n in range(SLOTS) if (one := told.get(f"slot {n}")) is not None)
        return Stable(self.orders, tau, top, *alone, by_slot, self.slots, self.longest)

    def _of(self, name: str) -> Values:
        return self.figures.setdefault(name, Values(within=SIGNED if name.endswith(TAUS) else None))

    def _take_slots(self, drawn: Sequence[Permuted], person: int) -> None:
        shown, got, by_slot = [], [], dict[int, list[int]]()
        for one in drawn:
            alone = one.orders.get(LIKELIHOOD_ONLY, ())
            places = {item_id: place for place, item_id in enumerate(alone)}
            self.longest = max(self.longest, len(alone))
            for slot, item_id in enumerate(one.shown):
                if item_id in places:
                    shown.append(slot)
                    got.append(places[item_id])
                    tenths = tenth(slot, len(one.shown)), tenth(places[item_id], len(alone))
                    self.slots[tenths] += 1
                    by_slot.setdefault(tenths[0], []).append(places[item_id] + 1)
        self._of("bias").add(slope(shown, got), person)
        for slot, values in by_slot.items():
            self._of(f"slot {slot}").add(mean(values), person)


def tenth(place: int, length: int) -> int:
    """Which of at most ten equal parts of a list a 0-based place lies in; lists of up to ten have one a place."""
    return place if length <= SLOTS else place * SLOTS // length


def _tau(orders: Sequence[Order]) -> float | None:
    return mean(kendall_tau(one, other) for one, other in combinations(orders, 2))


def _same_top(orders: Sequence[Order]) -> float | None:
    return float(len({order[0] for order in orders}) == 1) if len(orders) > 1 else None
