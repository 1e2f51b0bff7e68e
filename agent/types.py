"""The values that flow through Palate: frozen, validated, free of I/O.

    Event -> Profile -> Query -> Candidate -> Recommendation + Rationale -> Slate -> (feedback) Event

Everything a person or a file can send enters through these types, so the rest of the code may trust what it holds.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from agent.kinds import EventKind as EventKind

MAX_ID_CHARS = 128
MAX_TITLE_CHARS = 1_000
MAX_TEXT_CHARS = 20_000

Vector = NDArray[np.float32]
Attribute = str | int | float | tuple[str, ...]


def _printable(text: str) -> str:
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs", "Cn"):
            raise ValueError(f"holds the unprintable character U+{ord(char):04X}")
    if text != text.strip():
        raise ValueError("begins or ends with white space")
    return text


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("holds a lone surrogate, which is not valid Unicode text") from error
    return text


_STORABLE = AfterValidator(_storable)
Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_ID_CHARS), _STORABLE, AfterValidator(_printable)
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_CHARS, strip_whitespace=True), _STORABLE]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS), _STORABLE]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), _STORABLE]


class Value(BaseModel):
    """The base of all values here: frozen, strict about unknown fields, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Item(Value):
    """One thing that can be recommended. `popularity` is any non-negative count or score; higher is better known."""

    item_id: Identifier
    title: Title
    tags: tuple[Tag, ...] = ()
    text: Text = ""
    attributes: Mapping[str, Attribute] = Field(default_factory=dict)
    platform: str = ""
    image: str | None = None
    language: str | None = None
    popularity: float | None = Field(default=None, ge=0)

    @field_validator("attributes")
    @classmethod
    def _attributes_storable(cls, attributes: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
        for name, value in attributes.items():
            for text in (name, *(value if isinstance(value, tuple) else (value,))):
                if isinstance(text, str):
                    _storable(text)
        return attributes

    @property
    def year(self) -> int | None:
        """The attribute `year` where it is a whole number."""
        year = self.attributes.get("year")
        return year if isinstance(year, int) else None

    @property
    def name(self) -> str:
        """The title, with the year in brackets where it is known: what a person would call the item."""
        return f"{self.title} ({self.year})" if self.year is not None else self.title


class Event(Value):
    """One act of one person, on an item or in words. Replaying an `event_id` changes nothing; `at` is UTC."""

    event_id: Identifier = Field(default_factory=lambda: uuid.uuid4().hex)
    user_id: Identifier
    kind: EventKind
    item_id: Identifier | None = None
    text: Text | None = None
    value: float | None = None
    platform: str = ""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @field_validator("at")
    @classmethod
    def _in_utc(cls, at: datetime) -> datetime:
        if at.tzinfo is None:
            raise ValueError("has no time zone; write UTC, for example 2026-01-31T12:00:00Z")
        try:
            return at.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("is out of range in UTC") from error

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        words = (self.text or "").strip()
        if self.item_id is None and not words:
            raise ValueError("an event names an item_id, or holds text, or both")
        if self.kind is EventKind.RATE and self.value is None:
            raise ValueError("a rating needs a value")
        if self.kind is EventKind.INTEREST and not words:
            raise ValueError("an interest names its tag as text")
        if self.kind is EventKind.INTEREST and self.value is not None and not 0 <= self.value <= 1:
            raise ValueError("an interest is a share between 0 and 1")
        if self.kind in (EventKind.LINK, EventKind.UNLINK) and words in ("", self.user_id):
            raise ValueError(f"a {self.kind} names another account as text")
        if self.kind is EventKind.APART and words not in ("yes", "no"):
            raise ValueError("to keep accounts apart is yes or no, as text")
        return self

    @property
    def dated(self) -> tuple[datetime, str]:
        """What orders events: when it was, and by event_id where that is alike."""
        return self.at, self.event_id


class Reaction(Value):
    """What one item's events say in sum: `strength` in [-1, 1], dated by the newest of them, which `event_id` names."""

    item_id: str
    event_id: str
    strength: float = Field(ge=-1, le=1)
    at: datetime


class Wish(Value):
    """Something the person said they want, in words."""

    text: str
    event_id: str
    at: datetime


class Profile(Value):
    """A person's taste, a pure fold of their events. Sequences run oldest first; `interests` sums to 1 or is empty.

    `interests` are posterior means by tag, largest first; `pinned` are the shares that the person set themselves, 0 for
    a tag they removed (docs/interests.md).
    """

    user_id: str
    liked: tuple[Reaction, ...] = ()
    disliked: tuple[Reaction, ...] = ()
    seen: frozenset[str] = frozenset()
    wishes: tuple[Wish, ...] = ()
    interests: Mapping[str, float] = Field(default_factory=dict)
    pinned: Mapping[str, float] = Field(default_factory=dict)


class Query(Value):
    """One question to the catalogue: words or a vector, with the reason for asking."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    source: str
    why: str
    text: str | None = None
    vector: Vector | None = None
    weight: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.vector is None and not (self.text or "").strip():
            raise ValueError("a query holds text or a vector")
        return self


class Candidate(Value):
    """An item one source found: `rank` counts from 1, `score` compares within that source only, higher is better."""

    item_id: str
    source: str
    rank: int = Field(ge=1)
    score: float


class Step(Value):
    """What one stage made of one item. `rank` is 1-based within its list, None where it does not rank."""

    stage: str
    source: str
    score: float
    rank: int | None = Field(default=None, ge=1)


class Evidence(Value):
    """What a claim rests on: an `event` by its event_id, an `item` field by its name; `value` is the text relied on."""

    kind: Annotated[str, StringConstraints(pattern="^(event|item)$")]
    ref: str
    value: str


class Rationale(Value):
    """Why an item is recommended. `source`: `written` (the model's words, checked) or `composed` (from evidence)."""

    sentence: str
    evidence: tuple[Evidence, ...]
    source: Annotated[str, StringConstraints(pattern="^(written|composed)$")]


class Recommendation(Value):
    """One place of a slate, with the whole path that led there."""

    item: Item
    rank: int = Field(ge=1)
    score: float
    path: tuple[Step, ...] = ()
    rationale: Rationale | None = None

    @property
    def explored(self) -> bool:
        """Whether it has its place only because an uncertain interest was tried out (`slate.exploration`)."""
        return any((step.stage, step.source) == ("slate", "explored") for step in self.path)


class Degradation(Value):
    """A stage that did less than asked, and why. The answer still holds."""

    stage: str
    reason: str


class Slate(Value):
    """A ranked answer: item ids unique, ranks 1, 2, 3, ... `prompts` maps prompt names to fingerprints."""

    user_id: str
    recommendations: tuple[Recommendation, ...]
    wish: str | None = None
    degraded: tuple[Degradation, ...] = ()
    prompts: Mapping[str, str] = Field(default_factory=dict)
    timings_ms: Mapping[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        ids = [r.item.item_id for r in self.recommendations]
        if len(set(ids)) != len(ids):
            raise ValueError("a slate names an item twice")
        if [r.rank for r in self.recommendations] != list(range(1, len(ids) + 1)):
            raise ValueError("ranks must run 1, 2, 3, ...")
        return self

    def __iter__(self) -> Iterator[Recommendation]:  # type: ignore[override]  # a slate reads as its recommendations
        return iter(self.recommendations)

    def __len__(self) -> int:
        return len(self.recommendations)

    def __getitem__(self, index: int) -> Recommendation:
        return self.recommendations[index]

    def as_json(self) -> dict[str, Any]:
        """The documented JSON shape of `palate recommend --json`: plain lists, numbers and strings only."""
        return {
            "user": self.user_id,
            "recommendations": [
                {"rank": r.rank, "item_id": r.item.item_id, "title": r.item.name, "score": r.score}
                | {"explored": r.explored, **r.model_dump(mode="json", include={"path", "rationale"})}
                for r in self.recommendations
            ],
            "degraded": [d.model_dump() for d in self.degraded],
            "timings_ms": dict(self.timings_ms),
        }
