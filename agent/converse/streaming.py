"""The pieces of one reply as an iterator that any thread may close."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from typing import Self

from agent.converse.pieces import Piece
from agent.deadline import Deadline


class Stop:
    """Whether a reply is still wanted, and the time that its work has, which ends as soon as it is not."""

    def __init__(self) -> None:
        self._called = threading.Event()
        self._deadlines: list[Deadline] = []

    @property
    def called(self) -> bool:
        """Whether nobody wants more."""
        return self._called.is_set()

    def bind(self, deadline: Deadline) -> None:
        """Let this time end when the stop is called."""
        self._deadlines.append(deadline)
        if self.called:
            deadline.cut()

    def call(self) -> None:
        """End all work."""
        self._called.set()
        for deadline in list(self._deadlines):
            deadline.cut()


class Pieces(Iterator[Piece]):
    """The pieces of one reply. `close`, from any thread, ends it: what a model writes stops, what was heard stays."""

    def __init__(self, make: Callable[[Stop], Generator[Piece]]) -> None:
        self._stop = Stop()
        self._made = make(self._stop)
        self._one_at_a_time = threading.RLock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Piece:
        with self._one_at_a_time:
            if self._stop.called:
                self._made.close()
            piece = next(self._made)
            if self._stop.called:
                self._made.close()
            return piece

    def close(self) -> None:
        """End the reply. Calling it twice is harmless."""
        self._stop.call()
        if self._one_at_a_time.acquire(blocking=False):  # else whoever is at work ends it
            try:
                self._made.close()
            finally:
                self._one_at_a_time.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
