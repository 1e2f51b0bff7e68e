"""What every language model here can be asked: to score, to choose, to arrange, and to complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agent.deadline import Deadline
from agent.errors import ConfigError

Ability = Literal["score", "choose", "arrange", "continue", "chat"]
HOTTEST = 10  # a temperature at which any text is noise
OnText = Callable[[int, str], bool]  # (index of the suffix, the piece just written) -> go on with this one?


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a continuation is: `logprob` is the sum over its `tokens` tokens, in nats, never above 0."""

    logprob: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote.

    `finish_reason`: `stop` (it ended, or met a stop string), `length` (cut off at the token cap), `cancelled` (the
    listener of its pieces did not want more).
    """

    text: str
    finish_reason: Literal["stop", "length", "cancelled"]
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. Temperature 0 takes the likeliest, and nothing else counts.

    Above 0, tokens are drawn from the smallest set that holds `top_p` of the probability. Equal seeds give equal texts:
    the text of suffix n is drawn with the seed `seed + n`. (A model's numbers differ in their last bits with what is
    decoded beside, so that in other company a near tie may fall the other way.) Raises ConfigError:
    a temperature outside 0 to 10, a `top_p` that is not above 0 and at most 1, a seed that is no whole number from 0.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= HOTTEST:
            raise ConfigError(f"a temperature of {self.temperature}", f"Choose 0 to {HOTTEST}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"a top_p of {self.top_p}", "Choose a number above 0, at most 1")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f"a seed of {self.seed!r}", "Choose a whole number, 0 or more")


GREEDY = Sampling()


class Model(Protocol):
    """A language model, local or behind an endpoint. Safe to call from several threads; calls queue.

    `abilities`: `score` (log-probabilities of given continuations), `choose` (log-probabilities of what comes next),
    `arrange` (labels in an order of its choice), `continue` (goes on with a text, best for small models with worked
    examples), `chat` (follows instructions). `fingerprint` names the weights: equal fingerprints give equal scores,
    so it is a cache key.
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

    def choose(
        self, prefix: str, suffixes: Sequence[str], options: Sequence[Sequence[str]], deadline: Deadline
    ) -> list[tuple[float, ...]]:
        """For each suffix, the log-probability (nats) that each option comes next after `prefix + suffix`.

        An option is a list of spellings (`[" yes", "Yes"]`), of which those of one token count, and are summed. The
        options of one suffix need not add up to 1: the rest is what else could come. A chat model gets `prefix` as the
        system message and the suffix as the user's; what its server does not list counts as its least listed one.
        Raises as `score` does; PromptError too where an option has no spelling of one token, or two options share one.
        """
        ...

    def arrange(
        self, prefix: str, suffixes: Sequence[str], labels: Sequence[str], deadline: Deadline
    ) -> list[tuple[int, ...]]:
        """For each suffix, the order in which the model lists the labels: each index into them exactly once.

        The model writes under a grammar that allows only labels it has not used yet, so every answer is a permutation.
        Raises as `score` does; PromptError too where a label is not one token, or two labels share one.
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
        sampling: Sampling = GREEDY,
        on_text: OnText | None = None,
    ) -> list[Completion]:
        """One completion of `prefix + suffix` for each suffix, in order, sharing the work on the prefix.

        A chat model gets `prefix` as the system message and the suffix as the user's. `schema` is a JSON schema that
        the reply should follow, where the model can be held to one. The stop string is not part of the text.
        `on_text` hears each piece of text as soon as it stands, from another thread, and ends that one text by
        answering False. Raises as `score` does.
        """
        ...

    def close(self) -> None:
        """Free what the model holds. Calling it twice is harmless."""
        ...
