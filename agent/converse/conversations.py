"""Conversations: a message in, the pieces of a reply out, and every turn kept so that the next one goes on from it.

message -> Understood -> State -> slate, answer or question -> pieces -> events and turns
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from pydantic import TypeAdapter, ValidationError

from agent.converse.answering import Answer, Terms
from agent.converse.fold import heard, seen
from agent.converse.kept import Conversation, Kept, Record, Said, Spoken, conversation_of, record_of, spoken_of
from agent.converse.pieces import Heard, Piece, Reply
from agent.converse.recording import Recording
from agent.converse.state import State, Understood
from agent.converse.streaming import Pieces, Stop
from agent.converse.told import Folded, Reads, Telling, events_of
from agent.errors import Busy, ConfigError, NotFound, StoreError, fault_of
from agent.language import Language
from agent.recommender import Recommender
from agent.types import Degradation, Event, Identifier

MAX_MESSAGE_CHARS = 4_000
_LOOKED_AT = 20  # the last turns of a conversation, among which is the one that says how it stands
_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)


class Conversations:
    """Talks with people over a recommender, whose store keeps every turn. Safe for several threads.

    One reply at a time is given in a conversation; a message that comes meanwhile is refused with Busy.
    """

    def __init__(self, recommender: Recommender, *, reader: Reads | None = None) -> None:
        self.recommender = recommender
        self._reader = reader
        self._busy: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def reply(
        self,
        user_id: str,
        message: str,
        *,
        conversation_id: str | None = None,
        before: Sequence[Said] | None = None,
        k: int = 5,
        where: str | None = None,
        shown: Sequence[str] | None = None,
        language: Language | None = None,
        llm: bool = True,
        timeout_s: float | None = None,
    ) -> Pieces:
        """The pieces of a reply, Heard first and Reply last; `close` it to cancel, what was heard stays kept.

        None begins a new conversation, and so does an id that is not known yet. `before` is the conversation as the
        caller tells it: then what is known is folded from that, and not from what is kept. `k`, `where`, `llm` and
        `timeout_s` are as in `Recommender.recommend`; `language` is that of the answer, else the message's; `shown` are
        the item ids that the person sees, where they were ranked anew since. Raises, here or at the first piece,
        ConfigError (no message), Busy, NotFound for an empty catalogue, StoreError.
        """
        said = _checked(user_id, conversation_id, message)
        if k < 1:
            raise ConfigError(f"k is {k}", "Ask for at least one recommendation")
        terms = Terms(k, where, language, llm, timeout_s, tuple(shown or ()))
        told = None if before is None else Telling(user_id, [Said(*one) for one in before], said)
        talk = conversation_id or (told.conversation_id if told else uuid.uuid4().hex)
        return Pieces(lambda stop: self._turn(stop, user_id, talk, said, told, terms))

    def answer(
        self,
        user_id: str,
        message: str,
        *,
        conversation_id: str | None = None,
        before: Sequence[Said] | None = None,
        k: int = 5,
        where: str | None = None,
        shown: Sequence[str] | None = None,
        language: Language | None = None,
        llm: bool = True,
        timeout_s: float | None = None,
    ) -> Reply:
        """The whole reply at once; see `reply`."""
        pieces = self.reply(
            user_id,
            message,
            conversation_id=conversation_id,
            before=before,
            k=k,
            where=where,
            shown=shown,
            language=language,
            llm=llm,
            timeout_s=timeout_s,
        )
        return next(piece for piece in pieces if isinstance(piece, Reply))

    def state(self, user_id: str, conversation_id: str) -> State:
        """What is known before the next message. Raises NotFound where there is no such conversation of the person."""
        record = self._record(user_id, conversation_id)
        return _known(record.state_before(len(record.kept)), user_id, conversation_id)

    def history(self, user_id: str, conversation_id: str | None = None, limit: int = 50) -> list[Spoken]:
        """The person's last turns, oldest of them first; of one conversation, or of all for None."""
        return [spoken_of(turn) for turn in self.recommender.store.turns_of(user_id, conversation_id, limit)]

    def conversations(self, user_id: str) -> list[Conversation]:
        """The person's conversations, the one spoken in last first."""
        begun = map(conversation_of, self.recommender.store.begun_by(user_id))
        return [one for one in begun if one is not None]

    def undo(self, user_id: str, conversation_id: str) -> State:
        """Take back the last message with the answer to it and the events it became; the state is as before it.

        Raises NotFound where nothing was said, Busy.
        """
        with self._alone(user_id, conversation_id):
            record = self._record(user_id, conversation_id)
            spoken = [n for n, turn in enumerate(record.turns) if turn.role == "user" and record.kept[n]]
            last = record.kept[spoken[-1]] if spoken else None
            events = _known(last.state if last else None, user_id, conversation_id).events
            self.recommender.take_back(user_id, events, [turn.turn_id for turn in record.turns[spoken[-1] :]])
            return record.state_before(spoken[-1]) or State(user_id=user_id, conversation_id=conversation_id)

    @property
    def reader(self) -> Reads:
        """What makes out the meaning of messages."""
        return self._reader or self.recommender.parts.reader

    def _turn(
        self, stop: Stop, user_id: str, talk: str, message: str, told: Telling | None, terms: Terms
    ) -> Generator[Piece]:
        """One message from being heard to being answered."""
        recording = Recording()
        with self._alone(user_id, talk):
            record = self._record(user_id, talk)
            before, earlier = self._before(record, user_id, talk, told)
            before = self._as_seen(before, terms.shown)
            understood = self._understood(message, before)
            events = events_of(user_id, understood, told.marks[-1] if told else None)
            ids = tuple(event.event_id for event in events)
            state = heard(before, understood).model_copy(update={"events": ids})
            turn = self._hear(record, state, message, [*earlier, *events])
            recording.heard()
            yield Heard(understood=understood, events=tuple(events))
            answer = Answer(self.recommender, terms, understood, before, state, stop)
            try:
                for piece in answer.pieces():
                    recording.note(piece)
                    yield piece
            finally:
                self._keep(turn, answer, recording.text)
        yield _reply(answer, recording, tuple(events))  # the next message may come as soon as this one is answered

    def _understood(self, message: str, state: State) -> Understood:
        """What a message means; where one waits to hear which item it means, and this names it, what that one means."""
        waiting = state.waiting
        if waiting is None or not waiting.unclear:
            return self.reader.read(message, state)
        unclear = waiting.unclear[0]
        told = self.reader.read(message, state.model_copy(update={"slate": unclear.choices, "focus": None}))
        meant = [one for one in told.items if one.item_id in unclear.choices][:1]
        if not meant:
            return self.reader.read(message, state)
        item = self.recommender.store.items([meant[0].item_id])[0]
        whole = waiting.message.replace(unclear.said, f'"{item.name}"') if unclear.said else f'{message} "{item.name}"'
        read = self.reader.read(whole, state)
        return read.model_copy(update={"items": tuple(meant), "unclear": ()}) if read.unclear else read

    def _before(self, record: Record, user_id: str, talk: str, told: Telling | None) -> Folded:
        """What is known before the message: from what is kept, or from what the caller tells."""
        fresh = State(user_id=user_id, conversation_id=talk)
        if told is not None:
            kept = record.last is not None
            return told.folded(fresh, self.reader, lambda: self.recommender.parts.titles, kept=kept)
        return Folded(record.state_before(len(record.kept)) or fresh, [])

    def _as_seen(self, state: State, item_ids: Sequence[str]) -> State:
        """The state with what the person sees, where that is another order than the last that was given here."""
        return seen(state, [item.item_id for item in self.recommender.store.items(dict.fromkeys(item_ids))])

    def _hear(self, record: Record, state: State, message: str, events: Sequence[Event]) -> int:
        """Keep what was said and its events, in one step; the number of the turn. Raises Busy."""
        content = Kept(said=message, state=state).model_dump_json()
        store = self.recommender.store
        turn = store.hear(state.user_id, state.conversation_id, content, events, after=record.last)
        if turn is None:
            raise _busy(state.conversation_id)
        self.recommender.parts.folds.hear(events)
        return turn

    def _keep(self, turn: int, answer: Answer, text: str) -> None:
        """Keep the answer as far as it came, unless the message was forgotten or taken back meanwhile."""
        state = answer.state
        if not text and answer.slate is None:
            return
        content = Kept(said=text, state=state, slate=answer.slate).model_dump_json()
        try:
            if self.recommender.store.answer_turn(turn, state.user_id, state.conversation_id, content):
                return
            reason = "this answer was not kept: what it answers is gone, or more was said meanwhile"
        except (StoreError, ConfigError) as error:  # ConfigError: the recommender was closed meanwhile
            reason = f"this answer was not kept: {error}"
        answer.degraded.append(Degradation(stage="store", reason=reason))

    def _record(self, user_id: str, conversation_id: str) -> Record:
        return record_of(self.recommender.store.turns_of(user_id, conversation_id, _LOOKED_AT))

    @contextmanager
    def _alone(self, user_id: str, conversation_id: str) -> Iterator[None]:
        """The only one at work in a conversation. Raises Busy."""
        name = user_id, conversation_id
        with self._lock:
            if name in self._busy:
                raise _busy(conversation_id)
            self._busy.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(name)


def _busy(conversation_id: str) -> Busy:
    return Busy(
        f"conversation {conversation_id!r} is still being answered",
        "Wait for the reply to end, or close it, and say it again",
    )


def _known(found: State | None, user_id: str, conversation_id: str) -> State:
    if found is None:
        raise NotFound(
            f"{user_id!r} has no conversation {conversation_id!r} in which anything was said",
            "Begin one: say something without a conversation_id",
        )
    return found


def _checked(user_id: str, conversation_id: str | None, message: str) -> str:
    """The message, trimmed. Raises ConfigError for none, one that is too long, and for names that cannot be kept."""
    for what, name in (("user_id", user_id), ("conversation_id", conversation_id)):
        try:
            _IDENTIFIER.validate_python("-" if name is None else name)
        except ValidationError as error:
            raise ConfigError(
                f"{what} {str(name)[:40]!r} cannot be used: {fault_of(error)}", "Choose a short name"
            ) from error
    said = message.replace("\0", "").encode("utf-8", "replace").decode().strip()
    if not said:
        raise ConfigError("the message is empty", "Say what you would like")
    if len(said) > MAX_MESSAGE_CHARS:
        raise ConfigError(f"the message has {len(said):,} characters", f"Say it in at most {MAX_MESSAGE_CHARS:,}")
    return said


def _reply(answer: Answer, recording: Recording, events: tuple[Event, ...]) -> Reply:
    slate, state = answer.slate, answer.state
    return Reply(
        conversation_id=state.conversation_id,
        user_id=state.user_id,
        understood=answer.understood,
        text=recording.text,
        slate=slate,
        question=answer.question,
        events=events,
        state=state,
        degraded=(*(slate.degraded if slate else ()), *answer.degraded),
        timings_ms={**(slate.timings_ms if slate else {}), **recording.timings_ms},
        tokens=answer.tokens,
    )
