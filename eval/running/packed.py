"""Orders and values of many cases in little memory: ids are numbers, a case a row of plain arrays. Pure."""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", covariant=True)
Floats = NDArray[np.float64]


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

    def known(self, text: object) -> int | None:
        """The number of a text, None where it has none yet."""
        return self._numbers.get(text) if isinstance(text, str) else None

    def text(self, number: int) -> str:
        """The text of a number that was given."""
        return self._texts[number]

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)


class Cases:
    """Some of the cases that are numbered: all of them, or those of these numbers, which rise. Each has a row here."""

    def __init__(self, names: Names, numbers: Sequence[int] | None = None) -> None:
        self._names = names
        self.numbers = np.arange(len(names)) if numbers is None else np.asarray(numbers, dtype=np.int64)
        self._is_whole = len(self.numbers) == len(names)

    def row(self, case: object) -> int | None:
        """The row of a case, None where it is none of these."""
        number = self._names.known(case)
        if number is None or self._is_whole:
            return number if number is None or number < len(self.numbers) else None
        row = int(np.searchsorted(self.numbers, number))
        return row if row < len(self.numbers) and self.numbers[row] == number else None

    def name(self, row: int) -> str:
        """The case in a row."""
        return self._names.text(int(self.numbers[row]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cases):
            return NotImplemented
        return self is other or (len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True)))

    __hash__ = None  # type: ignore[assignment]  # equal by what they hold

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[str]:
        return map(self._names.text, self.numbers.tolist())


class ByCase(Mapping[str, Value], Generic[Value]):
    """Something for each of the cases, in their order."""

    def __init__(self, cases: Cases) -> None:
        self.cases = cases

    @abstractmethod
    def at(self, row: int) -> Value:
        """That of the case in this row."""

    def __getitem__(self, case: str) -> Value:
        row = self.cases.row(case)
        if row is None:
            raise KeyError(case)
        return self.at(row)

    def __contains__(self, case: object) -> bool:
        return self.cases.row(case) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.cases)

    def __len__(self) -> int:
        return len(self.cases)


class Values(ByCase[float]):
    """A value for each case, in one array."""

    def __init__(self, cases: Cases, floats: Floats) -> None:
        super().__init__(cases)
        self.floats = floats

    def at(self, row: int) -> float:
        """See `ByCase.at`."""
        return float(self.floats[row])


class Labels(ByCase[str]):
    """A text for each case, such as whose it is; equal texts are kept once. `codes` are numbers of `names`."""

    def __init__(self, cases: Cases, names: Names, codes: array[int]) -> None:
        super().__init__(cases)
        self._names = names
        self.codes = np.asarray(codes)[cases.numbers]

    def at(self, row: int) -> str:
        """See `ByCase.at`."""
        return self._names.text(self.codes[row])


class Lists:
    """Lists of ids, one after another, each for the next case by number; `ids` may be shared by several."""

    def __init__(self, ids: Names) -> None:
        self._ids = ids
        self._starts = array("Q", [0])
        self._codes = array("I")

    def put(self, ids: Iterable[str]) -> None:
        """Add the list of the next case."""
        self._codes.extend([self._ids.number(one) for one in ids])
        self._starts.append(len(self._codes))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How long each list is."""
        starts = np.asarray(self._starts).astype(np.int64)
        return starts[1:] - starts[:-1]

    def __getitem__(self, number: int) -> tuple[str, ...]:
        return tuple(map(self._ids.text, self._codes[self._starts[number] : self._starts[number + 1]]))


class Firsts:
    """The first `k` ids of lists that may come in any order, or not at all, by the number of the case."""

    def __init__(self, ids: Names, k: int) -> None:
        self._ids, self._k = ids, k
        self._codes = array("I")  # from 1; 0 where there is none

    def put(self, number: int, ids: Sequence[str]) -> None:
        """Set those of a case."""
        start = number * self._k
        if (lacking := start + self._k - len(self._codes)) > 0:
            self._codes.frombytes(bytes(lacking * self._codes.itemsize))
        for place, one in enumerate(ids[: self._k], start):
            self._codes[place] = self._ids.number(one) + 1

    def has(self, number: int) -> bool:
        """Whether there are any of this case."""
        return number * self._k < len(self._codes) and self._codes[number * self._k] > 0

    def __getitem__(self, number: int) -> tuple[str, ...]:
        codes = self._codes[number * self._k : (number + 1) * self._k]
        return tuple(self._ids.text(code - 1) for code in codes if code)


class Picked(ByCase[tuple[str, ...]]):
    """The lists of these cases."""

    def __init__(self, cases: Cases, lists: Lists | Firsts) -> None:
        super().__init__(cases)
        self._lists = lists

    def at(self, row: int) -> tuple[str, ...]:
        """See `ByCase.at`."""
        return self._lists[int(self.cases.numbers[row])]


class Sums:
    """A number for each case, the sum of all that were added for it; 0 where none was. `kind` is that of an array."""

    def __init__(self, kind: str = "d") -> None:
        self._sums: array[float] = array(kind)

    def add(self, number: int, value: float) -> None:
        """Add to that of a case."""
        if (lacking := number + 1 - len(self._sums)) > 0:
            self._sums.frombytes(bytes(lacking * self._sums.itemsize))
        self._sums[number] += value

    def of(self, cases: Cases) -> Floats:
        """Those of the cases, in their order."""
        found = np.zeros(int(cases.numbers[-1]) + 1 if len(cases) else 0)
        n = min(len(found), len(self._sums))
        found[:n] = np.asarray(self._sums)[:n]
        return found if len(found) == len(cases) else found[cases.numbers]

    def __getitem__(self, number: int) -> float:
        return self._sums[number] if number < len(self._sums) else 0


class Joined(Mapping[str, Value], Generic[Value]):
    """Several mappings without a common key as one, the first one's keys first."""

    def __init__(self, parts: Sequence[Mapping[str, Value]]) -> None:
        self._parts = parts

    def __getitem__(self, key: str) -> Value:
        for part in self._parts:
            if key in part:
                return part[key]
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))


class Marks:
    """Which of so many numbered things are marked, in a byte each."""

    def __init__(self) -> None:
        self._marks = bytearray()

    def add(self, number: int) -> None:
        """Mark one."""
        self._marks.extend(bytes(max(0, number + 1 - len(self._marks))))
        self._marks[number] = 1

    def update(self, other: Marks) -> None:
        """Mark all that another one marks."""
        longest = max(len(self._marks), len(other._marks))
        one, two = (np.frombuffer(m._marks.ljust(longest, b"\0"), dtype=np.uint8) for m in (self, other))
        self._marks = bytearray((one | two).tobytes())

    def __len__(self) -> int:
        """How many are marked."""
        return self._marks.count(1)
