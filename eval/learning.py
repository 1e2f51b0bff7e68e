"""What an evaluation learns from behaviour, and never from a case's own answer.

Where the data set tells what people did (events, or train-histories), that is learned from, without the items that
a case of the same person asks for. Where it holds conversations alone, the items named in them are: cross-fitted, so
that each case is answered by what was learned from the conversations of the other folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from agent.errors import ConfigError
from agent.learn.acts import TAKEN_UP
from agent.learn.behaviour import behaviour_of
from agent.learn.learned import Learned, learn
from agent.parts.learning import recipe_of
from agent.sections import LearnSettings
from eval.building.acts import KINDS
from eval.cases import EVENTS, Case, DataSet
from eval.chance import part_of
from eval.past import HISTORIES

FOLDS, SEED = 5, 0
CASES = "what is named in the conversations of the other folds"


@dataclass(frozen=True)
class Taught:
    """What was learned for the cases of a data set: one for all, or one for each fold of people."""

    by_fold: tuple[Learned, ...]

    def fold(self, case: Case) -> int:
        """Which of `by_fold` may answer the case."""
        return fold_of(case.user_id, len(self.by_fold))


def fold_of(user_id: str, folds: int = FOLDS) -> int:
    """The fold of a person or a conversation: by lot, always alike."""
    return part_of(folds, SEED, user_id)


def source_of(dataset: DataSet) -> tuple[str, int]:
    """What an evaluation on the data set learns from, and in how many folds. Raises ConfigError where from nothing."""
    if len(dataset.past):
        return dataset.past.source, 1
    if any(case.messages for case in dataset.cases()):
        return CASES, FOLDS
    raise ConfigError(
        f"there is nothing to learn from in {dataset.name}", f"Give it {EVENTS} or {HISTORIES}, or leave learn at none"
    )


def taught(dataset: DataSet, settings: LearnSettings) -> Taught:
    """What the data set teaches. Raises ConfigError where nothing does, CatalogueError."""
    _, folds = source_of(dataset)
    people = _conversations(dataset) if folds > 1 else _histories(dataset)
    recipe, items = recipe_of(settings), tuple(dataset.items)

    def _without(fold: int) -> Learned:
        kept = (history for user_id, history in people.items() if folds == 1 or fold_of(user_id, folds) != fold)
        return learn(behaviour_of(kept, items), recipe, seed=SEED)

    return Taught(tuple(_without(fold) for fold in range(folds)))


def taught_once(dataset: DataSet, settings: LearnSettings) -> Learned:
    """What the data set teaches for all its cases. Raises ConfigError for conversations, which teach crosswise."""
    found = taught(dataset, settings).by_fold
    if len(found) != 1:
        raise ConfigError(
            f"{dataset.name} teaches by its own cases, and a fit needs one that taught all", f"Give it {HISTORIES}"
        )
    return found[0]


def told_of(dataset: DataSet, settings: LearnSettings) -> dict[str, object]:
    """What is learned from, in how many folds, and how, as a fit records it. Raises ConfigError."""
    source, folds = source_of(dataset)
    return {"source": source, "folds": folds, "recipe": asdict(recipe_of(settings))}


def _histories(dataset: DataSet) -> Mapping[str, list[str]]:
    """What each person took up, oldest first, without the answers of their own cases."""
    answers: dict[str, set[str]] = {}
    for case in dataset.cases():
        answers.setdefault(case.user_id, set()).update(case.relevant)
    return {user_id: list(_met(dataset, user_id, answers.get(user_id, set()))) for user_id in dataset.past.users}


def _met(dataset: DataSet, user_id: str, left_out: set[str]) -> Iterator[str]:
    past = dataset.past
    places = past.places(user_id)
    counts = np.isin(past.acts.kind[places], [KINDS.index(kind) for kind in TAKEN_UP])
    for place in places[counts].tolist():
        item_id = past.items[past.acts.item[place]]
        if item_id not in left_out:
            yield item_id


def _conversations(dataset: DataSet) -> Mapping[str, list[str]]:
    """The items named in each conversation, in the order they came up: by either side, as answers to a case too."""
    people: dict[str, dict[str, None]] = {}
    for case in dataset.cases():
        people.setdefault(case.user_id, {}).update(dict.fromkeys((*case.history, *case.mentioned, *case.relevant)))
    return {user_id: list(named) for user_id, named in people.items()}
