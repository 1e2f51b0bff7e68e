"""What one change did to one case: NDCG, the place of the item that is watched, and how far the order moved. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from eval.agreement import kendall_tau
from eval.metrics import HEADLINE, per_case
from eval.probe.asking import Answer
from eval.systems import Order


@dataclass(frozen=True, slots=True)
class Effect:
    """One case under one change, beside its baseline. An answer that failed has an NDCG of 0, and no more is said.

    `place` is the 1-based place of the watched item, None where it has none. `tau` is Kendall's rank correlation of
    the two orders, 1 for the same order and -1 for the reverse; `top_changed` whether another item comes first; both
    are None where either answer is undecided. The longer order has `n_places`.
    """

    ndcg: float
    ndcg_before: float
    place: int | None = None
    place_before: int | None = None
    tau: float | None = None
    top_changed: bool | None = None
    undecided: bool = False
    failed: bool = False
    n_places: int = 0

    @property
    def lift(self) -> float | None:
        """By how many places the watched item rose, negative where it fell; None where a place is not known."""
        return None if self.place is None or self.place_before is None else float(self.place_before - self.place)


def effect_of(relevant: Collection[str], watched: str | None, asked: Answer, before: Answer) -> Effect:
    """The effect of a change that turned the answer `before` into the answer `asked`."""
    orders = {"asked": asked.order, "before": before.order}
    ndcg = per_case(orders, dict.fromkeys(orders, relevant), [HEADLINE])[HEADLINE]
    both = bool(asked.order and before.order) and not (asked.undecided or before.undecided)
    return Effect(
        ndcg=ndcg["asked"],
        ndcg_before=ndcg["before"],
        place=_place(asked.order, watched),
        place_before=_place(before.order, watched),
        tau=kendall_tau(asked.order, before.order) if both else None,
        top_changed=asked.order[0] != before.order[0] if both else None,
        undecided=asked.undecided,
        failed=not asked.order,
        n_places=max(len(asked.order), len(before.order)),
    )


def _place(order: Order, watched: str | None) -> int | None:
    return order.index(watched) + 1 if watched in order else None
