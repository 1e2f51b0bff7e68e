"""The one lane to the model: one answer at a time, a bounded queue before it, and a way out for those who leave."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Generic, TypeVar

from agent.deadline import while_wanted
from agent.errors import PalateError

T = TypeVar("T")
Work = Callable[[float], Iterator[T]]  # the seconds that are left -> the pieces of an answer

SHORTEST_S, LONGEST_S = 1, 60  # what is told to those who are sent away
_FIRST_GUESS_S = 2.0
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
        self._takes_s = _FIRST_GUESS_S
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(answer.waiting for answer in self._answers)

    @property
    def retry_after_s(self) -> int:
        """About how long it takes until there is room: the queue's length times what answers took of late."""
        return max(SHORTEST_S, min(LONGEST_S, math.ceil((self.waiting + 1) * self._takes_s)))

    def answer(self, work: Work[T], timeout_s: float) -> Answer[T]:
        """The answer that the work gives when its turn comes; the time it may take begins now. Raises Overloaded."""
        if self._closed or len(self._answers) > self._places:
            raise Overloaded(f"{self.waiting} answers are waited for already", self.retry_after_s)
        answer: Answer[T] = Answer()
        self._answers.add(answer)  # type: ignore[arg-type]  # what the pieces are is nothing to the lane
        answer.task = asyncio.create_task(self._serve(answer, work, time.monotonic() + timeout_s))
        answer.task.add_done_callback(_heard)
        return answer

    async def close(self) -> None:
        """Refuse new answers, end those under way at their next look at the time, and wait for that."""
        self._closed = True
        running = list(self._answers)
        for answer in running:
            answer.leave()
        await asyncio.gather(*(answer.task for answer in running if answer.task), return_exceptions=True)
        self._thread.shutdown()

    async def _serve(self, answer: Answer[T], work: Work[T], until: float) -> None:
        try:
            await self._await_turn(until)
            answer.waiting = False
            try:
                await self._work(answer, work, until)
            finally:
                self._turn.release()
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
        loop, begun = asyncio.get_running_loop(), time.monotonic()
        pieces = _wanted(work, until - begun, lambda: answer.left)
        try:
            while not answer.left:
                piece = await loop.run_in_executor(self._thread, next, pieces, None)
                if piece is None:
                    break
                answer.put(piece[0])
        finally:
            answer.leave()  # where this was cancelled, the work that goes on in the thread ends soon
            await loop.run_in_executor(self._thread, pieces.close)
            self._takes_s += _OF_THE_NEWEST * (time.monotonic() - begun - self._takes_s)


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how a task ended, also where nobody listens any more."""
    if not task.cancelled():
        task.exception()


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
