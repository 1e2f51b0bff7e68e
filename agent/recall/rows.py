"""One collection of Chroma's, as rows that can be searched and changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import numpy as np

from agent.errors import StoreLost
from agent.recall.bare import check_bare
from agent.recall.held import EXACT_MAX_ROWS, Held
from agent.recall.nearest import Hit, cosines, rounded
from agent.recall.where import Facts, from_metadata, to_metadata
from agent.types import Vector

IDS_PER_CALL = 1_000
_VECTORS_KEPT = 20_000  # in memory, 30 MB of them


class Rows:
    """One collection of Chroma's. What was read is remembered: Chroma takes longer to count its rows than to search.

    A small collection in a folder, `file` its copy there, is held in memory as well: `held`.
    """

    served = False

    def __init__(
        self,
        collection: Any,
        guard: Callable[[], AbstractContextManager[None]],
        held: Held | None = None,
        file: Path | None = None,
    ) -> None:
        check_bare(collection)
        self.name = collection.name
        self._held, self._file = held, file
        self._collection = collection
        self._guard = guard  # translates what Chroma raises
        self._facts: dict[str, Facts] = {}
        self._vectors: dict[str, Vector] = {}
        self._count: int | None = None

    def count(self) -> int:
        """How many rows there are."""
        if self._count is None:
            with self._guard():
                self._count = self._collection.count()
        return self._count

    def nearest(self, vector: Vector, n: int) -> list[Hit]:
        """What the graph finds."""
        with self._guard():
            found = self._collection.query(query_embeddings=cast(Any, [vector]), n_results=n, include=["distances"])
        scores = rounded(1.0 - np.asarray((found["distances"] or [[]])[0], dtype=np.float64))
        return [Hit(i, score) for i, score in zip(found["ids"][0], scores, strict=True)]

    def nearest_held(self, vector: Vector, n: int) -> list[Hit] | None:
        """What memory finds."""
        return None if self._held is None else self._held.nearest(vector, n)

    def compared(self, vector: Vector, ids: Sequence[str] | None) -> list[Hit]:
        """The rows, or all, compared one by one."""
        if self._held is not None and ids is None:
            return self._held.nearest(vector, len(self._held))
        pages = self._pages(ids, "embeddings") if ids is None or ids else iter(())
        return [
            Hit(item_id, score)
            for page in pages
            for item_id, score in zip(
                page["ids"], cosines(vector, np.asarray(page["embeddings"], np.float32)), strict=True
            )
        ]

    def ids_where(self, chroma_filter: Mapping[str, Any], limit: int) -> list[str]:
        """What passes Chroma's filter."""
        with self._guard():
            found: list[str] = self._collection.get(where=dict(chroma_filter), limit=limit, include=[])["ids"]
        return found

    def facts(self, ids: Sequence[str]) -> Mapping[str, Facts]:
        """The facts of these rows, and of any read before."""
        unknown = [item_id for item_id in ids if item_id not in self._facts]
        for page in self._pages(unknown, "metadatas") if unknown else ():
            self._facts.update(
                (i, from_metadata(row or {})) for i, row in zip(page["ids"], page["metadatas"], strict=True)
            )
        return self._facts

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """The rows as they were added."""
        if self._held is not None:
            return self._held.vectors(ids)
        kept = self._vectors
        found = {item_id: row for item_id in ids if (row := kept.get(item_id)) is not None}
        unknown = [item_id for item_id in ids if item_id not in found]
        for page in self._pages(unknown, "embeddings") if unknown else ():
            found.update(zip(page["ids"], np.asarray(page["embeddings"], np.float32), strict=True))
        if len(self._vectors) + len(unknown) > _VECTORS_KEPT:
            self._vectors.clear()
        self._vectors.update(found if len(found) <= _VECTORS_KEPT else {})
        return found

    def add(self, ids: Sequence[str], vectors: Vector, facts: Sequence[Facts]) -> None:
        """Append rows."""
        rows = [to_metadata(row) for row in facts]
        self._count = None
        with self._guard():
            self._collection.add(ids=list(ids), embeddings=vectors, metadatas=cast(Any, rows) if any(rows) else None)
        if self._held is not None:
            self._held = None if len(self._held) + len(ids) > EXACT_MAX_ROWS else self._held.with_rows(ids, vectors)

    def replace(self, ids: Sequence[str], vectors: Vector, facts: Sequence[Facts]) -> None:
        """Put rows in the place of others, which nobody else reads meanwhile."""
        self.remove(ids)
        self.add(ids, vectors, facts)

    def remove(self, ids: Sequence[str]) -> None:
        """Take rows out."""
        self._count = None
        for start in range(0, len(ids), IDS_PER_CALL):
            with self._guard():
                self._collection.delete(ids=list(ids[start : start + IDS_PER_CALL]))
        self._forget(ids)
        if self._held is not None:
            self._held = self._held.without(frozenset(ids))

    def _forget(self, ids: Sequence[str]) -> None:
        """What was read of these rows is of older ones."""
        for item_id in ids:
            self._facts.pop(item_id, None)
            self._vectors.pop(item_id, None)

    def settle(self) -> None:
        """Write the copy of what is held, or take an older one away; rows that became few enough are read first."""
        if self._file is None:
            return
        if self._held is None and self.count() <= EXACT_MAX_ROWS:
            for page in self._pages(None, "embeddings"):
                rows = np.asarray(page["embeddings"], np.float32)
                self._held = (self._held or Held()).with_rows(page["ids"], rows)
        with self._guard():
            if self._held is None:
                self._file.unlink(missing_ok=True)
            else:
                self._held.save(self._file)

    def _pages(self, ids: Sequence[str] | None, what: str) -> Iterator[Any]:
        total = self.count() if ids is None else len(ids)
        for start in range(0, total, IDS_PER_CALL):
            with self._guard():
                if ids is None:
                    page = self._collection.get(limit=IDS_PER_CALL, offset=start, include=cast(Any, [what]))
                    if not page["ids"]:
                        raise StoreLost(f"the rows of {self.name} are gone", "Ask again")
                    yield page
                else:
                    some = list(ids[start : start + IDS_PER_CALL])
                    yield self._collection.get(ids=some, include=cast(Any, [what]))


class ServedRows(Rows):
    """A collection that other processes and threads may be reading."""

    served = True

    def replace(self, ids: Sequence[str], vectors: Vector, facts: Sequence[Facts]) -> None:
        """Put rows in the place of others, one by one: none is missing at any moment. Old metadata is named to go."""
        pages = self._pages(ids, "metadatas")
        old = {i: row or {} for page in pages for i, row in zip(page["ids"], page["metadatas"], strict=True)}
        rows = [dict.fromkeys(old.get(i, ())) | to_metadata(fresh) for i, fresh in zip(ids, facts, strict=True)]
        self._count = None
        with self._guard():
            self._collection.upsert(list(ids), vectors, cast(Any, rows) if any(rows) else None)
        self._forget(ids)
