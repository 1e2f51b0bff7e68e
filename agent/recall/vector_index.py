"""The catalogue as centred vectors: kept equal to the items, checked before use, searched under filters."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Collection as AnyOf
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from agent.embed.base import Embedder
from agent.embed.passage import passage_of
from agent.errors import StoreError
from agent.recall.nearest import nearest
from agent.recall.shelf import Collection, Shelf
from agent.recall.state import State, load_state, save_state
from agent.recall.where import Where, facts_of
from agent.types import Candidate, Item, Vector

PUSHDOWN_MAX_ROWS = 2_000
_MIN_ROWS_TO_CENTRE = 10  # fewer have no middle worth the name: with one row, its centred vector would be zero
_MAX_MOVED = 0.1  # of all rows: when more have changed, the mean is taken anew
_NO_LENGTH = 1e-4  # a centred vector shorter than this is rounding error
_ROWS_PER_STEP = 1_000
_EMBEDDING_SHARE = 0.9  # of the time a rebuild takes, for the progress bar
_HALF_WRITTEN = "it was left half-written"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What it took to make the index equal the catalogue; `rebuilt` says why it was built anew, empty if it was not."""

    rows: int
    added: int = 0
    changed: int = 0
    removed: int = 0
    rebuilt: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How the index stands: rows it should have, rows a search reaches; `problem` is empty where it can be used."""

    rows: int
    reachable: int
    problem: str = ""
    embedder: str = ""
    catalogue_fingerprint: str = ""

    @property
    def ok(self) -> bool:
        """Whether every row can be found."""
        return not self.problem and self.rows == self.reachable


class VectorIndex:
    """Cosine search over items. Rows are passages' vectors minus `mean`, the catalogue's own middle, not normalised.

    Ask it with vectors from `centre`. Safe for several threads; calls queue. Its methods raise StoreError.
    """

    def __init__(self, embedder: Embedder, shelf: Shelf, state_file: Path, *, pushdown_max_rows: int) -> None:
        self._embedder = embedder
        self._shelf = shelf
        self._state_file = state_file
        self.pushdown_max_rows = pushdown_max_rows
        self._one_at_a_time = threading.RLock()
        self._state: State | None = None
        self._rows: Collection | None = None
        self._problem = self._load()

    def close(self) -> None:
        """Let go of the folder. Calling it twice is harmless."""
        with self._one_at_a_time:
            self._rows = None
            self._problem = "it is closed"
            self._shelf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def mean(self) -> Vector:
        """What was subtracted from every row; zeros where the catalogue has fewer than ten items."""
        return np.zeros(self._embedder.dimensions, np.float32) if self._state is None else self._state.mean

    def centre(self, vectors: Vector) -> Vector:
        """The embedder's vectors as the index holds them: minus the mean, any leading shape."""
        return np.asarray(vectors - self.mean, dtype=np.float32)

    def health(self) -> Health:
        """How the index stands, every row looked for."""
        with self._one_at_a_time:
            if self._state is None:
                return Health(0, 0, self._problem)
            found = self._count_reachable(self._rows) if self._rows is not None else 0
            state = self._state
            return Health(len(state.fingerprints), found, self._problem, state.embedder, state.catalogue_fingerprint)

    def holds(self, n_items: int) -> bool:
        """Whether the index can be used as it is and has this many rows; says nothing of what is in them."""
        usable = not (self._problem or self._other_embedder())
        return usable and self._state is not None and len(self._state.fingerprints) == n_items

    def search(
        self,
        vector: Vector,
        k: int,
        *,
        source: str,
        where: Where | None = None,
        exclude: AnyOf[str] = (),
    ) -> list[Candidate]:
        """The k items nearest to a centred vector that pass and are not excluded; best first, ties by item_id.

        Scores are cosines. Raises ConfigError for a filter on a field that no item has, StoreError for a vector that
        is zero or not finite and for an index that must be brought up to date first.
        """
        with self._one_at_a_time:
            state, rows = self._usable()
            if where is not None:
                self._check(where, state)
            if rows is None or k < 1:
                return []
            limit = self.pushdown_max_rows
            hits = nearest(rows, self._question(vector), k, where=where, exclude=exclude, pushdown_max_rows=limit)
        return [Candidate(item_id=h.item_id, source=source, rank=n, score=h.score) for n, h in enumerate(hits, 1)]

    def check(self, where: Where) -> None:
        """Do nothing where the filter's fields exist. Raises ConfigError for a field that no item has."""
        self._check(where, self._usable()[0])

    @staticmethod
    def _check(where: Where, state: State) -> None:
        if state.fingerprints:
            where.check_fields(state.fields)

    def vectors(self, item_ids: Sequence[str]) -> dict[str, Vector]:
        """The centred vectors of these items, by id; items that are not there are absent."""
        with self._one_at_a_time:
            _, rows = self._usable()
            return {} if rows is None else rows.vectors(list(dict.fromkeys(item_ids)))

    def sync(self, items: Iterable[Item], *, rebuild: bool = False, progress: Progress | None = None) -> SyncReport:
        """Make the index equal the items: what is new, changed or gone is written, the rest is left alone.

        It is built anew when asked, when it is damaged, when the embedder is another one, and when so much has changed
        that the mean must be taken again. An interruption leaves the older index, or one that says it is unfinished.
        """
        with self._one_at_a_time:
            wanted = {item.item_id: item for item in items}
            marks = {item_id: _mark(item) for item_id, item in wanted.items()}
            why = "asked for" if rebuild else self._why_rebuild(marks)
            if why:
                return self._rebuild(list(wanted.values()), marks, why, progress or _silently)
            return self._update(wanted, marks, progress or _silently)

    def _load(self) -> str:
        """Open what is there; why it cannot be used, or an empty string."""
        state = load_state(self._state_file)
        if state is None:
            return "its record is damaged or of another version" if self._state_file.exists() else "there is none yet"
        self._state = state
        if not state.settled:
            return _HALF_WRITTEN
        if not state.generation:
            return ""
        if dict(self._shelf.files(state.generation)) != dict(state.files or {}):
            return "its files are damaged"
        rows = self._shelf.open(state.generation)
        if rows is None or rows.count() != len(state.fingerprints):
            return "its rows are missing"
        self._rows = rows
        self._settle(state)  # opening alone changes a few bytes
        return ""

    def _usable(self) -> tuple[State, Collection | None]:
        problem = self._problem or self._other_embedder()
        if problem or self._state is None:
            raise StoreError(f"the index cannot be used: {problem}", "Build it with: palate index")
        return self._state, self._rows

    def _other_embedder(self) -> str:
        if self._state is None or self._state.embedder == self._embedder.name:
            return ""
        return f"it was made with the embedder {self._state.embedder}, not with {self._embedder.name}"

    def _why_rebuild(self, marks: dict[str, str]) -> str:
        if problem := self._problem or self._other_embedder():
            return problem
        known = {} if self._state is None else self._state.fingerprints
        changed = sum(known.get(item_id) != mark for item_id, mark in marks.items()) + len(known.keys() - marks.keys())
        moved = changed + (0 if self._state is None else self._state.moved)
        return "much of the catalogue has changed" if changed and moved > _MAX_MOVED * len(known) else ""

    def _rebuild(self, items: list[Item], marks: dict[str, str], why: str, progress: Progress) -> SyncReport:
        raw = self._embedded(items, lambda done: progress(int(done * _EMBEDDING_SHARE), len(items)))
        mean = raw.mean(axis=0) if len(items) >= _MIN_ROWS_TO_CENTRE else np.zeros(self._embedder.dimensions)
        rows = self._shelf.create() if items else None
        state = State(rows.name if rows else "", self._embedder.name, mean.astype(np.float32), marks, _fields_of(items))
        if rows is not None:
            start = int(len(items) * _EMBEDDING_SHARE)
            self._write(rows, items, raw, state.mean, lambda done: progress(start + int(done * 0.1), len(items)))
        self._rows = rows
        self._settle(state)
        self._shelf.keep_only(state.generation)
        progress(len(items), len(items))
        return SyncReport(len(items), added=len(items), rebuilt=why)

    def _update(self, wanted: dict[str, Item], marks: dict[str, str], progress: Progress) -> SyncReport:
        state, rows = self._usable()
        known = state.fingerprints
        gone = [item_id for item_id in known if item_id not in marks]
        changed = [item_id for item_id, mark in marks.items() if known.get(item_id, mark) != mark]
        added = [item_id for item_id in marks if item_id not in known]
        report = SyncReport(len(marks), len(added), len(changed), len(gone))
        if rows is None or not (gone or changed or added):
            return report
        fresh = [wanted[item_id] for item_id in (*added, *changed)]
        raw = self._embedded(fresh, lambda done: progress(done, len(fresh)))
        self._save(state.unsettled())
        self._problem = _HALF_WRITTEN
        rows.remove([*gone, *changed])
        self._write(rows, fresh, raw, state.mean, lambda _: None)
        if self._count_reachable(rows) != len(marks):
            return self._rebuild(list(wanted.values()), marks, "rows were out of reach", progress)
        fields, moved = tuple(sorted({*state.fields, *_fields_of(fresh)})), len(gone) + len(fresh)
        self._settle(replace(state, fingerprints=marks, fields=fields, moved=state.moved + moved))
        return report

    def _count_reachable(self, rows: Collection) -> int:
        anything = np.ones(self._embedder.dimensions, dtype=np.float32)
        return len(rows.nearest(anything, rows.count())) if rows.count() else 0

    def _embedded(self, items: Sequence[Item], done: Callable[[int], None]) -> Vector:
        matrix = np.empty((len(items), self._embedder.dimensions), dtype=np.float32)
        step = 64
        for start in range(0, len(items), step):
            some = items[start : start + step]
            matrix[start : start + len(some)] = self._embedder.passages([passage_of(item) for item in some])
            done(start + len(some))
        if not np.isfinite(matrix).all() or (len(items) and not np.linalg.norm(matrix, axis=1).all()):
            raise StoreError(
                f"{self._embedder.name} gave a vector that is zero or not finite", "Choose another embedder"
            )
        return matrix

    def _write(
        self, rows: Collection, items: Sequence[Item], raw: Vector, mean: Vector, done: Callable[[int], None]
    ) -> None:
        centred = raw - mean
        flat = np.linalg.norm(centred, axis=1) < _NO_LENGTH
        centred[flat] = raw[flat]  # in the very middle there is no direction: the passage's own is as good as any
        for start in range(0, len(items), _ROWS_PER_STEP):
            some = items[start : start + _ROWS_PER_STEP]
            ids = [item.item_id for item in some]
            rows.add(ids, centred[start : start + len(some)], [facts_of(item) for item in some])
            done(start + len(some))

    def _question(self, vector: Vector) -> Vector:
        question = np.asarray(vector, dtype=np.float32)
        if question.shape != (self._embedder.dimensions,) or not np.isfinite(question).all() or not question.any():
            raise StoreError(f"cannot search with a vector of shape {question.shape} that is zero or not finite")
        return question

    def _settle(self, state: State) -> None:
        files = self._shelf.files(state.generation) if state.generation else {}
        self._state = replace(state, files=files, settled=True)
        self._save(self._state)
        self._problem = ""

    def _save(self, state: State) -> None:
        try:
            save_state(self._state_file, state)
        except OSError as error:
            raise StoreError(
                f"cannot write {self._state_file}: {error.strerror}", "Make the folder writable"
            ) from error


def _mark(item: Item) -> str:
    return hashlib.blake2b(item.model_dump_json().encode("utf-8", "replace"), digest_size=8).hexdigest()


def _fields_of(items: Iterable[Item]) -> tuple[str, ...]:
    return tuple(sorted({field for item in items for field in facts_of(item)}))


def _silently(_done: int, _of: int) -> None:
    return None
