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


_limit_s: ContextVar[float | None] = ContextVar("limit_s", default=None)


@contextmanager
def each_within(limit_s: float) -> Iterator[None]:
    """Each request that is sent to a server within has so many seconds: see `time_to_answer_s`."""
    token = _limit_s.set(limit_s)
    try:
        yield
    finally:
        _limit_s.reset(token)


def time_to_answer_s(otherwise: float) -> float:
    """What a server has to answer the request that is sent now."""
    limit_s = _limit_s.get()
    return otherwise if limit_s is None else limit_s


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
