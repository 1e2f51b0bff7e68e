"""The catalogue as centred vectors: checked before use, searched under filters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Collection as AnyOf
from contextlib import contextmanager
from dataclasses import replace
from typing import Self, TypeVar

import numpy as np

from agent.deadline import each_within
from agent.embed.base import Embedder
from agent.errors import StoreError, StoreLost, StoreUnreachable
from agent.recall.ledger import Ledger
from agent.recall.nearest import Hit, nearest, through_graph
from agent.recall.report import Health
from agent.recall.shelf import Collection, Shelf
from agent.recall.state import State
from agent.recall.where import Where
from agent.types import Candidate, Vector

PUSHDOWN_MAX_ROWS = 2_000
QUESTION_TIMEOUT_S, SPARED_S = 5.0, 5.0
HALF_WRITTEN = "it was left half-written"
ROWS_MISSING = "its rows are missing"

T = TypeVar("T")


class VectorIndex:
    """Cosine search over items. Rows are passages' vectors minus `mean`, the catalogue's own middle, not normalised.

    Ask it with vectors from `centre`. Safe for several threads; calls queue, unless a server answers them. Its methods
    raise StoreError. Where other processes share it, one writes at a time, and the others answer from the rows they
    know until there are newer ones.

    A server that does not answer a request in `question_timeout_s` is left alone for `spared_s`. An index that is
    `forgiving` then finds nothing instead of raising, and says why in `trouble` until a later question is answered.
    """

    def __init__(self, embedder: Embedder, shelf: Shelf, ledger: Ledger, *, pushdown_max_rows: int) -> None:
        self._embedder = embedder
        self._shelf = shelf
        self._ledger = ledger
        self.pushdown_max_rows = pushdown_max_rows
        self._one_at_a_time = threading.RLock()
        self._one_writer = threading.RLock()
        self._writing = False
        self._closed = False
        self.forgiving, self.trouble, self._spared_until = False, "", 0.0
        self.question_timeout_s, self.spared_s = QUESTION_TIMEOUT_S, SPARED_S
        self._state: State | None = None
        self._rows: Collection | None = None
        self._take_up()

    def close(self) -> None:
        """Let go of the folder. Calling it twice is harmless."""
        with self._one_at_a_time:
            self._rows = None
            self._problem, self._closed = "it is closed", True
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

    @property
    def usable(self) -> bool:
        """Whether it can be searched as it is, perhaps behind the catalogue."""
        return not (self._problem or self._other_embedder())

    def equals(self, catalogue: str, n_items: int) -> bool:
        """Whether it can be used as it is and was made equal to this version of the catalogue, of so many items."""
        held = 0 if self._state is None else len(self._state.fingerprints)
        return self.usable and self.follows(catalogue) and held == n_items

    def follows(self, catalogue: str) -> bool:
        """Whether it was made equal to this version of the catalogue."""
        return self._state is not None and self._state.catalogue == catalogue

    @property
    def shared(self) -> bool:
        """Whether other processes write to it, too."""
        return self._ledger.shared

    @property
    def stale(self) -> bool:
        """Whether another process has written since this one last looked."""
        return not self._closed and self._ledger.stamp() != self._stamp

    def refresh(self) -> None:
        """Take up what another process has written since; while one is writing, the rows as they are known stay."""
        with self._one_at_a_time, each_within(self.question_timeout_s):
            while self.stale:
                known = self._state, self._rows, self._problem
                self._take_up()
                if self._problem == HALF_WRITTEN and known[1] is not None:
                    self._state, self._rows, self._problem = known

    @contextmanager
    def alone(self, wait_s: float | None = None) -> Iterator[None]:
        """Nobody else writes within. Raises StoreLocked where another process does for longer; None: however long."""
        with self._one_writer:
            if self._writing:
                yield
                return
            with self._ledger.alone(wait_s):
                if self._ledger.shared:  # if the last writer died over it, it is unfinished: now that is known
                    with self._one_at_a_time:
                        self._take_up()
                self._writing = True
                try:
                    yield
                finally:
                    self._writing = False

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

        def found(state: State, rows: Collection | None) -> list[Hit]:
            """The nearest of the rows as they are known."""
            if where is not None:
                self._check(where, state)
            if rows is None or k < 1:
                return []
            limit = self.pushdown_max_rows
            return nearest(rows, self._question(vector), k, where=where, exclude=exclude, pushdown_max_rows=limit)

        nothing: list[Hit] = []
        hits = self._asked(found, nothing)
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
        ids = list(dict.fromkeys(item_ids))
        return self._asked(lambda _, rows: {} if rows is None else rows.vectors(ids), {})

    def through_graph(self, vector: Vector, n: int) -> list[str]:
        """The ids of the n nearest rows that Chroma's graph alone finds, best first: what `search` asks it where rows
        are too many to be held in memory.
        """
        return self._asked(lambda _, rows: [] if rows is None else through_graph(rows, self._question(vector), n), [])

    def _asked(self, ask: Callable[[State, Collection | None], T], nothing: T) -> T:
        """What is asked of the rows; once more where another process put newer ones in their place meanwhile."""
        began = time.monotonic()
        try:
            if began < self._spared_until:
                raise StoreUnreachable(f"{self.trouble}; it is left alone for a moment", "See that the server runs")
            found = self._answer(ask)
        except (StoreUnreachable, StoreLost) as error:
            if time.monotonic() >= self._spared_until:
                self.trouble = error.message
                self._spared_until = time.monotonic() + (self.spared_s if isinstance(error, StoreUnreachable) else 0.0)
            if self.forgiving:
                return nothing
            raise
        if began >= self._spared_until:  # what was asked before another question failed does not make up for it
            self.trouble = ""
        return found

    def _answer(self, ask: Callable[[State, Collection | None], T]) -> T:
        rows = self._rows
        try:
            with self._one_at_a_time:
                state, rows = self._usable()
                if rows is None or not rows.served:
                    return ask(state, rows)
            with each_within(self.question_timeout_s):
                found = ask(state, rows)  # whoever waits for a server keeps nobody else from asking it
            if found or not self.stale:
                return found
        except StoreError as error:
            with self._one_at_a_time:
                if not self.stale and rows is self._rows:
                    if isinstance(error, StoreLost):
                        self._rows, self._problem = None, ROWS_MISSING
                    raise
        self.refresh()
        with each_within(self.question_timeout_s):
            return ask(*self._usable())

    def _take_up(self) -> None:
        """Know what is there. Where that fails, what was known stays, and is as stale as it was."""
        stamp = self._ledger.stamp()
        self._state, self._rows, self._problem = self._load()
        self._stamp = stamp

    def _load(self) -> tuple[State | None, Collection | None, str]:
        """What is there, opened, and why it cannot be used, or an empty string."""
        state = self._ledger.load()
        if state is None:
            begun = self._ledger.begun()
            return None, None, "its record is damaged or of another version" if begun else "there is none yet"
        if not state.settled:
            return state, None, HALF_WRITTEN
        if not state.generation:
            return state, None, ""
        if dict(self._shelf.files(state.generation)) != dict(state.files or {}):
            return state, None, "its files are damaged"
        rows = self._shelf.open(state.generation)
        if rows is None or rows.count() != len(state.fingerprints):
            return state, None, ROWS_MISSING
        if state.files:  # opening alone changes a few bytes
            state = self._settled(state)
            self._ledger.save(state)
        return state, rows, ""

    def _usable(self) -> tuple[State, Collection | None]:
        problem = self._problem or self._other_embedder()
        if problem or self._state is None:
            failed = StoreLost if problem == ROWS_MISSING else StoreError
            raise failed(f"the index cannot be used: {problem}", "Build it with: palate index")
        return self._state, self._rows

    def _other_embedder(self) -> str:
        if self._state is None:
            return ""
        if self._state.embedder == self._embedder.name:
            there, wanted = self._state.mean.size, self._embedder.dimensions
            return "" if there == wanted else f"it has vectors of {there} numbers, and {self._embedder.name} {wanted}"
        return f"it was made with the embedder {self._state.embedder}, not with {self._embedder.name}"

    def _count_reachable(self, rows: Collection) -> int:
        anything = np.ones(self._embedder.dimensions, dtype=np.float32)
        return len(rows.nearest(anything, rows.count())) if rows.count() else 0

    def _question(self, vector: Vector) -> Vector:
        question = np.asarray(vector, dtype=np.float32)
        if question.shape != (self._embedder.dimensions,) or not np.isfinite(question).all() or not question.any():
            raise StoreError(f"cannot search with a vector of shape {question.shape} that is zero or not finite")
        return question

    def _settle(self, state: State) -> None:
        self._state = self._settled(state)
        self._save(self._state)
        self._problem = ""

    def _settled(self, state: State) -> State:
        files = self._shelf.files(state.generation) if state.generation else {}
        return replace(state, files=files, settled=True)

    def _save(self, state: State) -> None:
        self._ledger.save(state)
        self._stamp = self._ledger.stamp()
