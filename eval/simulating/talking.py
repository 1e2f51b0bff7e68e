"""Dialogues in whole sentences: the seeker says what is wanted, answers what is asked, and criticises what is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.converse.state import Question
from agent.errors import PalateError
from agent.types import Item
from eval.simulating.dialogue import Dialogue, Quest, Talk, Turn
from eval.simulating.voice import Voice


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a message: the ids shown, best first, what was asked back, what was done with less than asked."""

    shown: tuple[str, ...]
    question: Question | None = None
    degraded: tuple[str, ...] = ()


class Partner(Protocol):
    """Whoever seekers talk to."""

    def meet(self, user_id: str, liked: Sequence[Item]) -> None:
        """Get to know a person by what they liked before, oldest first."""
        ...

    def say(self, user_id: str, message: str, k: int) -> Answered:
        """The answer to the person's next message, with up to k items. Raises PalateError."""
        ...


def talked(
    quest: Quest,
    partner: Partner,
    items: Mapping[str, Item],
    talk: Talk,
    clock: Callable[[], float] = time.perf_counter,
) -> Dialogue:
    """The dialogue: it ends when the target's id is shown, after the last message, or when the partner fails.

    A message is a turn, also one that only answers a question. Never raises PalateError.
    """
    told = _Told(Voice(quest.seeker, f"{talk.seed} {quest.case.case_id}", reticent=talk.reticent))
    failed: str | None = None
    try:
        partner.meet(quest.case.case_id, quest.liked)
        while not told.found and len(told.turns) < talk.turns:
            told.exchange(quest, partner, items, talk.k, clock)
    except PalateError as error:
        failed = str(error)
    return Dialogue(
        case_id=quest.case.case_id,
        user_id=quest.case.user_id,
        target=quest.seeker.target.item_id,
        turns=tuple(told.turns),
        found_at=len(told.turns) if told.found else None,
        failed=failed,
        degraded=tuple(dict.fromkeys(told.degraded)),
        ms=tuple(told.ms),
    )


def dialogues_with(partner: Partner, items: Mapping[str, Item], talk: Talk) -> Callable[[Quest], Dialogue]:
    """Holds the dialogue of each quest with this partner."""
    return lambda quest: talked(quest, partner, items, talk)


class _Told:
    """A dialogue so far."""

    def __init__(self, voice: Voice) -> None:
        self.turns: list[Turn] = []
        self.ms: list[float] = []
        self.degraded: list[str] = []
        self.found = False
        self._voice = voice
        self._question: Question | None = None
        self._rejected: Item | None = None

    def exchange(
        self, quest: Quest, partner: Partner, items: Mapping[str, Item], k: int, clock: Callable[[], float]
    ) -> None:
        """One message more and what came of it. Raises PalateError where the partner does."""
        message, asked, began = self._message(), self._question, clock()
        answered = partner.say(quest.case.case_id, message, k)
        self.ms.append((clock() - began) * 1_000)
        self.degraded += answered.degraded
        self.found = quest.seeker.target.item_id in answered.shown
        shown = [items[item_id] for item_id in answered.shown]
        self._rejected = quest.seeker.rejects(shown) if shown and not self.found else None
        self._question = answered.question
        rejected_id = self._rejected.item_id if self._rejected else None
        self.turns.append(Turn(message, answered.shown, rejected_id, asked.name if asked else None))

    def _message(self) -> str:
        if not self.turns:
            return self._voice.opens()
        if self._question is not None:
            return self._voice.answers(self._question)
        return self._voice.goes_on(self._rejected)
