"""A conversation as the store keeps it, turn by turn, and as it is read back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import ValidationError

from agent.converse.state import State
from agent.slate.making import kept_slate
from agent.store.stored import Begun, Turn
from agent.types import Slate, Value

Role = Literal["user", "assistant"]


class Said(NamedTuple):
    """One utterance as a caller tells it: by the `user` or the `assistant`."""

    role: str
    text: str


class Kept(Value):
    """One turn: what was said, the state after it, and the slate that was given with it."""

    said: str
    state: State
    slate: Slate | None = None


class Spoken(Value):
    """One turn, to be shown. A slate that was asked for outside of conversations has no text."""

    role: str
    text: str
    at: datetime
    conversation_id: str
    slate: Slate | None = None


class Conversation(Value):
    """One conversation of a person, in short: when it began, when its last turn was, and its first words."""

    conversation_id: str
    begun: datetime
    last: datetime
    words: str


class Record(NamedTuple):
    """The last turns of one conversation, oldest first, and what each held, None where it held no state."""

    turns: list[Turn]
    kept: list[Kept | None]

    @property
    def last(self) -> int | None:
        """The number of the last turn; None where there is none."""
        return self.turns[-1].turn_id if self.turns else None

    def state_before(self, place: int) -> State | None:
        """The state as it was before the turn at this place; None where there was none."""
        return next((one.state for one in reversed(self.kept[:place]) if one), None)


def kept_in(turn: Turn) -> Kept | None:
    """What a turn holds; None where it is none of a conversation, or another person's."""
    try:
        found = Kept.model_validate_json(turn.content)
    except ValidationError:
        return None
    owner = (found.state.user_id, found.state.conversation_id)
    return found if owner == (turn.user_id, turn.conversation_id) else None


def record_of(turns: Iterable[Turn]) -> Record:
    """What these turns of one conversation hold."""
    listed = list(turns)
    return Record(listed, [kept_in(turn) for turn in listed])


def spoken_of(turn: Turn) -> Spoken:
    """A turn, to be shown."""
    kept = kept_in(turn)
    slate = kept.slate if kept else (kept_slate(turn.content) if turn.role == "assistant" else None)
    text = kept.said if kept else ("" if slate else turn.content)
    return Spoken(role=turn.role, text=text, at=turn.at, conversation_id=turn.conversation_id, slate=slate)


def conversation_of(begun: Begun, max_chars: int = 120) -> Conversation | None:
    """A conversation in short; None where its turns are answers to single questions."""
    kept = kept_in(begun.first)
    if kept is None:
        return None
    words = " ".join(kept.said.split())[:max_chars]
    return Conversation(conversation_id=begun.first.conversation_id, begun=begun.first.at, last=begun.last, words=words)
