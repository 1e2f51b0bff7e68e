"""Where collections of vectors are kept, as the index sees it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from agent.recall.nearest import Rows
from agent.recall.where import Facts
from agent.types import Vector

PREFIX = "prefix"  # a file of the folder, which holds it


class Collection(Rows, Protocol):
    """A collection of vectors that can be changed; `served` where several threads may ask it at once.

    Its methods raise StoreError.
    """

    name: str
    served: bool

    def add(self, ids: Sequence[str], vectors: Vector, facts: Sequence[Facts]) -> None:
        """Append rows whose ids are new; vectors have the shape (len(ids), dimensions), finite and not zero."""
        ...

    def replace(self, ids: Sequence[str], vectors: Vector, facts: Sequence[Facts]) -> None:
        """Put rows in the place of those of the same ids, where there are any."""
        ...

    def remove(self, ids: Sequence[str]) -> None:
        """Take rows out; ids that are not there are ignored."""
        ...

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """The vectors as they were added, by id; ids that are not there are absent."""
        ...

    def settle(self) -> None:
        """Say that writing is over: what makes the next opening quick is written beside the rows."""
        ...


class Shelf(Protocol):
    """A place for generations of one index, each a collection of its own. Its methods raise StoreError."""

    def create(self) -> Collection:
        """A new, empty collection under a new name."""
        ...

    def open(self, name: str) -> Collection | None:
        """The collection, or None where it is missing or cannot be opened."""
        ...

    def keep_only(self, name: str) -> None:
        """Remove every other collection of this index; all of them for an empty name."""
        ...

    def files(self, name: str, /) -> Mapping[str, str]:
        """A hash of each file of the collection by name; empty where files are someone else's business."""
        ...

    def close(self) -> None:
        """Let go of everything. Calling it twice is harmless."""
        ...


def new_name(prefix: str) -> str:
    """A name for a collection that no other has."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def prefix_for(home: Path) -> str:
    """What the names of this folder's collections begin with on a server that other folders use as well.

    It is drawn once and kept in the folder, whatever the machine is called; a copy of the folder elsewhere draws
    another. Raises OSError.
    """
    kept, where = home / PREFIX, str(home.absolute())
    if kept.exists():
        prefix, _, place = kept.read_text(encoding="utf-8").partition("\n")
        if place == where:
            return prefix
    prefix, fresh = new_name("palate"), kept.with_suffix(".new")
    fresh.write_text(f"{prefix}\n{where}", encoding="utf-8")
    fresh.replace(kept)
    return prefix
