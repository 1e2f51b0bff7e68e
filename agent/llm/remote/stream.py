"""Reads a chat completion that a server sends in pieces (server-sent events), and tells its text as it stands. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from agent.errors import ModelReplyInvalid, ModelUnavailable
from agent.llm.base import Completion
from agent.llm.remote.answer import Answer
from agent.llm.remote.chat import check_ended, counts_of, first_choice, json_object, refuse_empty
from agent.llm.remote.lane import MAX_REPLY_BYTES, Broken

Tell = Callable[[str], bool]  # hears a piece of text -> go on?

_DONE = "[DONE]"


class ErrorEvent(Exception):
    """The server reported an error in the place of a piece: `status`, as of HTTP, and the event's JSON."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status)
        self.status = status
        self.text = text


def payloads(chunks: Iterable[bytes]) -> Iterator[str]:
    """What each `data:` line of a stream carries, up to `[DONE]`.

    Raises Broken where the stream ends without that, ModelReplyInvalid for a line that does not end.
    """
    for line in _lines(chunks):
        if line.startswith(b"data:"):
            payload = line[5:].strip().decode("utf-8", "replace")
            if payload == _DONE:
                return
            yield payload
    raise Broken("the stream ended early")


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    begun: list[bytes] = []
    length = 0
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        begun.append(first)
        length += len(first)
        for other in others:
            yield b"".join(begun)
            begun, length = [other], len(other)
        if length > MAX_REPLY_BYTES:
            raise _too_long()
    if (last := b"".join(begun)).endswith((b"}", b"]")):  # else it is cut in the middle
        yield last


def _too_long() -> ModelReplyInvalid:
    return ModelReplyInvalid(f"the streamed reply exceeds {MAX_REPLY_BYTES:,} bytes", "Use another server")


class Hearing:
    """One streamed reply, put together. `tell` hears each piece of its answer, and ends it by answering False."""

    def __init__(self, answer: Answer, tell: Tell) -> None:
        self._answer = answer
        self._tell = tell
        self._told = False
        self._message: dict[str, object] = {}
        self._finish: object = None
        self._length = 0
        self._counts = (0, 0)

    def completion(self, chunks: Iterable[bytes]) -> Completion:
        """The reply as far as it was wanted; token counts 0 if not told, as of a reply that was ended early.

        Raises Broken and ErrorEvent while nothing was told, so that it may be asked once more, and ModelUnavailable for
        the same later; ModelReplyInvalid as `completion_from` does.
        """
        try:
            for payload in payloads(chunks):
                if not self._hear(payload):
                    return self._as("cancelled")
                if self._answer.is_over:
                    return self._as("stop")
        except (Broken, ErrorEvent) as error:
            if self._finish is None and self._told:
                raise ModelUnavailable("a reply broke off in the middle", "Ask again") from error
            if self._finish is None:
                raise
        check_ended(self._message, self._finish)
        self._say(self._answer.end())
        if not self._answer.text:
            refuse_empty(self._message.get("content"))
        return self._as("stop")

    def _as(self, finish_reason: Literal["stop", "cancelled"]) -> Completion:
        return Completion(self._answer.text, finish_reason, *self._counts)

    def _hear(self, payload: str) -> bool:
        """Take in one event; whether to go on."""
        event = json_object(payload.encode())
        if event.get("error"):
            raise ErrorEvent(_status_of(event["error"]), payload)
        self._counts = counts_of(event) if event.get("usage") else self._counts
        choice = first_choice(event) or {}
        self._finish = choice.get("finish_reason") or self._finish
        delta = choice.get("delta")
        message = delta if isinstance(delta, dict) else {}
        self._message |= {name: message[name] for name in ("content", "refusal") if message.get(name)}
        piece = message.get("content")
        return self._add(piece) if isinstance(piece, str) else True

    def _add(self, piece: str) -> bool:
        self._length += len(piece)
        if self._length > MAX_REPLY_BYTES:
            raise _too_long()
        return self._say(self._answer.add(piece))

    def _say(self, text: str) -> bool:
        self._told = self._told or bool(text)
        return self._tell(text) if text else True


def _status_of(error: object) -> int:
    """The HTTP status that an error event names, 500 where it names none."""
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500
