"""The task `recommend`: what a person would like out of the whole catalogue, by what they did before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent.people.person import person_of, person_with, said
from agent.types import Slate
from eval.cases import Case, DataSet
from eval.tasks.base import Answerer, Opening, Task
from eval.tasks.catalogue import open_catalogue


@contextmanager
def open_recommend(dataset: DataSet, opening: Opening) -> Iterator[Answerer]:
    """Answers with up to 100 items that the case's person has not met.

    The person is what the events of the data set tell of them; without any, someone who liked the case's history.
    """
    with open_catalogue(dataset, opening) as (parts, over):

        def answer(case: Case) -> Slate:
            """The slate for one case."""
            person = person_of(parts, case.user_id)
            if not person.events:
                person = person_with([dataset.items[item_id] for item_id in case.history])
            return over.answer(case, person, said(case.wish))

        yield answer


RECOMMEND = Task("recommend", "find what a person would like in the whole catalogue", (), open_recommend)
