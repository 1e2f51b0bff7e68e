"""The one lane to the model: one answer at a time, a bounded queue before it, and a way out for those who leave."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Event
from typing import Generic, TypeVar

from agent.deadline import while_wanted
from agent.errors import PalateError

T = TypeVar("T")
Work = Callable[[float], Iterator[T]]  # the seconds that are left -> the pieces of an answer

SHORTEST_S, LONGEST_S = 1, 60  # what is told to those who are sent away
_FIRST_GUESS_S = 2.0
_LEAST_S = 0.001  # what is left of the shortest time that can be asked for
_OF_THE_NEWEST = 0.2  # what the newest answer counts in the mean of how long answers take


class Overloaded(PalateError):
    """Too many wait already, or it took too long until it was this one's turn; come back in `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message, f"Try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Answer(Generic[T]):
    """The pieces of one answer as they come. Raises what the work raised; Overloaded where its time went by waiting."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[tuple[T] | None] = asyncio.Queue()
        self._left = Event()
        self.task: asyncio.Task[None] | None = None
        self.waiting = True

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        """The next piece."""
        piece = await self._pieces.get()
        if piece is not None:
            return piece[0]
        if self.task is not None:
            await asyncio.wait({self.task})
            if self.task.cancelled():
                raise Overloaded("the server is stopping", SHORTEST_S)
            self.task.result()
        raise StopAsyncIteration

    def put(self, piece: T) -> None:
        """Hand out a piece; who reads slowly holds nobody up."""
        self._pieces.put_nowait((piece,))

    def end(self) -> None:
        """No piece follows."""
        self._pieces.put_nowait(None)

    def leave(self) -> None:
        """Nobody listens any more: a place in the queue is given up at once, work ends at its next look at the time."""
        self._left.set()
        if self.waiting and self.task is not None:
            self.task.cancel()

    @property
    def left(self) -> bool:
        """Whether nobody listens any more."""
        return self._left.is_set()


class Lane:
    """One thread that answers, and room for `places` that wait. Lives in one event loop."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._turn = asyncio.Semaphore(1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="answering")
        self._answers: set[Answer[object]] = set()
        self._takes_s: float | None = None  # until one was given
        self._began = 0.0  # when the turn of the one under way came
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(answer.waiting for answer in self._answers)

    @property
    def retry_after_s(self) -> int:
        """About how long it takes until there is room: the queue's length times what answers took of late."""
        takes_s = _FIRST_GUESS_S if self._takes_s is None else self._takes_s
        return max(SHORTEST_S, min(LONGEST_S, math.ceil((self.waiting + 1) * takes_s)))

    def check(self, timeout_s: float) -> None:
        """Do nothing where an answer can be had in that time.

        Raises Overloaded where the queue is full or, by what answers took of late, too long for it.
        """
        if self._closed or len(self._answers) > self._places or not self._comes_in_time(timeout_s):
            raise Overloaded(f"{len(self._answers)} answers come first", self.retry_after_s)

    def answer(self, work: Work[T], timeout_s: float, *, usual: bool = True) -> Answer[T]:
        """The answer that the work gives when its turn comes; the time it may take begins now.

        What is not `usual` is no measure of what answers take. Raises Overloaded as `check` does.
        """
        self.check(timeout_s)
        answer: Answer[T] = Answer()
        self._answers.add(answer)  # type: ignore[arg-type]  # what the pieces are is nothing to the lane
        until = time.monotonic() + timeout_s
        answer.task = asyncio.create_task(self._serve(answer, work, until, usual))
        answer.task.add_done_callback(_heard)
        return answer

    def _comes_in_time(self, timeout_s: float) -> bool:
        """Whether the turn of one more answer would leave it as long as answers take, or half of its own time."""
        takes_s = self._takes_s
        if takes_s is None:
            return True
        under_way_s = max(0.0, takes_s - (time.monotonic() - self._began)) if self._turn.locked() else 0.0
        return under_way_s + self.waiting * takes_s + min(takes_s, timeout_s / 2) <= timeout_s

    async def close(self) -> None:
        """Refuse new answers, end those under way at their next look at the time, and wait for that."""
        self._closed = True
        running = list(self._answers)
        for answer in running:
            answer.leave()
        await asyncio.gather(*(answer.task for answer in running if answer.task), return_exceptions=True)
        self._thread.shutdown()

    async def _serve(self, answer: Answer[T], work: Work[T], until: float, usual: bool) -> None:
        try:
            await self._await_turn(until)
            answer.waiting = False
            self._began = begun = time.monotonic()
            try:
                await self._work(answer, work, until)
            finally:
                self._turn.release()
                if usual:
                    self._learn(time.monotonic() - begun)
        finally:
            self._answers.discard(answer)
            answer.end()

    async def _await_turn(self, until: float) -> None:
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await self._turn.acquire()
        except TimeoutError as error:
            raise Overloaded("the time of this request went by before its turn came", self.retry_after_s) from error

    async def _work(self, answer: Answer[T], work: Work[T], until: float) -> None:
        """Take piece after piece in the one thread; the iterator is closed there, wherever it stands."""
        loop, begun, within = asyncio.get_running_loop(), time.monotonic(), copy_context()
        pieces = _wanted(work, max(until - begun, _LEAST_S), lambda: answer.left)
        try:
            while not answer.left:
                piece = await loop.run_in_executor(self._thread, within.run, _next, pieces)
                if piece is None:
                    break
                answer.put(piece[0])
        finally:
            answer.leave()  # where this was cancelled, the work that goes on in the thread ends soon
            await loop.run_in_executor(self._thread, pieces.close)

    def _learn(self, took_s: float) -> None:
        before = took_s if self._takes_s is None else self._takes_s
        self._takes_s = before + _OF_THE_NEWEST * (took_s - before)


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how a task ended, also where nobody listens any more."""
    if not task.cancelled():
        task.exception()


def _next(pieces: Iterator[tuple[T]]) -> tuple[T] | None:
    return next(pieces, None)


def _wanted(work: Work[T], left_s: float, gone: Callable[[], bool]) -> Generator[tuple[T], None, None]:
    """The pieces of the work, each in a tuple; all deadlines that it makes heed `gone`."""
    with while_wanted(gone):
        pieces = work(left_s)
    try:
        while True:
            with while_wanted(gone):
                piece = next(pieces, None)
            if piece is None:
                return
            yield (piece,)
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
