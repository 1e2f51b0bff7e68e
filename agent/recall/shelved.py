"""What was learned from behaviour, kept in the data folder.

Neighbours, counts and factors lie in one file; the factors also in a Chroma collection of their own, which is
searched. All of it can be learned anew from the events: a newer one is written whole beside the older, then one small
record switches over.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from agent.errors import StoreError
from agent.learn.arrays import as_arrays, from_arrays
from agent.learn.learned import Learned
from agent.recall.collaborative import Collaborative
from agent.recall.index import open_shelf
from agent.recall.shelf import Shelf, new_name
from agent.recall.state import hash_of, load_checked, save_checked

if TYPE_CHECKING:
    from agent.settings import ChromaSettings

LAYOUT = 1
_ROWS_PER_STEP = 1_000


@dataclass(frozen=True)
class Record:
    """Of what it was learned: `version` names it, `at` is when (UTC, ISO), `catalogue` the catalogue's version then.

    `collection` names the factors' collection, empty without factors; `files` holds hashes of what lies in the folder.
    """

    version: str
    at: str
    people: int
    events: int
    items: int
    pairs: int
    factors: int
    catalogue: str
    recipe: Mapping[str, float]
    collection: str = ""
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Shelved:
    """The learned thing of one data folder, locked for this process while it is open. Its methods raise StoreError.

    `problem` says why what lies there cannot be used, empty where it can or where nothing was learned yet.
    """

    def __init__(self, home: Path, shelf: Shelf) -> None:
        self._home = home
        self._shelf = shelf
        self.record: Record | None = None
        self.collaborative: Collaborative | None = None
        self.problem = self._load()

    @classmethod
    def open(cls, folder: Path, chroma: ChromaSettings | None = None, *, lock_timeout_s: float = 0.5) -> Self:
        """What lies in `folder`/learned. Raises StoreLocked where another process holds it, StoreError."""
        home = folder / "learned"
        with ExitStack() as undo:
            shelf = open_shelf(home, chroma, lock_timeout_s)
            undo.callback(shelf.close)
            try:
                opened = cls(home, shelf)
            except OSError as error:
                raise StoreError(
                    f"cannot open {home}: {error.strerror or error}", "Make the folder writable"
                ) from error
            undo.pop_all()
        return opened

    def close(self) -> None:
        """Let go of the folder. Calling it twice is harmless."""
        self.collaborative = None
        self._shelf.close()

    def keep(self, learned: Learned, record: Record) -> Collaborative:
        """Put this in the place of what was there: an interruption leaves the one or the other, whole."""
        version = new_name("learned")
        path = self._home / f"{version}.npz"
        try:
            with path.open("wb") as file:
                np.savez(file, **as_arrays(learned))  # type: ignore[arg-type]  # its stub knows arrays by position only
            rows = self._written(learned)
            self._settle(replace(record, version=version, collection=rows.name if rows else ""))
        except OSError as error:
            raise StoreError(
                f"cannot write {self._home}: {error.strerror or error}", "Make the folder writable"
            ) from error
        self.collaborative, self.problem = Collaborative(learned, rows, record.catalogue), ""
        self._shelf.keep_only(rows.name if rows else "")
        for older in self._home.glob("learned-*.npz"):
            if older != path:
                older.unlink(missing_ok=True)
        return self.collaborative

    def _written(self, learned: Learned) -> Any:
        """The factors of items that have any, in a new collection; None without."""
        if learned.factors is None:
            return None
        places = np.flatnonzero(learned.factors.lengths)
        rows = self._shelf.create()
        for start in range(0, len(places), _ROWS_PER_STEP):
            some = places[start : start + _ROWS_PER_STEP]
            rows.add([learned.items[n] for n in some.tolist()], learned.factors.items[some], [{} for _ in some])
        return rows

    def _settle(self, record: Record) -> None:
        files = {record.version: {"npz": hash_of(self._home / f"{record.version}.npz")}}
        if record.collection:
            files[record.collection] = dict(self._shelf.files(record.collection))
        self.record = replace(record, files=files)
        save_checked(self._home / "record.json", {**asdict(self.record), "layout": LAYOUT})

    def _load(self) -> str:
        """Open what is there; why it cannot be used, or an empty string."""
        path = self._home / "record.json"
        values = load_checked(path, LAYOUT)
        if values is None:
            return "its record is damaged or of another version" if path.exists() else ""
        record = self.record = Record(**values)
        file = self._home / f"{record.version}.npz"
        if not file.exists() or {"npz": hash_of(file)} != record.files.get(record.version):
            return "its file is damaged"
        rows = None
        if record.collection:
            if dict(self._shelf.files(record.collection)) != dict(record.files.get(record.collection, {})):
                return "its collection is damaged"
            rows = self._shelf.open(record.collection)
            if rows is None:
                return "its collection is missing"
        self.collaborative = Collaborative(_read(file), rows, record.catalogue)
        self._settle(record)  # opening a collection alone changes a few bytes
        return ""


def _read(file: Path) -> Learned:
    with np.load(file, allow_pickle=False) as arrays:
        return from_arrays({name: arrays[name] for name in arrays.files})
