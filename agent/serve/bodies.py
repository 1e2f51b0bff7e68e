"""What requests hold: every field with its bounds. Unknown fields are refused, NaN and infinity too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from agent.converse.conversations import MAX_MESSAGE_CHARS
from agent.errors import ConfigError
from agent.kinds import EventKind
from agent.language import Language
from agent.recall.where import parse_where
from agent.types import Identifier, Text, Title

MAX_K = 100
MAX_EVENTS = 1_000
MAX_ITEMS = 100
MAX_WISH_CHARS = 2_000
ACTS = tuple(kind for kind in EventKind if kind not in ("interest", "link", "unlink", "apart"))


def readable(text: str) -> str:
    """The text. Raises ValueError where it holds what no store could keep."""
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("holds a NUL character or a lone surrogate")
    return text


def _number(value: object) -> object:
    """The value. Raises ValueError where it is a text or a truth value that only stands for a number."""
    if isinstance(value, str | bytes | bool):
        raise ValueError("is no number")
    return value


def _truth(value: object) -> object:
    """The value. Raises ValueError where it is no truth value, such as a 0 that equals one."""
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def _written(value: object) -> object:
    """The value. Raises ValueError where a moment is a number, which may count seconds or milliseconds."""
    if not isinstance(value, str | datetime):
        raise ValueError("is no time: write it as in 2026-01-31T12:00:00Z")
    return value


def _filter(text: str) -> str:
    try:
        parse_where(text)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return text


LongText = Annotated[str, AfterValidator(readable)]  # bounded by the request alone
Wish = Annotated[Text, StringConstraints(max_length=MAX_WISH_CHARS)]
Filter = Annotated[Wish, AfterValidator(_filter)]
Message = Annotated[Text, StringConstraints(min_length=1, max_length=MAX_MESSAGE_CHARS, strip_whitespace=True)]
NUMBER = BeforeValidator(_number)  # stands last, or the bounds before it would be missing in the document
Flag = Annotated[bool, Field(strict=True)]
Off = Annotated[Literal[False], BeforeValidator(_truth)]
Moment = Annotated[datetime, BeforeValidator(_written)]
Count = Annotated[int, Field(ge=1, le=MAX_K), NUMBER]
TimeS = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False), NUMBER]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NUMBER]


class Body(BaseModel):
    """The base of all bodies."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Loose(BaseModel):
    """The base of bodies in the shape of others: fields that mean nothing here are let through."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class ConverseBody(Body):
    """A message; without `conversation_id` a new conversation begins. `shown`: the item ids on the screen, in order."""

    user: Identifier | None = None
    message: Message
    conversation_id: Identifier | None = None
    k: Count = 5
    where: Filter | None = None
    shown: Annotated[tuple[Identifier, ...], Field(max_length=MAX_K)] | None = None
    language: Language | None = None
    timeout_s: TimeS | None = None


class RecommendBody(Body):
    """Who asks, and what they are in the mood for; `where` is a filter such as `year>=1990`."""

    user: Identifier | None = None
    wish: Wish | None = None
    k: Count = 5
    where: Filter | None = None
    llm: Flag = True
    timeout_s: TimeS | None = None


class ExplainBody(Body):
    """Items that anyone chose, by title or item id, to be given reasons in their order."""

    user: Identifier | None = None
    items: Annotated[tuple[Title, ...], Field(min_length=1, max_length=MAX_ITEMS)]
    wish: Wish | None = None
    llm: Flag = True
    timeout_s: TimeS | None = None


class Act(Body):
    """What someone did with an item, by `item_id` or `title`, or what they said, as `text`."""

    user: Identifier | None = None
    kind: Literal[ACTS]  # type: ignore[valid-type]  # the kinds are listed once, in EventKind
    item_id: Identifier | None = None
    title: Title | None = None
    text: Text | None = None
    value: Annotated[float, Field(allow_inf_nan=False), NUMBER] | None = None
    event_id: Identifier | None = None
    at: Moment | None = None


class EventsBody(Body):
    """Acts, all of which are written or none; an `event_id` that was sent before changes nothing."""

    events: Annotated[tuple[Act, ...], Field(min_length=1, max_length=MAX_EVENTS)]


class InterestsBody(Body):
    """Interests to hold to a share; 0 removes one, null gives it back to the evidence."""

    user: Identifier | None = None
    interests: Annotated[Mapping[Title, Share | None], Field(min_length=1, max_length=MAX_EVENTS)]
