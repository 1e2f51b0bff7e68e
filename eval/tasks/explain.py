"""The task `explain`: why items suit someone with a case's history, in sentences that can be checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent.deadline import Deadline
from agent.people.person import person_with, said
from agent.slate.making import unranked
from agent.types import Item, Slate
from eval.cases import Case, DataSet
from eval.rankers import patience_s
from eval.tasks.base import Answerer, Opening, Task

EXPLAINED = 5  # of a case's candidates


@contextmanager
def open_explain(dataset: DataSet, opening: Opening) -> Iterator[Answerer]:
    """Answers with a rationale for each item of `explained_in`, in that order and without scores."""
    explainer = opening.parts.explainer_over(dataset.items.values(), opening.model)

    def answer(case: Case) -> Slate:
        """The slate for one case."""
        person, wish = person_with([dataset.items[item_id] for item_id in case.history]), said(case.wish)
        items = explained_in(case, dataset)
        deadline = Deadline(patience_s(opening.settings))
        told = explainer.explain(person.profile, person.known, items, wish, deadline, events=person.events)
        slate = unranked(case.user_id, items, wish)
        whys = tuple(r.model_copy(update={"rationale": w}) for r, w in zip(slate, told.rationales, strict=True))
        return slate.model_copy(
            update={"recommendations": whys, "degraded": told.degraded, "prompts": dict(told.prompts)}
        )

    yield answer


def explained_in(case: Case, dataset: DataSet) -> list[Item]:
    """The items that a case asks the reasons of: its first five candidates, or without candidates the relevant ones."""
    return [dataset.items[item_id] for item_id in case.candidates[:EXPLAINED] or case.relevant]


EXPLAIN = Task("explain", "say why items suit a person", ("history",), open_explain)
