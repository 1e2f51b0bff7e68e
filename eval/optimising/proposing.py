"""Where new bodies of a prompt come from: changes by rule, or a model that is shown what went wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.deadline import Deadline
from agent.errors import ModelError, PromptError
from agent.llm.base import Model, Sampling
from agent.llm.thoughts import without_thoughts
from eval.chance import drawn
from eval.optimising.mutations import Mutation, mutations

ATTEMPTS = 2
MAX_TOKENS = 3_000
TEMPERATURE = 0.8
PATIENCE_S = 300.0
SHOWN_CASES = 6

_FENCED = re.compile(r"```[a-z0-9]*\n(?P<body>.*?)\n?```", re.DOTALL)
_TASK = """You improve one prompt of a recommender. The prompt is a Jinja2 template with exactly two blocks: `prefix`, \
which all candidates share, and `candidate`, which is last. A language model reads the result, and its answer puts \
candidates in order for one person. You see the template and what it did on some cases.
Write a better template. Keep both blocks, every variable and every title, wish and label that it shows; use no other \
variable; keep it short and readable; name no item of the cases. Answer with the whole template between ``` and ```, \
and nothing else."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A case as a proposer sees it: titles of the history, oldest first, of the first places, and of what was wanted.

    `place` is that of the first relevant item, from 1; None where the order lacks it.
    """

    history: tuple[str, ...]
    wish: str | None
    best: tuple[str, ...]
    wanted: tuple[str, ...]
    place: int | None
    ndcg: float


class Source(Protocol):
    """Proposes bodies in the place of one."""

    def propose(self, body: str, failures: Sequence[Failure]) -> Iterator[Mutation]:
        """What was changed, and the new body, one after the other until there are no more."""
        ...


@dataclass(frozen=True)
class Rules:
    """All changes of one step that need no model, in an order drawn by the seed."""

    language: str
    seed: int

    def propose(self, body: str, failures: Sequence[Failure]) -> Iterator[Mutation]:  # noqa: ARG002 - whoever fails
        """See `Source.propose`."""
        found = list(mutations(body, self.language))
        return iter(sorted(found, key=lambda mutation: drawn(self.seed, "mutation", *mutation)))


class Writer:
    """A model that follows instructions and writes templates. One that fails proposes nothing."""

    def __init__(self, model: Model, seed: int) -> None:
        self._model = model
        self._seed = seed
        self._asked = 0
        self.failures: Counter[str] = Counter()

    def propose(self, body: str, failures: Sequence[Failure]) -> Iterator[Mutation]:
        """See `Source.propose`: at most two replies, each drawn with another seed."""
        for _ in range(ATTEMPTS):
            self._asked += 1
            sampling = Sampling(TEMPERATURE, seed=self._seed % 2**31 + self._asked)
            try:
                reply = self._model.complete(
                    _TASK, [_told(body, failures)], Deadline(PATIENCE_S), max_tokens=MAX_TOKENS, sampling=sampling
                )[0]
            except (ModelError, PromptError) as error:
                self.failures[str(error)] += 1
                return
            yield f"written anew by {self._model.name}", body_from(reply.text)


@dataclass
class Proposing:
    """Takes the first new proposal that passes the checks. `fault` says what is wrong with a body, None if nothing.

    `changes` says of each body that was proposed what was changed; `refused` counts by fault what did not pass.
    """

    sources: Sequence[Source]
    fault: Callable[[str], str | None]
    original: str
    changes: dict[str, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    _tried: set[str] = field(default_factory=set)

    def next(self, body: str, failures: Sequence[Failure]) -> str | None:
        """A body that was never tried before, to try in the place of this one; None where nobody has one."""
        self._tried |= {self.original, body}
        for source in self.sources:
            for change, new in source.propose(body, failures):
                if new in self._tried:
                    continue
                self._tried.add(new)
                if (fault := self.fault(new)) is None:
                    self.changes[new] = change
                    return new
                self.refused[fault] += 1
        return None


def body_from(reply: str) -> str:
    """The template in a reply: what stands between the last fences that hold a block, else the whole of it."""
    text = without_thoughts(reply)
    fenced = [match["body"] for match in _FENCED.finditer(text) if "block" in match["body"]]
    return (fenced[-1] if fenced else text.strip()) + "\n"


def _told(body: str, failures: Sequence[Failure]) -> str:
    cases = "\n\n".join(_case(n, failure) for n, failure in enumerate(failures[:SHOWN_CASES], start=1))
    return f"The template:\n```\n{body.strip()}\n```\n\nWhat it did:\n{cases}"


def _case(n: int, failure: Failure) -> str:
    place = f"at place {failure.place}" if failure.place else "nowhere"
    wish = f"They asked for: {failure.wish}\n" if failure.wish else ""
    return (
        f"Case {n}. They enjoyed, the latest last: {'; '.join(failure.history)}\n{wish}"
        f"The order began: {'; '.join(failure.best)}\n"
        f"What they went on to like, {'; '.join(failure.wanted)}, stood {place} (NDCG@10 {failure.ndcg:.2f})."
    )
