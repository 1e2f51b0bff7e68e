"""Whether two runs ask for the same: their run.json, but for where things lie and what no answer depends on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

SETTINGS = "settings"
CELLS, PROMPT_FILES = "cells", "prompt_files"
TOLD = frozenset({"models", "prompts", "systems"})  # what is met on the way
PASSING = TOLD | {
    "at",
    "left_out",
    "model",
    "plan",
    "unreachable",
}  # no answer depends on them
PLACES = ("plan", CELLS, PROMPT_FILES)  # what says where things lie


def essence(about: Mapping[str, object]) -> dict[str, object]:
    """What the answers of a run depend on. Data, prompts and model files are told by name and hash, not by place."""
    found = {key: value for key, value in about.items() if key not in PASSING}
    cells, files = about.get(CELLS), about.get(PROMPT_FILES)
    if isinstance(cells, list):
        found[CELLS] = [_placeless(row) if isinstance(row, Mapping) else row for row in cells]
    if isinstance(files, Mapping):
        found[PROMPT_FILES] = list(files.values())
    return found


def differing(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """What two runs were not begun alike with: the keys of run.json, settings by their own names."""
    mine, theirs = essence(one), essence(other)
    keys = [key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
    own, others = mine.get(SETTINGS), theirs.get(SETTINGS)
    if SETTINGS not in keys or not isinstance(own, Mapping) or not isinstance(others, Mapping):
        return keys
    inner = [key for key in sorted({*own, *others}) if own.get(key) != others.get(key)]
    return [name for key in keys for name in (inner if key == SETTINGS else [key])]


def _placeless(row: Mapping[str, object]) -> dict[str, object]:
    """A cell with the last part of each path that it names; which model a file holds is told by its hash."""
    named = {key: PurePath(str(row[key])).name for key in ("data", "prompts") if key in row}
    model = str(row.get("model", ""))
    file = {"model": PurePath(model).name} if model.lower().endswith(".gguf") and ":" not in model else {}
    return {**row, **named, **file}
