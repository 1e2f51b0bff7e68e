"""A finished run as figures: metrics with intervals, paired comparisons, and the documented JSON shape."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import compress

import numpy as np

from agent.errors import ConfigError
from eval.beyond import FORMULAS, LOWER_IS_BETTER, OF_ALL, Figures, K, Missing, Shelf, beyond
from eval.cases import CARRY, DISLIKED, DataSet
from eval.chance import SEED
from eval.comparisons import Comparison, compare, floor, not_worse
from eval.intervals import NO_INTERVAL
from eval.metrics import (
    DEFAULT,
    HEADLINE,
    PerCase,
    change_in,
    described,
    in_order,
    lower_is_better,
    own_library,
    per_case,
)
from eval.resampling import Floats
from eval.runs import Run
from eval.statistics import (
    CONFIDENCE,
    NORMAL_MIN_CASES,
    POWER,
    RESAMPLES,
    UNIT,
    Clusters,
    Difference,
    Estimate,
    estimate,
    percentile,
    rate,
    shown,
)
from eval.systems import BLEND_NOW, LIKELIHOOD_ONLY, MODEL, PRIOR_NOW, RECALL_ONLY, WITHOUT_MODEL, System

FITTED = ((WITHOUT_MODEL, PRIOR_NOW), (MODEL, BLEND_NOW))
COMPARED = ((MODEL, RECALL_ONLY), (MODEL, WITHOUT_MODEL), (LIKELIHOOD_ONLY, RECALL_ONLY), *FITTED)
MAX_NAMED_CASES = 20


@dataclass(frozen=True)
class Result:
    """One system's figures: `answered` of `n` cases had an order, and the others count as 0.

    `answered_rate` is the share of people all of whose cases had one.
    """

    system: System
    answered: int
    metrics: Mapping[str, Estimate]
    beyond: Figures
    answered_rate: Estimate


@dataclass(frozen=True)
class Results:
    """Everything that a run says, before it is drawn or written. `shelf` is None where only hits were asked for.

    `lead` is the metric that verdicts are given on, where one was named.
    """

    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...]
    per_case: Mapping[str, PerCase]
    shelf: Shelf | None = None
    lead: str | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics, in the order in which they were asked for."""
        return tuple(self.results[0].metrics) if self.results else ()

    @property
    def headline(self) -> str:
        """The metric that verdicts are given on: the one named, else ndcg@10, else the first one."""
        return self.lead if self.lead in self.metrics else HEADLINE if HEADLINE in self.metrics else self.metrics[0]


def summarise(
    run: Run, systems: Sequence[System], metrics: Sequence[str] = DEFAULT, shelf: Shelf | None = None
) -> Results:
    """The run's figures, systems in the order given. Model and reference systems are compared with recall in pairs.

    Cases of one user are drawn and flipped together. With a shelf, also what the orders do besides hitting.
    Raises ConfigError for a name that is no metric, ValueError for a run without cases.
    """
    values = {system.name: per_case(run.orders[system.name], run.relevant, metrics, run.disliked) for system in systems}
    results = tuple(_result(run, system, values[system.name], shelf) for system in systems)
    pairs = [*COMPARED, *((MODEL, s.name) for s in systems if s.kind == "reference")]
    known = [(one, other) for one, other in pairs if one in values and other in values]
    return Results(results, compare(known, values, run.clusters), values, shelf)


def as_rows(results: Results) -> list[dict[str, object]]:
    """One plain object a system, with `value`, `low`, `high` and `n` of every metric."""
    return [_row(result) for result in results.results]


def compared_rows(results: Results, margin: float | None = None) -> list[dict[str, object]]:
    """One plain object a paired comparison, with the difference, its interval, p, wins and losses of every metric."""
    return [pair.as_row(results.headline, margin) for pair in results.comparisons]


def about_dataset(dataset: DataSet, n: int) -> dict[str, object]:
    """The data set's name, size and hash, how many of its cases were run, and which leak their answer."""
    return {
        "name": dataset.name,
        "sha256": dataset.sha256,
        "n_items": len(dataset.items),
        "n_cases": dataset.n_cases,
        "n_run": n,
        "leaked": {"count": len(dataset.leaked), "cases": list(dataset.leaked[:MAX_NAMED_CASES])},
    }


def timings(run: Run) -> dict[str, float]:
    """The median and the 95th percentile of the time one case took, in milliseconds; `n` cases were timed."""
    values = tuple(run.rank_ms.values())
    return {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "n": len(values)}


def method(metrics: Sequence[str] | Mapping[str, object]) -> dict[str, object]:
    """How the figures came about: every metric's formula and library, the statistics, the versions."""
    return {
        "metrics": {name: _described(name) for name in metrics},
        "interval": f"{CONFIDENCE:.0%} bootstrap over cases, a user's drawn together, {RESAMPLES} resamples, seed"
        f" {SEED}, the level widened for few users as Student's t is; differences: BCa, with two more users who differ"
        " by the root mean square of those who do and 1; metrics: percentiles, with two more users at 0 and 1; Wilson's"
        f" where all users are alike; from {NORMAL_MIN_CASES} users on the normal approximation, here and in the test",
        "not_worse": "the lower of the interval's end and of Student's with two more users who differ by 1",
        "test": f"paired permutation test over cases, a user's flipped together, two-sided, {RESAMPLES} sign flips,"
        f" seed {SEED}",
        "p_holm": "Holm's step-down over the comparisons that are told together, within each metric",
        "detectable": f"smallest true difference whose interval leaves out 0 with {POWER:.0%} power, from the observed"
        " spread and the two more users: (t + z) (n + 2) / n times the standard error; one comparison",
        "rates": f"{CONFIDENCE:.0%} Wilson score bounds",
        "versions": {"python": platform.python_version(), "numpy": version("numpy")},
    }


def _described(name: str) -> dict[str, str]:
    found = described(name)
    better = {"better": "lower"} if lower_is_better(name) else {}
    return {"formula": found.formula, "library": found.library, **better}


def verdict(comparison: Comparison, metric: str = HEADLINE) -> str:
    """One plain sentence: who is better by how much, or that nothing is shown.

    The p that decides (see `shown`) is that of the permutation test, corrected for all comparisons of the run.
    """
    found, p = comparison.metrics[metric], comparison.p_holm[metric]
    corrected = f" (Holm, of {comparison.family})" if comparison.family > 1 else ""
    figures = f"{change_in(metric)} {found.value:+.3f}{interval_text(found)}, p = {p:.3g}{corrected}, n = {found.n}"
    counts = f"better on {found.wins} cases, worse on {found.losses}"
    if not shown(found, p):
        return f"{comparison.system} is not shown to differ from {comparison.against}: {figures}; {counts}"
    word = "beats" if found.value > 0 else "loses to"
    return f"{comparison.system} {word} {comparison.against}: {figures}; {counts}"


def not_worse_sentence(comparison: Comparison, margin: float, metric: str = HEADLINE) -> str:
    """One plain sentence: shown to be no worse than by the margin, shown to be worse than that, or neither."""
    found, one, other = comparison.metrics[metric], comparison.system, comparison.against
    by = f"by more than {margin:g} {metric}{' (lower is better)' if lower_is_better(metric) else ''}"
    low = floor(comparison, metric)
    if low is None or found.high is None:
        return f"{one} against {other}: one case or one user says nothing about being worse {by}"
    if not_worse(comparison, margin, metric):
        return f"{one} is not worse than {other} {by}: its interval begins at {low:+.3f}"
    if found.high < -margin:
        return f"{one} is worse than {other} {by}: its interval ends at {found.high:+.3f}"
    return f"{one} is not shown to be within {margin:g} {metric} of {other}: its interval begins at {low:+.3f}"


def interval_text(found: Estimate | Difference, digits: int = 3) -> str:
    """` [0.512, 0.634]`, or nothing where there is no interval."""
    if found.low is None or found.high is None:
        return ""
    sign = "+" if isinstance(found, Difference) else ""
    return f" [{found.low:{sign}.{digits}f}, {found.high:{sign}.{digits}f}]"


def _row(result: Result) -> dict[str, object]:
    row = {
        "system": result.system.name,
        "kind": result.system.kind,
        "about": result.system.about,
        "answered": result.answered,
        "answered_rate": asdict(result.answered_rate),
        "metrics": {name: asdict(value) for name, value in result.metrics.items()},
    }
    return {**row, "beyond": {name: _figure(f) for name, f in result.beyond.items()}} if result.beyond else row


def _figure(figure: Estimate | Missing) -> dict[str, object]:
    if isinstance(figure, Missing):
        return {"value": None, "low": None, "high": None, "n": 0, "reason": figure.reason}
    return asdict(figure)


def beyond_method(shelf: Shelf) -> dict[str, object]:
    """How the figures beyond hits came about: the places that count, where popularity is from, every formula."""
    formulas = {
        name: {
            "formula": formula.format(k=K),
            "better": "lower" if name in LOWER_IS_BETTER else "depends",
            "library": own_library(),
            **({"interval": NO_INTERVAL} if name in OF_ALL else {}),
        }
        for name, formula in FORMULAS.items()
    }
    return {"k": K, "popularity": shelf.source, "metrics": formulas}


def _result(run: Run, system: System, values: PerCase, shelf: Shelf | None) -> Result:
    orders, clusters = run.orders[system.name], run.clusters
    told = beyond(orders, run.histories, shelf, users=run.users) if shelf else {}
    rated = answered_rate([bool(orders.get(case)) for case in run.relevant], clusters)
    return Result(system, run.answered(system.name), estimates(values, clusters), told, rated)


def answered_rate(answered: Sequence[bool], clusters: Clusters) -> Estimate:
    """The share of people all of whose cases were answered; `clusters` says whose each case is.

    Raises ValueError when there are no cases.
    """
    lacking = {person for person, has in zip(clusters, answered, strict=True) if not has}
    n = len(set(clusters))
    return rate(n - len(lacking), n)


def estimates(values: PerCase, clusters: Clusters) -> dict[str, Estimate]:
    """The mean of each metric over its cases, with its interval; `clusters` says whose each case is.

    Raises ConfigError where no case has a value.
    """
    return {name: _estimate(name, in_order(by_case), clusters) for name, by_case in values.items()}


def _estimate(name: str, values: Floats, clusters: Clusters) -> Estimate:
    """Over the cases that have a value. Raises ConfigError where none has."""
    known = ~np.isnan(values)
    if not known.any():
        raise ConfigError(f"{name} has no value: no case that was answered carries {DISLIKED}", CARRY)
    whose = clusters if known.all() else list(compress(clusters, known))
    return estimate(values[known], within=UNIT, clusters=whose)
