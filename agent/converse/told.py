"""What messages become: events, and a state folded from a conversation that the caller tells."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from agent.converse.fold import heard, shown
from agent.converse.kept import Said
from agent.converse.listed import slate_in
from agent.converse.refusals import positive
from agent.converse.state import Intent, State, Understood
from agent.types import Event, EventKind

if TYPE_CHECKING:
    from agent.titles import Titles

MAX_TOLD = 40  # utterances that are read, the newest
MAX_TOLD_CHARS = 4_000
MAX_SOUGHT_CHARS = 800  # about two hundred tokens
_MICROSECOND = timedelta(microseconds=1)


class Reads(Protocol):
    """Whoever makes out what a message means."""

    def read(self, message: str, state: State) -> Understood:
        """What the message means in this state. Raises ConfigError for what is no message."""
        ...


class Folded(NamedTuple):
    """What is known after all that was told, and the events that the messages became."""

    state: State
    events: list[Event]


@dataclass(frozen=True)
class Telling:
    """What was said before, as the caller tells it. `mark` names the message to be answered.

    Marks stay the same when the same is told again, so that what was said once becomes the same events once.
    """

    user_id: str
    before: Sequence[Said]
    message: str

    @property
    def marks(self) -> list[str]:
        """A mark for each utterance that was told, and for the message: each stands for all that was said so far."""
        marks, last = [], self.user_id
        for text in [*(said.text for said in self.before if said.role == "user"), self.message]:
            last = hashlib.sha256(f"{last}\n{text}".encode("utf-8", "replace")).hexdigest()[:32]
            marks.append(last)
        return marks

    @property
    def conversation_id(self) -> str:
        """The name of the conversation that begins with these words."""
        return f"told-{self.marks[0]}"

    def folded(self, state: State, reader: Reads, titles: Callable[[], Titles], *, kept: bool = False) -> Folded:
        """What is known after all that is told, from a fresh state on.

        Where turns of this conversation are `kept`, no event comes with it: what was said became events when it was
        heard, and what was taken back since does not return.
        Slates are read from numbered lists; where there is none, what an answer names in its sentences was shown, and
        the last of it was spoken of; then the newest words of both are kept, for items are sought by all of them.
        """
        marks, events = iter(self.marks), list[Event]()
        skipped = len(self.before) - MAX_TOLD
        for n, said in enumerate(self.before):
            mark = next(marks) if said.role == "user" else ""
            if n < skipped or not said.text.strip():
                continue
            if mark:
                understood = reader.read(said.text[:MAX_TOLD_CHARS], state)
                state = _with_words(heard(state, understood), said.text)
                events += [] if kept else events_of(self.user_id, understood, mark)
            elif said.role == "assistant":
                state = _answered(state, said.text[:MAX_TOLD_CHARS], reader, titles())
        return Folded(state, events)


def _answered(state: State, text: str, reader: Reads, titles: Titles) -> State:
    """The state after an answer that is told in plain text."""
    if listed := slate_in(text, titles):
        return shown(state, listed).model_copy(update={"told": ""})
    state = _with_words(state, text)
    found = reader.read(text, state.model_copy(update={"slate": (), "focus": None, "pending": None}))
    named = list(dict.fromkeys(one.item_id for one in found.items if one.how in ("title", "spelling")))
    return shown(state, named).model_copy(update={"focus": named[-1]}) if named else state


def _with_words(state: State, text: str) -> State:
    return state.model_copy(update={"told": newest(f"{state.told}\n{' '.join(text.split())}")})


def newest(words: str, max_chars: int = MAX_SOUGHT_CHARS) -> str:
    """The newest of these lines, as many whole ones as fit; the end of the last where that alone does not."""
    kept, size = list[str](), 0
    for line in reversed(words.strip().splitlines()):
        size += len(line) + 1
        if kept and size - 1 > max_chars:
            break
        kept.append(line[-max_chars:])
    return "\n".join(reversed(kept))


def events_of(user_id: str, understood: Understood, mark: str | None = None) -> list[Event]:
    """What a message becomes in the journal: an event for each feeling, and what is wished for in words as a message.

    With a `mark`, the same message becomes the same events again. Each is a microsecond newer than the one before.
    """
    now = datetime.now(UTC)
    acts: list[tuple[EventKind, str | None, str | None]] = [
        (feeling.kind, feeling.item_id, None) for feeling in understood.feelings
    ]
    if understood.intent is Intent.WISH and (wish := positive(understood.wish)):
        acts.append((EventKind.MESSAGE, None, wish))
    names = [f"{mark}-{n}" if mark else uuid.uuid4().hex for n in range(len(acts))]
    return [
        Event(event_id=name, user_id=user_id, kind=kind, item_id=item_id, text=text, at=now + n * _MICROSECOND)
        for n, (name, (kind, item_id, text)) in enumerate(zip(names, acts, strict=True))
    ]
