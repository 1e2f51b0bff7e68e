"""The task `converse`: what to recommend next in a conversation, out of the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from agent.person import person_with, said
from agent.types import Slate
from eval.cases import Case, DataSet, Message
from eval.tasks.base import Answerer, Opening, Task
from eval.tasks.catalogue import open_catalogue

MAX_WISH_CHARS = 800  # about two hundred tokens: the newest words, which say what is wanted now


@contextmanager
def open_converse(dataset: DataSet, opening: Opening) -> Iterator[Answerer]:
    """Answers with up to 100 items that were not named yet.

    The wish is what was said last; the items named so far stand for what the person liked, oldest first. (What they
    said of each is not read: some may be named because they were disliked.) Most of what is said is talk and no wish:
    behaviour weighs in full beside it, where the settings do not say otherwise.
    """
    with open_catalogue(dataset, _with_behaviour(opening)) as (_, over):

        def answer(case: Case) -> Slate:
            """The slate for one case."""
            named = [dataset.items[item_id] for item_id in dict.fromkeys((*case.history, *case.mentioned))]
            return over.answer(case, person_with(named), said(wish_of(case.messages)))

        yield answer


def _with_behaviour(opening: Opening) -> Opening:
    recall = opening.settings.recall
    if "beside_wish" in recall.model_fields_set:
        return opening
    settings = opening.settings.model_copy(update={"recall": recall.model_copy(update={"beside_wish": 1.0})})
    return replace(opening, settings=settings)


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
