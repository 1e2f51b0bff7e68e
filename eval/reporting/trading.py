"""What quality takes: time and cost a cell, and the cells that no other one beats in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from agent.commands.render import duration
from eval.metrics import lower_is_better
from eval.plan.prices import money
from eval.reporting.charts import Point, scatter
from eval.reporting.fronts import front
from eval.reporting.markup import Markup, element, joined
from eval.reporting.parts import ABSENT, soft, table
from eval.reporting.reading import Reading
from eval.reporting.report import Report
from eval.running.drawing import cost_text
from eval.running.spending import PER
from eval.statistics import percentile

TIME, COST = "p95", "cost"  # what the fronts are about, beside the headline metric


def latency_section(report: Report) -> Markup:
    """Quality over the time that an answer takes each cell; nothing where no answer was timed."""
    reading, points = report.reading, timed(report.reading)
    if not points:
        return Markup()
    rows = [
        (
            f"{n}. {p.label}",
            f"{p.value:.3f}",
            f"{p.start / 1e3:.2f} s",
            f"{p.at / 1e3:.2f} s",
            *_spent(reading, p.label),
        )
        for n, p in enumerate(points, start=1)
    ]
    return joined(
        [
            element("h3", "Quality against time"),
            _chart(reading, points, duration, "quality over the 95th percentile of the time of an answer"),
            _sentences(reading, points, TIME),
            table(["cell", reading.headline, "median", TIME, "answers timed", "tokens in", "tokens out"], rows),
            soft("A point stands at the 95th percentile of the time of an answer; its line runs from the median."),
        ]
    )


def cost_section(report: Report) -> Markup:
    """Quality over what 1,000 answers cost each cell; nothing where the plan names no price."""
    reading = report.reading
    plan, points = reading.summary.plan, priced(reading)
    if not plan.prices:
        return Markup()
    rows = [(name, cost_text(cost, plan.currency)) for name, cost in reading.summary.costs.items()]
    told = partial(money, currency=plan.currency)
    chart = _chart(reading, points, told, "quality over the cost of 1,000 answers") if len(points) > 1 else None
    return joined(
        [
            element("h3", "Quality against cost"),
            chart,
            _sentences(reading, points, COST),
            table(["cell", "cost"], rows, kind="words"),
            soft("The prices are those of the plan, by tokens; kept answers count as if they were asked."),
        ]
    )


def timed(reading: Reading) -> list[Point]:
    """A point for each cell with timed answers, over the 95th percentile of their time in milliseconds."""
    times = {cell.name: reading.tallies[cell.name].times_ms for cell in reading.cells}
    spans = {name: (percentile(ms, 0.5), percentile(ms, 0.95)) for name, ms in times.items() if len(ms)}
    return _points(reading, spans)


def priced(reading: Reading) -> list[Point]:
    """A point for each cell whose cost is known, over that of 1,000 answers."""
    costs = {name: PER * cost.per_case for name, cost in reading.summary.costs.items() if cost is not None}
    return _points(reading, {name: (cost, cost) for name, cost in costs.items()})


def fronts(reading: Reading, points: Sequence[Point]) -> list[list[int]]:
    """The places of the points on the front of each data set, the cheapest first; cells of two are not compared."""
    data = {cell.name: cell.data for cell in reading.cells}
    sign = -1 if lower_is_better(reading.headline) else 1
    found = []
    for folder in dict.fromkeys(data[point.label] for point in points):
        places = [n for n, point in enumerate(points) if data[point.label] == folder]
        kept = front([(sign * points[n].value, points[n].at) for n in places])
        found.append([places[n] for n in kept])
    return found


def front_sentences(reading: Reading, points: Sequence[Point], price: str) -> Iterator[str]:
    """Which of several cells are on the front, in a sentence for each data set that has several."""
    data = {cell.name: cell.data for cell in reading.cells}
    for places in fronts(reading, points):
        folder = data[points[places[0]].label]
        others = [p.label for n, p in enumerate(points) if data[p.label] == folder and n not in places]
        if len(places) + len(others) > 1:
            on = ", ".join(points[n].label for n in places)
            beaten = f"; beaten in both: {', '.join(others)}" if others else ""
            yield f"Pareto front of {reading.headline} and {price}, by the figures as they stand: {on}{beaten}"


def _points(reading: Reading, spans: Mapping[str, tuple[float, float]]) -> list[Point]:
    known = {result.system.name: result.metrics[reading.headline] for result in reading.results.results}
    return [
        Point(name, (found := known[name]).value, found.low, found.high, at, start)
        for name, (start, at) in spans.items()
        if name in known
    ]


def _chart(reading: Reading, points: Sequence[Point], told: Callable[[float], str], about: str) -> Markup:
    by_name = {result.system.name: result for result in reading.results.results}
    base = reading.baseline(points[0].label)
    level = (base, by_name[base].metrics[reading.headline].value) if base else None
    return scatter(points, told, about, level, fronts(reading, points))


def _sentences(reading: Reading, points: Sequence[Point], price: str) -> Markup:
    return joined(element("p", f"{sentence}.") for sentence in front_sentences(reading, points, price))


def _spent(reading: Reading, cell: str) -> list[str]:
    tally = reading.tallies[cell]
    tokens = (f"{tally.tokens[kind]:,}" if tally.tokens[kind] else ABSENT for kind in ("in", "out"))
    return [f"{len(tally.times_ms):,}", *tokens]
