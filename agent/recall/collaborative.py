"""What was learned from behaviour, kept in the data folder, and what it finds for a person.

Neighbours, counts and factors lie in one file; the factors also in a Chroma collection of their own, which is
searched. All of it can be learned anew from the events: a newer one is written whole beside the older, then one small
record switches over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.sparse import csr_matrix

from agent.errors import StoreError
from agent.learn.factors import Factors
from agent.learn.learned import FACTORS, POPULARITY, TOGETHER, Learned
from agent.learn.neighbours import Neighbours
from agent.recall.index import open_shelf
from agent.recall.nearest import Rows, nearest
from agent.recall.shelf import Shelf, new_name
from agent.recall.state import hashes_of, load_checked, save_checked
from agent.types import Candidate

if TYPE_CHECKING:
    from agent.settings import ChromaSettings

LAYOUT = 1
_ROWS_PER_STEP = 1_000
_HINT = "Learn it anew: palate learn"


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


@dataclass(frozen=True)
class Collaborative:
    """What was learned, ready to find items. `rows` are the factors in an index; none: they are compared one by one."""

    learned: Learned
    rows: Rows | None = None

    def together(self, history: Sequence[str], n: int, exclude: Collection[str] = ()) -> list[Candidate]:
        """Up to n items that are taken up together with what the person took up, oldest first; best first."""
        return self._best(TOGETHER, self.learned.together(history), n, exclude)

    def factors(self, history: Sequence[str], n: int, exclude: Collection[str] = ()) -> list[Candidate]:
        """Up to n items near to the person among the factors of items; scores are cosines."""
        person = self.learned.person(history)
        if person is None or self.learned.factors is None or not person.any():
            return []
        if self.rows is None:
            return self._best(FACTORS, self.learned.factors.cosines(person), n, exclude)
        hits = nearest(self.rows, person, n, where=None, exclude=exclude, pushdown_max_rows=0)
        return [Candidate(item_id=h.item_id, source=FACTORS, rank=k, score=h.score) for k, h in enumerate(hits, 1)]

    def popular(self, n: int, exclude: Collection[str] = ()) -> list[Candidate]:
        """Up to n items that the most people took up; scores are how many did."""
        counts, items = self.learned.counts, self.learned.items
        found = [p for p in self.learned.popular[: n + len(exclude)].tolist() if items[p] not in exclude][:n]
        return [
            Candidate(item_id=items[p], source=POPULARITY, rank=k, score=float(counts[p]))
            for k, p in enumerate(found, start=1)
        ]

    def _best(self, source: str, scores: np.ndarray[Any, Any], n: int, exclude: Collection[str]) -> list[Candidate]:
        """The n items of greatest score above 0 that are not excluded, ties by item_id."""
        items, wanted = self.learned.items, n + len(exclude)
        places = np.flatnonzero(scores > 0)
        if len(places) > wanted:
            edge = np.partition(scores[places], -wanted)[-wanted]
            places = places[scores[places] >= edge]
        best = sorted((-float(scores[p]), items[p]) for p in places.tolist() if items[p] not in exclude)[:n]
        return [Candidate(item_id=i, source=source, rank=k, score=-s) for k, (s, i) in enumerate(best, start=1)]


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
            opened = cls(home, shelf)
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
                np.savez(file, **_arrays(learned))  # type: ignore[arg-type]  # its stub knows arrays by position only
            rows = self._written(learned)
            self._settle(replace(record, version=version, collection=rows.name if rows else ""))
        except OSError as error:
            raise StoreError(f"cannot write {self._home}: {error.strerror or error}", "Make the folder writable") from error
        self.collaborative, self.problem = Collaborative(learned, rows), ""
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
        files = {record.version: hashes_of_file(self._home / f"{record.version}.npz")}
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
        if not file.exists() or hashes_of_file(file) != record.files.get(record.version):
            return "its file is damaged"
        rows = None
        if record.collection:
            if dict(self._shelf.files(record.collection)) != dict(record.files.get(record.collection, {})):
                return "its collection is damaged"
            rows = self._shelf.open(record.collection)
            if rows is None:
                return "its collection is missing"
        self.collaborative = Collaborative(_learned(file), rows)
        self._settle(record)  # opening a collection alone changes a few bytes
        return ""
