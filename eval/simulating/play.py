"""Plays a data set's cases as dialogues, one after the other, beside recommenders that hear less or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.errors import ConfigError
from eval.cases import DataSet
from eval.chance import best_first
from eval.popularity import shelf_of
from eval.runs import Progress
from eval.simulating.dialogue import Dialogue, Guide, Quest, Talk, converse, popularity_turn, quests, random_turn
from eval.simulating.report import PALATE, POPULARITY, RANDOM, Found

Dialogues = Callable[[Quest], Dialogue]
"""Holds the dialogue of a quest."""


def play(
    dataset: DataSet, guide: Guide, talk: Talk, limit: int | None = None, *, progress: Progress = lambda _done: None
) -> Found:
    """What came of the data set's dialogues with a guide; see `play_all`."""
    systems: dict[str, Dialogues] = {PALATE: lambda quest: converse(quest, guide, dataset.items, talk)}
    return play_all(dataset, systems, talk, limit, progress=progress)


def play_all(
    dataset: DataSet,
    systems: Mapping[str, Dialogues],
    talk: Talk,
    limit: int | None = None,
    *,
    progress: Progress = lambda _done: None,
) -> Found:
    """What came of the data set's dialogues with each system, at most `limit`; those nobody can play are counted.

    The first system is Palate, which is compared with the others. Where no popularity is known there is no order by it
    to compare with. Raises ConfigError when no case can be played, CatalogueError as `DataSet.cases` does.
    """
    known = popular_order(dataset, talk.seed)
    found = Found()
    for done, quest in enumerate(quests(dataset.cases(limit), dataset.items, talk), start=1):
        if isinstance(quest, str):
            found.left_out[quest] += 1
        else:
            first, *others = (dialogues(quest) for dialogues in systems.values())
            rivals = dict(zip(list(systems)[1:], (one.found_at for one in others), strict=True))
            found.take(first, {**rivals, **_blind(quest, known, talk, len(dataset.items))})
        progress(done)
    if not found.dialogues:
        raise ConfigError(f"no case of {dataset.name} can be played: {next(iter(found.left_out))}", "Take other cases")
    return found


def popular_order(dataset: DataSet, seed: int) -> dict[str, int]:
    """Each item's place among all by popularity, from 0, ties drawn by lot; empty where no popularity is known."""
    popularity = shelf_of(dataset).popularity
    if not any(popularity.values()):
        return {}
    counts = {item_id: popularity.get(item_id, 0.0) for item_id in dataset.items}
    return {item_id: place for place, item_id in enumerate(best_first(counts, f"popular {seed}"))}


def _blind(quest: Quest, known: Mapping[str, int], talk: Talk, n_items: int) -> dict[str, int | None]:
    popular = {POPULARITY: popularity_turn(quest, known, talk)} if known else {}
    return {**popular, RANDOM: random_turn(quest, n_items, talk)}
