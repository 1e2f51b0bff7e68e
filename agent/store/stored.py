"""What the store tells beside items and events: turns of conversations, how a person stands, what was erased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of a conversation, numbered in the order of arrival."""

    turn_id: int
    user_id: str
    conversation_id: str
    role: str
    content: str
    at: datetime


class Begun(NamedTuple):
    """A conversation by its first turn, and when its last one was."""

    first: Turn
    last: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """That somebody was forgotten: a random number, when, and how much of each kind. It does not tell who."""

    number: str
    at: datetime
    erased: Mapping[str, int]

    def as_json(self) -> dict[str, object]:
        """Plain values (docs/json.md)."""
        return {"receipt": self.number, "at": self.at.isoformat(), "erased": dict(self.erased)}


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows about an account were erased: events, turns, and what other accounts said of links with it.

    `remaining` are the person's other accounts, which are still stored; `receipt` tells all kinds there were.
    """

    events: int
    turns: int
    links: int = 0
    remaining: tuple[str, ...] = ()
    receipt: Receipt | None = field(default=None, compare=False)


class Standing(NamedTuple):
    """While `state` and `links` stay the same, events only join; `links` is None where nobody linked accounts yet."""

    state: str
    links: str | None
    n_events: int
