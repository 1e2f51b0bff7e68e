"""Stored runs in Python: figures as objects and as tables, the verdict of the gate, and what a notebook shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from eval.frames import frame
from eval.reporting.diffing import Diff
from eval.reporting.gating import Gate, gate_of_reading
from eval.reporting.markup import Markup, element, joined
from eval.reporting.reading import Reading
from eval.results import Results, interval_text, verdict

if TYPE_CHECKING:
    from eval.frames import DataFrame

SYSTEM_COLUMNS = ("system", "kind", "metric", "value", "low", "high", "n", "answered")
PAIR_COLUMNS = (
    "system",
    "against",
    "metric",
    "value",
    "low",
    "high",
    "p",
    "p_holm",
    "n",
    "wins",
    "losses",
    "detectable",
)
DIFF_COLUMNS = ("base", "new", "metric", "value", "low", "high", "p", "p_holm", "n", "wins", "losses", "detectable")
CHANGE_COLUMNS = ("base_cell", "new_cell", "case_id", "base", "new", "by")


@dataclass(frozen=True)
class Finished:
    """A stored run. Its figures are computed from its answers; no model is asked.

    `results` are the figures with intervals and paired comparisons, `gate()` judges the conditions of its plan.
    """

    reading: Reading

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.reading.summary.folder.path

    @property
    def cells(self) -> tuple[str, ...]:
        """The names of what was compared, in the order of the plan."""
        return tuple(cell.name for cell in self.reading.cells)

    @property
    def results(self) -> Results:
        """Every system with its metrics, and the comparisons."""
        return self.reading.results

    @cached_property
    def verdicts(self) -> tuple[str, ...]:
        """One plain sentence a comparison, on the headline metric."""
        return tuple(verdict(pair, self.results.headline) for pair in self.results.comparisons)

    def gate(self, conditions: Sequence[Mapping[str, object]] | None = None, cell: str | None = None) -> Gate:
        """The run judged by these conditions, or by those of its plan, on all cells or on one.

        Raises ConfigError for a condition that is none, a cell that is not there, and where there is no condition.
        """
        return gate_of_reading(self.reading, conditions, cell)

    def to_pandas(self) -> DataFrame:
        """A row for each system and metric: value, the bounds of its interval, and n. Raises ConfigError."""
        rows = [
            {
                "system": result.system.name,
                "kind": result.system.kind,
                "metric": name,
                **asdict(found),
                "answered": result.answered,
            }
            for result in self.results.results
            for name, found in result.metrics.items()
        ]
        return frame(rows, SYSTEM_COLUMNS)

    def comparisons_to_pandas(self) -> DataFrame:
        """A row for each comparison and metric: the paired difference, its interval and p. Raises ConfigError."""
        rows = [
            {
                "system": pair.system,
                "against": pair.against,
                "metric": name,
                **asdict(found),
                "p_holm": pair.p_holm[name],
                "detectable": pair.detectable[name],
            }
            for pair in self.results.comparisons
            for name, found in pair.metrics.items()
        ]
        return frame(rows, PAIR_COLUMNS)

    def cases_to_pandas(self) -> DataFrame:
        """A row for each case and system, with a column for each metric. Raises ConfigError."""
        names, users = self.results.metrics, self.reading.run.users
        rows = [
            {
                "case_id": case_id,
                "user_id": users.get(case_id),
                "system": system,
                **{name: by_metric[name][case_id] for name in names},
            }
            for system, by_metric in self.results.per_case.items()
            for case_id in by_metric[self.results.headline]
        ]
        return frame(rows, ("case_id", "user_id", "system", *names))

    def __repr__(self) -> str:
        return f"Finished({str(self.path)!r}, cells={list(self.cells)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the figures of every system, then the verdicts."""
        names = self.results.metrics
        rows = [
            (
                result.system.name,
                *(f"{result.metrics[name].value:.3f}{interval_text(result.metrics[name])}" for name in names),
            )
            for result in self.results.results
        ]
        return _shown(("system", *names), rows, self.verdicts)


@dataclass(frozen=True)
class Compared:
    """Two runs compared on the cases that they share, or the cells of one."""

    diff: Diff

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict on each pair of cells in plain words."""
        return tuple(self.diff.sentence(cell) for cell in self.diff.cells)

    @property
    def worse(self) -> bool:
        """Whether any cell is shown to be worse on the headline metric."""
        return self.diff.worse

    def to_pandas(self) -> DataFrame:
        """A row for each pair of cells and metric: the paired difference, its interval and p. Raises ConfigError."""
        rows = [
            {
                "base": cell.base,
                "new": cell.new,
                "metric": name,
                **asdict(found),
                "p_holm": cell.p_holm[name],
                "detectable": cell.detectable[name],
            }
            for cell in self.diff.cells
            for name, found in cell.metrics.items()
        ]
        return frame(rows, DIFF_COLUMNS)

    def cases_to_pandas(self) -> DataFrame:
        """A row for each case that was won or lost on the headline metric. Raises ConfigError."""
        rows = [
            {
                "base_cell": cell.base,
                "new_cell": cell.new,
                "case_id": change.case_id,
                "base": change.base,
                "new": change.new,
                "by": change.by,
            }
            for cell in self.diff.cells
            for change in (*cell.wins, *cell.losses)
        ]
        return frame(rows, CHANGE_COLUMNS)

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        """What a notebook shows: the differences of every pair of cells, then the verdicts."""
        names = list(self.diff.cells[0].metrics) if self.diff.cells else []
        rows = [
            (
                f"{cell.new} against {cell.base}",
                *(f"{cell.metrics[name].value:+.3f}{interval_text(cell.metrics[name])}" for name in names),
            )
            for cell in self.diff.cells
        ]
        return _shown(("cells", *names), rows, (*self.sentences, *self.diff.notes))


def _shown(heads: Sequence[str], rows: Sequence[Sequence[str]], sentences: Sequence[str]) -> Markup:
    """A table and sentences below it, as HTML."""
    head = element("tr", [element("th", name) for name in heads])
    body = [element("tr", [element("td", text) for text in row]) for row in rows]
    table = element("table", element("thead", head), element("tbody", body))
    return joined([table, [element("p", sentence) for sentence in sentences]])
