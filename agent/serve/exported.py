"""What the server gives of everything stored about a person: its shape and an example."""

from __future__ import annotations

from typing import Any

from agent.serve.examples import AT, PROFILE, SLATE, STATE_NOW
from agent.serve.shapes import ProfileShape, Shape
from agent.types import EventKind


class Told(Shape):
    """An event as it is stored; `palate load --events` reads a file of such lines."""

    event_id: str
    user_id: str
    kind: EventKind
    item_id: str | None = None
    text: str | None = None
    value: float | None = None
    platform: str = ""
    at: str


class TurnTold(Shape):
    """A turn of a conversation: its words, the slate that was given with it and the state after it, where there are."""

    role: str
    at: str
    text: str
    slate: dict[str, Any] | None
    state: dict[str, Any] | None


class ConversationTold(Shape):
    """A conversation with all its turns, in order."""

    conversation_id: str
    turns: list[TurnTold]


class Beside(Shape):
    """What lies beside the store: rows of files that were refused, and the names of keys."""

    refused_rows: list[Any]
    keys: list[str]


class ExportShape(Shape):
    """Everything stored about one account, and what is made of it (docs/privacy.md)."""

    palate_export: int
    user: str
    at: str
    events: list[Told]
    corrections: list[Told]
    links: list[Told]
    said_by_others: list[Told]
    accounts: list[str]
    conversations: list[ConversationTold]
    beside: Beside
    profile: ProfileShape


_LIKED = {"event_id": "3f2a", "user_id": "ada", "kind": "like", "item_id": "1", "platform": "", "at": AT}
_CORRECTED = {**_LIKED, "event_id": "3f2b", "kind": "interest", "text": "Horror", "value": 0.0}
_CORRECTED.pop("item_id")
_ANSWER = {"role": "assistant", "at": AT, "text": "How about Toy Story (1995)?", "slate": SLATE, "state": STATE_NOW}
EXPORT = {
    "palate_export": 1,
    "user": "ada",
    "at": AT,
    "events": [_LIKED],
    "corrections": [_CORRECTED],
    "links": [],
    "said_by_others": [],
    "accounts": ["ada"],
    "conversations": [{"conversation_id": "c0ffee", "turns": [_ANSWER]}],
    "beside": {"refused_rows": [], "keys": []},
    "profile": PROFILE,
}
