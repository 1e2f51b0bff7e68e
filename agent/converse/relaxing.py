"""What gives way when nothing passes: as few constraints as will do, the oldest first, those said for good last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.converse.state import Constraint

Passes = Callable[[Sequence[Constraint]], bool]


def giving_way(constraints: Sequence[Constraint], passes: Passes) -> tuple[Constraint, ...]:
    """The hard constraints to set aside so that something `passes` the rest, oldest first; empty where nothing helps.

    One alone where that will do, else the oldest of them until something passes, less those that could stay.
    """
    hard = [one for one in constraints if one.hard]
    order = sorted(hard, key=lambda one: one.lasting)  # stable: the oldest stays first
    for one in order:
        if passes([other for other in hard if other != one]):
            return (one,)
    for n in range(2, len(order) + 1):
        gone = order[:n]
        if passes([one for one in hard if one not in gone]):
            return tuple(_needed(hard, gone, passes))
    return ()


def _needed(hard: Sequence[Constraint], gone: Sequence[Constraint], passes: Passes) -> list[Constraint]:
    """Those of the ones set aside that must be, the newest being given back first."""
    needed = list(gone)
    for one in reversed(gone):
        fewer = [other for other in needed if other != one]
        if passes([other for other in hard if other not in fewer]):
            needed = fewer
    return needed
