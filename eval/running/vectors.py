"""The vectors of a data set's items, kept in the run folder so that diversity can be told without an embedder."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from agent.errors import ConfigError
from agent.types import Vector
from eval.files import whole

FOLDER = "vectors"


def file_of(run: Path, dataset: str) -> Path:
    """Where the vectors of a data set of this name lie in the folder of a run."""
    return run / FOLDER / f"{hashlib.sha256(dataset.encode()).hexdigest()[:16]}.npz"


def keep_vectors(run: Path, dataset: str, vectors: Mapping[str, Vector]) -> None:
    """Keep them in half precision, whole or not at all. Raises ConfigError where the folder cannot be written."""
    path = file_of(run, dataset)
    try:
        path.parent.mkdir(exist_ok=True)
        with whole(path) as part, part.open("wb") as file:
            rows = np.stack(list(vectors.values())).astype(np.float16)
            np.savez(file, ids=np.array(list(vectors), dtype=np.str_), rows=rows)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}", "Mend that and run it again") from error


def kept_vectors(run: Path, dataset: str) -> dict[str, Vector]:
    """Those that were kept, by item id; none where none were, or where the file is damaged."""
    try:
        with np.load(file_of(run, dataset), allow_pickle=False) as found:
            ids, rows = found["ids"], found["rows"].astype(np.float32)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return {}
    return {str(item_id): row for item_id, row in zip(ids, rows, strict=True)}
