"""An index kept equal to the items: what is new, changed or gone is written, or all of it anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from agent.embed.passage import passage_of
from agent.errors import StoreError
from agent.recall.report import SyncReport
from agent.recall.shelf import Collection
from agent.recall.state import State
from agent.recall.vector_index import HALF_WRITTEN, VectorIndex
from agent.recall.where import facts_of
from agent.types import Item, Vector

Progress = Callable[[int, int], None]

_MIN_ROWS_TO_CENTRE = 10  # fewer have no middle worth the name: with one row, its centred vector would be zero
_MAX_MOVED = 0.1  # of all rows: when more have changed, the mean is taken anew
_NO_LENGTH = 1e-4  # a centred vector shorter than this is rounding error
_ROWS_PER_STEP = 1_000
_EMBEDDING_SHARE = 0.9  # of the time a rebuild takes, for the progress bar


class SyncedIndex(VectorIndex):
    """An index that can be written: see `VectorIndex` for how it is asked."""

    def sync(
        self,
        items: Iterable[Item],
        *,
        rebuild: bool = False,
        progress: Progress | None = None,
        catalogue: str = "",
    ) -> SyncReport:
        """Make the index equal the items: what is new, changed or gone is written, the rest is left alone.

        `catalogue` is the version of the catalogue that they are.

        It is built anew when asked, when it is damaged, when the embedder is another one, and when so much has changed
        that the mean must be taken again. An interruption leaves the older index, or one that says it is unfinished.
        """
        with self.alone(), self._one_at_a_time:
            wanted = {item.item_id: item for item in items}
            marks = {item_id: _mark(item) for item_id, item in wanted.items()}
            why = "asked for" if rebuild else self._why_rebuild(marks)
            if why:
                return self._rebuild(list(wanted.values()), marks, catalogue, why, progress or _silently)
            return self._update(wanted, marks, catalogue, progress or _silently)

    def _why_rebuild(self, marks: dict[str, str]) -> str:
        if problem := self._problem or self._other_embedder():
            return problem
        known = {} if self._state is None else self._state.fingerprints
        changed = sum(known.get(item_id) != mark for item_id, mark in marks.items()) + len(known.keys() - marks.keys())
        moved = changed + (0 if self._state is None else self._state.moved)
        return "much of the catalogue has changed" if changed and moved > _MAX_MOVED * len(known) else ""

    def _rebuild(
        self, items: list[Item], marks: dict[str, str], catalogue: str, why: str, progress: Progress
    ) -> SyncReport:
        raw = self._embedded(items, lambda done: progress(int(done * _EMBEDDING_SHARE), len(items)))
        mean = raw.mean(axis=0) if len(items) >= _MIN_ROWS_TO_CENTRE else np.zeros(self._embedder.dimensions)
        rows = self._shelf.create() if items else None
        state = State(
            generation=rows.name if rows else "",
            embedder=self._embedder.name,
            mean=mean.astype(np.float32),
            fingerprints=marks,
            fields=_fields_of(items),
            catalogue=catalogue,
        )
        if rows is not None:
            start = int(len(items) * _EMBEDDING_SHARE)
            self._write(rows, items, raw, state.mean, lambda done: progress(start + int(done * 0.1), len(items)))
            rows.settle()
        self._rows = rows
        self._settle(state)
        self._shelf.keep_only(state.generation)
        progress(len(items), len(items))
        return SyncReport(len(items), added=len(items), rebuilt=why)

    def _update(self, wanted: dict[str, Item], marks: dict[str, str], catalogue: str, progress: Progress) -> SyncReport:
        state, rows = self._usable()
        known = state.fingerprints
        gone = [item_id for item_id in known if item_id not in marks]
        changed = [item_id for item_id, mark in marks.items() if known.get(item_id, mark) != mark]
        added = [item_id for item_id in marks if item_id not in known]
        report = SyncReport(len(marks), len(added), len(changed), len(gone))
        if rows is None or not (gone or changed or added):
            if state.catalogue != catalogue:
                self._settle(replace(state, catalogue=catalogue))
            return report
        fresh = [wanted[item_id] for item_id in (*added, *changed)]
        raw = self._embedded(fresh, lambda done: progress(done, len(fresh)))
        self._save(state.unsettled())
        self._problem = HALF_WRITTEN
        self._write(rows, fresh, raw, state.mean, lambda _: None, replacing=bool(changed))
        rows.remove(gone)
        if self._count_reachable(rows) != len(marks):
            return self._rebuild(list(wanted.values()), marks, catalogue, "rows were out of reach", progress)
        rows.settle()
        fields = tuple(sorted({*state.fields, *_fields_of(fresh)}))
        moved = state.moved + len(gone) + len(fresh)
        self._settle(replace(state, fingerprints=marks, fields=fields, moved=moved, catalogue=catalogue))
        if rows.served:  # what a question under way remembers of the older rows stays with those
            self._rows = self._shelf.open(rows.name)
        return report

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
        self,
        rows: Collection,
        items: Sequence[Item],
        raw: Vector,
        mean: Vector,
        done: Callable[[int], None],
        replacing: bool = False,
    ) -> None:
        centred = raw - mean
        flat = np.linalg.norm(centred, axis=1) < _NO_LENGTH
        centred[flat] = raw[flat]  # in the very middle there is no direction: the passage's own is as good as any
        for start in range(0, len(items), _ROWS_PER_STEP):
            some = items[start : start + _ROWS_PER_STEP]
            ids = [item.item_id for item in some]
            put = rows.replace if replacing else rows.add
            put(ids, centred[start : start + len(some)], [facts_of(item) for item in some])
            done(start + len(some))


def _mark(item: Item) -> str:
    return hashlib.blake2b(item.model_dump_json().encode("utf-8", "replace"), digest_size=8).hexdigest()


def _fields_of(items: Iterable[Item]) -> tuple[str, ...]:
    return tuple(sorted({field for item in items for field in facts_of(item)}))


def _silently(_done: int, _of: int) -> None:
    return None
