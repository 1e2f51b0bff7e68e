"""Pictures shown to an OpenAI-compatible server: to one that embeds them, or to one that says what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, TypeVar

from pydantic import SecretStr

from agent.deadline import Deadline
from agent.errors import ModelReplyInvalid, PromptError
from agent.images.eye import Reason, Seen, unit
from agent.images.picture import Picture
from agent.llm.remote.address import checked_address, checked_key
from agent.llm.remote.chat import completion_from, json_object
from agent.llm.remote.lane import Call, Reply
from agent.llm.remote.server import Server, Setback
from agent.llm.remote.workers import Workers
from agent.types import Vector

Shape = Literal["input", "messages"]
T = TypeVar("T")

_REPRESENT = "Represent the given image."
_MAX_TOKENS = 160


class Asking:
    """Requests about pictures to one path of a server, one picture each, several at once.

    A broken connection, 429 and 5xx are met with `retries` more tries. Where the server refuses a picture by its
    content, that is the answer for this picture alone; where it cannot be used at all, ModelError is raised.
    """

    def __init__(
        self,
        path: str,
        model: str,
        *,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout_s: float = 20.0,
        retries: int = 1,
        concurrency: int = 4,
    ) -> None:
        """Raises ConfigError: no address and no key, no key for an address that is not local. Nothing is sent yet."""
        key = checked_key(api_key)
        address = checked_address(base_url, key)
        self.model = model
        self.where = f"{model}@{address}"
        self.concurrency = concurrency
        self._timeout_s = timeout_s
        self._retries = retries
        self._server = Server(address, key, model, path)
        self._workers = Workers(concurrency, f"the endpoint {address}")

    def each(
        self, bodies: Sequence[dict[str, object]], read: Callable[[Reply], T], deadline: Deadline
    ) -> list[T | Reason]:
        """What `read` makes of the reply to each body, or why the server refused that one. Raises ModelError."""
        found: list[T | Reason] = []
        for start in range(0, len(bodies), self.concurrency):
            asks = [partial(self._asked, body=body, read=read) for body in bodies[start : start + self.concurrency]]
            found += self._workers.together(min(deadline.remaining_s, self._timeout_s), asks)
        return found

    def close(self) -> None:
        """Cut what is under way and free threads and connections. Calling it twice is harmless."""
        self._workers.close()
        self._server.close()

    def _asked(self, call: Call, body: dict[str, object], read: Callable[[Reply], T]) -> T | Reason:
        retries = self._retries
        while True:
            try:
                answer = self._server.ask(call, body, read)
            except ModelReplyInvalid as error:
                return Reason(f"got no answer of use: {error.message}")
            if not isinstance(answer, Setback):
                return answer
            if isinstance(answer.error, PromptError) or (answer.refusal and not (retries and answer.pause_s)):
                return Reason(f"is refused: {answer.refusal or answer.error.message}")
            if not retries or answer.pause_s is None or answer.pause_s >= call.deadline.remaining_s:
                raise answer.error from answer.cause
            call.pause(answer.pause_s)
            retries -= 1


class Embedding:
    """The eye of a server that embeds pictures. `shape` is how a picture is put into the request: docs/images.md."""

    def __init__(self, asking: Asking, shape: Shape = "input") -> None:
        self.name = f"endpoint/{asking.where}/{shape}"
        self.at_once = asking.concurrency
        self._asking = asking
        self._shape = shape

    def look(self, pictures: Sequence[Picture], deadline: Deadline) -> list[Seen]:
        """See `Eye.look`."""
        return self._asking.each([self._body(picture) for picture in pictures], self._vector, deadline)

    def close(self) -> None:
        """See `Eye.close`."""
        self._asking.close()

    def _body(self, picture: Picture) -> dict[str, object]:
        body: dict[str, object] = {"model": self._asking.model, "encoding_format": "float"}
        if self._shape == "input":
            return body | {"input": [{"image": picture.address}]}
        return body | {"messages": [_message(_REPRESENT, picture)]}

    def _vector(self, reply: Reply) -> Vector:
        rows = json_object(reply.whole()).get("data")
        row = rows[0] if isinstance(rows, list) and len(rows) == 1 else None
        return unit(row.get("embedding") if isinstance(row, dict) else None, self._asking.where)


def described(asking: Asking, instruction: str, pictures: Sequence[Picture], deadline: Deadline) -> list[str | Reason]:
    """What a vision model writes about each picture, or why it would not. Raises ModelError."""
    bodies = [_chat(asking.model, instruction, picture) for picture in pictures]
    return asking.each(bodies, lambda reply: completion_from(reply.whole()).text, deadline)


def _chat(model: str, instruction: str, picture: Picture) -> dict[str, object]:
    asked = {"messages": [_message(instruction, picture)], "max_tokens": _MAX_TOKENS, "temperature": 0}
    return {"model": model, **asked}


def _message(text: str, picture: Picture) -> Mapping[str, object]:
    shown = {"type": "image_url", "image_url": {"url": picture.address}}
    return {"role": "user", "content": [shown, {"type": "text", "text": text}]}
