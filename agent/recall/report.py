"""What is told of an index: what a sync did, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass


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
