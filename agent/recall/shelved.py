"""What was learned from behaviour, kept in the data folder.

Neighbours, counts and factors lie in one file; the factors also in a Chroma collection of their own, which is
searched. All of it can be learned anew from the events: a newer one is written whole beside the older, then one small
record switches over.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from agent.errors import StoreError, StoreLocked
from agent.learn.arrays import as_arrays, from_arrays
from agent.learn.learned import Learned
from agent.recall.chroma import open_shelf
from agent.recall.collaborative import Collaborative
from agent.recall.nearest import Rows, nearest
from agent.recall.shelf import Collection, Shelf, new_name
from agent.recall.state import hash_of, load_checked, save_checked

if TYPE_CHECKING:
    from agent.settings import ChromaSettings

log = logging.getLogger(__name__)

LAYOUT = 1
_ROWS_PER_STEP = 1_000


@dataclass(frozen=True)
class Record:
    """Of what it was learned: `version` names it, `at` is when (UTC, ISO), `catalogue` the catalogue's version then.

    `collection` names the factors' collection, empty without factors; `epsilon` is what each release cost, 0 for what
    is exact; `forgotten` counts those who had been by then; `files` holds hashes of what lies in the folder.
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
    epsilon: float = 0.0
    forgotten: int = 0
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Shelved:
    """The learned thing of one data folder, locked for this process while it is open. Its methods raise StoreError.

    `problem` says why what lies there cannot be used, empty where it can or where nothing was learned yet.
    """

    def __init__(self, home: Path, shelf: Shelf | None, *, private: bool = False) -> None:
        self._home = home
        self._shelf = shelf
        self._private = private
        self.record: Record | None = None
        self.collaborative: Collaborative | None = None
        self.problem = self._load()

    @classmethod
    def open(
        cls, folder: Path, chroma: ChromaSettings | None = None, *, private: bool = False, lock_timeout_s: float = 0.5
    ) -> Self:
        """What lies in `folder`/learned; where it must be `private`, what is exact cannot be used.

        Where the folder cannot be written, it is read as it lies there. Raises StoreLocked where another process holds
        it, StoreError.
        """
        home = folder / "learned"
        with ExitStack() as undo:
            try:
                shelf = open_shelf(home, chroma, lock_timeout_s)
                undo.callback(shelf.close)
                opened = cls(home, shelf, private=private)
            except StoreLocked:
                raise
            except (StoreError, OSError):
                return cls(home, None, private=private)
            undo.pop_all()
        return opened

    def close(self) -> None:
        """Let go of the folder. Calling it twice is harmless."""
        self.collaborative = None
        if self._shelf is not None:
            self._shelf.close()

    def keep(self, learned: Learned, record: Record) -> Collaborative:
        """Put this in the place of what was there: an interruption leaves the one or the other, whole."""
        if self._shelf is None:
            raise StoreError(f"cannot write {self._home}", "Make the folder writable, or free some disk space")
        version = new_name("learned")
        path = self._home / f"{version}.npz"
        try:
            write_learned(learned, path)
            rows = _written(self._shelf, learned)
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

    def _settle(self, record: Record) -> None:
        files = {record.version: {"npz": hash_of(self._home / f"{record.version}.npz")}}
        if record.collection and self._shelf is not None:
            files[record.collection] = dict(self._shelf.files(record.collection))
        self.record = replace(record, files=files)
        save_checked(self._home / "record.json", {**asdict(self.record), "layout": LAYOUT})

    def _load(self) -> str:
        """Open what is there; why it cannot be used, or an empty string."""
        path = self._home / "record.json"
        values = load_checked(path, LAYOUT)
        if values is None:
            lost = path.exists() or any(self._home.glob("learned-*.npz"))
            return "its record is damaged or of another version" if lost else ""
        try:
            record = self.record = Record(**values)
        except TypeError:  # of a version that writes other fields
            return "its record is of another version"
        if self._private and not record.epsilon:
            return "it was learned without differential privacy"
        file = self._home / f"{record.version}.npz"
        if not file.exists() or {"npz": hash_of(file)} != record.files.get(record.version):
            return "its file is damaged"
        learned, rows = read_learned(file), self._rows_of(record)
        self.collaborative = Collaborative(learned, rows, record.catalogue)
        if rows is not None:
            _wake(rows, learned)
            self._settle(record)  # opening a collection alone changes a few bytes
        return ""

    def _rows_of(self, record: Record) -> Collection | None:
        """The factors as a collection that finds them sooner; None where there is none, or it is damaged."""
        if self._shelf is None or not record.collection:
            return None
        if dict(self._shelf.files(record.collection)) != dict(record.files.get(record.collection, {})):
            log.warning("the collection of factors in %s is damaged: they are compared one by one", self._home)
            return None
        return self._shelf.open(record.collection)


def _written(shelf: Shelf, learned: Learned) -> Collection | None:
    """The factors of items that have any, in a new collection; None without."""
    if learned.factors is None:
        return None
    places = np.flatnonzero(learned.factors.lengths)
    rows = shelf.create()
    for start in range(0, len(places), _ROWS_PER_STEP):
        some = places[start : start + _ROWS_PER_STEP]
        rows.add([learned.items[n] for n in some.tolist()], learned.factors.items[some], [{} for _ in some])
    rows.settle()
    _wake(rows, learned)
    return rows


def _wake(rows: Rows, learned: Learned) -> None:
    """Search once: what the first search changes in the files is not to be taken for damage later."""
    places = [] if learned.factors is None else np.flatnonzero(learned.factors.lengths).tolist()
    if learned.factors is not None and places:
        nearest(rows, learned.factors.items[places[0]], 1, where=None, exclude=(), pushdown_max_rows=0)


def write_learned(learned: Learned, file: Path) -> None:
    """Write all of it to a file. Raises OSError."""
    with file.open("wb") as opened:
        np.savez(opened, **as_arrays(learned))  # type: ignore[arg-type]  # its stub knows arrays by position only


def read_learned(file: Path) -> Learned:
    """What `write_learned` wrote. Raises OSError, ValueError."""
    with np.load(file, allow_pickle=False) as arrays:
        return from_arrays({name: arrays[name] for name in arrays.files})
