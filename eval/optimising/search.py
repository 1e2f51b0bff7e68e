"""The search for a better body with GEPA (Agrawal et al. 2025): reflect on train, choose on val. Its only importer.

GEPA keeps the bodies that are best on some val case, changes one of them at a step, and looks at a changed one on all
of val only when it does better than its parent on a few train cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.errors import ConfigError
from eval.cases import Case
from eval.optimising.bench import Bench, Outcome
from eval.optimising.proposing import Failure, Proposing
from eval.optimising.splits import Split

BODY = "body"
IDLE_STEPS = 25  # so many steps without a question mean that no proposal is left
BEST_SHOWN = 5

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Tried:
    """A body that was looked at on all of val. `parent` is its place in the list, None for the original.

    `val` are NDCG@10 by case id.
    """

    body: str
    change: str
    parent: int | None
    val: Mapping[str, float]

    @property
    def mean(self) -> float:
        """The mean on val."""
        return sum(self.val.values()) / len(self.val)


@dataclass(frozen=True)
class Searched:
    """What the search has found: the bodies in the order in which they came, the original first; `steps` it took."""

    tried: tuple[Tried, ...]
    steps: int
    asked: int

    @property
    def best(self) -> int:
        """The place of the body with the highest mean on val; of several the one that came first."""
        return max(range(len(self.tried)), key=lambda n: (self.tried[n].mean, -n))


def search(
    bench: Bench,
    proposing: Proposing,
    parts: Split,
    *,
    budget: int,
    seed: int,
    progress: Progress = lambda _asked: None,
) -> Searched:
    """The bodies that came of changing the original, never asking more than `budget` questions.

    Raises ConfigError where gepa is not installed, or the model ranks with another prompt.
    """
    try:
        import gepa
    except ImportError as error:
        raise ConfigError("gepa is not installed", "Install it with: pip install 'palate[eval]'") from error

    adapter = _Adapter(bench, proposing, gepa.EvaluationBatch, progress)
    stop = _Stop(bench, budget - parts.step_cost, IDLE_STEPS)
    found: Any = gepa.optimize(
        seed_candidate={BODY: bench.subject.body},
        trainset=list(parts.train),
        valset=list(parts.val),
        adapter=adapter,
        reflection_minibatch_size=parts.minibatch,
        skip_perfect_score=False,
        stop_callbacks=[stop],
        logger=_Silent(),
        seed=seed,
    )
    tried = [_tried(found, n, proposing, parts.val) for n in range(len(found.candidates))]
    return Searched(tuple(tried), stop.steps, bench.asked)


def _tried(found: Any, n: int, proposing: Proposing, val: Sequence[Case]) -> Tried:
    body, parent = found.candidates[n][BODY], found.parents[n][0]
    scores = {val[place].case_id: float(score) for place, score in found.val_subscores[n].items()}
    return Tried(body, proposing.changes.get(body, "as it was"), parent, scores)


class _Adapter:
    """What GEPA asks of a system to be optimised (`GEPAAdapter`)."""

    def __init__(self, bench: Bench, proposing: Proposing, batch: Callable[..., Any], progress: Progress) -> None:
        self._bench = bench
        self._proposing = proposing
        self._batch = batch
        self._progress = progress

    def evaluate(self, batch: list[Case], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        """One score a case; the traces are the outcomes beside their cases."""
        before = self._bench.asked
        outcomes = self._bench.outcomes(candidate[BODY], batch)
        self._progress(self._bench.asked)
        return self._batch(
            outputs=[outcome.order for outcome in outcomes],
            scores=[outcome.ndcg for outcome in outcomes],
            trajectories=list(zip(batch, outcomes, strict=True)) if capture_traces else None,
            num_metric_calls=self._bench.asked - before,
        )

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],  # noqa: ARG002 - GEPA's protocol
        eval_batch: Any,
        components_to_update: list[str],
    ) -> dict[str, list[dict[str, Failure]]]:
        """The cases of a minibatch, worst first, for each part of the candidate: there is one."""
        traces = sorted(eval_batch.trajectories, key=lambda trace: trace[1].ndcg)
        records = [{"failure": self._failure(case, outcome)} for case, outcome in traces]
        return dict.fromkeys(components_to_update, records)

    def propose_new_texts(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Failure]]],
        components_to_update: list[str],  # noqa: ARG002 - GEPA's protocol
    ) -> dict[str, str]:
        """A new body, or nothing."""
        failures = [record["failure"] for record in reflective_dataset[BODY]]
        body = self._proposing.next(candidate[BODY], failures)
        return {} if body is None else {BODY: body}

    def _failure(self, case: Case, outcome: Outcome) -> Failure:
        items = self._bench.items
        places = (place for place, item_id in enumerate(outcome.order, start=1) if item_id in case.relevant)
        return Failure(
            history=tuple(items[item_id].name for item_id in case.history),
            wish=case.wish,
            best=tuple(items[item_id].name for item_id in outcome.order[:BEST_SHOWN]),
            wanted=tuple(items[item_id].name for item_id in case.relevant),
            place=next(places, None),
            ndcg=outcome.ndcg,
        )


class _Stop:
    """Says when the search ends: when a step more could ask too much, or when nothing new is proposed any more."""

    def __init__(self, bench: Bench, most: int, idle_steps: int) -> None:
        self._bench = bench
        self._most = most
        self._idle_steps = idle_steps
        self._idle = 0
        self._last = -1
        self.steps = -1

    def __call__(self, _state: object) -> bool:
        """Whether to stop now; asked once before each step, and once more at the end."""
        self.steps += 1
        self._idle = self._idle + 1 if self._bench.asked == self._last else 0
        self._last = self._bench.asked
        return self._last > self._most or self._idle >= self._idle_steps


class _Silent:
    """GEPA's log, which nobody reads."""

    def log(self, message: str) -> None:
        """Drop the line."""
