"""A scored run drawn in a terminal: what `palate eval run` and `score` show on stdout."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.table import Table

from agent.commands.render import count, duration, facts, out, plain
from eval.drawing import USUAL, draw_results, rate_text
from eval.plan.cells import data_names
from eval.plan.prices import money
from eval.results import interval_text
from eval.running.spending import Cost
from eval.running.stability import Stable
from eval.running.summary import Summary
from eval.running.tally import RATES, Tally
from eval.statistics import percentile

ALWAYS = ("failed", "degraded")


def draw_summary(summary: Summary, *, margin: float | None = None) -> None:
    """Draw the systems, the verdicts, and what they hold for; with several cells, a line for each of these too."""
    if len(summary.cells) > 1:
        out().print(_cells_table(summary))
    results = summary.found.results
    shown = [name for name in USUAL if name in results.metrics] if summary.unnamed else results.metrics
    same = summary.same_items
    about = [*([("not shown", same)] if same else []), *_rates(summary), *_about(summary)]
    draw_results(results, about, shown=shown, margin=margin, beyond=not same)
    for name, told in summary.rationales.items():
        rows = [(key, one) for key, one in told.items() if key not in shown]
        out().print(facts([(f"{name}: {key}", f"{one.value:.3f}{interval_text(one)}") for key, one in rows]))


def calls_text(asked: int, kept: int) -> str:
    """`190 model calls, 0 asked, 190 kept`."""
    return f"{count(asked + kept, 'model call')}, {asked:,} asked, {kept:,} kept"


def _cells_table(summary: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("cell", overflow="fold", min_width=12)
    for heading in ("n", "failed", "degraded", "p50", "p95", "tokens", "asked", "kept"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in summary.cells:
        tally = summary.tallies[cell.name]
        times = [duration(percentile(tally.times_ms, share)) if tally.times_ms else "–" for share in (0.5, 0.95)]
        flaws = [f"{tally.flawed[name]:,}" for name in ALWAYS]
        calls = [f"{tally.calls[what]:,}" for what in ("asked", "kept")]
        table.add_row(plain(cell.name), f"{tally.n:,}", *flaws, *times, tokens_text(tally), *calls)
    return table


def tokens_text(tally: Tally) -> str:
    """`1,200 + 90`: tokens read and written, where they are known."""
    return f"{tally.tokens['in']:,} + {tally.tokens['out']:,}" if tally.tokens else "–"


def _rates(summary: Summary) -> Iterator[tuple[str, object]]:
    for name in RATES:
        found = summary.flawed(name)
        if found or name in ALWAYS:
            yield name, rate_text(found, summary.n)


def _about(summary: Summary) -> Iterator[tuple[str, object]]:
    tallies = list(summary.tallies.values())
    times = [ms for tally in tallies for ms in tally.times_ms]
    if times and len(tallies) == 1:
        yield "time a case", f"p50 {duration(percentile(times, 0.5))}, p95 {duration(percentile(times, 0.95))}"
    yield from _costs(summary)
    yield from _stable(summary)
    yield "calls", calls_text(*(sum(tally.calls[what] for tally in tallies) for what in ("asked", "kept")))
    yield from _models(summary)
    marks = ", ".join(f"{name} {mark[:12]}" for name, mark in summary.found.run.prompts.items())
    yield "prompts", marks or "none"
    for name in dict.fromkeys(data_names(summary.folder.cells()).values()):
        row = summary.dataset(name)
        cases = f"{row.get('n_run')} of {count(int(str(row.get('n_cases') or 0)), 'case')}"
        yield "data set", f"{name} {str(row.get('sha256'))[:12]}, {cases}"


def _costs(summary: Summary) -> Iterator[tuple[str, object]]:
    """What each cell's answers cost, where the plan names a price."""
    currency, alone = summary.plan.currency, len(summary.cells) == 1
    for name, cost in summary.costs.items() if summary.plan.prices else ():
        yield "cost" if alone else f"cost {name}", cost_text(cost, currency)


def cost_text(cost: Cost | None, currency: str) -> str:
    """All, a case and 1,000 answers with the interval, and what other orders cost; or why it is not known."""
    if cost is None:
        return "not known: the model has no price, or does not tell its tokens"
    others = f"; other orders {money(cost.orders, currency)}" if cost.orders else ""
    return f"{money(cost.total, currency)}: {money(cost.per_case, currency)} a case, {cost.each(currency)}{others}"


def _stable(summary: Summary) -> Iterator[tuple[str, object]]:
    """How stable each cell is that was asked in several orders."""
    for name, found in summary.stable.items():
        yield "orders" if len(summary.cells) == 1 else f"orders {name}", stable_text(found)


def stable_text(found: Stable) -> str:
    """`3 orders: tau 0.931 [0.902, 0.954], same item first 81 % [72 %, 88 %]; model alone tau ..., slot bias ...`."""
    low, high = found.same_top.low, found.same_top.high
    bounds = "" if low is None or high is None else f" [{100 * low:.0f} %, {100 * high:.0f} %]"
    same = f"same item first {100 * found.same_top.value:.0f} %{bounds}"
    text = f"{found.orders} orders: tau {found.tau.value:.3f}{interval_text(found.tau)}, {same}"
    if found.alone_tau is not None:
        text += f"; model alone tau {found.alone_tau.value:.3f}{interval_text(found.alone_tau)}"
    if found.bias is not None:
        text += f", slot bias {found.bias.value:+.3f}{interval_text(found.bias)}"
    return text


def _models(summary: Summary) -> Iterator[tuple[str, object]]:
    """Each model once, however many cells it serves."""
    told = summary.folder.about.get("models")
    rows = list(told.values()) if isinstance(told, dict) else []
    for row in {str(row.get("fingerprint")): row for row in rows}.values():
        yield "model", f"{row.get('reference')} {str(row.get('fingerprint') or '')[:12]}".strip()
