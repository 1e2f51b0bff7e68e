"""What all strategies of one prompt share: when nothing is asked, twins, and what a failure means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.deadline import Deadline
from agent.errors import ModelError, PalateError, PromptError
from agent.llm.base import Model
from agent.rerank.base import Ranking
from agent.types import Degradation, Item
from prompts import Prompt

HISTORY = 10  # the newest items of the history that a prompt shows, at least
STEP = 5  # how many more there may be before the oldest shown are left out, all at once

Group = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Opinion:
    """A score for each candidate asked about, in order; the work done, and what was measured (see `Ranking`)."""

    scores: Sequence[float]
    counts: Mapping[str, int] = field(default_factory=dict)
    extras: Mapping[str, float] = field(default_factory=dict)


class Prompted(ABC):
    """A reranker of one model and one prompt. `noun` is what the prompt calls the items."""

    name: str

    def __init__(self, model: Model, prompt: Prompt, *, noun: str = "titles") -> None:
        self._model = model
        self._prompt = prompt
        self._noun = noun

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        """One score per candidate, higher is better; see `Reranker.rank`. Only the newest of the history are shown.

        Fewer than two candidates, or neither history nor wish: all scores equal, and the model is not asked. Candidates
        that read alike are asked about once and tie. Degrades, never raises ModelError or PromptError.
        """
        wish = (wish or "").strip() or None
        prompts = {self._prompt.name: self._prompt.fingerprint}
        undecided = Ranking(tuple(0.0 for _ in candidates), prompts=prompts)
        if len(candidates) < 2 or not (history or wish):
            return undecided
        try:
            deadline.check(f"ranking by {self.name}")
            asked, places = distinct(candidates)
            if len(asked) < 2:
                return undecided
            opinion = self._opinion(self._prefix(recent(history), wish), asked, deadline)
        except (ModelError, PromptError) as error:
            return Ranking(undecided.scores, degraded=(degradation(error, self._prompt),), prompts=prompts)
        scores = tuple(opinion.scores[place] for place in places)
        return Ranking(scores, prompts=prompts, counts=opinion.counts, extras=opinion.extras)

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:  # noqa: B027 - most have no such part
        """Nothing: no part of the scores is without a person. See `Reranker.precompute`."""

    @abstractmethod
    def _opinion(self, prefix: str, candidates: Sequence[Item], deadline: Deadline) -> Opinion:
        """The opinion on two or more candidates that all differ, best first by the prior. May raise ModelError."""

    def _each(self, candidates: Sequence[Item], deadline: Deadline) -> list[str]:
        """The rendered `candidate` block of each candidate. Raises ModelTimeout: thousands of them take a while."""
        lines = []
        for item in candidates:
            deadline.check("writing the prompts")
            lines.append(self._prompt.candidate(item=item))
        return lines

    def _prefix(self, history: Sequence[Item], wish: str | None) -> str:
        return self._prompt.prefix(noun=self._noun, history=history, wish=wish)


def recent(history: Sequence[Item], least: int = HISTORY) -> Sequence[Item]:
    """The newest of a history, in its order: all where they are few, else `least` or up to four more.

    The oldest one shown changes only with every fifth item that is added. Until then a prompt goes on as the one before
    it did, so that a model that keeps prompts reads but the new item.
    """
    left_out = max(0, len(history) - least) // STEP * STEP
    return history[left_out:]


def distinct(candidates: Sequence[Item]) -> tuple[list[Item], list[int]]:
    """One candidate of each group that a prompt cannot tell apart, and each candidate's place among them.

    Groups keep the order of their first members; the member with the lowest item_id speaks for its group.
    """
    groups: dict[Group, int] = {}
    places = [groups.setdefault(_shown(item), len(groups)) for item in candidates]
    speakers: dict[int, Item] = {}
    for place, item in zip(places, candidates, strict=True):
        speakers[place] = min(speakers.get(place, item), item, key=lambda one: one.item_id)
    return list(speakers.values()), places


def degradation(error: PalateError, prompt: Prompt) -> Degradation:
    """Why there is no opinion; an error about a prompt, such as one that is too long, names the prompt."""
    about = f"prompt {prompt.name}: " if isinstance(error, PromptError) and prompt.name not in str(error) else ""
    return Degradation(stage="rerank", reason=f"{about}{error}")


def with_rest(scores: Sequence[float], n: int) -> list[float]:
    """The scores of the best by the prior, then those of the rest up to n, which tie one even step below the lowest."""
    lowest, highest = min(scores), max(scores)
    step = (highest - lowest) / max(1, len(scores) - 1)
    return [*scores, *[lowest - step] * (n - len(scores))]


def _shown(item: Item) -> Group:
    """All of an item that a prompt may show, to compare by."""
    return item.title, item.tags, item.text, tuple(sorted((k, repr(v)) for k, v in item.attributes.items()))
