"""A finished run as figures: metrics with intervals, paired comparisons, and the documented JSON shape."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

from eval.cases import DataSet
from eval.metrics import DEFAULT, PerCase, described, per_case
from eval.runs import Run
from eval.statistics import CONFIDENCE, RESAMPLES, SEED, Difference, Estimate, difference, estimate, percentile
from eval.systems import LIKELIHOOD_ONLY, MODEL, RECALL_ONLY, WITHOUT_MODEL, System

HEADLINE = "ndcg@10"
COMPARED = ((MODEL, RECALL_ONLY), (MODEL, WITHOUT_MODEL), (LIKELIHOOD_ONLY, RECALL_ONLY))
MAX_NAMED_CASES = 20


@dataclass(frozen=True)
class Result:
    """One system's figures: `answered` of `n` cases had an order, and the others count as 0."""

    system: System
    answered: int
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True)
class Comparison:
    """One system against another on the same cases."""

    system: str
    against: str
    metrics: Mapping[str, Difference]


@dataclass(frozen=True)
class Results:
    """Everything that a run says, before it is drawn or written."""

    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...]
    per_case: Mapping[str, PerCase]


def summarise(run: Run, systems: Sequence[System], metrics: Sequence[str] = DEFAULT) -> Results:
    """The run's figures, systems in the order given. Model and reference systems are compared with recall in pairs.

    Raises ConfigError for a name that is no metric, ValueError for a run without cases.
    """
    values = {system.name: per_case(run.orders[system.name], run.relevant, metrics) for system in systems}
    results = tuple(Result(s, run.answered(s.name), _estimates(values[s.name])) for s in systems)
    pairs = [*COMPARED, *((MODEL, s.name) for s in systems if s.kind == "reference")]
    comparisons = tuple(
        Comparison(one, other, _differences(values[one], values[other]))
        for one, other in pairs
        if one in values and other in values
    )
    return Results(results, comparisons, values)


def as_json(results: Results, run: Run, dataset: DataSet, about: Mapping[str, object]) -> dict[str, object]:
    """The documented JSON shape of `palate eval run --json`; `about` joins it at the top (task, model, limit ...)."""
    return {
        **about,
        "dataset": about_dataset(dataset, run.n),
        "results": as_rows(results),
        "comparisons": compared_rows(results),
        "timings_ms": timings(run),
        "degraded": {"count": run.n_degraded, "reasons": dict(run.degraded)},
        "failed": {"count": len(run.failed), "cases": dict(list(run.failed.items())[:MAX_NAMED_CASES])},
        "prompts": dict(run.prompts),
        "method": method(results.results[0].metrics),
    }


def as_rows(results: Results) -> list[dict[str, object]]:
    """One plain object a system, with `value`, `low`, `high` and `n` of every metric."""
    return [
        {
            "system": result.system.name,
            "kind": result.system.kind,
            "about": result.system.about,
            "answered": result.answered,
            "metrics": {name: asdict(value) for name, value in result.metrics.items()},
        }
        for result in results.results
    ]


def compared_rows(results: Results) -> list[dict[str, object]]:
    """One plain object a paired comparison, with the difference, its interval, p, wins and losses of every metric."""
    return [
        {
            "system": pair.system,
            "against": pair.against,
            "metrics": {name: asdict(value) for name, value in pair.metrics.items()},
        }
        for pair in results.comparisons
    ]


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
        "metrics": {name: {"formula": described(name).formula, "library": described(name).library} for name in metrics},
        "interval": f"{CONFIDENCE:.0%} BCa bootstrap over cases, {RESAMPLES} resamples, seed {SEED}",
        "test": f"paired permutation test over cases, two-sided, {RESAMPLES} sign flips, seed {SEED}",
        "versions": {"python": platform.python_version(), "scipy": version("scipy"), "numpy": version("numpy")},
    }


def verdict(comparison: Comparison, metric: str = HEADLINE) -> str:
    """One plain sentence: who is better by how much, or that nothing is shown.

    A difference is shown when its interval leaves out 0 and the permutation test gives p < 0.05.
    """
    found = comparison.metrics[metric]
    figures = f"{metric} {found.value:+.3f}{interval_text(found)}, p = {found.p:.3g}, n = {found.n}"
    counts = f"better on {found.wins} cases, worse on {found.losses}"
    if found.low is None or found.high is None or found.low <= 0 <= found.high or found.p >= 1 - CONFIDENCE:
        return f"{comparison.system} is not shown to differ from {comparison.against}: {figures}; {counts}"
    word = "beats" if found.value > 0 else "loses to"
    return f"{comparison.system} {word} {comparison.against}: {figures}; {counts}"


def interval_text(found: Estimate | Difference) -> str:
    """` [0.512, 0.634]`, or nothing where there is no interval."""
    if found.low is None or found.high is None:
        return ""
    sign = "+" if isinstance(found, Difference) else ""
    return f" [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"


def _estimates(values: PerCase) -> dict[str, Estimate]:
    return {name: estimate(list(by_case.values())) for name, by_case in values.items()}


def _differences(values: PerCase, baseline: PerCase) -> dict[str, Difference]:
    return {name: difference(list(values[name].values()), list(baseline[name].values())) for name in values}
