"""A model that answers from a script: for tests, ours and yours, and for trying a prompt without any weights."""

from __future__ import annotations

import math
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.deadline import Deadline
from agent.errors import ConfigError, ModelTimeout, ModelUnavailable, PalateError
from agent.llm.base import GREEDY, Ability, Completion, OnText, Sampling, Score

Reply = str | Completion | PalateError

_WORD = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a `Scripted` received. `texts` are the suffixes or the continuations; the rest is as passed in.

    `options` are the spellings of each option to choose among, or the labels to arrange, each alone.
    """

    kind: Literal["complete", "score", "choose", "arrange"]
    prefix: str
    texts: tuple[str, ...]
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    schema: dict[str, object] | None = None
    options: tuple[tuple[str, ...], ...] = ()
    sampling: Sampling = GREEDY


class Scripted:
    """A `Model` that answers from a list or from a function, and keeps every call in `calls`.

    `replies`: a sequence, of which each completion takes the next (ModelUnavailable when it is used up), or a function
    of (prefix, suffix). A reply is a text, a whole Completion, or an error of Palate's tree, which is then raised.
    `scores`: a function of (prefix, continuation) that gives a log-probability (at most 0) or raises; options and
    labels are continuations of `prefix + suffix` to it, and are arranged from the likeliest down.
    A token is a word: a text is cut at the first stop string and after `max_tokens` words, as a model's would be.
    `delay_s`: how long each call takes; ModelTimeout as soon as the deadline has passed. `sleep` waits so many seconds.
    `abilities`: by default `chat` and `continue` where replies are given, `score` where scores are. `fingerprint` is
    by default new for every object, because nothing says that two scripts answer alike. Safe for several threads.
    """

    def __init__(
        self,
        replies: Sequence[Reply] | Callable[[str, str], Reply] | None = None,
        *,
        scores: Callable[[str, str], float] | None = None,
        name: str = "scripted",
        fingerprint: str | None = None,
        abilities: Iterable[Ability] | None = None,
        control_tokens: Sequence[str] = (),
        delay_s: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if isinstance(replies, str):
            raise ConfigError("the replies of a script are one text", "Give a list of texts, or a function")
        self.name = name
        self.fingerprint = fingerprint or f"scripted-{uuid.uuid4().hex}"
        self.abilities = frozenset(abilities if abilities is not None else _abilities_of(replies, scores))
        self.control_tokens = tuple(control_tokens)
        self.calls: list[Call] = []
        self.closed = False
        self._function = replies if callable(replies) else None
        self._left = [] if replies is None or callable(replies) else list(replies)
        self._scores = scores
        self._delay_s = delay_s
        self._sleep = sleep
        self._lock = threading.RLock()

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:
        """What the function `scores` gives each continuation, in order; `tokens` counts its words, at least 1.

        Raises ModelUnavailable without such a function, ConfigError where it gives more than 0, and what it raises.
        """
        self._enter(Call("score", prefix, tuple(continuations)), deadline)
        return [self._score_of(prefix, continuation) for continuation in continuations]

    def choose(
        self, prefix: str, suffixes: Sequence[str], options: Sequence[Sequence[str]], deadline: Deadline
    ) -> list[tuple[float, ...]]:
        """What `scores` gives the spellings of each option after `prefix + suffix`, summed. Raises as `score` does."""
        spelled = tuple(tuple(spellings) for spellings in options)
        self._enter(Call("choose", prefix, tuple(suffixes), options=spelled), deadline)
        return [tuple(self._summed(prefix + suffix, spellings) for spellings in spelled) for suffix in suffixes]

    def arrange(
        self, prefix: str, suffixes: Sequence[str], labels: Sequence[str], deadline: Deadline
    ) -> list[tuple[int, ...]]:
        """The labels by what `scores` gives them after `prefix + suffix`, highest first, ties in the order given."""
        self._enter(Call("arrange", prefix, tuple(suffixes), options=tuple((label,) for label in labels)), deadline)
        likely = [[self._score_of(prefix + suffix, label).logprob for label in labels] for suffix in suffixes]
        return [tuple(sorted(range(len(labels)), key=lambda n: -row[n])) for row in likely]

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
        """The next replies of the script, one for each suffix; schema and sampling are recorded and not enforced.

        `on_text` hears each reply word by word.

        Raises the error that stands in the place of a reply, and ModelUnavailable when the script is used up.
        """
        call = Call("complete", prefix, tuple(suffixes), max_tokens, tuple(stop), schema, sampling=sampling)
        self._enter(call, deadline)
        with self._lock:
            replies = [self._next(prefix, suffix) for suffix in suffixes]
        whole = [
            _completion(reply, prefix + suffix, max_tokens, stop)
            for reply, suffix in zip(replies, suffixes, strict=True)
        ]
        return [_told(n, one, on_text) if on_text else one for n, one in enumerate(whole)]

    def close(self) -> None:
        """Refuse every later call with ModelUnavailable. Calling it twice is harmless."""
        self.closed = True

    def _enter(self, call: Call, deadline: Deadline) -> None:
        with self._lock:
            if self.closed:
                raise ModelUnavailable(f"the model {self.name} is closed", "Open it again")
            self.calls.append(call)
        deadline.check(f"waiting for the model {self.name}")
        if self._delay_s > 0:
            in_time = deadline.remaining_s >= self._delay_s
            self._sleep(min(self._delay_s, deadline.remaining_s))
            if not in_time:
                raise ModelTimeout(f"the model {self.name} did not answer in time", "Give the request a longer timeout")

    def _next(self, prefix: str, suffix: str) -> Reply:
        if self._function is not None:
            return self._function(prefix, suffix)
        if not self._left:
            raise ModelUnavailable(f"the script of {self.name} has no reply left", "Give it a reply for every suffix")
        reply = self._left.pop(0)
        if isinstance(reply, PalateError):
            raise reply
        return reply

    def _summed(self, text: str, spellings: Sequence[str]) -> float:
        """The log of the summed probability of the spellings, at most 0."""
        likely = [self._score_of(text, spelling).logprob for spelling in spellings]
        most = max(likely, default=-math.inf)
        if math.isinf(most):
            return most
        return min(0.0, most + math.log(sum(math.exp(one - most) for one in likely)))

    def _score_of(self, prefix: str, continuation: str) -> Score:
        if self._scores is None:
            raise ModelUnavailable(f"the model {self.name} has no script for scores", "Give it a function `scores`")
        logprob = float(self._scores(prefix, continuation))
        if not logprob <= 0:
            raise ConfigError(f"the script of {self.name} gives the log-probability {logprob}", "It is never above 0")
        return Score(logprob, max(1, len(continuation.split())))


def _abilities_of(replies: object, scores: object) -> set[Ability]:
    writes: set[Ability] = {"chat", "continue"} if replies is not None else set()
    scored: set[Ability] = {"score", "choose", "arrange"} if scores is not None else set()
    return writes | scored


def _completion(reply: Reply, prompt: str, max_tokens: int, stop: Sequence[str]) -> Completion:
    """The reply as a model would have given it. Raises it where it is an error."""
    if isinstance(reply, PalateError):
        raise reply
    if isinstance(reply, Completion):
        return reply
    text = reply
    for end in stop:
        text = text.split(end, 1)[0] if end else text
    words = _WORD.findall(text)
    tokens_in = len(prompt.split())
    if len(words) > max_tokens:
        return Completion("".join(words[:max_tokens]), "length", tokens_in, max_tokens)
    return Completion(text, "stop", tokens_in, len(words))


def _told(n: int, whole: Completion, on_text: OnText) -> Completion:
    """The completion as far as the listener wanted to hear it, word by word."""
    words = _WORD.findall(whole.text)
    for heard, word in enumerate(words, start=1):
        if not on_text(n, word) and heard < len(words):
            return Completion("".join(words[:heard]), "cancelled", whole.tokens_in, heard)
    return whole
