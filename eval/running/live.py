"""How a run goes, while it goes: a live table on a terminal, one line a cell elsewhere. Both on stderr.

Figures are called live here: their intervals and p are the normal approximation of those that a run gives in the end
(`eval.intervals`, with no resamples), quick enough to follow every answer and never without width, and p is that of one
comparison; what a run says in the end is bootstrapped, and corrected for all comparisons of the run.
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

from agent.commands import render
from eval.metrics import gained, lower_is_better, per_case
from eval.plan.cells import Cell
from eval.results import interval_text
from eval.running.answers import Answer, Key
from eval.statistics import UNIT, Difference, Estimate, difference, estimate, percentile
from eval.systems import MODEL

REFRESH_S = 0.5
BATCH = 500  # answers that are scored at once
Against = Callable[[Cell], Mapping[str, float]]
"""The values of what the cells are compared with, by case, as far as they are known before the cell is asked."""


@dataclass
class Sofar:
    """What is known of one cell so far: its values by answer, what they are compared with, troubles, times.

    `n_taken` answers of `n` were scored, some of which may have no value; `people` and `paired` say whose values and
    gains are.
    """

    cell: Cell
    n: int
    n_taken: int = 0
    values: array[float] = field(default_factory=lambda: array("d"))
    people: list[str] = field(default_factory=list)
    gains: array[float] = field(default_factory=lambda: array("d"))
    paired: list[str] = field(default_factory=list)
    times_ms: array[float] = field(default_factory=lambda: array("d"))
    failed: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, person: str, value: float, base: float | None, metric: str | None) -> None:
        """Count one more value, and its gain over that of the baseline where there is one."""
        self.values.append(value)
        self.people.append(person)
        if base is not None:
            better, worse = gained(metric or "", value, base)
            self.gains.append(better - worse)
            self.paired.append(person)

    @property
    def estimate(self) -> Estimate | None:
        """The mean of the headline metric with its interval; None before the first answer."""
        return estimate(self.values, within=UNIT, clusters=self.people, resamples=0) if self.values else None

    @property
    def difference(self) -> Difference | None:
        """The mean gain over what the cell is compared with; None where nothing is."""
        if len(self.gains) < 2:
            return None
        return difference(self.gains, array("d", bytes(8 * len(self.gains))), clusters=self.paired, resamples=0)

    def line(self, metric: str | None, versus: str) -> list[str]:
        """The cell in words: how far, metric, difference, failures, 95th percentile, tokens, calls."""
        found, off = (self.estimate, self.difference) if metric else (None, None)
        gain = "gain " if metric and lower_is_better(metric) else ""
        return [
            f"{self.n_taken:,}/{self.n:,}",
            f"live {metric} {found.value:.3f}{interval_text(found)}" if found else "",
            f"{gain}{off.value:+.3f}{interval_text(off)} to {versus}, p = {off.p:.2g} uncorrected" if off else "",
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
            cell.n_taken += 1
            value = values[answer.key]
            if math.isnan(value):
                continue
            base = parts.get(answer.key, self._known.get(answer.case_id, self._own.get(answer.case_id)))
            cell.take(answer.user_id, value, None if cell.cell.name == self._versus else base, self._metric)
            if cell.cell.name == self._versus:
                self._own[answer.case_id] = value

    def _values(self, answers: Sequence[Answer], system: str) -> dict[Key, float]:
        """The metric of what each answer holds of the system; 0 where it holds nothing, or nothing is measured."""
        if self._metric is None:
            return {answer.key: 0.0 for answer in answers}
        orders = {str(n): answer.orders.get(system, ()) for n, answer in enumerate(answers)}
        relevant = {str(n): answer.relevant for n, answer in enumerate(answers)}
        disliked = {str(n): answer.disliked for n, answer in enumerate(answers)}
        found = per_case(orders, relevant, [self._metric], disliked)[self._metric]
        return {answer.key: found[str(n)] for n, answer in enumerate(answers)}

    def _show(self, cell: Sofar) -> None:
        if not self._live:
            self._meter(cell.n_taken + len(self._waiting), cell.n)
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
