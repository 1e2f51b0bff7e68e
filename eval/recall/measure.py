"""Recall at several depths, with intervals by person: each source alone, all of them, and all without one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from agent.errors import ConfigError
from agent.parts.parts import Parts
from eval.cases import DataSet
from eval.comparisons import Comparison, compare
from eval.learning import Taught
from eval.metrics import PerCase, per_case
from eval.recall.asking import ALL, Answered, answered, orders_of, without
from eval.statistics import UNIT, Estimate, estimate, percentile

CUTS = (20, 50, 100)
METRICS = tuple(f"recall@{k}" for k in CUTS)
HEADLINE = "recall@50"
ENRICHED = "all, enriched"
GENERATED = "generated"

Show = Callable[[int, int], None]


@dataclass
class Gathered:
    """What was found, case by case, by system; `times_ms` of each source, writing its queries included."""

    orders: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    relevant: dict[str, tuple[str, ...]] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    missing: int = 0

    def take(self, one: Answered, families: Sequence[str]) -> None:
        """Add a case."""
        case_id = one.case.case_id
        self.relevant[case_id], self.people[case_id] = one.case.relevant, one.case.user_id
        self.missing += bool(one.degraded)
        for name, order in orders_of(one, families).items():
            self.orders.setdefault(name, {})[case_id] = order
        spent = {name: sum(source.ms for source in found) for name, found in one.families.items() if name in families}
        if GENERATED in spent:
            spent[GENERATED] += one.written_ms
        for name, ms in {**spent, ALL: sum(spent.values())}.items():
            self.times_ms.setdefault(name, []).append(ms)


@dataclass(frozen=True)
class Row:
    """One system: its recall by metric, and how long it took a case (None where nothing of its own was timed)."""

    name: str
    metrics: Mapping[str, Estimate]
    p50_ms: float | None
    p95_ms: float | None

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of a row."""
        metrics = {name: asdict(value) for name, value in self.metrics.items()}
        return {"source": self.name, "metrics": metrics, "p50_ms": self.p50_ms, "p95_ms": self.p95_ms}


@dataclass(frozen=True)
class Measured:
    """Everything that was measured: a row for each system, and what each source adds to the sum of the others.

    `adds` compares `all` with `all without the source`, paired by case; `missing` counts cases of which a source
    told that it did less than asked.
    """

    sources: tuple[str, ...]
    rows: tuple[Row, ...]
    adds: tuple[Comparison, ...]
    n: int
    people: int
    missing: int


def gathered(
    dataset: DataSet,
    parts: Parts,
    task: str,
    *,
    sources: Sequence[str] = (),
    limit: int | None = None,
    least_liked: int = 0,
    taught: Taught | None = None,
    show: Show = lambda _done, _of: None,
) -> tuple[Gathered, tuple[str, ...]]:
    """What the sources find for the cases, and the families that were there (or those of `sources`).

    Raises ConfigError where a source named is not there, or no case is left.
    """
    cases: list[Answered] = []
    for one in answered(dataset, parts, task, limit, least_liked, taught):
        cases.append(one)
        show(len(cases), limit or dataset.n_cases)
    there = list(dict.fromkeys(name for one in cases for name in one.families))
    unknown = [name for name in sources if name not in there]
    if not cases:
        raise ConfigError("no case is left to measure recall on", "Ask for fewer liked items, or give other cases")
    if unknown:
        raise ConfigError(f"no case has the source {unknown[0]!r}", f"Sources here: {', '.join(there)}")
    families, found = tuple(sources or there), Gathered()
    for one in cases:
        found.take(one, families)
    return found, families


def measured(found: Gathered, families: tuple[str, ...], extra: Mapping[str, Gathered] | None = None) -> Measured:
    """The figures. `extra` holds the same cases asked in another way, by name, each compared with `all`."""
    orders = {**found.orders, **{name: other.orders[ALL] for name, other in (extra or {}).items()}}
    values: dict[str, PerCase] = {name: per_case(given, found.relevant, METRICS) for name, given in orders.items()}
    people = list(found.people.values())
    pairs = [(ALL, without(name)) for name in families] if len(families) > 1 else []
    pairs += [(name, ALL) for name in extra or ()]
    rows = tuple(row_of(name, values[name], people, found.times_ms.get(name)) for name in orders)
    comparisons = compare(pairs, values, people)
    return Measured(families, rows, comparisons, len(people), len(set(people)), found.missing)


def row_of(name: str, values: PerCase, people: Sequence[str], times_ms: Sequence[float] | None) -> Row:
    """A system's figures over cases; `people` says whose each case is."""
    metrics = {metric: estimate(list(values[metric].values()), within=UNIT, clusters=people) for metric in METRICS}
    p50, p95 = (percentile(times_ms, share) for share in (0.5, 0.95)) if times_ms else (None, None)
    return Row(name, metrics, p50, p95)
