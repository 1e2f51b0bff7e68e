"""The vector index on Chroma, in the data folder or on a server: a cache of the catalogue that can be built anew.

One process holds a folder at a time. Before Chroma opens anything, every byte of its files is compared with what was
left there: it answers short where files are missing, and crashes where bytes have changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import chromadb
import httpx
import numpy as np
from chromadb.config import Settings as ClientSettings
from chromadb.errors import ChromaError, NotFoundError
from chromadb.utils.embedding_functions import OpenCLIPEmbeddingFunction

from agent.embed.base import Embedder
from agent.errors import StoreError
from agent.recall.lock import Lock, locked
from agent.recall.nearest import Hit, cosines, rounded
from agent.recall.shelf import Shelf, new_name, prefix_for
from agent.recall.state import hashes_of
from agent.recall.vector_index import PUSHDOWN_MAX_ROWS, Health, SyncReport, VectorIndex
from agent.recall.where import Facts, from_metadata, to_metadata
from agent.types import Vector

if TYPE_CHECKING:
    from agent.settings import ChromaSettings

__all__ = ["Health", "Index", "OpenCLIPEmbeddingFunction", "SyncReport"]

_GRAPH: Any = {  # batches are larger than sync_threshold, so that no tail is left to be replayed at every start
    "hnsw": {"space": "cosine", "ef_construction": 200, "ef_search": 200, "max_neighbors": 16, "sync_threshold": 50}
}
_IDS_PER_CALL = 1_000
_VECTORS_KEPT = 20_000  # in memory, 30 MB of them
_SERVER_TIMEOUT_S = 60.0
_GREETING_TIMEOUT_S = 5.0


class Index(VectorIndex):
    """The vector index of one data folder, locked for this process while it is open. Use it as a context."""

    room = "index"  # its folder in the data folder

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
            opened = cls(embedder, shelf, home / "state.json", pushdown_max_rows=pushdown_max_rows)
            undo.pop_all()
        return opened


def open_shelf(home: Path, chroma: ChromaSettings | None = None, lock_timeout_s: float = 0.5) -> Shelf:
    """Chroma's collections that lie in `home` or on the server; the folder is locked. Raises as `Index.open` does."""
    lock = locked(home, lock_timeout_s)
    with ExitStack() as undo:
        undo.callback(lock.release)
        shelf: Shelf = _OnServer(chroma, home, lock) if chroma and chroma.host else _InFolder(home, lock)
        undo.pop_all()
    return shelf


class _Rows:
    """One collection of Chroma's. What was read is remembered: Chroma takes longer to count its rows than to search."""

    def __init__(self, collection: chromadb.Collection, where: Path | str) -> None:
        self.name = collection.name
        self._collection = collection
        self._where = where
        self._facts: dict[str, Facts] = {}
        self._vectors: dict[str, Vector] = {}
        self._count: int | None = None

    def count(self) -> int:
        """How many rows there are."""
        if self._count is None:
            with _Translated(self._where):
                self._count = self._collection.count()
        return self._count

    def nearest(self, vector: Vector, n: int) -> list[Hit]:
        """What the graph finds."""
        with _Translated(self._where):
            found = self._collection.query(query_embeddings=cast(Any, [vector]), n_results=n, include=["distances"])
        scores = rounded(1.0 - np.asarray((found["distances"] or [[]])[0], dtype=np.float64))
        return [Hit(i, score) for i, score in zip(found["ids"][0], scores, strict=True)]

    def compared(self, vector: Vector, ids: Sequence[str] | None) -> list[Hit]:
        """The rows, or all, compared one by one."""
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
        with _Translated(self._where):
            return self._collection.get(where=dict(chroma_filter), limit=limit, include=[])["ids"]

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
        unknown = [item_id for item_id in ids if item_id not in self._vectors]
        found = {item_id: self._vectors[item_id] for item_id in ids if item_id in self._vectors}
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
        with _Translated(self._where):
            self._collection.add(ids=list(ids), embeddings=vectors, metadatas=cast(Any, rows) if any(rows) else None)

    def remove(self, ids: Sequence[str]) -> None:
        """Take rows out."""
        self._count = None
        for start in range(0, len(ids), _IDS_PER_CALL):
            with _Translated(self._where):
                self._collection.delete(ids=list(ids[start : start + _IDS_PER_CALL]))
        for item_id in ids:
            self._facts.pop(item_id, None)
            self._vectors.pop(item_id, None)

    def _pages(self, ids: Sequence[str] | None, what: str) -> Iterator[Any]:
        total = self.count() if ids is None else len(ids)
        for start in range(0, total, _IDS_PER_CALL):
            with _Translated(self._where):
                if ids is None:
                    yield self._collection.get(limit=_IDS_PER_CALL, offset=start, include=cast(Any, [what]))
                else:
                    some = list(ids[start : start + _IDS_PER_CALL])
                    yield self._collection.get(ids=some, include=cast(Any, [what]))


class _Shelf:
    """What both places share: the folder's lock, and how collections are opened and let go."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._clients: dict[str, Any] = {}

    def close(self) -> None:
        """Let go of Chroma, then of the folder."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._lock.release()


class _InFolder(_Shelf):
    """Every collection in a folder of its own, so that the older one stays whole until the newer is."""

    def __init__(self, home: Path, lock: Lock) -> None:
        super().__init__(lock)
        self._home = home

    def create(self) -> _Rows:
        """A new, empty collection."""
        name = new_name("palate")
        with _Translated(self._home):
            client = self._client(name)
            return _Rows(client.create_collection(name, embedding_function=None, configuration=_GRAPH), self._home)

    def open(self, name: str) -> _Rows | None:
        """The collection, or None."""
        try:
            with _Translated(self._home):
                return _Rows(self._client(name).get_collection(name, embedding_function=None), self._home)
        except StoreError:
            return None

    def keep_only(self, name: str) -> None:
        """Remove the others."""
        for other in [known for known in self._clients if known != name]:
            self._clients.pop(other).close()
        for folder in self._home.glob("palate-*"):
            if folder.name != name:
                shutil.rmtree(folder, ignore_errors=True)

    def files(self, name: str) -> Mapping[str, str]:
        """A hash of each file of the collection."""
        with _Translated(self._home):
            return hashes_of(self._home / name)

    def _client(self, name: str) -> Any:
        settings = ClientSettings(anonymized_telemetry=False)
        self._clients[name] = chromadb.PersistentClient(path=str(self._home / name), settings=settings)
        return self._clients[name]


class _OnServer(_Shelf):
    """Collections on one server, told apart from those of other folders by their names."""

    def __init__(self, chroma: ChromaSettings, home: Path, lock: Lock) -> None:
        super().__init__(lock)
        self._url = f"{'https' if chroma.ssl else 'http'}://{chroma.host}:{chroma.port}"
        self._prefix = prefix_for(home)
        headers = {"x-chroma-token": chroma.api_key.get_secret_value()} if chroma.api_key else {}
        with _Translated(self._url):
            greeting = httpx.get(f"{self._url}/api/v2/heartbeat", timeout=_GREETING_TIMEOUT_S, headers=headers)
            greeting.raise_for_status()
            self._client = chromadb.HttpClient(
                host=str(chroma.host),
                port=chroma.port,
                ssl=chroma.ssl,
                headers=headers,
                settings=ClientSettings(anonymized_telemetry=False),
                tenant=chroma.tenant,
                database=chroma.database,
            )
        self._clients[""] = self._client
        session = getattr(getattr(self._client, "_server", None), "_session", None)
        if isinstance(session, httpx.Client):  # it has no time limit of its own, and no setting for one
            session.timeout = httpx.Timeout(_SERVER_TIMEOUT_S)

    def create(self) -> _Rows:
        """A new, empty collection."""
        name = new_name(self._prefix)
        with _Translated(self._url):
            made = self._client.create_collection(name, embedding_function=None, configuration=_GRAPH)
        return _Rows(made, self._url)

    def open(self, name: str) -> _Rows | None:
        """The collection, or None."""
        with _Translated(self._url):
            try:
                return _Rows(self._client.get_collection(name, embedding_function=None), self._url)
            except NotFoundError:
                return None

    def keep_only(self, name: str) -> None:
        """Remove the others."""
        with _Translated(self._url):
            for other in self._client.list_collections(limit=_IDS_PER_CALL):
                if other.name.startswith(self._prefix) and other.name != name:
                    self._client.delete_collection(other.name)

    def files(self, _name: str) -> Mapping[str, str]:
        """Nothing: files are the server's business."""
        return {}


class _Translated:
    """Whatever Chroma raises, its Rust core and its plain `Exception` included, as one StoreError line."""

    def __init__(self, where: Path | str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        known = isinstance(error, (ChromaError, httpx.HTTPError, OSError, ValueError, RuntimeError, AttributeError))
        if error is not None and (known or kind is Exception or type(error).__name__ == "PanicException"):
            reason = str(error).strip().splitlines() or [type(error).__name__]
            hint = (
                "See that the server runs" if isinstance(self._where, str) else "Build it anew: palate index --rebuild"
            )
            raise StoreError(f"the index at {self._where} failed: {reason[0][:300]}", hint) from error
