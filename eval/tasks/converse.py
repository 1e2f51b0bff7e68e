"""The task `converse`: what to recommend next in a conversation, out of the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from agent.people.person import person_with, said
from agent.settings import Settings
from agent.types import Slate
from eval.cases import Case, DataSet, Message
from eval.plan.cells import TALK
from eval.tasks.base import Answerer, Opening, Task
from eval.tasks.catalogue import open_catalogue
from eval.tasks.talk import open_talk

MAX_WISH_CHARS = 800  # about two hundred tokens: the newest words, which say what is wanted now
SUITED: Mapping[str, Any] = {  # fitted on half of the conversations of ReDial, judged on the others (docs/recall.md)
    "beside_wish": 1.0,
    "weights": {"wish": 0.5, "taste": 1.0, "together": 1.0, "factors": 0.5, "popularity": 1.0},
}


def open_converse(dataset: DataSet, opening: Opening) -> AbstractContextManager[Answerer]:
    """Answers by the path that the opening names: what was said taken whole, or as a conversation with Palate."""
    by = replace(opening, settings=suited(opening.settings))
    return open_talk(dataset, by) if opening.path == TALK else _open_recommend(dataset, by)


@contextmanager
def _open_recommend(dataset: DataSet, opening: Opening) -> Iterator[Answerer]:
    """Answers with up to 100 items that were not named yet.

    The wish is what was said last; the items named so far stand for what the person liked, oldest first. (What they
    said of each is not read: some may be named because they were disliked.) Most of what is said is talk and no wish:
    it weighs little beside taste and behaviour, where the settings do not say otherwise.
    """
    with open_catalogue(dataset, opening) as (_, over):

        def answer(case: Case) -> Slate:
            """The slate for one case."""
            named = [dataset.items[item_id] for item_id in dict.fromkeys((*case.history, *case.mentioned))]
            return over.answer(case, person_with(named), said(wish_of(case.messages)))

        yield answer


def suited(settings: Settings) -> Settings:
    """The settings with what suits a wish that is all that was said, where they do not say otherwise themselves."""
    changes = {name: value for name, value in SUITED.items() if name not in settings.recall.model_fields_set}
    return settings.model_copy(update={"recall": settings.recall.model_copy(update=changes)})


def wish_of(messages: Sequence[Message], max_chars: int = MAX_WISH_CHARS) -> str:
    """The newest messages, oldest of them first, a line each: as many whole ones as fit, but always the last.

    A last message that does not fit loses its beginning.
    """
    kept: list[str] = []
    for message in reversed(messages):
        text = " ".join(message.content.split())
        if kept and sum(len(one) + 1 for one in kept) + len(text) > max_chars:
            break
        kept.append(text[-max_chars:])
    return "\n".join(text for text in reversed(kept) if text)


CONVERSE = Task("converse", "say what to recommend next in a conversation", ("messages",), open_converse)
