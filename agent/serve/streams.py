"""Answers that come piece by piece, and the way back to the model when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent.errors import PalateError
from agent.serve.edge import Left
from agent.serve.lane import Answer

T = TypeVar("T")
Frames = Callable[[Answer[T], T], AsyncIterator[str]]  # the answer and its first piece -> server-sent events


async def heard_out(answer: Answer[T], receive: Receive) -> T:
    """The next piece of the answer. Raises Left, and ends the work, when the client goes away before it comes."""
    asked = asyncio.ensure_future(anext(answer))
    leaving = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({asked, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return asked.result()
        raise Left
    finally:
        if not asked.done():
            answer.leave()
        asked.cancel()
        leaving.cancel()


class Stream(Response):
    """Server-sent events, made of an answer whose first piece is there; the work ends when the client leaves."""

    media_type = "text/event-stream"

    def __init__(self, answer: Answer[T], frames: AsyncIterator[str]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._answer = answer
        self._frames = frames

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; raises Left where the client went away before the last."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise Left
            sending.result()
        finally:
            self._answer.leave()
            for task in (sending, leaving):
                task.cancel()

    async def _send(self, send: Send) -> None:
        async for frame in self._frames:
            await send({"type": "http.response.body", "body": frame.encode("utf-8"), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def event(name: str, payload: object) -> str:
    """One server-sent event with a JSON payload."""
    return f"event: {name}\ndata: {json.dumps(payload, ensure_ascii=False, allow_nan=False)}\n\n"


async def guarded(frames: AsyncIterator[str], told: Callable[[PalateError], str]) -> AsyncIterator[str]:
    """The frames; what fails on the way becomes a last one."""
    try:
        async for frame in frames:
            yield frame
    except PalateError as error:
        yield told(error)


async def _gone(receive: Receive) -> None:
    """Return when the client has gone."""
    with contextlib.suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass
