"""Conversations held with Palate, piece by piece: what each reply said and named, and when its parts came."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from agent.converse.pieces import Mention, Piece, Reply, Slated, Words
from agent.errors import PalateError
from agent.language import Language
from agent.types import Item
from eval.conversing.script import Conversation

Progress = Callable[[int], None]
WRITTEN = "written"


class Talks(Protocol):
    """Whoever answers messages."""

    def reply(
        self, user_id: str, message: str, *, conversation_id: str | None = None, k: int = 5, llm: bool = True
    ) -> Iterator[Piece]:
        """The pieces of the answer, the whole of it last. Raises PalateError."""
        ...


@dataclass(frozen=True)
class Held:
    """One message and what came of it. `ms` is measured outside: `first_word`, `slate`, `total`, as far as they came.

    `texts` are the reply and its reasons; `named` the items it names by reference; `said` all that the person said so
    far. `written` of `reasons` came from a model. `stages_ms` are its own times; `failed` says why there is none.
    """

    user_id: str
    language: Language
    message: str
    said: tuple[str, ...]
    intent: str = ""
    texts: tuple[str, ...] = ()
    named: tuple[Item, ...] = ()
    reasons: int = 0
    written: int = 0
    tokens_out: int = 0
    ms: dict[str, float] = field(default_factory=dict)
    stages_ms: dict[str, float] = field(default_factory=dict)
    degraded: tuple[str, ...] = ()
    failed: str | None = None


def hold(
    conversations: Iterable[Conversation],
    talker: Talks,
    k: int,
    *,
    progress: Progress = lambda _done: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Held]:
    """Every message answered, conversation by conversation; a message that fails does not end its conversation."""
    done = 0
    for conversation in conversations:
        conversation_id: str | None = None
        for n in range(1, len(conversation.messages) + 1):
            said = conversation.messages[:n]
            held, conversation_id = _answered(talker, conversation, said, conversation_id, k, clock)
            yield held
            progress(done := done + 1)


def _answered(
    talker: Talks,
    conversation: Conversation,
    said: tuple[str, ...],
    conversation_id: str | None,
    k: int,
    clock: Callable[[], float],
) -> tuple[Held, str | None]:
    user_id, message, ms = conversation.user_id, said[-1], dict[str, float]()
    mentioned: list[Item] = []
    began = clock()
    try:
        for piece in talker.reply(user_id, message, conversation_id=conversation_id, k=k):
            now_ms = (clock() - began) * 1_000
            if isinstance(piece, Words | Mention):
                ms.setdefault("first_word", now_ms)
            if isinstance(piece, Slated):
                ms.setdefault("slate", now_ms)
            if isinstance(piece, Mention):
                mentioned.append(piece.item)
            if isinstance(piece, Reply):
                ms["total"] = now_ms
                return _held(piece, conversation, said, mentioned, ms), piece.conversation_id
    except PalateError as error:
        return Held(user_id, conversation.language, message, said, ms=ms, failed=str(error)), conversation_id
    return Held(user_id, conversation.language, message, said, ms=ms, failed="the reply has no end"), conversation_id


def _held(
    reply: Reply, conversation: Conversation, said: tuple[str, ...], mentioned: list[Item], ms: dict[str, float]
) -> Held:
    shown = list(reply.slate) if reply.slate else []
    rationales = [one.rationale for one in shown if one.rationale is not None]
    return Held(
        user_id=conversation.user_id,
        language=conversation.language,
        message=said[-1],
        said=said,
        intent=reply.understood.intent.value,
        texts=(reply.text, *(rationale.sentence for rationale in rationales)),
        named=(*mentioned, *(one.item for one in shown)),
        reasons=len(rationales),
        written=sum(rationale.source == WRITTEN for rationale in rationales),
        tokens_out=reply.tokens.get("out", 0),
        ms=ms,
        stages_ms=dict(reply.timings_ms),
        degraded=tuple(f"{one.stage}: {one.reason}" for one in reply.degraded),
    )
