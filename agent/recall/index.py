"""The vector index of a data folder, or of a database that several processes share: a cache of the catalogue.

One process holds a folder at a time. Before Chroma opens anything, every byte of its files is compared with what was
left there: it answers short where files are missing, and crashes where bytes have changed.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from agent.embed.base import Embedder
from agent.recall.chroma import memory_shelf, open_shelf, shared_shelf
from agent.recall.ledger import InMemory, Notes, OnFile, Shared
from agent.recall.report import Health, SyncReport
from agent.recall.shelf import Shelf
from agent.recall.sync import SyncedIndex
from agent.recall.vector_index import PUSHDOWN_MAX_ROWS

if TYPE_CHECKING:
    from agent.settings import ChromaSettings

__all__ = ["Health", "Index", "SyncReport"]


class Index(SyncedIndex):
    """The vector index of one data folder, locked for this process while it is open, or one that all share.

    Use it as a context.
    """

    room = "index"  # its folder in the data folder
    _left: Shelf | None = None  # that of a folder which it turned from

    @classmethod
    def open(
        cls,
        folder: Path,
        embedder: Embedder,
        *,
        chroma: ChromaSettings | None = None,
        lock_timeout_s: float = 0.5,
        pushdown_max_rows: int = PUSHDOWN_MAX_ROWS,
    ) -> Self:
        """The index in its room of `folder` as it was left; where it is damaged or missing, `sync` builds it anew.

        Its rows lie there too, or on the server that `chroma` names. Raises StoreLocked where another process holds
        the folder past `lock_timeout_s`, StoreError where it cannot be written or the server is out of reach.
        """
        home = folder / cls.room
        with ExitStack() as undo:
            shelf = open_shelf(home, chroma, lock_timeout_s)
            undo.callback(shelf.close)
            opened = cls(embedder, shelf, OnFile(home / "state.json"), pushdown_max_rows=pushdown_max_rows)
            undo.pop_all()
        return opened

    @classmethod
    def shared_by(
        cls, notes: Notes, embedder: Embedder, chroma: ChromaSettings, *, pushdown_max_rows: int = PUSHDOWN_MAX_ROWS
    ) -> Self:
        """The index on the server of all processes that share these notes. No folder is needed, and none is locked.

        Raises StoreError where the server or the notes are out of reach.
        """
        ledger = Shared(notes)
        with ExitStack() as undo:
            shelf = shared_shelf(chroma, ledger.name())
            undo.callback(shelf.close)
            opened = cls(embedder, shelf, ledger, pushdown_max_rows=pushdown_max_rows)
            undo.pop_all()
        return opened

    @classmethod
    def in_memory(cls, embedder: Embedder, *, pushdown_max_rows: int = PUSHDOWN_MAX_ROWS) -> Self:
        """An empty index that ends with this process, for a folder in which nothing can be written."""
        return cls(embedder, memory_shelf(), InMemory(), pushdown_max_rows=pushdown_max_rows)

    def turn_to_memory(self) -> None:
        """From now on be as `in_memory` makes one; the folder stays locked, and what lies there is left alone."""
        with self._one_at_a_time:
            self._left, self._shelf, self._ledger = self._shelf, memory_shelf(), InMemory()
            self._take_up()

    def close(self) -> None:
        """Let go of the folder. Calling it twice is harmless."""
        super().close()
        if self._left is not None:
            self._left.close()
