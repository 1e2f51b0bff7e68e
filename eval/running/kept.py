"""A model whose every answer is kept: asked the same again, it answers from a file, and says how often it did.

A key holds all that an answer depends on: the model's fingerprint and how it is run, the method, the whole prompt and
every argument, the seed of the run and the number of the repeat. Failures are not kept.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Generic, Protocol, TypeVar, runtime_checkable

from agent.deadline import Deadline
from agent.errors import ModelUnavailable
from agent.llm.base import GREEDY, Completion, Model, OnText, Sampling, Score
from agent.store.cache import Cache
from eval.running.replies import is_refusal
from eval.running.trace import Call, chosen, completed, orders, scored

FILE = "answers.sqlite"
ASKED, KEPT = "asked", "kept"
UNAVAILABLE = "unavailable"  # the flaw that tells of a model that was down

T = TypeVar("T")


@runtime_checkable
class Counting(Protocol):
    """A model that counts the tokens of all that it was asked so far: "in", of them "cached", and "out"."""

    used: Counter[str]


@dataclass(frozen=True)
class _Got(Generic[T]):
    """A value, whether the model was asked for it, and whether the tokens that it took were told, and are noted."""

    value: T
    is_fresh: bool
    is_counted: bool


@dataclass
class Noted:
    """What the model did for one case: `calls` asked and kept, `tokens` in and out where known, flaws of its replies.

    Tokens of kept calls count as those of asked ones, and so do those of a call that failed. `trace` holds each call in
    words, in their order.
    """

    calls: Counter[str] = field(default_factory=lambda: Counter({ASKED: 0, KEPT: 0}))
    tokens: Counter[str] = field(default_factory=Counter)
    flaws: Counter[str] = field(default_factory=Counter)
    trace: list[dict[str, object]] = field(default_factory=list)


class Kept:
    """A `Model` that asks another one only what the cache does not hold. Name, fingerprint and abilities are its.

    `begin` starts the notes of a case; several threads may ask meanwhile. `run_as` tells apart ways to run the model
    in which its numbers differ. `fresh` asks also for what is held, and replaces it. What is drawn is drawn with a seed
    made of the run's and the repeat. Closing it leaves the other model open.
    """

    def __init__(
        self,
        model: Model,
        cache: Cache,
        *,
        seed: int,
        run_as: str = "",
        fresh: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name, self.fingerprint, self.abilities = model.name, model.fingerprint, model.abilities
        self._model = model
        self._cache = cache
        self._seed = seed
        self._run_as = run_as
        self._fresh = fresh
        self._repeat = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._noted = Noted()
        self._seen = Counter(model.used) if isinstance(model, Counting) else Counter[str]()

    @property
    def noted(self) -> Noted:
        """The notes of the case that was begun last."""
        return self._noted

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Those of the other model."""
        return self._model.control_tokens

    def begin(self, repeat: int) -> Noted:
        """New notes, which grow as the model is asked, until the next begin. Each repeat has answers of its own."""
        with self._lock:
            self._repeat, self._noted = repeat, Noted()
            return self._noted

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:
        """See `Model.score`."""

        def _ask() -> list[list[float]]:
            return [[s.logprob, s.tokens] for s in self._model.score(prefix, continuations, deadline)]

        found = self._once("score", [prefix, *continuations], _ask).value
        scores = [Score(float(logprob), int(tokens)) for logprob, tokens in found]
        self._note(scored(prefix, continuations, scores))
        return scores

    def choose(
        self, prefix: str, suffixes: Sequence[str], options: Sequence[Sequence[str]], deadline: Deadline
    ) -> list[tuple[float, ...]]:
        """See `Model.choose`."""
        given = [prefix, list(suffixes), [list(spellings) for spellings in options]]

        def _ask() -> list[list[float]]:
            return [list(row) for row in self._model.choose(prefix, suffixes, options, deadline)]

        found = self._once("choose", given, _ask).value
        rows = [tuple(float(one) for one in row) for row in found]
        self._note(chosen(prefix, suffixes, options, rows))
        return rows

    def arrange(
        self, prefix: str, suffixes: Sequence[str], labels: Sequence[str], deadline: Deadline
    ) -> list[tuple[int, ...]]:
        """See `Model.arrange`."""

        def _ask() -> list[list[int]]:
            return [list(row) for row in self._model.arrange(prefix, suffixes, labels, deadline)]

        found = self._once("arrange", [prefix, list(suffixes), list(labels)], _ask).value
        rows = [tuple(int(n) for n in row) for row in found]
        self._note(orders(prefix, suffixes, labels, rows))
        return rows

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
        """See `Model.complete`. A listener hears each kept text in one piece; what it cut short is not kept."""
        sampling = self._drawn_anew(sampling)
        given = [prefix, list(suffixes), max_tokens, list(stop), schema, asdict(sampling)]

        def _ask() -> list[dict[str, object]]:
            written = self._model.complete(
                prefix, suffixes, deadline, max_tokens=max_tokens, stop=stop, schema=schema, sampling=sampling,
                on_text=on_text,
            )  # fmt: skip
            return [asdict(one) for one in written]

        found = self._once("complete", given, _ask, keep=_uncut)
        texts = [_completion(row) for row in found.value]
        if on_text and not found.is_fresh:
            texts = [_heard(n, text, on_text) for n, text in enumerate(texts)]
        self._note(completed(prefix, suffixes, texts))
        self._note_replies(texts)
        if not found.is_counted:
            self._note_tokens({"in": sum(one.tokens_in for one in texts), "out": sum(one.tokens_out for one in texts)})
        return texts

    def close(self) -> None:
        """Do nothing: whoever opened the other model closes it."""

    def _drawn_anew(self, sampling: Sampling) -> Sampling:
        """The same way of drawing with a seed of this run and repeat; at temperature 0 nothing is drawn."""
        if not sampling.temperature:
            return sampling
        return replace(sampling, seed=zlib.crc32(f"{self._seed}/{self._repeat}/{sampling.seed}".encode()))

    def _once(
        self, method: str, given: object, ask: Callable[[], T], keep: Callable[[T], bool] = lambda _: True
    ) -> _Got[T]:
        """What was kept for these arguments, or what asking gives, which is then kept."""
        namespace, key = f"{method}/{self.fingerprint}", _digest([self._run_as, self._seed, self._repeat, given])
        raw = None if self._fresh else self._cache.get_many(namespace, [key]).get(key)
        if raw is not None:
            self._count(KEPT)
            row = json.loads(raw)
            self._note_tokens(row.get("used", {}))
            return _Got(row["value"], is_fresh=False, is_counted="used" in row)
        self._count(ASKED)
        began = self._clock()
        try:
            value = self._asked(ask)
        finally:
            used = self._newly_used()
        if keep(value):
            row = {"value": value, "ms": round((self._clock() - began) * 1_000, 3), **({"used": used} if used else {})}
            self._cache.put_many(namespace, {key: json.dumps(row).encode()})
        return _Got(value, is_fresh=True, is_counted=bool(used))

    def _newly_used(self) -> dict[str, int]:
        """The tokens that the model counted since this was last asked, which are noted; none where it does not count.

        Of calls that overlap, the first to end gets those of both.
        """
        if not isinstance(self._model, Counting):
            return {}
        with self._lock:
            now = Counter(self._model.used)
            used, self._seen = now - self._seen, now
            self._noted.tokens.update(used)
        return dict(used)

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except ModelUnavailable:
            with self._lock:
                self._noted.flaws[UNAVAILABLE] += 1
            raise

    def _count(self, what: str) -> None:
        with self._lock:
            self._noted.calls[what] += 1

    def _note(self, call: Call) -> None:
        with self._lock:
            self._noted.trace.append(call.as_row())

    def _note_tokens(self, tokens: Mapping[str, int]) -> None:
        with self._lock:
            self._noted.tokens.update(tokens)

    def _note_replies(self, texts: Sequence[Completion]) -> None:
        with self._lock:
            for text in texts:
                self._noted.flaws["truncated"] += text.finish_reason == "length"
                self._noted.flaws["refused"] += is_refusal(text.text)


def _digest(given: object) -> str:
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def _uncut(rows: list[dict[str, object]]) -> bool:
    return all(row["finish_reason"] != "cancelled" for row in rows)


def _completion(row: dict[str, object]) -> Completion:
    return Completion(**row)  # type: ignore[arg-type]  # the row of a Completion


def _heard(n: int, text: Completion, on_text: OnText) -> Completion:
    on_text(n, text.text)
    return text
