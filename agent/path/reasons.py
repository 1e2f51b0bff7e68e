"""The last stage of the path: a reason for every item of a slate, all at once or one by one."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence

from agent.deadline import Deadline
from agent.errors import ModelError
from agent.explain.rationale import outcome
from agent.observe import stages as observed
from agent.parts.parts import Parts
from agent.people.person import Person
from agent.types import Degradation, Item, Rationale, Slate

Reasons = Generator[tuple[int, Rationale], None, Slate]


def explained(
    parts: Parts,
    slate: Slate,
    person: Person,
    deadline: Deadline,
    *,
    llm: bool = True,
    over: Sequence[Item] | None = None,
) -> Slate:
    """The slate with a rationale for every item. `over` are items to stand for the catalogue, of unknown behaviour."""
    return outcome(explaining(parts, slate, person, deadline, llm=llm, over=over))


def explaining(
    parts: Parts,
    slate: Slate,
    person: Person,
    deadline: Deadline,
    *,
    llm: bool = True,
    over: Sequence[Item] | None = None,
) -> Reasons:
    """Each rationale as it stands, with its place from 0 on, and in the end what `explained` gives."""
    started, degraded = time.perf_counter(), slate.degraded
    try:
        model = parts.model if llm else None
    except ModelError as error:
        model = None
        if not any(d.stage == "model" for d in degraded):
            degraded = (*degraded, Degradation(stage="model", reason=str(error)))
    explainer = parts.explainer_over(over, model) if over is not None else parts.explainer(model)
    items = [r.item for r in slate]
    behaviour = parts.collaborative if over is None else None
    because = behaviour.learned.because if behaviour else None
    known, events = person.known, person.events
    told = yield from explainer.explaining(
        person.profile, known, items, slate.wish, deadline, events=events, because=because
    )
    recommendations = tuple(
        r.model_copy(update={"rationale": why}) for r, why in zip(slate, told.rationales, strict=True)
    )
    observed.ended("reasons", ms=(time.perf_counter() - started) * 1e3)
    return slate.model_copy(
        update={
            "recommendations": recommendations,
            "degraded": (*degraded, *told.degraded),
            "prompts": {**slate.prompts, **told.prompts},
        }
    )
