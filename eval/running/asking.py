"""One case asked of one cell: its slate, its troubles and what the model did, as an `Answer`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.errors import ModelUnavailable, PalateError
from agent.types import Recommendation, Slate
from eval.cases import Case
from eval.plan.cells import NO_MODEL, Cell
from eval.plan.config import EXPLAIN
from eval.running.answers import VALIDITY, Answer
from eval.running.kept import ASKED, KEPT, UNAVAILABLE, Noted
from eval.running.opening import OpenedCell
from eval.running.permuting import permuted
from eval.running.sparing import Sparing
from eval.systems import (
    LIKELIHOOD_ONLY,
    MODEL,
    PRIOR,
    RECALL_ONLY,
    RERANK,
    WITHOUT_MODEL,
    recall_order,
    slate_order,
    stage_order,
)


@dataclass(frozen=True)
class Heard:
    """An answer, the fingerprints of the prompts that it used by name, and whether it lacks a model that was down."""

    answer: Answer
    prompts: Mapping[str, str]
    unavailable: bool = False


def ask(
    cell: Cell,
    opened: OpenedCell,
    case: Case,
    repeat: int,
    clock: Callable[[], float] = time.perf_counter,
    orders: int = 1,
) -> Heard:
    """The cell's answer to the case. Where the cell fails, it says why, and has the orders that need no model alone.

    Of the first repeat the model is also shown the candidates in so many `orders`, of which the first is the answer's.
    """
    noted = opened.begin(repeat)
    began = clock()
    failure, slate = None, None
    try:
        slate = opened.answer(case)
    except PalateError as error:
        failure = error
    ms = (clock() - began) * 1_000
    found = {} if cell.task == EXPLAIN else _orders(cell, case, slate) if slate is not None else _spared(opened, case)
    answer = Answer(
        cell=cell.name,
        case_id=case.case_id,
        user_id=case.user_id,
        repeat=repeat,
        relevant=case.relevant,
        history=case.history,
        n_candidates=len(case.candidates),
        orders=found,
        ms=0.0 if noted.calls[KEPT] and not noted.calls[ASKED] else round(ms, 3),
        tokens=dict(noted.tokens),
        calls=dict(noted.calls),
        failed=str(failure) if failure else None,
        degraded=tuple(f"{one.stage}: {one.reason}" for one in slate.degraded) if slate else (),
        validity=_validity(cell, case, slate, noted),
        rationales=tuple(_rationale(one) for one in slate or () if one.rationale),
        trace=tuple(noted.trace),
        permuted=permuted(opened, case, found, repeat, orders) if slate is not None and not repeat else (),
        disliked=case.disliked,
    )
    down = isinstance(failure, ModelUnavailable) or bool(answer.degraded and noted.flaws[UNAVAILABLE])
    return Heard(answer, slate.prompts if slate is not None else {}, down)


def _orders(cell: Cell, case: Case, slate: Slate) -> dict[str, tuple[str, ...]]:
    found = {MODEL: slate_order(case, slate), RECALL_ONLY: recall_order(case, slate)}
    if cell.model == NO_MODEL:
        return found
    return found | {
        WITHOUT_MODEL: stage_order(case, slate, PRIOR),
        LIKELIHOOD_ONLY: stage_order(case, slate, RERANK),
    }


def _spared(opened: OpenedCell, case: Case) -> dict[str, tuple[str, ...]]:
    """The orders that a case on which the model failed has all the same, where the cell can tell them."""
    if not isinstance(opened.answer, Sparing):
        return {}
    try:
        slate = opened.answer.without_model(case)
    except PalateError:
        return {}
    return {RECALL_ONLY: recall_order(case, slate), WITHOUT_MODEL: stage_order(case, slate, PRIOR)}


def _validity(cell: Cell, case: Case, slate: Slate | None, noted: Noted) -> dict[str, int]:
    """What was wrong with replies and slate, by the names of `VALIDITY`; a slate counts beside the replies."""
    counts = Counter({name: noted.flaws[name] for name in VALIDITY})
    if slate is not None and case.candidates and cell.task != EXPLAIN:
        given = {one.item.item_id for one in slate}
        counts["missing"] += len(set(case.candidates) - given)
        counts["foreign"] += len(given - set(case.candidates))
    if slate is not None and slate.degraded:
        counts["fallback"] += _stood_in(cell, slate)
    return {name: counts[name] for name in VALIDITY}


def _stood_in(cell: Cell, slate: Slate) -> int:
    """How often something else did what the model was to do: the prior's order, or composed sentences."""
    if cell.task == EXPLAIN:
        return sum(1 for one in slate if one.rationale and one.rationale.source == "composed")
    return int(not any(step.stage == RERANK for one in slate for step in one.path))


def _rationale(one: Recommendation) -> dict[str, object]:
    told: dict[str, object] = one.rationale.model_dump(mode="json") if one.rationale else {}
    return {"item_id": one.item.item_id, **told}
