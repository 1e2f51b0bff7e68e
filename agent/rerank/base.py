"""What every reranker can be asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.deadline import Deadline
from agent.types import Degradation, Item


@dataclass(frozen=True, slots=True)
class Ranking:
    """One score for each candidate, in the order the candidates were given: higher is better, a tie is no opinion.

    Scores are comparable within one ranking only. `prompts` maps prompt names to fingerprints; `counts` says how much
    work was done and `extras` what was measured on the way, by names that the reranker documents. `parts` are the
    scores of several strategies, by name, where these are meant to be weighed apart; empty for a single opinion.
    """

    scores: tuple[float, ...]
    degraded: tuple[Degradation, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    extras: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


class Reranker(Protocol):
    """Asks a model what a person with this history would like best."""

    name: str

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        """A score for each candidate, given what the person liked, oldest first, and what they wish for now.

        `candidates` come best first by the prior. Never raises ModelError: a model that fails has no opinion (all
        scores equal), and `degraded` says why. No candidates: no scores, and the model is not asked.
        """
        ...

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        """Work out together, and keep, what of these items' scores depends on no person; what is kept costs nothing.

        Lines that begin alike share their beginning, over all items: many at once cost about half of what they cost
        request by request. Strategies without such a part do nothing. Raises ModelError and PromptError.
        """
        ...
