"""What a gate bounds of a cell besides its metrics and rates: time, cost and stability, each with its words. Pure."""

from __future__ import annotations

from agent.commands.render import count
from eval.reporting.reading import Reading
from eval.results import interval_text
from eval.running.tally import latency
from eval.statistics import Estimate

Measured = tuple[Estimate | None, str]
"""A figure with its interval, and what is told of it; None, and why, where it is not known."""


def seconds_of(reading: Reading, cell: str) -> Measured:
    """The 95th percentile of the time an answer takes, in seconds."""
    found = latency(reading.tallies[cell].times_ms)
    if found is None:
        return None, "no answer was timed, all were kept"
    low, high = (None if bound is None else bound / 1e3 for bound in (found.low, found.high))
    seconds = Estimate(found.value / 1e3, low, high, found.n)
    return seconds, f"p95 {seconds.value:.2f} s{interval_text(seconds, 2)}, {count(seconds.n, 'answer')} timed"


def cost_of(reading: Reading, cell: str) -> Measured:
    """The cost of 1,000 answers, in the currency of the plan."""
    cost = reading.summary.costs.get(cell)
    if cost is None:
        return None, "its model has no price, or does not tell its tokens"
    figures = cost.each(reading.summary.plan.currency)
    return cost.per_1000, f"{figures}, of {count(cost.per_1000.n, 'answer')}"


def stability_of(reading: Reading, cell: str) -> Measured:
    """The mean of Kendall's tau between the orders in which cases were asked."""
    found = reading.summary.stable.get(cell)
    if found is None:
        return None, "its cases were asked in one order only"
    return found.tau, f"tau {found.tau.value:.3f}{interval_text(found.tau)} between {found.orders} orders"
