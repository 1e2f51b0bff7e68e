"""How a run goes, while it goes: a live table on a terminal, one line a cell elsewhere. Both on stderr.

Intervals and p are the normal approximation here, quick enough to follow every answer; what a run says in the end is
bootstrapped.
"""

from __future__ import annotations

import math
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from scipy import stats

from agent.commands import render
from eval.metrics import per_case
from eval.plan.cells import Cell
from eval.results import interval_text
from eval.running.answers import Answer, Key
from eval.statistics import Difference, Estimate, Z, mean, percentile
from eval.systems import MODEL

REFRESH_S = 0.5
BATCH = 500  # answers that are scored at once
Against = Callable[[Cell], Mapping[str, float]]
"""The values of what the cells are compared with, by case, as far as they are known before the cell is asked."""


@dataclass
class Sofar:
    """What is known of one cell so far: its values by answer, what they are compared with, troubles, times."""

    cell: Cell
    n: int
    values: array[float] = field(default_factory=lambda: array("d"))
    deltas: array[float] = field(default_factory=lambda: array("d"))
    times_ms: array[float] = field(default_factory=lambda: array("d"))
    failed: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def estimate(self) -> Estimate | None:
        """The mean of the headline metric with its interval; None before the first answer."""
        if not self.values:
            return None
        value, reach = _mean_and_reach(self.values)
        low, high = (None, None) if reach is None else (value - reach, value + reach)
        return Estimate(value, low, high, len(self.values))

    @property
    def difference(self) -> Difference | None:
        """The mean difference to what the cell is compared with; None where nothing is."""
        if len(self.deltas) < 2:
            return None
        value, reach = _mean_and_reach(self.deltas)
        width = reach or 0.0
        p = float(2 * stats.norm.sf(abs(value) / (width / Z))) if width else float(not value)
        wins, losses = sum(d > 0 for d in self.deltas), sum(d < 0 for d in self.deltas)
        return Difference(value, value - width, value + width, len(self.deltas), p, wins, losses)

    def line(self, metric: str | None, versus: str) -> list[str]:
        """The cell in words: how far, metric, difference, failures, 95th percentile, tokens, calls."""
        found, off = (self.estimate, self.difference) if metric else (None, None)
        return [
            f"{len(self.values):,}/{self.n:,}",
            f"{metric} {found.value:.3f}{interval_text(found)}" if found else "",
            f"{off.value:+.3f}{interval_text(off)} to {versus}, p = {off.p:.2g}" if off else "",
            f"{self.failed:,} failed",
            f"p95 {render.duration(percentile(self.times_ms, 0.95))}" if self.times_ms else "all kept",
            f"{self.counts['in'] + self.counts['out']:,} tokens" if self.counts["in"] else "",
            f"{self.counts['asked']:,} asked, {self.counts['kept']:,} kept",
        ]


class Progress:
    """Follows a run: `metric` is shown for every cell, with its difference to `versus` as `against` knows it.

    Other values of `versus` are read off the answer (a part of the cell, such as recall alone), or are an earlier
    cell's. `live`: whether to draw a table, on the console; by default on a terminal. `cells` are those that were
    begun. Use it as a context.
    """

    def __init__(
        self,
        metric: str | None,
        versus: str,
        against: Against = lambda _: {},
        *,
        live: bool | None = None,
        console: Console | None = None,
    ) -> None:
        self._metric, self._versus, self._against = metric, versus, against
        self._live = sys.stderr.isatty() if live is None else live
        self.cells: list[Sofar] = []
        self._console = console
        self._waiting: list[Answer] = []
        self._own: dict[str, float] = {}
        self._known: Mapping[str, float] = {}
        self._drawn: Live | None = None
        self._meter = render.Meter("")
        self._last_s = 0.0

    def begin(self, cell: Cell, n: int) -> None:
        """See `Watching.begin`."""
        self.cells.append(Sofar(cell, n))
        self._wipe()  # opening a cell draws on the same terminal
        self._known = self._against(cell)
        self._meter = render.Meter(cell.name)

    def take(self, answer: Answer, *, fresh: bool) -> None:
        """See `Watching.take`."""
        cell = self.cells[-1]
        cell.failed += answer.failed is not None
        cell.counts.update({**answer.tokens, **(answer.calls if fresh else {})})
        if answer.ms > 0:
            cell.times_ms.append(answer.ms)
        self._waiting.append(answer)
        if len(self._waiting) >= BATCH:
            self._score()
        self._show(cell)

    def end(self) -> None:
        """See `Watching.end`."""
        self._meter.close()
        self._score()
        cell = self.cells[-1]
        if self._live:
            self._draw()
        else:
            words = [word for word in cell.line(self._metric, self._versus) if word]
            render.told(f"{cell.cell.name}  {'  '.join(words)}")

    def close(self) -> None:
        """Stop drawing, and wipe what was drawn."""
        self._meter.close()
        self._wipe()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _score(self) -> None:
        """Score the answers that wait, all at once."""
        cell, answers = self.cells[-1], list(self._waiting)
        self._waiting.clear()
        values = self._values(answers, MODEL)
        beside = self._versus != MODEL
        parts = self._values([one for one in answers if beside and self._versus in one.orders], self._versus)
        for answer in answers:
            value = values[answer.key]
            cell.values.append(value)
            base = parts.get(answer.key, self._known.get(answer.case_id, self._own.get(answer.case_id)))
            if base is not None and cell.cell.name != self._versus:
                cell.deltas.append(value - base)
            if cell.cell.name == self._versus:
                self._own[answer.case_id] = value

    def _values(self, answers: Sequence[Answer], system: str) -> dict[Key, float]:
        """The metric of what each answer holds of the system; 0 where it holds nothing, or nothing is measured."""
        if self._metric is None:
            return {answer.key: 0.0 for answer in answers}
        orders = {str(n): answer.orders.get(system, ()) for n, answer in enumerate(answers)}
        relevant = {str(n): answer.relevant for n, answer in enumerate(answers)}
        found = per_case(orders, relevant, [self._metric])[self._metric]
        return {answer.key: found[str(n)] for n, answer in enumerate(answers)}

    def _show(self, cell: Sofar) -> None:
        if not self._live:
            self._meter(len(cell.values) + len(self._waiting), cell.n)
        elif time.monotonic() - self._last_s > REFRESH_S:
            self._draw()

    def _draw(self) -> None:
        self._score()
        self._last_s = time.monotonic()
        if self._drawn is None:
            self._drawn = Live(console=self._console or render.err(), auto_refresh=False, transient=True)
            self._drawn.start()
        self._drawn.update(self._table(), refresh=True)

    def _wipe(self) -> None:
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None

    def _table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
        for sofar in self.cells:
            table.add_row(render.plain(sofar.cell.name), *sofar.line(self._metric, self._versus))
        return table


def _mean_and_reach(values: array[float]) -> tuple[float, float | None]:
    """The mean, and how far its 95 % interval reaches to each side; None for one value."""
    n, middle = len(values), mean(values) or 0.0
    if n < 2:
        return middle, None
    spread = math.fsum((value - middle) ** 2 for value in values) / (n - 1)
    return middle, Z * math.sqrt(spread / n)
