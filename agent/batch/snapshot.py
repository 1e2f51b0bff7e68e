"""The vectors of the catalogue and what was learned, copied out of the data folder for readers that hold no lock.

Rows are mapped into memory, so that the workers of one machine share them; they are compared one by one, which is
exact. One process at a time may open a data folder's index; anyone may read its snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from agent.errors import StoreError, StoreUnreachable
from agent.recall.collaborative import Collaborative
from agent.recall.held import Held
from agent.recall.nearest import Hit
from agent.recall.shelved import read_learned, write_learned
from agent.recall.state import State
from agent.recall.vector_index import VectorIndex
from agent.recall.where import Facts, facts_of
from agent.types import Item, Vector

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from agent.embed.base import Embedder
    from agent.parts.parts import Parts
    from agent.store.store import Store

_VECTORS, _ROWS, _LEARNED = "vectors.npy", "rows.json", "learned.npz"
_ROWS_PER_STEP = 1_000


def write_snapshot(parts: Parts, folder: Path) -> None:
    """Copy the index, brought up to date, and what was learned into a folder; an index that all share is not copied.

    Raises OSError and as the parts do.
    """
    index, noted = parts.fresh_index, {"ids": list[str](), "mean": list[float](), "fields": list[str](), "learned": ""}
    if not index.shared:
        ids = [item.item_id for item in parts.items]
        _copy(index, ids, folder / _VECTORS)
        fields = sorted({field for item in parts.items for field in facts_of(item)})
        noted |= {"ids": ids, "mean": index.mean.tolist(), "fields": fields}
    if parts.collaborative is not None:
        write_learned(parts.collaborative.learned, folder / _LEARNED)
        noted["learned"] = parts.collaborative.catalogue or "unknown"
    (folder / _ROWS).write_text(json.dumps(noted), encoding="utf-8")


def _copy(index: VectorIndex, ids: Sequence[str], path: Path) -> None:
    """Write the vectors of these items to a file, a thousand at a time."""
    shape = (len(ids), index.mean.size)
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, len(ids), _ROWS_PER_STEP):
        some = ids[start : start + _ROWS_PER_STEP]
        found = index.vectors(some)
        if index.trouble:
            raise StoreUnreachable(index.trouble, "See that the server runs, then begin again with the same command")
        rows[start : start + len(some)] = [found[item_id] for item_id in some]
    rows.flush()


def holds_vectors(folder: Path) -> bool:
    """Whether a snapshot has vectors of its own."""
    return (folder / _VECTORS).exists()


def open_index(folder: Path, embedder: Embedder, store: Store) -> VectorIndex:
    """The vectors of a snapshot, to be searched. Raises StoreError where it is not whole."""
    noted = _noted(folder)
    held = Held(noted["ids"], np.load(folder / _VECTORS, mmap_mode="r"))
    mean, marks = np.asarray(noted["mean"], np.float32), dict.fromkeys(noted["ids"], "")
    state = State("snapshot", embedder.name, mean, marks, tuple(noted["fields"]), settled=True)
    return VectorIndex(embedder, _Copied(_Rows(held, store)), _Fixed(state), pushdown_max_rows=0)


def open_learned(folder: Path) -> Collaborative | None:
    """What was learned, from a snapshot; None where nothing was."""
    version = _noted(folder)["learned"]
    if not version:
        return None
    return Collaborative(read_learned(folder / _LEARNED), None, "" if version == "unknown" else version)


def _noted(folder: Path) -> dict[str, Any]:
    try:
        noted: dict[str, Any] = json.loads((folder / _ROWS).read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"the snapshot in {folder} is not whole: {error}", "Begin again with the same command"
        ) from error
    return noted


class _Rows:
    """The rows of a snapshot. What filters ask about is read from the store."""

    name, served = "snapshot", False

    def __init__(self, held: Held, store: Store) -> None:
        self._held = held
        self._store = store
        self._facts: dict[str, Facts] = {}

    def count(self) -> int:
        """See `Rows.count`."""
        return len(self._held)

    def nearest(self, vector: Vector, n: int) -> list[Hit]:
        """See `Rows.nearest`."""
        return self._held.nearest(vector, n)

    nearest_held = nearest

    def compared(self, vector: Vector, ids: Sequence[str] | None) -> list[Hit]:
        """See `Rows.compared`."""
        hits = self._held.nearest(vector, len(self._held))
        wanted = None if ids is None else frozenset(ids)
        return [hit for hit in hits if wanted is None or hit.item_id in wanted]

    def ids_where(self, _filter: Mapping[str, Any], limit: int) -> list[str]:
        """Too many, whatever the filter: it is left to `facts`."""
        return [""] * limit

    def facts(self, ids: Sequence[str]) -> Mapping[str, Facts]:
        """See `Rows.facts`."""
        unknown = [item_id for item_id in ids if item_id not in self._facts]
        self._facts.update((item.item_id, facts_of(item)) for item in self._items(unknown))
        return self._facts

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """See `Collection.vectors`."""
        return self._held.vectors(ids)

    def _items(self, ids: Sequence[str]) -> Iterator[Item]:
        yield from self._store.items(ids) if ids else ()

    def add(self, *_: object) -> NoReturn:
        """Nothing can be written here."""
        raise _read_only()

    replace = remove = settle = add


class _Copied:
    """A shelf with that one collection."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows

    def open(self, _name: str) -> _Rows:
        """The collection."""
        return self._rows

    def files(self, _name: str) -> Mapping[str, str]:
        """Nothing: the index itself was checked."""
        return {}

    def create(self) -> NoReturn:
        """Nothing can be written here."""
        raise _read_only()

    def keep_only(self, _name: str) -> NoReturn:
        """Nothing can be written here."""
        raise _read_only()

    def close(self) -> None:
        """Nothing is held."""


class _Fixed:
    """The record of a snapshot: always the same."""

    shared = False

    def __init__(self, state: State) -> None:
        self._state = state

    def load(self) -> State:
        """See `Ledger.load`."""
        return self._state

    def begun(self) -> bool:
        """See `Ledger.begun`."""
        return True

    def save(self, _state: State) -> NoReturn:
        """Nothing can be written here."""
        raise _read_only()

    def stamp(self) -> str:
        """See `Ledger.stamp`."""
        return ""

    def alone(self, _wait_s: float | None) -> AbstractContextManager[None]:
        """See `Ledger.alone`."""
        return nullcontext()


def _read_only() -> StoreError:
    return StoreError("a snapshot of an index cannot be written", "Write to the index that it was made from")
