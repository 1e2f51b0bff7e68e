"""The stages of an answer, told to whoever watches it as each of them ends.

What watches is a matter of the context that the work runs in, so that two servers in one process, or two requests at
once, never hear of each other. Without a watcher nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Watcher(Protocol):
    """Hears of every stage that ends; called from the thread that did the work."""

    def stage(self, name: str, source: str, ms: float) -> None:
        """A stage such as `recall` has ended just now, after so many milliseconds; `source` is its part, or empty."""
        ...


_watching: ContextVar[tuple[Watcher, ...]] = ContextVar("watching", default=())


@contextmanager
def watched_by(*watchers: Watcher) -> Iterator[None]:
    """Within, and in what is started from there with this context, these hear of stages too."""
    token = _watching.set((*_watching.get(), *watchers))
    try:
        yield
    finally:
        _watching.reset(token)


def watch_from_now(*watchers: Watcher) -> None:
    """As `watched_by`, until the context ends: for a process that does one thing."""
    _watching.set((*_watching.get(), *watchers))


def ended(name: str, source: str = "", *, ms: float) -> None:
    """Tell whoever watches that a stage has ended just now."""
    for watcher in _watching.get():
        watcher.stage(name, source, ms)
