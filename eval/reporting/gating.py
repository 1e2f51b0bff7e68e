"""Whether a run passes its gate: every condition judged on an interval, never on the point. Pure but for reading.

    {metric, at_least}                  the lower bound of the metric's interval is no less
    {metric, at_most}                   the upper bound of a metric of which less is better is no more
    {metric, versus, not_worse_than}    the interval of the paired difference lies above minus the margin
    {rate, at_most}                     the upper Wilson bound of the share of people is no more
    {latency_p95_s}                     the upper bound of the 95th percentile is no more (order statistics)
    {cost_per_1000}                     the upper bound of the cost of 1,000 answers is no more
    {order_stability}                   the lower bound of Kendall's tau between orders of the candidates is no less

A condition that is not met may be one that so few cases cannot meet: then it says so, and neither passes nor fails. So
it is for metrics below 10 people, for all of a run that is not finished, and for a condition that no cell has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from agent.commands.render import count
from agent.errors import ConfigError
from eval.comparisons import Comparison, floor
from eval.metrics import valued
from eval.reporting.bounds import is_flat
from eval.reporting.conditions import EXPLAINED, Condition, number, told
from eval.reporting.measured import Measured, cost_of, seconds_of, stability_of
from eval.reporting.reading import Reading
from eval.results import interval_text, not_worse_sentence
from eval.running.folder import RunFolder
from eval.running.scoring import plan_of
from eval.running.tally import RATES
from eval.statistics import Estimate, rate

Outcome = Literal["passed", "failed", "too few"]

PASSED, FAILED, TOO_FEW = 0, 1, 3
LEAST_PEOPLE = 10  # below so many, a metric's interval says too little of people at large


@dataclass(frozen=True, slots=True)
class Judgement:
    """One condition on one cell: what came of it, in a sentence and in figures."""

    cell: str
    condition: str
    outcome: Outcome
    sentence: str
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Gate:
    """All conditions on all cells of a run; none where the plan has no gate."""

    run: str
    judgements: tuple[Judgement, ...]

    @property
    def exit_code(self) -> int:
        """0 where all passed, 1 where one failed, 3 where none failed but for one there are too few cases."""
        outcomes = {judgement.outcome for judgement in self.judgements}
        return FAILED if "failed" in outcomes else TOO_FEW if "too few" in outcomes else PASSED

    @property
    def outcome(self) -> Outcome:
        """The exit code as a word."""
        outcomes: dict[int, Outcome] = {PASSED: "passed", FAILED: "failed", TOO_FEW: "too few"}
        return outcomes[self.exit_code]

    @property
    def sentence(self) -> str:
        """What came of the gate, and the sentence of each condition that did not pass."""
        judged = count(len(self.judgements), "condition")
        if not self.judgements:
            return "the gate has no conditions"
        if self.outcome == "passed":
            return f"the gate passed: {judged} met"
        short = [j.sentence for j in self.judgements if j.outcome == self.outcome]
        word = "failed" if self.outcome == "failed" else "cannot be decided, the cases are too few"
        return f"the gate {word}: {len(short)} of {judged}: {'; '.join(short)}"

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of `palate eval gate --json`."""
        return {
            "run": self.run,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "sentence": self.sentence,
            "conditions": [asdict(judgement) for judgement in self.judgements],
        }


def gate_of(plan: Mapping[str, object]) -> list[Condition]:
    """The conditions of a plan, in its order; empty where it has none."""
    found = plan.get("gate")
    rows = found if isinstance(found, Sequence) and not isinstance(found, str) else ()
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def metrics_of(conditions: Sequence[Condition]) -> tuple[str, ...]:
    """The metrics that the conditions name, each once."""
    return tuple(dict.fromkeys(str(condition["metric"]) for condition in conditions if "metric" in condition))


def gate_of_run(run: Path, conditions: Sequence[Condition] | None = None, cell: str | None = None) -> Gate:
    """The run in the folder judged by these conditions, or by those of its plan, on all its cells or this one.

    Raises ConfigError when there is no such run, cell, metric, rate or system, and where there is no condition.
    """
    plan = plan_of(RunFolder.open(run))
    wanted = _conditions(run, plan.as_plan(), conditions)
    return gate_of_reading(Reading.of(run, metrics_of(wanted) or plan.measured[:1]), wanted, cell)


def gate_of_reading(reading: Reading, conditions: Sequence[Condition] | None = None, cell: str | None = None) -> Gate:
    """The same for a run that is read already; it is scored again only for metrics that it was not read with."""
    wanted = _conditions(reading.folder.path, reading.summary.plan.as_plan(), conditions)
    metrics = metrics_of(wanted)
    if not set(metrics) <= set(reading.results.metrics):
        reading = Reading.of(reading.folder.path, metrics)
    cells = [one.name for one in reading.folder.cells()]
    if cell is not None and cell not in cells:
        raise ConfigError(f"the run has no cell {cell!r}", f"Its cells: {', '.join(cells)}")
    return judge(reading, wanted, cells if cell is None else [cell])


def judge(reading: Reading, conditions: Sequence[Condition], cells: Sequence[str]) -> Gate:
    """Every condition judged on each of the cells, in that order.

    A cell is compared neither with itself nor with a system over other cases; a condition that no cell is left for is
    undecided, and so are all of a run that is not finished. Raises ConfigError for a condition that is none, or one
    that names a system that the run does not have.
    """
    judged = [one for condition in conditions for one in _on_cells(condition, reading, cells)]
    if missing := reading.summary.found.missing:
        judged = [_undecided(one, missing) for one in judged]
    return Gate(reading.name, tuple(judged))


def _conditions(run: Path, plan: Mapping[str, object], conditions: Sequence[Condition] | None) -> list[Condition]:
    wanted = gate_of(plan) if conditions is None else list(conditions)
    if not wanted:
        raise ConfigError(f"there is nothing to judge {run} by: the plan has no gate", f"Give conditions: {EXPLAINED}")
    return wanted


def _on_cells(condition: Condition, reading: Reading, cells: Sequence[str]) -> list[Judgement]:
    """The condition on each cell that it can be judged on; undecided where there is none."""
    found = [one for cell in cells if (one := _judged(condition, reading, cell)) is not None]
    if found:
        return found
    why = f"no cell is judged: {condition.get('versus')} is the cell itself, or was asked other cases"
    return [Judgement(", ".join(cells), told(condition), "too few", why, None, None, None, 0)]


def _undecided(judgement: Judgement, missing: int) -> Judgement:
    why = f"the run is not finished, {count(missing, 'answer')} still to come"
    return replace(judgement, outcome="too few", sentence=f"{why}; so far {judgement.sentence}")


def _judged(condition: Condition, reading: Reading, cell: str) -> Judgement | None:
    words = told(condition)
    if not reading.tallies[cell].n:
        return Judgement(cell, words, "too few", f"{cell} has no answers", None, None, None, 0)
    if "not_worse_than" in condition:
        return _against(words, condition, reading, cell)
    if {"at_least", "at_most"} & condition.keys() and "metric" in condition:
        return _level(words, condition, reading, cell)
    if "rate" in condition:
        return _rate(words, condition, reading, cell)
    return _bounded(words, condition, reading, cell)


def _against(words: str, condition: Condition, reading: Reading, cell: str) -> Judgement | None:
    metric, versus, margin = str(condition["metric"]), str(condition["versus"]), number(condition["not_worse_than"])
    baseline = reading.system(versus, cell)
    if baseline is None:
        _must_be_known(versus, reading)
        return None
    comparison = reading.against([cell], baseline, metric)[0]
    people = reading.n_people(cell, metric)
    found = replace(comparison.metrics[metric], low=floor(comparison, metric))
    sentence = not_worse_sentence(comparison, margin, metric)
    outcome: Outcome = "passed" if found.low is not None and found.low > -margin else "failed"
    why = _too_few(comparison, metric, margin, people) if outcome == "failed" else _half(reading, baseline)
    if few := _few_people(people) or why:
        outcome, sentence = "too few", f"{sentence}, and {few}"
    return Judgement(cell, words, outcome, sentence, found.value, found.low, found.high, found.n)


def _too_few(comparison: Comparison, metric: str, margin: float, people: int) -> str | None:
    """Why so few cases could not have shown a difference within the margin; None where they could."""
    found, others = comparison.metrics[metric], rate(0, people).high or 0.0
    if found.value >= -margin >= found.value - others * (1 + found.value):
        return f"{people:,} people would not show it though they were all alike"
    least = comparison.margin[metric]
    if found.high is None or found.high < -margin or least is None or not least > margin > 0:
        return None
    return f"{count(found.n, 'case')} do not show an equal system to lose less than {least:.3f}"


def _half(reading: Reading, baseline: str) -> str | None:
    """That the baseline scores 0 on cases which it gave nothing for: being no worse than that shows nothing."""
    lacking = reading.unanswered(baseline)
    return f"{baseline} has no order for {count(lacking, 'case')}" if lacking else None


def _few_people(people: int) -> str | None:
    return f"a metric needs {LEAST_PEOPLE} people and has {people}" if people < LEAST_PEOPLE else None


def _level(words: str, condition: Condition, reading: Reading, cell: str) -> Judgement:
    metric, is_least = str(condition["metric"]), "at_least" in condition
    limit = number(condition["at_least" if is_least else "at_most"])
    found = next(r for r in reading.results.results if r.system.name == cell).metrics[metric]
    figures = f"{metric} {found.value:.3f}{interval_text(found)}, n = {found.n}"
    if few := _few_people(reading.n_people(cell, metric)):
        return _judgement(cell, words, "too few", f"{cell}: {few}: {figures}", found)
    sign = 1 if is_least else -1  # from here on the higher, the better
    worst, best = (found.low, found.high) if is_least else (found.high, found.low)
    if worst is not None and sign * worst >= sign * limit:
        return _judgement(cell, words, "passed", f"{cell} {_REACHES[is_least]} {limit:g}: {figures}", found)
    if is_flat(valued(reading.results.per_case[cell][metric]).values()) and sign * found.value >= sign * limit:
        few = f"{cell}: so few who are all alike do not show {limit:g}: {figures}"
        return _judgement(cell, words, "too few", few, found)
    shown = best is not None and sign * best < sign * limit
    return _judgement(cell, words, "failed", f"{cell} {_MISSES[is_least, shown]} {limit:g}: {figures}", found)


_REACHES = {True: "reaches", False: "stays within"}
_MISSES = {
    (True, True): "is below",
    (True, False): "is not shown to reach",
    (False, True): "is above",
    (False, False): "is not shown to stay within",
}


def _rate(words: str, condition: Condition, reading: Reading, cell: str) -> Judgement:
    name, most = str(condition["rate"]), number(condition["at_most"])
    if name not in RATES:
        raise ConfigError(f"there is no rate {name!r}", f"Rates: {', '.join(RATES)}")
    tally = reading.tallies[cell]
    found = tally.rate(name)
    people = tally.n_people()
    figures = f"{name} for {tally.n_people(name):,} of {people:,} people, at most {100 * (found.high or 0):.2g} %"
    if (found.high or 0) <= most:
        return _judgement(cell, words, "passed", f"{cell}: {figures}", found)
    if found.value <= most and (rate(0, people).high or 0) > most:
        few = f"{cell}: {figures}; even none of {people:,} would not show {100 * most:g} %"
        return _judgement(cell, words, "too few", few, found)
    return _judgement(cell, words, "failed", f"{cell}: {figures}, above {100 * most:g} %", found)


def _bounded(words: str, condition: Condition, reading: Reading, cell: str) -> Judgement:
    ((name, value),) = condition.items()
    measured, is_most = _BOUNDED[name]
    found, figures = measured(reading, cell)
    limit, few = number(value), None if name == "latency_p95_s" else _few_people(reading.n_people(cell))
    if found is None or few:
        return Judgement(cell, words, "too few", f"{cell}: {few or figures}", None, None, None, 0)
    bound, other = (found.high, found.low) if is_most else (found.low, found.high)
    if bound is not None:
        outcome: Outcome = "passed" if (bound <= limit if is_most else bound >= limit) else "failed"
    else:
        outcome = "failed" if other is not None and other > limit else "too few"
    if outcome == "failed" and not is_most and found.high is not None and found.value == found.high >= limit:
        outcome, figures = "too few", f"{figures}; so few who are all alike do not show {limit:g}"
    return _judgement(cell, words, outcome, f"{cell}: {figures}", found)


_BOUNDED: Mapping[str, tuple[Callable[[Reading, str], Measured], bool]] = {  # whether the limit is the most
    "latency_p95_s": (seconds_of, True),
    "cost_per_1000": (cost_of, True),
    "order_stability": (stability_of, False),
}


def _judgement(cell: str, words: str, outcome: Outcome, sentence: str, found: Estimate) -> Judgement:
    return Judgement(cell, words, outcome, sentence, found.value, found.low, found.high, found.n)


def _must_be_known(name: str, reading: Reading) -> None:
    cells = [cell.name for cell in reading.folder.cells()]
    if name not in cells and all(reading.system(name, cell) is None for cell in cells):
        known = ", ".join(dict.fromkeys([*reading.results.per_case, *cells]))
        raise ConfigError(f"the run has no system {name!r}", f"It has {known}")
