"""An opening remark on a slate in the words of a model that chats: each sentence checked before it is said.

Items stand in it as [1], [2], ...; a sentence that names anything else, or claims what is not known, ends the remark.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.converse.pieces import Mention, Words
from agent.converse.wording import with_marks
from agent.deadline import Deadline
from agent.errors import ModelError, ModelTimeout, PromptError
from agent.explain.grounding import Grounds
from agent.explain.words import recites
from agent.llm.base import Completion, Model
from agent.types import Degradation, Item, Slate

if TYPE_CHECKING:
    from agent.converse.answering import Answer

MAX_TOKENS = 120
MAX_SENTENCES = 2
MIN_TIME_S = 1.0
_MOMENT_S = 0.5
_SENTENCE = re.compile(r".+?[.!?。！？…]+(?=\s|$|[^\s.!?。！？…”\"'’)])", re.DOTALL)
_NUMBER = re.compile(r"\[(\d{1,3})\]")
_ODD = re.compile(r"[<>{}#*_`|\\]|\]\(|\[(?!\d{1,3}\])|(?<!\d)\](?!\s|[.,;:!?，。])|https?:")

_Heard = str | Completion | ModelError | PromptError


class Remark:
    """What a model says of a slate, written while it is heard."""

    def __init__(self, answer: Answer, model: Model, slate: Slate) -> None:
        self._answer = answer
        self._model = model
        self._items = [r.item for r in slate]
        self._wish = slate.wish
        self._heard: queue.SimpleQueue[_Heard] = queue.SimpleQueue()
        self._wanted, self._over = True, False
        self._instructions = ""

    def pieces(self) -> Iterator[Words | Mention]:
        """The sentences that pass, as they come."""
        writing = threading.Thread(target=self._write, name="remark", daemon=True)
        writing.start()
        try:
            for n, sentence in enumerate(self._sentences()):
                if n == MAX_SENTENCES or not self.sound(sentence):
                    return
                yield from self._answer.spoken(with_marks_kept(sentence, self._items), self._items)
        finally:
            self._wanted = False
            self._hear_out()

    def sound(self, sentence: str) -> bool:
        """Whether a sentence may be said: it names items by number only, and claims nothing that is not known.

        What recites the instructions may not.
        """
        numbers = [int(n) for n in _NUMBER.findall(sentence)]
        if _ODD.search(sentence) or any(not 0 < n <= len(self._items) for n in numbers):
            return False
        if recites(sentence, self._instructions):
            return False
        named = [self._items[n - 1] for n in dict.fromkeys(numbers)]
        text = _NUMBER.sub(lambda found: self._items[int(found[1]) - 1].title, sentence)
        vocabulary = self._answer.recommender.parts.tag_rates
        found = Grounds(named[1:], self._wish, tuple(vocabulary)).check(text, (named or self._items)[0])
        if named:
            return found.grounded
        return found.grounded and all(s.owner == "wish" for claim in found.supported for s in claim.sources)

    def _sentences(self) -> Iterator[str]:
        """Whole sentences; what was cut off is none."""
        text = ""
        while True:
            heard = self._next()
            if isinstance(heard, Completion):
                rest = text.strip()
                if rest and heard.finish_reason == "stop":
                    yield rest
                return
            if not isinstance(heard, str):
                if not self._answer.stop.called:
                    self._answer.degraded.append(Degradation(stage="remark", reason=heard.message))
                return
            text += heard
            while (found := _SENTENCE.match(text)) and found.end() < len(text):
                yield found[0].strip()
                text = text[found.end() :]

    def _next(self) -> _Heard:
        """What comes next; that it came too late where no time is left or nobody listens."""
        deadline, stop = self._answer.deadline, self._answer.stop
        while not stop.called and not deadline.expired:
            with suppress(queue.Empty):
                return self._within(min(_MOMENT_S, deadline.remaining_s))
        return ModelTimeout("out of time while the remark was written", "Give the request a longer timeout")

    def _hear_out(self) -> None:
        """Wait a moment for the model to stop, to know what it cost."""
        moment = Deadline(_MOMENT_S)
        with suppress(queue.Empty):
            while not self._over and not self._answer.stop.called:
                self._within(moment.remaining_s)

    def _within(self, wait_s: float) -> _Heard:
        """What comes within that time. Raises queue.Empty."""
        heard = self._heard.get(timeout=wait_s)
        self._over = not isinstance(heard, str)
        if isinstance(heard, Completion):
            tokens = self._answer.tokens
            tokens["in"] += heard.tokens_in
            tokens["out"] += heard.tokens_out
        return heard

    def _write(self) -> None:
        """Ask the model, in a thread of its own; whatever happens there, the end is put where it is waited for."""
        answer = self._answer
        end: _Heard = ModelError("the model broke off while it wrote a remark", "See what it said on stderr")
        try:
            prompt = answer.wording.prompt("chat", self._model.control_tokens)
            asked = {"items": self._shown(), "wish": self._wish or "", "noun": answer.recommender.settings.noun}
            self._instructions = prompt.prefix(noun=asked["noun"])
            (end,) = self._model.complete(
                self._instructions,
                [prompt.candidate(**asked)],
                answer.deadline,
                max_tokens=MAX_TOKENS,
                on_text=lambda _, piece: self._told(piece),
            )
        except (ModelError, PromptError) as error:
            end = error
        finally:
            self._heard.put(end)

    def _told(self, piece: str) -> bool:
        self._heard.put(piece)
        return self._wanted and not self._answer.stop.called

    def _shown(self) -> Sequence[dict[str, object]]:
        return [{"title": item.title, "year": item.year, "tags": list(item.tags[:4])} for item in self._items]


def with_marks_kept(sentence: str, items: Sequence[Item]) -> str:
    """A checked sentence with numbers as marks, names of the items in it as marks too."""
    parts = re.split(r"(\[\d{1,3}\])", sentence)
    return "".join(part if _NUMBER.fullmatch(part) else with_marks(part, items) for part in parts)
