"""One message being answered: by its intent to pieces, while the state, the slate and what degraded are noted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from agent.converse import about, slating, why
from agent.converse.fold import answer_of
from agent.converse.pieces import Mention, Reasoned, Slated, Words
from agent.converse.state import Intent, Question, State, Understood
from agent.converse.streaming import Stop
from agent.converse.wording import Wording, mark, spoken
from agent.deadline import Deadline
from agent.language import Language
from agent.path.asked import Asked
from agent.types import Degradation, EventKind, Item, Slate

if TYPE_CHECKING:
    from agent.recommender import Recommender

Said = Iterator[Words | Mention]
Piece = Words | Mention | Slated | Reasoned


@dataclass(frozen=True)
class Terms:
    """How a message is to be answered, as the caller wants it: see `Conversations.reply`."""

    k: int = 5
    where: str | None = None
    language: Language | None = None
    llm: bool = True
    timeout_s: float | None = None
    shown: tuple[str, ...] = ()


@dataclass
class Answer:
    """The answer to one message as far as it has come. `state` is what is known after it, `before` what was before."""

    recommender: Recommender
    terms: Terms
    understood: Understood
    before: State
    state: State
    stop: Stop
    slate: Slate | None = None
    question: Question | None = None
    degraded: list[Degradation] = field(default_factory=list)
    asked: Asked | None = None
    tokens: dict[str, int] = field(default_factory=lambda: {"in": 0, "out": 0})
    spoke: bool = False

    def pieces(self) -> Iterator[Piece]:
        """The pieces of the answer, in order. Raises PalateError."""
        intent, understood = self.understood.intent, self.understood
        if understood.unclear and self._needs_items:
            yield from self._clarified()
        elif understood.skips and self.before.pending is not None and self.before.slate:
            yield from self.say("talk", "skip")
        elif intent is Intent.ABOUT:
            yield from about.answered(self)
        elif intent is Intent.WHY:
            yield from why.answered(self)
        elif intent is Intent.REACTION:
            yield from self._reacted()
        elif intent is Intent.WISH or intent is Intent.CRITIQUE or self._answers:
            yield from slating.slated(self, "wish" if intent is Intent.WISH else "change")
        else:
            yield from self.say("talk", self._talk)

    def say(self, task: str, kind: str, items: Sequence[Item] = (), **given: object) -> Said:
        """A sentence on a matter, in which `items` are named; see `Wording.say`."""
        if items:
            given["items"] = [mark(n) for n in range(1, len(items) + 1)]
        return self.spoken(self.wording.say(task, kind, **given), items)

    def spoken(self, text: str, items: Sequence[Item]) -> Said:
        """A text with marks, which number these items."""
        places = {item_id: place for place, item_id in enumerate(self.state.slate, start=1)}
        if text and self.spoke and self.language == "en":
            yield Words(text=" ")
        self.spoke = self.spoke or bool(text)
        yield from spoken(text, items, places)

    def ask(self, asked: Asked) -> Asked:
        """The request that is worked on from here on. All of one answer share the time of the first, until the stop."""
        self.asked = asked if self.asked is None else replace(asked, deadline=self.asked.deadline)
        self.stop.bind(self.asked.deadline)
        return self.asked

    @property
    def deadline(self) -> Deadline:
        """The time that the answer has."""
        return self.asked.deadline if self.asked is not None else Deadline.never()

    @cached_property
    def wording(self) -> Wording:
        """The words of this turn."""
        parts = self.recommender.parts.speaking(None, self.language)
        return Wording(parts, f"{self.state.conversation_id} {self.state.turn}")

    @property
    def language(self) -> Language:
        """The language of the answer: the one asked for, else that which the settings name, else the message's."""
        settings = self.recommender.settings
        named = settings.language if settings.names_language else None
        return self.terms.language or named or self.understood.language

    def items(self, item_ids: Sequence[str]) -> list[Item]:
        """The items with these ids that the catalogue holds, each once."""
        return self.recommender.store.items(dict.fromkeys(item_ids))

    @property
    def named(self) -> list[Item]:
        """The items that the message speaks of, in its order."""
        return self.items([one.item_id for one in self.understood.items])

    def _clarified(self) -> Said:
        """Asks which item is meant."""
        unclear = self.understood.unclear[0]
        choices = self.items(unclear.choices)
        if not choices:
            return self.say("ask", "unknown", said=unclear.said)
        self.state = self.state.model_copy(update={"waiting": self.understood})
        return self.say("ask", "which", choices)

    # What was said of items

    def _reacted(self) -> Iterator[Piece]:
        """Says what was noted; where it was of the slate, or says what is wanted, a slate with it follows."""
        feelings = {one.item_id: one.kind for one in self.understood.feelings}
        for kind in (EventKind.LIKE, EventKind.DISLIKE, EventKind.VIEW):
            felt = self.items([item_id for item_id, felt in feelings.items() if felt is kind])
            if felt:
                yield from self.say("noted", kind.value, felt)
        wants = self.understood.constraints or self.understood.wish
        if not feelings and not wants:
            yield from self.say("noted", "none")
        elif wants or feelings.keys() & set(self.before.slate):
            yield from slating.slated(self, "reaction")

    @property
    def _needs_items(self) -> bool:
        """Whether nothing can be answered before it is clear which item is meant."""
        intent, understood = self.understood.intent, self.understood
        if intent in (Intent.ABOUT, Intent.WHY):
            return not understood.items
        if intent is Intent.REACTION:
            return not (understood.feelings or understood.constraints or understood.wish)
        wants = understood.wish or understood.constraints or understood.items
        return intent in (Intent.WISH, Intent.CRITIQUE) and not wants

    @property
    def _answers(self) -> bool:
        """Whether the message answers what was asked, whatever else it looks like."""
        skipped = self.understood.skips and not self.before.slate
        chosen = answer_of(self.before.pending, self.understood) is not None
        return self.before.pending is not None and (chosen or skipped)

    @property
    def _talk(self) -> str:
        """The kind of small talk."""
        if self.understood.intent is Intent.BYE:
            return "bye"
        if self.understood.skips and self.before.pending is not None:
            return "skip"
        return about.talk_kind(self.understood.message)
