"""Where the record of an index is kept: in a file beside it, or in the database that several processes share.

Shared, the record says which collection on the server is the newest. One process at a time writes, the others answer
from the collection they know until the record names another. The marks of the items, which only a writer needs, are a
note of their own.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Protocol

from agent.errors import StoreError
from agent.recall.state import LAYOUT, State, load_state, save_state, to_text, to_vector

_STAMP, _HEAD, _MARKS, _NAME = "index stamp", "index record", "index marks", "index name"
_CHANGED = "the index was changed by another process meanwhile"


class Ledger(Protocol):
    """Keeps the newest `State`; `shared` by several processes, or of one. Its methods raise StoreError."""

    @property
    def shared(self) -> bool:
        """Whether other processes save as well."""
        ...

    def load(self) -> State | None:
        """The state last saved; None where there is none, or it is damaged or of another layout."""
        ...

    def begun(self) -> bool:
        """Whether anything was ever saved."""
        ...

    def save(self, state: State) -> None:
        """Put the state in place, whole or not at all."""
        ...

    def stamp(self) -> str:
        """Another one after every `save` by whichever process; always the same where no other can save."""
        ...

    def alone(self, wait_s: float | None) -> AbstractContextManager[None]:
        """Nobody else writes within. Raises StoreLocked where another does for longer than that; None: however long."""
        ...


class OnFile:
    """The record in a file of a folder that is locked for this process."""

    shared = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> State | None:
        """See `Ledger.load`."""
        return load_state(self._path)

    def begun(self) -> bool:
        """See `Ledger.begun`."""
        return self._path.exists()

    def save(self, state: State) -> None:
        """See `Ledger.save`."""
        try:
            save_state(self._path, state)
        except OSError as error:
            raise StoreError(f"cannot write {self._path}: {error.strerror}", "Make the folder writable") from error

    def stamp(self) -> str:
        """See `Ledger.stamp`."""
        return ""

    def alone(self, wait_s: float | None) -> AbstractContextManager[None]:  # noqa: ARG002  # the folder is ours
        """See `Ledger.alone`."""
        return nullcontext()


class InMemory:
    """The record of an index that ends with this process."""

    shared = False

    def __init__(self) -> None:
        self._state: State | None = None

    def load(self) -> State | None:
        """See `Ledger.load`."""
        return self._state

    def begun(self) -> bool:
        """See `Ledger.begun`."""
        return self._state is not None

    def save(self, state: State) -> None:
        """See `Ledger.save`."""
        self._state = state

    def stamp(self) -> str:
        """See `Ledger.stamp`."""
        return ""

    def alone(self, _wait_s: float | None) -> AbstractContextManager[None]:
        """See `Ledger.alone`."""
        return nullcontext()


class Notes(Protocol):
    """Notes that several processes share, as the store keeps them. Its methods raise StoreError."""

    def meta_get(self, key: str) -> str | None:
        """The note kept under the key, or None."""
        ...

    def meta_put(self, key: str, value: str) -> None:
        """Keep a note; an older one under the key is replaced."""
        ...

    def meta_change(self, key: str, change: Callable[[str | None], str]) -> str:
        """Keep what `change` makes of a note; nobody else writes it meanwhile."""
        ...

    def alone(self, name: str, wait_s: float | None) -> AbstractContextManager[Callable[[], None]]:
        """Nobody else is within a block of that name; what it gives raises StoreError where that is so no more."""
        ...


class Shared:
    """The record in notes of a database. Whoever loses the database while writing has written nothing."""

    shared = True

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._check: Callable[[], None] | None = None

    def name(self) -> str:
        """What the names of its collections begin with: the same for all who share the notes, and no one else's."""
        return self._notes.meta_change(_NAME, lambda kept: kept or f"palate-{uuid.uuid4().hex[:12]}")

    def load(self) -> State | None:
        """See `Ledger.load`; `fingerprints` are read when one is first asked for."""
        head = json.loads(self._notes.meta_get(_HEAD) or "null")
        if head is None or head.pop("layout") != LAYOUT:
            return None
        stamp, n_items = head.pop("stamp"), head.pop("items")
        marks: Mapping[str, str] = _Marks(n_items, lambda: self._marks(stamp))
        if self._check is not None:  # whoever writes needs them, and finds out here that the last one died in between
            try:
                marks = self._marks(stamp)
            except StoreError:
                return None
        return State(**{**head, "mean": to_vector(head["mean"]), "fields": tuple(head["fields"])}, fingerprints=marks)

    def begun(self) -> bool:
        """See `Ledger.begun`."""
        return self._notes.meta_get(_HEAD) is not None

    def save(self, state: State) -> None:
        """See `Ledger.save`."""
        if self._check is None:
            raise StoreError("the record of a shared index is written by one process at a time", "Ask for `alone`")
        self._check()
        stamp = uuid.uuid4().hex
        own = {field.name: getattr(state, field.name) for field in fields(state) if field.name != "fingerprints"}
        head = own | {"mean": to_text(state.mean), "layout": LAYOUT, "stamp": stamp, "items": len(state.fingerprints)}
        self._notes.meta_put(_MARKS, f"{stamp}\n{json.dumps(dict(state.fingerprints), ensure_ascii=False)}")
        self._notes.meta_put(_HEAD, json.dumps(head))
        self._notes.meta_put(_STAMP, stamp)

    def stamp(self) -> str:
        """See `Ledger.stamp`."""
        return self._notes.meta_get(_STAMP) or ""

    @contextmanager
    def alone(self, wait_s: float | None) -> Iterator[None]:
        """See `Ledger.alone`."""
        with self._notes.alone(_NAME, wait_s) as check:
            self._check = check
            try:
                yield
            finally:
                self._check = None

    def _marks(self, stamp: str) -> dict[str, str]:
        found, _, body = (self._notes.meta_get(_MARKS) or "").partition("\n")
        if found != stamp:
            raise StoreError(_CHANGED, "Ask again")
        marks: dict[str, str] = json.loads(body)
        return marks


class _Marks(Mapping[str, str]):
    """The marks of so many items, read when one is first asked for: to search, nobody needs them."""

    def __init__(self, n_items: int, read: Callable[[], dict[str, str]]) -> None:
        self._n_items = n_items
        self._read = read
        self._found: dict[str, str] | None = None

    def __len__(self) -> int:
        return self._n_items

    def __iter__(self) -> Iterator[str]:
        return iter(self._marks)

    def __getitem__(self, key: str) -> str:
        return self._marks[key]

    @property
    def _marks(self) -> dict[str, str]:
        if self._found is None:
            self._found = self._read()
        return self._found
