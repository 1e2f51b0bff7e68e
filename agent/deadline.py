"""One clock for a whole request."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from agent.errors import ModelTimeout

Gone = Callable[[], bool]  # whether nobody waits for the answer any more

_gone: ContextVar[Gone | None] = ContextVar("gone", default=None)


@contextmanager
def while_wanted(gone: Gone) -> Iterator[None]:
    """Deadlines that are made within expire as soon as `gone()` is true: whoever asked has left."""
    token = _gone.set(gone)
    try:
        yield
    finally:
        _gone.reset(token)


_asking: ContextVar[Deadline | None] = ContextVar("asking", default=None)


@contextmanager
def asking(deadline: Deadline) -> Iterator[None]:
    """What is asked of a server within is to be answered by then: see `time_to_answer_s`."""
    token = _asking.set(deadline)
    try:
        yield
    finally:
        _asking.reset(token)


def time_to_answer_s(otherwise: float) -> float:
    """What a server has to answer what is asked now: what is left of `asking`, at least a millisecond."""
    deadline = _asking.get()
    return otherwise if deadline is None else max(0.001, deadline.remaining_s)


class Deadline:
    """A moment after which work for one request should stop; `Deadline.never()` has none.

    The clock is monotonic and can be passed in. `remaining_s` is never negative.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + timeout_s
        self._gone = _gone.get()

    @classmethod
    def never(cls) -> Deadline:
        """A deadline that does not expire."""
        return cls(math.inf)

    def cut(self) -> None:
        """End it now, from any thread: work under way stops as soon as it looks at the clock."""
        self._end = -math.inf

    @property
    def remaining_s(self) -> float:
        """Seconds left: 0 once expired, infinity for `never`."""
        if self._gone is not None and self._gone():
            return 0.0
        return max(0.0, self._end - self._clock())

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s == 0.0

    def check(self, doing: str) -> None:
        """Do nothing while time is left. Raises ModelTimeout naming what was being done."""
        if self.expired:
            raise ModelTimeout(f"out of time while {doing}", "Give the request a longer timeout or fewer candidates")
