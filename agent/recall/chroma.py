"""Chroma's collections, in a folder or on a server: the one place that speaks to it and translates its errors.

One process holds a folder at a time. On a server, collections may belong to one folder or to a database that several
processes share.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import chromadb
import httpx
from chromadb.config import Settings as ClientSettings
from chromadb.errors import ChromaError, NotFoundError
from chromadb.utils.embedding_functions import OpenCLIPEmbeddingFunction

from agent.deadline import time_to_answer_s
from agent.errors import StoreError, StoreLost, StoreUnreachable
from agent.recall.held import Held
from agent.recall.lock import Lock, locked
from agent.recall.rows import IDS_PER_CALL, Rows, ServedRows
from agent.recall.shelf import Shelf, new_name, prefix_for
from agent.recall.state import hashes_of

if TYPE_CHECKING:
    from agent.settings import ChromaSettings

__all__ = ["OpenCLIPEmbeddingFunction", "memory_shelf", "open_shelf", "shared_shelf"]

_GRAPH: Any = {  # batches are larger than sync_threshold, so that no tail is left to be replayed at every start
    "hnsw": {"space": "cosine", "ef_construction": 200, "ef_search": 300, "max_neighbors": 16, "sync_threshold": 50}
}
_SERVER_TIMEOUT_S = 60.0
_GREETING_TIMEOUT_S = 5.0
_HELD = "rows.npz"  # beside Chroma's files, and checked as they are


def open_shelf(home: Path, chroma: ChromaSettings | None = None, lock_timeout_s: float = 0.5) -> Shelf:
    """Chroma's collections that lie in `home` or on the server; the folder is locked. Raises as `Index.open` does."""
    lock = locked(home, lock_timeout_s)
    with ExitStack() as undo:
        undo.callback(lock.release)
        shelf: Shelf = _OnServer(chroma, _prefix(home), lock) if chroma and chroma.host else _InFolder(home, lock)
        undo.pop_all()
    return shelf


def _prefix(home: Path) -> str:
    with _Translated(home):
        return prefix_for(home)


def shared_shelf(chroma: ChromaSettings, prefix: str) -> Shelf:
    """The collections on the server whose names begin so, for every process that asks for them. Raises StoreError."""
    return _OnServer(chroma, prefix)


def memory_shelf() -> Shelf:
    """Collections that end with this process, for a folder in which nothing can be written. Raises StoreError."""
    return _InMemory()


class _Shelf:
    """What all places share: the folder's lock, and how collections are opened and let go."""

    def __init__(self, lock: Lock | None) -> None:
        self._lock = lock
        self._clients: dict[str, Any] = {}

    def close(self) -> None:
        """Let go of Chroma, then of the folder."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self._lock is not None:
            self._lock.release()


class _InFolder(_Shelf):
    """Every collection in a folder of its own, so that the older one stays whole until the newer is."""

    def __init__(self, home: Path, lock: Lock) -> None:
        super().__init__(lock)
        self._home = home
        self._guard = partial(_Translated, home)

    def create(self) -> Rows:
        """A new, empty collection."""
        name = new_name("palate")
        with _Translated(self._home):
            made = self._client(name).create_collection(name, embedding_function=None, configuration=_GRAPH)
            return Rows(made, self._guard, Held(), self._home / name / _HELD)

    def open(self, name: str) -> Rows | None:
        """The collection, or None."""
        try:
            with _Translated(self._home):
                file = self._home / name / _HELD
                found = self._client(name).get_collection(name, embedding_function=None)
                return Rows(found, self._guard, Held.load(file), file)
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


class _InMemory(_Shelf):
    """Collections in memory: nothing is read from a folder, nothing is left in one."""

    def __init__(self) -> None:
        super().__init__(None)
        self._where, self._names = "memory", set[str]()
        with _Translated(self._where):
            self._client = chromadb.EphemeralClient(settings=ClientSettings(anonymized_telemetry=False))
        self._clients[""] = self._client

    def create(self) -> Rows:
        """A new, empty collection."""
        with _Translated(self._where):
            made = self._client.create_collection(new_name("palate"), embedding_function=None, configuration=_GRAPH)
        self._names.add(made.name)
        return Rows(made, partial(_Translated, self._where), Held())

    def open(self, _name: str) -> Rows | None:
        """None: what was made is in use already."""
        return None

    def keep_only(self, name: str) -> None:
        """Remove the others."""
        with _Translated(self._where):
            for other in self._names - {name}:
                self._client.delete_collection(other)
        self._names &= {name}

    def files(self, _name: str) -> Mapping[str, str]:
        """There are none."""
        return {}


class _OnServer(_Shelf):
    """Collections on one server, told apart from those of others by how their names begin."""

    def __init__(self, chroma: ChromaSettings, prefix: str, lock: Lock | None = None) -> None:
        super().__init__(lock)
        self._url = f"{'https' if chroma.ssl else 'http'}://{chroma.host}:{chroma.port}"
        self._guard = partial(_Translated, self._url)
        self._prefix = prefix
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
            session.event_hooks["request"].append(_limit)

    def create(self) -> Rows:
        """A new, empty collection."""
        name = new_name(self._prefix)
        with _Translated(self._url):
            made = self._client.create_collection(name, embedding_function=None, configuration=_GRAPH)
        return ServedRows(made, self._guard)

    def open(self, name: str) -> Rows | None:
        """The collection, or None."""
        with _Translated(self._url):
            try:
                return ServedRows(self._client.get_collection(name, embedding_function=None), self._guard)
            except NotFoundError:
                return None

    def keep_only(self, name: str) -> None:
        """Remove the others."""
        with _Translated(self._url):
            for other in self._names():
                if other.startswith(self._prefix) and other != name:
                    self._client.delete_collection(other)

    def _names(self) -> list[str]:
        """Of all collections on the server, page by page."""
        names: list[str] = []
        while page := self._client.list_collections(limit=IDS_PER_CALL, offset=len(names)):
            names += [collection.name for collection in page]
        return names

    def files(self, _name: str) -> Mapping[str, str]:
        """Nothing: files are the server's business."""
        return {}


def _limit(request: httpx.Request) -> None:
    """Give a request the time that whoever asks has left."""
    request.extensions["timeout"] = httpx.Timeout(time_to_answer_s(_SERVER_TIMEOUT_S)).as_dict()


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
            away = isinstance(self._where, str) and isinstance(error, (httpx.TransportError, OSError))
            lost = StoreLost if isinstance(error, NotFoundError) else StoreError
            failed = StoreUnreachable if away else lost
            raise failed(f"the index at {self._where} failed: {reason[0][:300]}", hint) from error
