"""Worker threads that make the requests of a call together, and give them all up when its time is over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from agent.deadline import Deadline
from agent.errors import ModelTimeout, ModelUnavailable
from agent.llm.remote.lane import Call

T = TypeVar("T")


_LOOK_S = 0.1  # how often a call looks whether it is wanted still


class Unsent(ModelTimeout):
    """The time was over before a connection was free: that tells nothing of the server."""


class Workers:
    """`concurrency` threads for the requests of any number of calls. `where` names the server in messages."""

    def __init__(self, concurrency: int, where: str) -> None:
        self._concurrency = concurrency
        self._where = where
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="palate-endpoint")
        self._calls: set[Call] = set()
        self._lock = threading.Lock()
        self._closed = False

    def together(
        self, timeout_s: float, asks: Sequence[Callable[[Call], T]], wanted: Deadline | None = None
    ) -> list[T]:
        """What each gives, in order, all within one call of `timeout_s`; the first to fail ends it. Empty for none.

        The call ends too as soon as it is not `wanted` any more: its deadline may be cut from another thread.

        Where there are more than can go at once, the first goes alone: it fills the server's cache with what all of
        them begin with, and one failure is enough where all would fail. Raises what fails, ModelTimeout (Unsent
        where others had every connection), and ModelUnavailable once closed.
        """
        if not asks:
            return []
        call = Call(timeout_s, wanted)
        n_first = 1 if len(asks) > self._concurrency else 0
        try:
            return self._at_once(call, asks[:n_first]) + self._at_once(call, asks[n_first:])
        except CancelledError:
            raise self._closed_error() from None
        finally:
            call.end()
            with self._lock:
                self._calls.discard(call)

    def close(self) -> None:
        """End every call and free the threads. Calling it twice is harmless."""
        with self._lock:
            self._closed = True
            calls = list(self._calls)
        self._pool.shutdown(wait=False, cancel_futures=True)
        for call in calls:
            call.end()

    def _at_once(self, call: Call, asks: Sequence[Callable[[Call], T]]) -> list[T]:
        futures = self._begin(call, asks)
        try:
            done, waiting = _waited(futures, call)
            for future in done:
                future.result()
            if waiting and not any(future.running() for future in waiting):
                raise Unsent(
                    f"no connection to {self._where} was free in time",
                    "Raise endpoint.concurrency, or give the request a longer timeout",
                )
            if waiting:
                raise ModelTimeout(f"{self._where} did not answer in time", "Give the request a longer timeout")
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def _begin(self, call: Call, asks: Sequence[Callable[[Call], T]]) -> list[Future[T]]:
        with self._lock:
            if self._closed:
                raise self._closed_error()
            self._calls.add(call)
            return [self._pool.submit(ask, call) for ask in asks]

    def _closed_error(self) -> ModelUnavailable:
        return ModelUnavailable(f"{self._where} is closed", "Open it again")


def _waited(futures: Sequence[Future[T]], call: Call) -> tuple[set[Future[T]], set[Future[T]]]:
    """Those that are done and those that are not, once all are, or one has failed, or the time is over."""
    while True:
        left_s = call.remaining_s
        done, waiting = wait(futures, timeout=min(left_s, _LOOK_S), return_when=FIRST_EXCEPTION)
        failed = any(future.cancelled() or future.exception() is not None for future in done)
        if failed or not waiting or left_s == 0:
            return done, waiting
