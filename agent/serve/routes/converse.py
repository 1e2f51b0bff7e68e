"""The conversation: a message in, the pieces of a reply as server-sent events; what was said, and taking it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from agent.converse.kept import Conversation
from agent.converse.pieces import Piece, Reply
from agent.serve.bodies import ConverseBody
from agent.serve.examples import CONVERSATIONS, ONE_CONVERSATION, STATE, answers, asked, stream
from agent.serve.lane import Answer
from agent.serve.problems import problem_of
from agent.serve.serving import Serving, caller, serving
from agent.serve.shapes import ConversationShape, ConversationsShape, StateShape
from agent.serve.streams import Stream, event, guarded, heard_out
from agent.types import Identifier

router = APIRouter(tags=["conversation"])

MAX_TURNS = 1_000


@router.post("/v1/converse", responses=stream(), response_class=Response)
async def converse(request: Request, body: Annotated[ConverseBody, asked("converse")]) -> Response:
    """A reply as events, as it comes: `heard`, `words`, `mention`, `slate`, `reason`, and `done` with all of it.

    What fails after the first event is an event `error` with the body of a problem.
    """
    here, user = serving(request), caller(request).user(body.user)

    reply = partial(
        here.conversations.reply,
        user,
        body.message,
        conversation_id=body.conversation_id,
        k=body.k,
        where=body.where,
        shown=body.shown,
        language=body.language,
        llm=here.llm,
    )
    answer: Answer[Piece] = here.pieces(lambda left_s: reply(timeout_s=left_s), body.timeout_s)
    first = await heard_out(answer, request.receive)
    frames = guarded(_frames(here, answer, first), lambda error: event("error", problem_of(error)))
    return Stream(answer, frames)


async def _frames(here: Serving, answer: Answer[Piece], first: Piece) -> AsyncIterator[str]:
    yield _frame(here, first)
    async for piece in answer:
        yield _frame(here, piece)


def _frame(here: Serving, piece: Piece) -> str:
    if isinstance(piece, Reply):
        here.meters.answered(piece.degraded, piece.tokens)
    return event(piece.piece, piece.model_dump(mode="json"))


@router.get("/v1/conversations", responses=answers(ConversationsShape, CONVERSATIONS))
def conversations(request: Request, user: Identifier | None = None) -> JSONResponse:
    """The conversations of a person, newest first."""
    who = caller(request).user(user)
    found = serving(request).conversations.conversations(who)
    return JSONResponse({"user": who, "conversations": [_row(one) for one in found]})


def _row(one: Conversation) -> dict[str, Any]:
    when = one.model_dump(mode="json", include={"begun", "last"})
    return {"id": one.conversation_id, **when, "first_words": one.words}


@router.post("/v1/conversations/{conversation_id:path}/undo", responses=answers(StateShape, STATE, 404, 409))
def undo(request: Request, conversation_id: Identifier, user: Identifier | None = None) -> JSONResponse:
    """Take the last message of a conversation back, with the events it became; the state as it is then."""
    state = serving(request).conversations.undo(caller(request).user(user), conversation_id)
    return JSONResponse({"state": state.model_dump(mode="json")})


@router.get("/v1/conversations/{conversation_id:path}", responses=answers(ConversationShape, ONE_CONVERSATION, 404))
def conversation(
    request: Request,
    conversation_id: Identifier,
    user: Identifier | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_TURNS)] = 50,
) -> JSONResponse:
    """The last turns of a conversation, oldest of them first, and its state."""
    who, talks = caller(request).user(user), serving(request).conversations
    state = talks.state(who, conversation_id)
    turns = [turn.model_dump(mode="json") for turn in talks.history(who, conversation_id, limit)]
    return JSONResponse({"id": conversation_id, "turns": turns, "state": state.model_dump(mode="json")})
