"""What an index was made of, in one small file beside it: enough to tell a sound one from a damaged one."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from agent.types import Vector

LAYOUT = 1  # of the rows and of this file: another one means building anew
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class State:
    """The index as it was last left.

    `generation` names its collection; `mean` was subtracted from every row; `fingerprints` maps item ids to hashes of
    the items; `fields` are what filters may ask about; `moved` counts rows changed since the mean was taken; `files`
    maps the collection's files to hashes of their bytes; `settled` is False while rows are being written; `catalogue`
    is the version of the catalogue that it equals, where that was told.
    """

    generation: str
    embedder: str
    mean: Vector
    fingerprints: Mapping[str, str]
    fields: tuple[str, ...]
    moved: int = 0
    files: Mapping[str, str] | None = None
    settled: bool = False
    catalogue: str = ""

    @property
    def catalogue_fingerprint(self) -> str:
        """One hash for all items: equal for equal catalogues."""
        lines = "\n".join(f"{item_id}\t{mark}" for item_id, mark in sorted(self.fingerprints.items()))
        return hashlib.sha256(lines.encode()).hexdigest()[:16]

    def unsettled(self) -> State:
        """The state while rows are being written: after a crash, the index is built anew."""
        return replace(self, settled=False, files=None)


def save_state(path: Path, state: State) -> None:
    """Put the state in place, whole or not at all. Raises OSError."""
    save_checked(path, {**asdict(state), "mean": to_text(state.mean), "layout": LAYOUT})


def save_checked(path: Path, values: Mapping[str, Any]) -> None:
    """Put JSON values in place under a checksum, whole or not at all. Raises OSError."""
    body = json.dumps(values, ensure_ascii=False)
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load_state(path: Path) -> State | None:
    """The state last saved; None where there is none, or it is damaged or of another layout."""
    values = load_checked(path, LAYOUT)
    if values is None:
        return None
    try:
        return State(**{**values, "mean": to_vector(values["mean"]), "fields": tuple(values["fields"])})
    except (TypeError, KeyError, ValueError):  # sound, but of a version that writes other fields
        return None


def load_checked(path: Path, layout: int) -> dict[str, Any] | None:
    """The values last saved, without `layout`; None where there are none, or they are damaged or of another layout."""
    try:
        checksum, _, body = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if hashlib.sha256(body.encode()).hexdigest() != checksum:
        return None
    values: dict[str, Any] = json.loads(body)
    return values if values.pop("layout", None) == layout else None


def hashes_of(folder: Path) -> dict[str, str]:
    """A hash of every file under the folder, by its path from there. Raises OSError."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hash_of(path) for path in files}


def hash_of(path: Path) -> str:
    """A hash of the file's bytes. Raises OSError."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def to_text(vector: Vector) -> str:
    """The numbers of a vector as text."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def to_vector(text: str) -> Vector:
    """The vector that `to_text` wrote."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
