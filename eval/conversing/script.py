"""Conversations to be held: scripted messages drawn by lot, in an order in which people say such things. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.converse.state import Intent
from agent.language import Language
from eval.chance import drawn, part_of
from eval.understanding.messages import Message

OPENING = Intent.WISH
LATER = (Intent.CRITIQUE, Intent.ABOUT, Intent.WHY, Intent.REACTION, Intent.WISH, Intent.TALK, Intent.CRITIQUE)
LENGTH = 1 + len(LATER)

Shelf = Mapping[Language, Mapping[Intent, Sequence[str]]]
"""The messages there are, by language and intent."""


@dataclass(frozen=True)
class Conversation:
    """One person's conversation: who, in which language, and the messages in their order."""

    user_id: str
    language: Language
    messages: tuple[str, ...]


def shelf_of(messages: Sequence[Message]) -> Shelf:
    """The messages by language and intent, but for answers to questions, which need one."""
    found: dict[Language, dict[Intent, list[str]]] = {}
    for one in messages:
        if not one.row.asked:
            found.setdefault(one.language, {}).setdefault(one.intent, []).append(one.row.say)
    return found


def conversations(shelf: Shelf, n_messages: int, seed: int) -> Iterator[Conversation]:
    """Conversations with so many messages in all: a wish first, then one of each other intent, in an order by lot.

    Languages take turns. Equal arguments give equal conversations.
    """
    languages = sorted(shelf)
    for n in range(-(-n_messages // LENGTH)):
        language = languages[n % len(languages)]
        intents = (OPENING, *sorted(LATER, key=lambda intent: drawn(seed, "order", n, intent)))
        said = (_drawn(shelf[language][intent], seed, n, place) for place, intent in enumerate(intents))
        yield Conversation(f"person-{n + 1}", language, tuple(said)[: n_messages - n * LENGTH])


def _drawn(messages: Sequence[str], *lot: object) -> str:
    return messages[part_of(len(messages), "said", *lot)]
