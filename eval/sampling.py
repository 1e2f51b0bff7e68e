"""Ranking cases out of what people did: one item each person went on to like, among items drawn at random.

The protocol of LLMRank (Hou et al., ECIR 2024): the latest items of the history, one relevant candidate, and others
that the person never met. Equal data, seed and numbers give equal files.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agent.errors import ConfigError
from eval.building.draws import strangers
from eval.building.folder import read_past, whole
from eval.cases import CASES, EVENTS, ITEMS, DataSet
from eval.chance import drawn

Histories = Mapping[str, Sequence[str]]


def sample(folder: Path, output: Path, *, candidates: int, history: int, seed: int) -> int:
    """Write a folder of ranking cases, and how many there are; people with a shorter history have none.

    `folder` holds items, cases that name what each person went on to like (`relevant`), and the events before that.
    Raises ConfigError: no such folder, an output that is there already, too few items; CatalogueError: bad lines.
    """
    with whole(output) as made:
        dataset = DataSet.open(folder, ())
        histories = _histories(folder / EVENTS)
        if candidates > len(dataset.items):
            raise ConfigError(f"{candidates} candidates of {len(dataset.items)} items", "Ask for fewer candidates")
        lines = list(_cases(dataset, histories, candidates, history, seed))
        shutil.copyfile(folder / ITEMS, made / ITEMS)
        (made / CASES).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return len(lines)


def _cases(
    dataset: DataSet, histories: Histories, candidates: int, history: int, seed: int
) -> Iterator[dict[str, object]]:
    for case in dataset.cases():
        past = [item_id for item_id in histories.get(case.user_id, ()) if item_id in dataset.items]
        if len(past) < history:
            continue

        def _draw(item_id: str, user_id: str = case.user_id) -> str:
            return drawn(seed, user_id, item_id)

        shown = strangers(dataset.items, {*past, *case.relevant}, candidates - 1, seed=seed, user_id=case.user_id)
        target = min(case.relevant, key=_draw)
        yield {
            "case_id": case.case_id,
            "user_id": case.user_id,
            "history": past[-history:],
            "candidates": sorted([*shown, target], key=lambda item_id: drawn(seed, "place", item_id)),
            "relevant": [target],
        }


def _histories(path: Path) -> Histories:
    """What each person met, oldest first; ties in the file's order."""
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for act in read_past(path):
        found[act.user_id].append((act.at, act.item_id))
    return {user: [item_id for _, item_id in sorted(acts, key=lambda act: act[0])] for user, acts in found.items()}
