"""The pieces of a reply in the order in which they come: what was heard, words, items, a slate, reasons, the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from agent.converse.state import Question, State, Understood
from agent.types import Degradation, Event, Item, Rationale, Slate, Value


class Heard(Value):
    """The first piece: what the message was taken to mean, and the events it became."""

    piece: Literal["heard"] = "heard"
    understood: Understood
    events: tuple[Event, ...] = ()


class Words(Value):
    """Some words of the reply, to be shown as they come; they never hold the title of an item."""

    piece: Literal["words"] = "words"
    text: str


class Mention(Value):
    """An item in the running text, rendered from the catalogue; `place` is its 1-based place in the slate shown."""

    piece: Literal["mention"] = "mention"
    item: Item
    place: int | None = Field(default=None, ge=1)


class Slated(Value):
    """The slate, as soon as its order stands: its reasons may still be missing and come one by one."""

    piece: Literal["slate"] = "slate"
    slate: Slate


class Reasoned(Value):
    """The checked reason of the item at this 1-based place of the slate."""

    piece: Literal["reason"] = "reason"
    place: int = Field(ge=1)
    rationale: Rationale


class Reply(Value):
    """A whole answer. `text` is what the pieces say, items by their names; `tokens` are those a model read and wrote.

    `timings_ms` has `understood`, `first_word`, `slate` and `total`, from the moment the message came, and the stages
    of the slate.
    """

    piece: Literal["done"] = "done"
    conversation_id: str
    user_id: str
    understood: Understood
    text: str
    slate: Slate | None = None
    question: Question | None = None
    events: tuple[Event, ...] = ()
    state: State
    degraded: tuple[Degradation, ...] = ()
    timings_ms: Mapping[str, float] = Field(default_factory=dict)
    tokens: Mapping[str, int] = Field(default_factory=dict)  # `in` and `out`

    def as_json(self) -> dict[str, Any]:
        """The documented JSON shape of a reply: plain lists, numbers and strings only."""
        return self.model_dump(mode="json", exclude={"piece"})


Piece = Heard | Words | Mention | Slated | Reasoned | Reply
