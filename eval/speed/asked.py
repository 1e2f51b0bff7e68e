"""Finds out what a strategy asks of a model, so that a peer can be given the very same prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.deadline import Deadline
from agent.llm.base import GREEDY, Ability, Completion, Model, OnText, Sampling, Score


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as a model got it: prompts are `prefix + suffix`; `options` are spellings of what may come next."""

    prefix: str
    suffixes: tuple[str, ...]
    options: tuple[tuple[str, ...], ...] = ()

    @property
    def prompts(self) -> list[str]:
        """Every prompt in full."""
        return [self.prefix + suffix for suffix in self.suffixes]


class Listener:
    """Stands in for a model, answers everything alike, and keeps what it was asked in `calls`, in order."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.fingerprint = model.fingerprint
        self.abilities: frozenset[Ability] = model.abilities
        self.calls: list[Asked] = []
        self._control_tokens = model.control_tokens

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Those of the model."""
        return self._control_tokens

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:
        """One nat for each."""
        del deadline
        self.calls.append(Asked(prefix, tuple(continuations)))
        return [Score(-1.0, 1) for _ in continuations]

    def choose(
        self, prefix: str, suffixes: Sequence[str], options: Sequence[Sequence[str]], deadline: Deadline
    ) -> list[tuple[float, ...]]:
        """One nat for each."""
        del deadline
        self.calls.append(Asked(prefix, tuple(suffixes), tuple(tuple(spellings) for spellings in options)))
        return [tuple(-1.0 for _ in options) for _ in suffixes]

    def arrange(
        self, prefix: str, suffixes: Sequence[str], labels: Sequence[str], deadline: Deadline
    ) -> list[tuple[int, ...]]:
        """The order given."""
        del deadline
        self.calls.append(Asked(prefix, tuple(suffixes), tuple((label,) for label in labels)))
        return [tuple(range(len(labels))) for _ in suffixes]

    def complete(
        self,
        prefix: str,
        suffixes: Sequence[str],
        deadline: Deadline,
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, object] | None = None,
        sampling: Sampling = GREEDY,
        on_text: OnText | None = None,
    ) -> list[Completion]:
        """Nothing, for each."""
        del deadline, max_tokens, stop, schema, sampling, on_text
        self.calls.append(Asked(prefix, tuple(suffixes)))
        return [Completion("", "stop", 0, 0) for _ in suffixes]

    def close(self) -> None:
        """Nothing is held."""

    def main_call(self) -> Asked | None:
        """The call with the longest prefix: the one that knows the person; None where nothing was asked."""
        return max(self.calls, key=lambda call: len(call.prefix), default=None)
