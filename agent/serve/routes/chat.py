"""Palate as a model behind OpenAI's chat API, so that any chat interface can talk to it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from agent.converse.conversations import MAX_MESSAGE_CHARS
from agent.converse.kept import Said
from agent.converse.pieces import Piece, Reply
from agent.errors import ConfigError, PalateError
from agent.serve.bodies import NUMBER, Flag, LongText, Loose, Off
from agent.serve.chat_shapes import ModelShape, ModelsShape
from agent.serve.examples import MODELS, ONE_MODEL, answers, asked, completion
from agent.serve.lane import Answer
from agent.serve.problems import Refused, openai_of, problem_of
from agent.serve.serving import Serving, caller, serving
from agent.serve.streams import Stream, guarded, heard_out
from agent.serve.texts import RunningText
from agent.types import Identifier

router = APIRouter(tags=["chat interfaces"])

MODEL = "palate"
USER_HEADER = "x-openwebui-user-id"
MAX_MESSAGES = 2_000
DONE = "data: [DONE]\n\n"


class Part(Loose):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: LongText


class Message(Loose):
    """One message of the conversation as the client tells it."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: LongText | tuple[Part, ...] | None = None

    @property
    def text(self) -> str:
        """All its text, at most as long as a message may be."""
        parts = self.content if isinstance(self.content, tuple) else ()
        whole = self.content if isinstance(self.content, str) else "\n".join(part.text for part in parts)
        return whole.strip()[:MAX_MESSAGE_CHARS]


class StreamOptions(Loose):
    """What a stream tells besides."""

    include_usage: Flag | None = None


class ChatBody(Loose):
    """OpenAI's parameters. Those of sampling are checked and change nothing; what would promise more is refused."""

    model: str
    messages: Annotated[tuple[Message, ...], Field(min_length=1, max_length=MAX_MESSAGES)]
    stream: Flag | None = None
    stream_options: StreamOptions | None = None
    user: Identifier | None = None
    n: Annotated[int, Field(ge=1, le=1), NUMBER] | None = None
    temperature: Annotated[float, Field(ge=0, le=2), NUMBER] | None = None
    top_p: Annotated[float, Field(ge=0, le=1), NUMBER] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2), NUMBER] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2), NUMBER] | None = None
    max_tokens: Annotated[int, Field(ge=1), NUMBER] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1), NUMBER] | None = None
    seed: Annotated[int, NUMBER] | None = None
    logprobs: Off | None = None
    response_format: Mapping[str, Any] | None = None

    def checked(self) -> ChatBody:
        """The same body. Raises Refused and ConfigError for what cannot be done here."""
        if self.model != MODEL:
            raise Refused(404, f"the model {self.model[:80]!r} is not here", f"There is: {MODEL}")
        if self.stream_options is not None and not self.stream:
            raise ConfigError("stream_options need a stream", 'Send "stream": true, or leave them out')
        if self.response_format is not None and self.response_format.get("type", "text") != "text":
            raise ConfigError("only text can be answered", 'Leave response_format out, or send {"type": "text"}')
        if self.messages[-1].role != "user" or not self.messages[-1].text:
            raise ConfigError("the last message is not one of the user", "End the messages with what the person says")
        return self

    @property
    def before(self) -> list[Said]:
        """What was said before the last message; instructions to a model are none of it."""
        told = [one for one in self.messages[:-1] if one.role in ("user", "assistant") and one.text]
        return [Said(one.role, one.text) for one in told]


@router.get("/v1/models", responses=answers(ModelsShape, MODELS, openai=True))
async def models() -> JSONResponse:
    """The one model there is."""
    return JSONResponse(MODELS)


@router.get("/v1/models/{model:path}", responses=answers(ModelShape, ONE_MODEL, 404, openai=True))
async def model(model: str) -> JSONResponse:
    """What is known of a model."""
    if model != MODEL:
        raise Refused(404, "that model is not here", f"There is: {MODEL}")
    return JSONResponse(ONE_MODEL)


@router.post("/v1/chat/completions", responses=completion(), response_class=Response)
async def complete(request: Request, body: Annotated[ChatBody, asked("chat")]) -> Response:
    """The reply to the last message of a conversation, as text; with `stream` as it comes.

    The conversation is what the client sends. The person is the key's, or `user`, or who the chat interface names in
    its header, or the key's name.
    """
    here, chat = serving(request), body.checked()
    user = _person(request, here, chat)

    talks, said = here.conversations, chat.messages[-1].text
    answer: Answer[Piece] = here.pieces(
        lambda left_s: talks.reply(user, said, before=chat.before, llm=here.llm, timeout_s=left_s)
    )
    first = await heard_out(answer, request.receive)
    chunks = Chunks(here, with_usage=bool(chat.stream_options and chat.stream_options.include_usage))
    if chat.stream:
        return Stream(answer, guarded(chunks.frames(answer, first), _failure))
    return JSONResponse(await chunks.whole(request, answer, first))


def _person(request: Request, here: Serving, body: ChatBody) -> str:
    who = caller(request)
    named = body.user or (None if who.bound else _identifier(request.headers.get(USER_HEADER)))
    return who.user(named, who.key.name if who.key else here.settings.serve.user)


def _identifier(text: str | None) -> str | None:
    """A name out of a header, which holds ASCII; None where it could not be one."""
    usable = text is not None and text.isascii() and text.isprintable() and 0 < len(text.strip()) <= 128
    return text.strip() if usable and text is not None else None


def _failure(error: PalateError) -> str:
    return f"data: {json.dumps(openai_of(problem_of(error)))}\n\n"


class Chunks:
    """One reply in OpenAI's shapes: as one object, or as the chunks of a stream."""

    def __init__(self, here: Serving, *, with_usage: bool) -> None:
        self._here = here
        self._with_usage = with_usage
        self._text = RunningText()
        self._frame = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": MODEL}

    async def frames(self, answer: Answer[Piece], first: Piece) -> AsyncIterator[str]:
        """The chunks as server-sent events: the role, text as it comes, the end, the usage where it is asked for."""
        yield self._chunk({"role": "assistant", "content": ""})
        async for piece in _all(answer, first):
            if text := self._text.add(piece):
                yield self._chunk({"content": text})
            if isinstance(piece, Reply):
                self._here.meters.answered(piece.degraded, piece.tokens)
                yield self._chunk({}, finish="stop")
                if self._with_usage:
                    yield self._event([], usage=_usage(piece))
        yield DONE

    async def whole(self, request: Request, answer: Answer[Piece], first: Piece) -> dict[str, Any]:
        """The whole reply. Raises Left where the client goes away before it is there."""
        text, piece = self._text.add(first), first
        while not isinstance(piece, Reply):
            piece = await heard_out(answer, request.receive)
            text += self._text.add(piece)
        self._here.meters.answered(piece.degraded, piece.tokens)
        message = {"role": "assistant", "content": text.strip()}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {**self._frame, "object": "chat.completion", "choices": [choice], "usage": _usage(piece)}

    def _chunk(self, delta: Mapping[str, str], finish: str | None = None) -> str:
        return self._event([{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}])

    def _event(self, choices: list[dict[str, Any]], usage: Mapping[str, int] | None = None) -> str:
        told = {"usage": usage} if self._with_usage else {}
        chunk = {**self._frame, "object": "chat.completion.chunk", "choices": choices, **told}
        return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


async def _all(answer: Answer[Piece], first: Piece) -> AsyncIterator[Piece]:
    yield first
    async for piece in answer:
        yield piece


def _usage(reply: Reply) -> dict[str, int]:
    read, wrote = reply.tokens.get("in", 0), reply.tokens.get("out", 0)
    return {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}
