"""Ranking cases out of what people did: one item each person went on to like, among items drawn at random.

The protocol of LLMRank (Hou et al., ECIR 2024): the latest items of the history, one relevant candidate, and others
that the person never met. Equal data, seed and numbers give equal files.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agent.errors import CatalogueError, ConfigError
from eval.cases import CASES, ITEMS, DataSet
from eval.chance import drawn

EVENTS = "events.jsonl.gz"

Histories = Mapping[str, Sequence[str]]


def sample(folder: Path, output: Path, *, candidates: int, history: int, seed: int) -> int:
    """Write a folder of ranking cases, and how many there are; people with a shorter history have none.

    `folder` holds items, cases that name what each person went on to like (`relevant`), and the events before that.
    Raises ConfigError: no such folder, an output that is there already, too few items; CatalogueError: bad lines.
    """
    if output.exists():
        raise ConfigError(f"{output} is there already", "Give --output a folder that is not there yet")
    dataset = DataSet.open(folder, ())
    histories = _histories(folder / EVENTS)
    if candidates > len(dataset.items):
        raise ConfigError(f"{candidates} candidates of {len(dataset.items)} items", "Ask for fewer candidates")
    lines = list(_cases(dataset, histories, candidates, history, seed))
    output.mkdir(parents=True)
    shutil.copyfile(folder / ITEMS, output / ITEMS)
    (output / CASES).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return len(lines)


def _cases(
    dataset: DataSet, histories: Histories, candidates: int, history: int, seed: int
) -> Iterator[dict[str, object]]:
    ids = sorted(dataset.items)
    for case in dataset.cases():
        past = [item_id for item_id in histories.get(case.user_id, ()) if item_id in dataset.items]
        if len(past) < history:
            continue

        def _draw(item_id: str, user_id: str = case.user_id) -> str:
            return drawn(seed, user_id, item_id)

        met = {*past, *case.relevant}
        shown = sorted((i for i in ids if i not in met), key=_draw)[: candidates - 1]
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
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                event = json.loads(line)
                found[str(event["user_id"])].append((float(event["at"]), str(event["item_id"])))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise CatalogueError(f"cannot read events from {path}: {error!r}", "It holds one JSON object a line") from error
    return {user: [item_id for _, item_id in sorted(acts, key=lambda act: act[0])] for user, acts in found.items()}
