"""One person's talk: the conversation it goes on with, what was shown last, and what was done beside it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.converse.conversations import Conversations
from agent.converse.pieces import Heard, Piece, Reply, Slated
from agent.errors import NotFound
from agent.store.stored import Forgotten
from agent.types import Item, Slate

if TYPE_CHECKING:
    from agent.converse.state import Question, State
    from agent.converse.streaming import Pieces
    from agent.language import Language
    from agent.recommender import Recommender


@dataclass
class Talk:
    """What a chat holds between messages."""

    recommender: Recommender
    conversations: Conversations
    user_id: str
    k: int = 5
    where: str | None = None
    llm: bool = True
    language: Language | None = None
    conversation_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    shown: Sequence[Item] = ()  # the slate, first place first
    slate: Slate | None = None
    pending: Question | None = None
    beside: list[list[str]] = field(default_factory=list)  # events of slash commands since the last message
    forgotten: Callable[[], None] = lambda: None  # called when all that is stored of the person has been erased

    def reply(self, message: str) -> Pieces:
        """The pieces of the answer, each to be told to `hear`; `close` leaves it. Raises ConfigError for no message."""
        self.beside.clear()
        return self.conversations.reply(
            self.user_id,
            message,
            conversation_id=self.conversation_id,
            k=self.k,
            where=self.where,
            language=self.language,
            llm=self.llm,
        )

    def hear(self, piece: Piece) -> None:
        """Keep what a piece tells: what is shown now, and what was asked."""
        if isinstance(piece, Slated):
            self.slate, self.shown = piece.slate, [r.item for r in piece.slate]
        elif isinstance(piece, Reply):
            self.slate = piece.slate or self.slate
            self._take(piece.state)
        elif isinstance(piece, Heard):
            self.pending = None

    def begin(self) -> None:
        """Begin another conversation with the next message."""
        self.conversation_id, self.shown = uuid.uuid4().hex, ()
        self.slate = self.pending = None
        self.beside.clear()

    def resume(self, conversation_id: str) -> None:
        """Go on with a conversation. Raises NotFound."""
        state = self.conversations.state(self.user_id, conversation_id)
        self.begin()
        self.conversation_id = conversation_id
        slates = [turn.slate for turn in self.conversations.history(self.user_id, conversation_id) if turn.slate]
        self.slate = slates[-1] if slates else None
        self._take(state)

    def item(self, words: str) -> Item:
        """The item at that place of the list shown last, or of that title. Raises NotFound and Ambiguous."""
        if words.isdecimal() and 1 <= int(words) <= len(self.shown):
            return self.shown[int(words) - 1]
        if not words:
            raise NotFound("no item is named", "Give its number in the list, such as 2, or its title")
        return self.recommender.find(words)

    def tell(self, *, likes: Sequence[Item] = (), dislikes: Sequence[Item] = (), seen: Sequence[Item] = ()) -> None:
        """Record what the person likes, dislikes or knows; `undo` takes it back."""
        events = self.recommender.tell(self.user_id, likes=likes, dislikes=dislikes, seen=seen)
        self.beside.append([event.event_id for event in events])

    def undo(self) -> None:
        """Take back the last act: what a slash command recorded, else the last message. Raises NotFound for none."""
        if self.beside:
            self.recommender.take_back(self.user_id, event_ids=self.beside.pop())
        else:
            self.state()
            self._take(self.conversations.undo(self.user_id, self.conversation_id))

    def state(self) -> State:
        """What is known of the conversation. Raises NotFound where nothing was said in it yet."""
        try:
            return self.conversations.state(self.user_id, self.conversation_id)
        except NotFound as error:
            raise NotFound("nothing was said in this conversation yet", "Say what you are in the mood for") from error

    def forget(self) -> Forgotten:
        """Erase everything that is stored about the person; how much there was."""
        gone = self.recommender.forget(self.user_id)
        self.begin()
        self.forgotten()
        return gone

    def _take(self, state: State) -> None:
        self.shown = self.recommender.store.items(state.slate)
        self.pending = state.pending
        if self.slate is not None and [one.item.item_id for one in self.slate] != list(state.slate):
            self.slate = None
