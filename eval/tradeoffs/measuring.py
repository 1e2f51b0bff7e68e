"""Slates with one knob turned, and their figures: hits, and what the knob is there for. Pure but for the clock."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.sections import SlateSettings
from agent.slate.choosing import CALIBRATION as CALIBRATING
from agent.slate.choosing import DIVERSITY, EXPLORATION, choose
from agent.slate.choosing import NOVELTY as NOVEL
from eval.beyond import CALIBRATION, NOVELTY, TAG_DIVERSITY, VECTOR_DIVERSITY, case_values
from eval.metrics import HEADLINE, per_case
from eval.resampling import Floats
from eval.tradeoffs.gathering import Asked, Gathered

K = 10
EXPLORED = "explored"
GRID = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
TARGETS: Mapping[str, str] = {
    CALIBRATING: CALIBRATION,
    DIVERSITY: VECTOR_DIVERSITY,
    NOVEL: NOVELTY,
    EXPLORATION: EXPLORED,
}
"""What each knob is there for."""

FIGURES = (HEADLINE, CALIBRATION, VECTOR_DIVERSITY, TAG_DIVERSITY, NOVELTY, EXPLORED)


@dataclass(frozen=True)
class Turned:
    """The slates of all cases with knobs at some values; `figures` go by case, NaN where one means nothing.

    `explored` is the share of places that a draw from the interests won.
    """

    shown: Mapping[str, Sequence[str]]
    figures: Mapping[str, Floats]
    times_ms: Sequence[float]


def turned(found: Gathered, values: Mapping[str, float]) -> Turned:
    """The slates of K places with knobs at these values and all others at 0."""
    knobs = SlateSettings.model_validate(values)
    shown, times_ms, explored = {}, [], {}
    for one in found.cases:
        began = time.perf_counter()
        choices = choose(one.pool, knobs, K).choices
        times_ms.append((time.perf_counter() - began) * 1e3)
        case_id = one.case.case_id
        shown[case_id] = tuple(one.pool.items[choice.at].item_id for choice in choices)
        explored[case_id] = sum(choice.explored for choice in choices) / max(1, len(choices))
    return Turned(shown, _figures(found, shown, explored), times_ms)


def _figures(found: Gathered, shown: Mapping[str, Sequence[str]], explored: Mapping[str, float]) -> dict[str, Floats]:
    relevant = {one.case.case_id: one.case.relevant for one in found.cases}
    values: dict[str, Mapping[str, float | None]] = {
        HEADLINE: per_case(shown, relevant, (HEADLINE,))[HEADLINE],
        **case_values(shown, {one.case.case_id: one.liked for one in found.cases}, found.shelf),
        EXPLORED: explored,
    }
    return {name: _column(found.cases, values.get(name, {})) for name in FIGURES}


def _column(cases: Sequence[Asked], values: Mapping[str, float | None]) -> Floats:
    given = (values.get(one.case.case_id) for one in cases)
    return np.array([math.nan if value is None else value for value in given], dtype=np.float64)
