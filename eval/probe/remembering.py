"""A model that is asked for a score or a choice once, so that questions that share candidates cost what differs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from agent.deadline import Deadline
from agent.llm.base import GREEDY, Completion, Model, OnText, Sampling, Score

T = TypeVar("T")


class Remembering:
    """A `Model` that, from `begin` on, asks another one only for what it was not asked before. It is of one thread.

    Name, fingerprint and abilities are the other's. What it orders or writes is asked each time. Closing it leaves the
    other open.
    """

    def __init__(self, model: Model) -> None:
        self.name, self.fingerprint, self.abilities = model.name, model.fingerprint, model.abilities
        self._model = model
        self._remembers = False
        self._known: dict[Hashable, dict[str, object]] = {}

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Those of the other model."""
        return self._model.control_tokens

    def begin(self) -> None:
        """Forget all, and remember from now on."""
        self._remembers = True
        self._known.clear()

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:
        """See `Model.score`."""
        return self._once(prefix, continuations, lambda new: self._model.score(prefix, new, deadline))

    def choose(
        self, prefix: str, suffixes: Sequence[str], options: Sequence[Sequence[str]], deadline: Deadline
    ) -> list[tuple[float, ...]]:
        """See `Model.choose`."""
        key = prefix, tuple(map(tuple, options))
        return self._once(key, suffixes, lambda new: self._model.choose(prefix, new, options, deadline))

    def arrange(
        self, prefix: str, suffixes: Sequence[str], labels: Sequence[str], deadline: Deadline
    ) -> list[tuple[int, ...]]:
        """See `Model.arrange`."""
        return self._model.arrange(prefix, suffixes, labels, deadline)

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
        """See `Model.complete`."""
        return self._model.complete(
            prefix,
            suffixes,
            deadline,
            max_tokens=max_tokens,
            stop=stop,
            schema=schema,
            sampling=sampling,
            on_text=on_text,
        )

    def close(self) -> None:
        """Forget all."""
        self._known.clear()

    def _once(self, key: Hashable, texts: Sequence[str], ask: Callable[[Sequence[str]], list[T]]) -> list[T]:
        if not self._remembers:
            return ask(texts)
        known: dict[str, T] = self._known.setdefault(key, {})  # type: ignore[assignment]  # of one kind for one key
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, ask(new), strict=True))
        return [known[text] for text in texts]
