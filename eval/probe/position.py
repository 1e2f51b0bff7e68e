"""The probe `position`: whether it matters where among the candidates the relevant one is shown."""

from __future__ import annotations

import numpy as np

from eval.agreement import slope
from eval.cases import Case
from eval.probe.asking import Question
from eval.probe.effects import Effect
from eval.probe.probes import Effects, Figure, Given, Probe, Variant
from eval.statistics import SIGNED

MOST_SLOTS = 20
AS_GIVEN = "as given"


def position(given: Given) -> Probe:
    """The first relevant candidate at every slot, the others in their order, against the order of the data set.

    Beyond 20 slots, 20 of them at even distances, the first and the last among them.
    """
    slots = slots_of(max((len(case.candidates) for case in given.cases), default=0))
    return Probe(
        "position",
        "the relevant candidate shown at each slot, the others in their order",
        [_at(slot, given) for slot in slots],
        target_of,
        ("ndcg@10", "place", "lift [95 %]", "tau", "top changed"),
        (
            Figure(
                "bias",
                "places that the relevant item falls for each slot it is shown later (least squares, a slope a case):"
                " 0 where the slot does not matter, 1 where the order shown is kept",
                slope_of,
            ),
            Figure("first_over_last", "NDCG@10 shown first less NDCG@10 shown last", first_over_last, SIGNED),
        ),
        unfit=lambda case: None if target_of(case) else "no relevant item among the candidates",
    )


def slots_of(n: int) -> list[int]:
    """The 1-based slots to try among n: all, or 20 at even distances with the first and the last."""
    return sorted({round(slot) for slot in np.linspace(1, n, min(n, MOST_SLOTS))})


def target_of(case: Case) -> str | None:
    """The first candidate that is relevant, None where none is."""
    return next((item_id for item_id in case.candidates if item_id in case.relevant), None)


def moved(case: Case, slot: int) -> list[str] | None:
    """The candidates with the target at the 1-based slot, None where there are not so many."""
    target = target_of(case)
    if target is None or slot > len(case.candidates):
        return None
    others = [item_id for item_id in case.candidates if item_id != target]
    return [*others[: slot - 1], target, *others[slot - 1 :]]


def slope_of(effects: Effects) -> float | None:
    """The least-squares slope of the target's place over its slot, None below two slots with a place."""
    known = [(v.at, e.place) for v, e in effects if v.at is not None and e.place is not None]
    return slope([slot for slot, _ in known], [place for _, place in known])


def first_over_last(effects: Effects) -> float | None:
    """NDCG@10 with the target first less that with the target last, None below two slots."""
    ends: list[Effect] = [effect for _, effect in effects]
    return ends[0].ndcg - ends[-1].ndcg if len(ends) > 1 else None


def _at(slot: int, given: Given) -> Variant:
    def _asked(case: Case) -> Question | None:
        candidates = moved(case, slot)
        return given.question(case, candidates) if candidates else None

    about = f"the relevant candidate shown at slot {slot}"
    return Variant(f"slot {slot}", about, _asked, AS_GIVEN, given.question, float(slot))
