"""The accountant: what was released about people, what it cost, and how much of the budget is left.

It lies in the store, beside the people it speaks of. A release is paid and kept in one transaction, before anybody
sees it; the same one over the same state of the store is not paid again. Costs add up (sequential composition: Dwork,
McSherry, Nissim and Smith, "Calibrating noise to sensitivity in private data analysis", TCC 2006).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import ConfigError, StoreError
from agent.privacy.noise import noisy

if TYPE_CHECKING:
    from agent.store.store import Store

NOTE = "privacy ledger"
_ROUNDING = 1e-9

Counts = Mapping[str, int]


class Question(NamedTuple):
    """Counts to be released: by a public name each, and how far one person can move them in sum."""

    name: str
    counts: Counts
    sensitivity: int


@dataclass(frozen=True)
class Entry:
    """One release: of what, when (UTC, ISO), what it cost, how far one person can move it, and of which state."""

    name: str
    at: str
    epsilon: float
    sensitivity: int
    of: str


@dataclass(frozen=True)
class Book:
    """Every release that was paid, oldest first, and the newest values of each name."""

    entries: tuple[Entry, ...] = ()
    values: Mapping[str, Counts] | None = None

    @property
    def spent(self) -> float:
        """What all releases cost together."""
        return sum(entry.epsilon for entry in self.entries)

    def last(self, name: str) -> Entry | None:
        """The newest release of that name."""
        return next((entry for entry in reversed(self.entries) if entry.name == name), None)

    def kept(self, name: str) -> Counts:
        """The newest values of that name; empty where there are none."""
        return (self.values or {}).get(name, {})


class Ledger:
    """The book of one store. Its methods raise StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def book(self) -> Book:
        """As it stands."""
        return _read(self._store.meta_get(NOTE))

    def release(
        self, questions: Sequence[Question], *, epsilon: float, budget: float, of: str, now: datetime | None = None
    ) -> Book:
        """Release the counts, `epsilon` each, all or none; the book with their values.

        What was released before with the same costs from the same state, `of`, is kept and costs nothing. Raises
        ConfigError where the budget does not reach: then nothing is released.
        """
        known = self._store.meta_get(NOTE)
        book = _read(known)
        at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
        wanted = {q.name: Entry(q.name, at, epsilon, q.sensitivity, of) for q in questions}
        fresh = [q for q in questions if not _same(book.last(q.name), wanted[q.name])]
        if not fresh:
            return book
        _check(book.spent, epsilon * len(fresh), budget)
        drawn = {q.name: _drawn(q, epsilon) for q in fresh}
        entries = (*book.entries, *(wanted[q.name] for q in fresh))
        paid = Book(entries, {**(book.values or {}), **drawn})
        self._keep(known, paid)
        return paid

    def _keep(self, known: str | None, paid: Book) -> None:
        def changed(current: str | None) -> str:
            """The book with what was paid, where nobody wrote in it since it was read."""
            if current != known:
                raise StoreError("another process released something meanwhile", "Do it again: palate learn")
            return json.dumps(asdict(paid))

        self._store.meta_change(NOTE, changed)


def longer(*books: str | None) -> str | None:
    """Of books as they are kept, the one in which most was spent; None where there is none."""
    return max(books, key=spent_in, default=None)


def spent_in(book: str | None) -> float:
    """What was spent, in a book as it is kept."""
    return _read(book).spent


def _drawn(question: Question, epsilon: float) -> dict[str, int]:
    values = noisy(list(question.counts.values()), sensitivity=question.sensitivity, epsilon=epsilon)
    return dict(zip(question.counts, values, strict=True))


def _check(spent: float, cost: float, budget: float) -> None:
    if spent + cost > budget + _ROUNDING:
        raise ConfigError(
            f"the privacy budget does not reach: {spent:g} of {budget:g} is spent, and this would cost {cost:g}",
            "What was released before stays in use; raise privacy.budget only if you mean to promise less",
        )


def _same(last: Entry | None, wanted: Entry) -> bool:
    return last is not None and {**asdict(last), "at": ""} == {**asdict(wanted), "at": ""}


def _read(text: str | None) -> Book:
    if text is None:
        return Book()
    told = json.loads(text)
    return Book(tuple(Entry(**entry) for entry in told["entries"]), told["values"])
