"""How far a rendering may go: what a value weighs, what an operation would make, and the steps that are left.

A weight is a number of characters and elements, where what is shared counts each time that it is met: it is what the
value would take in writing. Sizes are reckoned before anything is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

MAX_WEIGHT = 200_000  # of any value in a template, and of what it renders
MAX_STEPS = 250_000  # of one rendering: turns of loops, calls, elements, and eight characters that are made
MAX_S = 10.0  # for what steps do not show, such as long texts searched again and again
CLOCKED = 64  # steps from one look at the clock to the next
MAX_BITS = 8_192  # of a whole number
MAX_RANGE = 10_000
OBJECT = 100  # what anything counts that is neither text nor number nor a collection of these

_NUMBERS = frozenset((int, float, bool, type(None)))
_COLLECTIONS = (list, tuple, set, frozenset)
_SIZED = (str, *_COLLECTIONS, dict, range)
_DIGITS = re.compile(r"\d+")
_STARRED = re.compile(r"%(\([^)]*\))?[-+ #0]*(\*|\d*\.\*)")


class Exceeded(Exception):
    """A rendering went beyond a bound; the message says which."""


class Steps:
    """The steps that a rendering has left."""

    __slots__ = ("_clocked", "_left", "_until_s")

    def __init__(self) -> None:
        self._left = self._clocked = MAX_STEPS
        self._until_s = monotonic() + MAX_S

    def spend(self, weight: int = 0) -> None:
        """One step, and those of making or reading something of this weight. Raises Exceeded."""
        self._left -= 1 + (weight >> 3)
        if self._left < self._clocked:
            self._look()

    def _look(self) -> None:
        if self._left < 0:
            raise Exceeded(f"takes more than {MAX_STEPS:,} steps")
        if monotonic() > self._until_s:
            raise Exceeded(f"takes longer than {MAX_S:g} s")
        self._clocked = max(0, self._left - CLOCKED)


def checked(weight: int) -> int:
    """The weight, where a value may have it. Raises Exceeded."""
    if weight > MAX_WEIGHT:
        raise Exceeded(f"makes {weight:,} characters or elements; {MAX_WEIGHT:,} are allowed")
    return weight


def weigh(value: object) -> int:
    """What a value weighs. Raises Exceeded where that is too much, as it is for one that holds itself."""
    if isinstance(value, str):
        return checked(len(value))
    total, waiting = 0, [value]
    while waiting:
        one: Any = waiting.pop()
        kind = type(one)
        if isinstance(one, str):  # Markup too
            total += 1 + len(one)
        elif kind in _NUMBERS:
            total += 1
        elif kind is tuple or kind is list or isinstance(one, _COLLECTIONS):
            total += 1 + len(one)
            waiting += one if total <= MAX_WEIGHT else ()
        elif kind is dict or isinstance(one, Mapping):
            total += 1 + len(one)
            waiting += [*one.keys(), *one.values()] if total <= MAX_WEIGHT else ()
        else:
            total += OBJECT
        if total > MAX_WEIGHT:
            raise Exceeded(f"makes a value of more than {MAX_WEIGHT:,} characters and elements")
    return total


def cost(value: object) -> int:
    """The weight of a text, or eight times that of anything else: going through elements takes longer."""
    return weigh(value) if isinstance(value, str) else 8 * weigh(value)


def counted(*bounds: int) -> range:
    """`range`. Raises Exceeded for a long one."""
    found = range(*bounds)
    if len(found) > MAX_RANGE:
        raise Exceeded(f"counts over {len(found):,} numbers; {MAX_RANGE:,} are allowed")
    return found


def size(value: object) -> int:
    """The length of a text or collection as it stands, 1 for anything else."""
    return len(value) if isinstance(value, _SIZED) else 1


def operated(operator: str, left: object, right: object) -> int:
    """What an operation on two values would weigh. Raises Exceeded where that is too much."""
    if isinstance(left, int) and isinstance(right, int):
        return _whole_number(operator, left, right)
    if operator == "*":
        return _repeated(left, right) if isinstance(right, int) else _repeated(right, left)
    if operator == "%" and isinstance(left, str):
        return formatted(left, right)
    if operator == "+" and not isinstance(left, float) and not isinstance(right, float):
        return checked(weigh(left) + weigh(right))
    return 1


def _whole_number(operator: str, left: int, right: int) -> int:
    bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
    if operator in ("*", "**") and bits > MAX_BITS:
        raise Exceeded(f"makes a number of {bits:,} bits; {MAX_BITS:,} are allowed")
    return 1


def _repeated(value: object, times: object) -> int:
    return checked(weigh(value) * times) if isinstance(times, int) and size(value) > 0 else 1


def formatted(pattern: str, values: object) -> int:
    """What `pattern % values` would weigh, at most. Raises Exceeded; also for widths that stand among the values."""
    if _STARRED.search(pattern):
        raise Exceeded(f"writes {pattern[:40]!r} with a width from elsewhere, which is not allowed")
    each = weigh(values) * (pattern.count("%") if isinstance(values, Mapping) else 1)
    return checked(len(pattern) + widths(pattern) + each)


def filled(pattern: str, *values: object, **named: object) -> int:
    """The filter `format`."""
    return formatted(pattern, named or values)


def widths(text: str) -> int:
    """The sum of all numbers in a pattern. Raises Exceeded where one has more than nine digits."""
    found = _DIGITS.findall(text)
    if any(len(one) > 9 for one in found):
        raise Exceeded("writes with a width of more than nine digits")
    return checked(sum(map(int, found)))


# What filters and methods of text that can make much of little would make, called as they are.


def padded(text: object, width: int = 80, *_: object) -> int:
    """`center`, `ljust`, `rjust`, `zfill`."""
    return checked(max(size(text), width))


def indented(text: object, width: int | str = 4, *_: object, **__: object) -> int:
    """`indent`."""
    lines = 1 + text.count("\n") if isinstance(text, str) else 1
    return checked(size(text) + lines * (len(width) if isinstance(width, str) else width))


def replaced(text: object, old: str, new: str, *_: object) -> int:
    """`replace`."""
    return checked(size(text) + (size(text) // max(1, len(old)) + 1) * len(new))


def joined(parts: object, between: str = "", *_: object, **__: object) -> int:
    """`join`."""
    return checked(weigh(parts) + size(parts) * len(between))


def joining(between: str, parts: object) -> int:
    """The method `join`, whose text stands first."""
    return joined(parts, between)


def dealt(values: object, n: int, fill_with: object = None) -> int:
    """`batch` and `slice`."""
    return checked(size(values) + n * weigh(fill_with))


def wrapped(text: object, width: int = 79, *_: object, wrapstring: str | None = None, **__: object) -> int:
    """`wordwrap`, whose time grows with the square of the text."""
    return checked(squared(text) + size(text) * len(wrapstring or "\n") // max(1, width))


def squared(text: object, *_: object, **__: object) -> int:
    """`striptags`, likewise: a text of 20,000 characters is the longest."""
    return checked(size(text) ** 2 // 2_000)


def rounded(_: object, precision: int = 0, *__: object, **___: object) -> int:
    """`round`."""
    return checked(abs(precision) * 10_000)


def written(value: object, indent: int | None = None) -> int:
    """`tojson`."""
    return checked(weigh(value) * (1 + (indent or 0)))


def added(values: object, *_: object, start: object = 0, **__: object) -> int:
    """`sum`, of numbers alone."""
    if not isinstance(start, int | float) or (isinstance(values, Sequence) and any(map(_is_collection, values))):
        raise Exceeded("sums what are no numbers")
    return size(values)


def _is_collection(value: object) -> bool:
    return isinstance(value, list | tuple)


# Filters and methods by name: those with a guard of what they would make, and the methods that need none.

FILTERS: Mapping[str, Callable[..., int]] = {
    "batch": dealt, "center": padded, "format": filled,
    "indent": indented, "join": joined, "replace": replaced, "round": rounded,
    "slice": dealt, "striptags": squared, "sum": added, "tojson": written,
    "wordwrap": wrapped,
}  # fmt: skip
PLAIN_METHODS = frozenset((
    "capitalize", "casefold", "count", "endswith", "find", "get", "index", "isalnum", "isalpha", "isascii", "isdecimal",
    "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "items", "keys", "lower", "lstrip", "partition",
    "removeprefix", "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines",
    "startswith", "strip", "swapcase", "title", "upper", "values",
))  # fmt: skip
METHODS: Mapping[str, Callable[..., int]] = {
    "center": padded, "ljust": padded, "rjust": padded, "zfill": padded,
    "join": joining, "replace": replaced,
}  # fmt: skip
