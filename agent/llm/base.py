"""What every language model here can be asked: to score continuations, or to complete prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agent.deadline import Deadline

Ability = Literal["score", "continue", "chat"]


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a continuation is: `logprob` is the sum over its `tokens` tokens, in nats, never above 0."""

    logprob: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote. `finish_reason` is `stop` (it ended, or met a stop string) or `length` (cut off)."""

    text: str
    finish_reason: Literal["stop", "length"]
    tokens_in: int
    tokens_out: int


class Model(Protocol):
    """A language model, local or behind an endpoint. Safe to call from several threads; calls queue.

    `abilities`: `score` (log-probabilities of given continuations), `continue` (goes on with a text, best for small
    models with worked examples), `chat` (follows instructions). `fingerprint` names the weights: equal fingerprints
    give equal scores, so it is a cache key.
    """

    name: str
    fingerprint: str
    abilities: frozenset[Ability]

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Every spelling that the model's vocabulary treats as a control token; empty where it is not known."""
        ...

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:
        """The log-probability of each continuation after the prefix, in the order given; empty for none.

        Raises ModelError (ModelTimeout when out of time), PromptError when the prompt exceeds the context.
        """
        ...

    def complete(
        self,
        prefix: str,
        suffixes: Sequence[str],
        deadline: Deadline,
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, object] | None = None,
    ) -> list[Completion]:
        """One greedy completion of `prefix + suffix` for each suffix, in order, sharing the work on the prefix.

        A chat model gets `prefix` as the system message and the suffix as the user's. `schema` is a JSON schema that
        the reply should follow, where the model can be held to one. The stop string is not part of the text.
        Raises as `score` does.
        """
        ...

    def close(self) -> None:
        """Free what the model holds. Calling it twice is harmless."""
        ...
