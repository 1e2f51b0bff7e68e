"""Reads a finished data set back and refuses it where a case can be answered by looking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from agent.errors import CatalogueError
from eval.building.folder import read_past
from eval.cases import EVENTS, Case, DataSet


def refuse_leaks(folder: Path, *, cut: float | None = None) -> int:
    """How many cases were looked at, all of them sound.

    No answer and no other candidate stands in the person's past; the history stands in it whole; every answer is among
    the candidates, where there are any; no event lies at `cut` (Unix seconds) or after it. Raises CatalogueError naming
    the first case or event that fails, and whatever `DataSet.open` raises.
    """
    dataset = DataSet.open(folder, ("history",))
    past = _past(folder / EVENTS, {case.user_id for case in dataset.cases()}, cut)
    for case in dataset.cases():
        if reason := leak(case, past.get(case.user_id, ())):
            raise CatalogueError(f"the case {case.case_id!r} of {folder} {reason}", "Build the data set anew")
    return dataset.n_cases


def leak(case: Case, past: Collection[str]) -> str | None:
    """What is wrong with a case, None where nothing is; `past` holds the items that the person had met."""
    for item_id in case.relevant:
        if item_id in case.history:
            return f"gives its answer {item_id!r} away in the history"
        if item_id in past:
            return f"asks for {item_id!r}, which the person had met before the split"
        if case.candidates and item_id not in case.candidates:
            return f"asks for {item_id!r}, which is not among its candidates"
    for item_id in (*case.candidates, *case.disliked):
        if item_id in past:
            what = "the candidate" if item_id in case.candidates else "disliked"
            return f"has {what} {item_id!r}, which the person had met before the split"
    unknown = next((item_id for item_id in case.history if item_id not in past), None)
    return f"has {unknown!r} in the history, which is not in the person's past" if unknown is not None else None


def _past(path: Path, users: Collection[str], cut: float | None) -> dict[str, set[str]]:
    met: dict[str, set[str]] = defaultdict(set)
    for act in read_past(path):
        if cut is not None and act.at >= cut:
            raise CatalogueError(
                f"{path}: the event of {act.user_id!r} on {act.item_id!r} lies after the cut", "Build the data set anew"
            )
        if act.user_id in users:
            met[act.user_id].add(act.item_id)
    return met
