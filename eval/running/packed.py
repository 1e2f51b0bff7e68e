"""Orders and values of many cases in little memory: an item id is a number, a case a row of plain arrays. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import eq


class Names:
    """Texts numbered in the order in which they come, from 0."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []

    def number(self, text: str) -> int:
        """The number of a text; a new one for one that is new."""
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self._texts)
            self._texts.append(text)
        return found

    def known(self, text: str) -> int | None:
        """The number of a text, None where it has none yet."""
        return self._numbers.get(text)

    def text(self, number: int) -> str:
        """The text of a number that was given."""
        return self._texts[number]

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)


class _ByCase:
    """Which row belongs to which case: a few bytes a case. Cases are numbered by `cases`, which several may share."""

    def __init__(self, cases: Names) -> None:
        self._cases = cases
        self._row_of = array("q")  # by the number of the case; -1 where it has none
        self._case_of = array("I")  # by row

    def _row(self, case: object) -> int | None:
        number = self._cases.known(case) if isinstance(case, str) else None
        if number is None or number >= len(self._row_of) or self._row_of[number] < 0:
            return None
        return self._row_of[number]

    def _row_here(self, case: str) -> int:
        """Raises KeyError where the case has no row."""
        row = self._row(case)
        if row is None:
            raise KeyError(case)
        return row

    def _new_row(self, case: str) -> int:
        number = self._cases.number(case)
        self._row_of.extend([-1] * (number + 1 - len(self._row_of)))
        self._row_of[number] = row = len(self._case_of)
        self._case_of.append(number)
        return row

    def __contains__(self, case: object) -> bool:
        return self._row(case) is not None

    def __iter__(self) -> Iterator[str]:
        return map(self._cases.text, self._case_of)

    def __len__(self) -> int:
        return len(self._case_of)


class Lists(_ByCase, Mapping[str, tuple[str, ...]]):
    """A list of ids for each case, in the order in which they were put; `ids` may be shared by several."""

    def __init__(self, cases: Names, ids: Names) -> None:
        super().__init__(cases)
        self._ids = ids
        self._starts = array("Q", [0])
        self._numbers = array("I")

    def put(self, case: str, ids: Iterable[str]) -> None:
        """Add the list of a case; the first one put holds."""
        if case not in self:
            self._new_row(case)
            self._numbers.extend(self._ids.number(one) for one in ids)
            self._starts.append(len(self._numbers))

    def only(self, cases: Sequence[str]) -> Lists:
        """The same for these cases alone, in this order; an empty list where a case has none."""
        if len(cases) == len(self) and all(map(eq, cases, self)):
            return self
        found = Lists(self._cases, self._ids)
        for case in cases:
            found.put(case, self.get(case, ()))
        return found

    def n_filled(self) -> int:
        """How many cases have a list that is not empty."""
        return sum(1 for one, after in pairwise(self._starts) if after > one)

    def __getitem__(self, case: str) -> tuple[str, ...]:
        row = self._row_here(case)
        return tuple(map(self._ids.text, self._numbers[self._starts[row] : self._starts[row + 1]]))


class Column(_ByCase, Mapping[str, float]):
    """A value for each case, the sum of all that were added for it, in the order in which cases came."""

    def __init__(self, cases: Names) -> None:
        super().__init__(cases)
        self._sums = array("d")

    def add(self, case: str, value: float) -> None:
        """Add to the value of a case."""
        row = self._row(case)
        if row is None:
            row = self._new_row(case)
            self._sums.append(0.0)
        self._sums[row] += value

    def per(self, counts: Column, cases: Iterable[str]) -> Column:
        """The values of these cases over their counts, in this order; 0 where a case has no value.

        Raises KeyError where a case has no count.
        """
        found = Column(self._cases)
        for case in cases:
            found.add(case, self.get(case, 0.0) / counts[case])
        return found

    def __getitem__(self, case: str) -> float:
        return self._sums[self._row_here(case)]
