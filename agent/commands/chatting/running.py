"""A reply while it is made: on a thread of its own, so that Ctrl-C can leave it at any moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from agent.errors import PalateError

if TYPE_CHECKING:
    from types import FrameType

_T = TypeVar("_T")


class Stopped(Exception):
    """The person left the reply before its end."""


class _End:
    """What a thread says when it has no more to say."""


class Running(Generic[_T]):
    """What an iterator gives, made on another thread; `stop` may be called at any moment, by a signal too.

    Then `leave` is called, which may end the iterator at once, and it is asked for nothing more.
    """

    def __init__(self, begin: Callable[[], Iterator[_T]], leave: Callable[[], None] = lambda: None) -> None:
        self.over = False
        self._begin = begin
        self._leave = leave
        self._told: SimpleQueue[_T | PalateError | Stopped | _End] = SimpleQueue()  # safe to put into by a signal
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reply", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave it: what is read next raises Stopped."""
        self._left.set()
        self._told.put(Stopped())

    def next_within(self, wait_s: float | None = None) -> _T | None:
        """What comes next; None where nothing comes in that time, or it is `over`. Raises Stopped, PalateError."""
        try:
            told = self._told.get(timeout=wait_s)
        except Empty:
            return None
        if isinstance(told, _End):
            self.over = True
            return None
        if isinstance(told, Stopped):
            self._leave()
        if isinstance(told, Stopped | PalateError):
            raise told
        return told

    def join(self, wait_s: float) -> bool:
        """Whether the thread ended within that time."""
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for one in self._begin():
                self._told.put(one)
                if self._left.is_set():
                    break
        except PalateError as error:
            self._told.put(error)
        finally:
            self._told.put(_End())


@contextmanager
def stopping_at_ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """While this holds, Ctrl-C calls `stop` and nothing else; afterwards it is what it was."""

    def hear(_number: int, _frame: FrameType | None) -> None:
        """Leave what is running."""
        stop()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
