"""Palate's conversations as the partner that seekers talk to, and a search by vectors alone to hold against them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent.converse.conversations import Conversations
from agent.converse.pieces import Piece, Reply
from agent.errors import ModelReplyInvalid
from agent.parts.parts import Parts
from agent.path.stages import answered_by
from agent.recommender import Recommender
from agent.settings import Settings
from agent.types import Event, EventKind, Item, Query
from eval.conversing.holding import Talks
from eval.runs import Told, Watch
from eval.simulating.guide import open_parts
from eval.simulating.report import PALATE, UNASKING, VECTORS
from eval.simulating.talking import Answered, Partner

_START = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class OpenedPartners:
    """Partners by the names of their systems, and the facts of the model."""

    partners: Mapping[str, Partner]
    model: Mapping[str, object]


class Conversing:
    """See `Partner`: one conversation a person, whose reasons nobody reads here.

    Each stands in a world of its own: `name` keeps people of several partners over one store apart.
    """

    def __init__(self, talker: Talks, parts: Parts, name: str, *, llm: bool = True) -> None:
        self._talker = talker
        self._parts = parts
        self._name = name
        self._llm = llm
        self._conversations: dict[str, str] = {}

    def meet(self, user_id: str, liked: Sequence[Item]) -> None:
        """See `Partner.meet`."""
        person = self._person(user_id)
        self._parts.store.put_events(
            Event(user_id=person, kind=EventKind.LIKE, item_id=item.item_id, at=_START + timedelta(seconds=n))
            for n, item in enumerate(liked)
        )

    def say(self, user_id: str, message: str, k: int) -> Answered:
        """See `Partner.say`."""
        talk = self._conversations.get(user_id)
        pieces = self._talker.reply(self._person(user_id), message, conversation_id=talk, k=k, llm=self._llm)
        reply = _last(pieces)
        self._conversations[user_id] = reply.conversation_id
        shown = tuple(one.item.item_id for one in reply.slate) if reply.slate else ()
        return Answered(shown, reply.question, tuple(f"{one.stage}: {one.reason}" for one in reply.degraded))

    def _person(self, user_id: str) -> str:
        return f"{self._name} {user_id}"


class Vectors:
    """See `Partner`: the items nearest to all that was said, and nothing else: no taste, no filter, no model."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._met: dict[str, set[str]] = {}
        self._said: dict[str, list[str]] = {}

    def meet(self, user_id: str, liked: Sequence[Item]) -> None:
        """See `Partner.meet`. What they liked is passed over."""
        self._met[user_id] = {item.item_id for item in liked}
        self._said[user_id] = []

    def say(self, user_id: str, message: str, k: int) -> Answered:
        """See `Partner.say`."""
        self._said[user_id].append(message)
        words = Query(source="words", why="all that was said", text=" ".join(self._said[user_id]))
        found = answered_by(self._parts, words, k, None, frozenset(self._met[user_id])).candidates
        shown = tuple(one.item_id for one in found)
        self._met[user_id].update(shown)
        return Answered(shown)


def _last(pieces: Iterable[Piece]) -> Reply:
    """The whole reply. Raises ModelReplyInvalid where it has no end."""
    for piece in pieces:
        if isinstance(piece, Reply):
            return piece
    raise ModelReplyInvalid("a reply has no end")


@contextmanager
def open_partners(
    items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool = True
) -> Iterator[OpenedPartners]:
    """Palate's conversations over these items, with and without asking back, and a search by vectors.

    Raises as `open_parts` does.
    """
    with open_parts(items, settings, watch, told, llm=llm) as (parts, about):
        unasking = Recommender(parts)
        unasking.settings = _without_asking(parts.settings)
        partners: dict[str, Partner] = {
            PALATE: Conversing(Conversations(Recommender(parts)), parts, PALATE, llm=llm),
            UNASKING: Conversing(Conversations(unasking), parts, UNASKING, llm=llm),
            VECTORS: Vectors(parts),
        }
        yield OpenedPartners(partners, about)


def _without_asking(settings: Settings) -> Settings:
    return settings.model_copy(update={"converse": settings.converse.model_copy(update={"asks": False})})
