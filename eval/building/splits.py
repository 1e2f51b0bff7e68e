"""What is past and what is to be foreseen. Pure.

A split in time foresees for everybody what happens after one moment, so that nothing of the past knows of it. A split
by the last acts of each person has more to foresee for rare visitors, but other people's past may be later than a
person's future (Ji et al., "A Critical Study on Data Leakage in Recommender System Offline Evaluation", TOIS 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent.errors import CatalogueError, ConfigError
from eval.building.acts import Acts, Flags

TEMPORAL, LEAVE_LAST = "temporal", "leave-last"
SPLITS = (TEMPORAL, LEAVE_LAST)


@dataclass(frozen=True)
class Split:
    """Which acts are past. `cut` is the moment (microseconds since 1970) from which on nothing is; None without one."""

    kind: str
    past: Flags
    cut: int | None


def temporal(acts: Acts, quantile: float) -> Split:
    """One cut for all: the moment of the event at `quantile` of all events in time; what lies before it is past.

    Events of the very moment of the cut are not past. Raises ConfigError where the events have no times or the quantile
    is none, CatalogueError when nothing lies before the cut.
    """
    if not 0 <= quantile <= 1:
        raise ConfigError(f"the quantile {quantile} is no share of the events", "Give a number between 0 and 1")
    if not acts.dated:
        raise ConfigError("the events have no times, so none can be the cut", "Use --split leave-last")
    cut = int(np.sort(acts.at)[min(int(quantile * len(acts)), len(acts) - 1)])
    past = acts.at < cut
    if not past.any():
        raise CatalogueError("nothing lies before the cut: the events share one time", "Use --split leave-last")
    return Split(TEMPORAL, past, cut)


def leave_last(acts: Acts, last: int) -> Split:
    """Each person's past is all but their `last` events, ties in time by the file's order."""
    order, starts = acts.by_user()
    from_end = np.repeat(starts[1:], np.diff(starts)) - np.arange(len(acts))
    past = np.zeros(len(acts), dtype=np.bool_)
    past[order] = from_end > last
    return Split(LEAVE_LAST, past, None)
