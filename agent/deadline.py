"""One clock for a whole request."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from agent.errors import ModelTimeout


class Deadline:
    """A moment after which work for one request should stop; `Deadline.never()` has none.

    The clock is monotonic and can be passed in. `remaining_s` is never negative.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + timeout_s

    @classmethod
    def never(cls) -> Deadline:
        """A deadline that does not expire."""
        return cls(math.inf)

    @property
    def remaining_s(self) -> float:
        """Seconds left: 0 once expired, infinity for `never`."""
        return max(0.0, self._end - self._clock())

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s == 0.0

    def check(self, doing: str) -> None:
        """Do nothing while time is left. Raises ModelTimeout naming what was being done."""
        if self.expired:
            raise ModelTimeout(f"out of time while {doing}", "Give the request a longer timeout or fewer candidates")
