"""What answers hold, field by field: the schemas of the OpenAPI document. Further fields may join in later versions."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from agent.converse.kept import Spoken
from agent.converse.state import State
from agent.kinds import EventKind
from agent.language import Language
from agent.types import Attribute, Degradation, Rationale, Step


class Shape(BaseModel):
    """The base of all shapes."""


class NamedItem(Shape):
    """An item, and its `name`: the title, with the year where it is known."""

    item_id: str
    title: str
    tags: list[str]
    text: str
    attributes: dict[str, Attribute]
    platform: str
    image: str | None
    language: str | None
    popularity: float | None
    name: str


class Place(Shape):
    """One place of a slate, with the whole path that led there."""

    rank: int
    item_id: str
    title: str
    score: float
    explored: bool
    path: list[Step]
    rationale: Rationale | None
    item: NamedItem


class SlateShape(Shape):
    """Items, best first; `degraded` says which stage did less than asked, if any did."""

    user: str
    recommendations: list[Place]
    degraded: list[Degradation]
    timings_ms: dict[str, float]
    wish: str | None
    prompts: dict[str, str]


class ItemsShape(Shape):
    """Items of the catalogue, best first."""

    items: list[NamedItem]


class WrittenEvent(Shape):
    """One act, as it was written."""

    user: str
    event_id: str
    kind: EventKind
    item_id: str | None
    title: str | None
    value: float | None
    at: datetime
    text: str | None


class EventsShape(Shape):
    """Acts as they were written; `written` counts those that are new."""

    written: int
    events: list[WrittenEvent]
    unknown_items: list[str]


class TakenBackShape(Shape):
    """The act that is erased."""

    user: str
    event_id: str


class Reacted(Shape):
    """What a person's acts on one item come to."""

    item_id: str
    title: str | None
    strength: float
    at: datetime


class Wished(Shape):
    """What a person wished for, in words."""

    text: str
    at: datetime


class Contributed(Shape):
    """What one act adds to an interest; no act for what everyone begins with."""

    event_id: str | None
    kind: EventKind | None
    title: str | None
    text: str | None
    value: float | None
    at: datetime | None
    amount: float


class Standing(Shape):
    """How one interest stands, and what it rests on."""

    tag: str
    mean: float
    low: float
    high: float
    pinned: float | None
    alpha: float
    contributions: list[Contributed]


class ProfileShape(Shape):
    """A person's taste; `why` where an interest was asked about."""

    user: str
    interests: dict[str, float]
    level: float
    intervals: dict[str, tuple[float, float]]
    entropy_nats: float | None
    pinned: dict[str, float]
    liked: list[Reacted]
    disliked: list[Reacted]
    seen: list[str]
    wishes: list[Wished]
    why: Standing | None = None


class ReceiptShape(Shape):
    """That somebody was forgotten: a random number, when, and how much of each kind; not who."""

    receipt: str
    at: str
    erased: dict[str, int]


class ForgottenShape(Shape):
    """How much was erased; `remaining` are the person's other accounts."""

    user: str
    events: int
    turns: int
    links: int
    remaining: list[str]
    receipt: ReceiptShape


class StateShape(Shape):
    """All that a conversation knows."""

    state: State


class ConversationShape(StateShape):
    """A conversation: its last turns, oldest of them first, and what it knows."""

    id: str
    turns: list[Spoken]


class Begun(Shape):
    """A conversation in short."""

    id: str
    begun: datetime
    last: datetime
    first_words: str


class ConversationsShape(Shape):
    """The conversations of a person, newest first."""

    user: str
    conversations: list[Begun]


class PageShape(Shape):
    """What the page needs to begin."""

    noun: str
    language: str | None
    languages: list[Language]
    model: str
    llm: bool
    items: int
    key_needed: bool
    user: str | None
    version: str | None


class HealthShape(Shape):
    """The server answers."""

    alive: Literal[True]


class ReadyShape(Shape):
    """Which parts are open: `ok`, `off`, `opening`, or what is wrong with them."""

    ready: bool
    store: str
    index: str
    model: str
    degraded: list[str]


class Document(Shape):
    """The words of a document."""

    text: str


class Ranked(Shape):
    """A document by its place in the request."""

    index: int
    relevance_score: float
    document: Document | None = None


class RerankedShape(Shape):
    """Documents, best first."""

    id: str
    model: str
    results: list[Ranked]
    degraded: list[Degradation]


class Fault(Shape):
    """What is wrong with a request, and where."""

    at: str
    says: str


class ProblemShape(Shape):
    """What went wrong, and what to do (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    hint: str
    choices: list[str] | None = None
    faults: list[Fault] | None = None
