"""What is measured for a table of the field: a run of every model and strategy over one data set, scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agent.commands.options import Options
from agent.cores import available_cores
from eval.cases import DataSet
from eval.comparisons import Comparison, compare
from eval.running.asked import Asked
from eval.running.doing import carry_out, folder_for
from eval.running.opening import Opens
from eval.running.summary import Summary
from eval.speed.machine import processor
from eval.systems import RECALL_ONLY
from eval.tables.published import Published, table_named


@dataclass(frozen=True)
class Wanted:
    """What a table is asked to measure. `models` and `strategies` may be empty: then those of the settings.

    `learn` is None, `none` or `events`, as in a plan. `output` keeps the run, so that it can be gone on with and shown;
    without it the run vanishes.
    """

    table: str
    data: Path
    models: Sequence[str] = ()
    strategies: Sequence[str] = ()
    limit: int | None = None
    seed: int | None = None
    output: Path | None = None
    learn: str | None = None


@dataclass(frozen=True)
class Measured:
    """A table: what was `published`, and the `summary` of what was measured on the data set now."""

    name: str
    published: Published
    dataset: DataSet
    summary: Summary

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every whole cell against recall alone, each baseline that learned something, and each reference, in pairs."""
        results = self.summary.found.results
        cells = [r.system.name for r in results.results if r.system.kind == "whole"]
        rivals = [r.system.name for r in results.results if r.system.kind in ("baseline", "reference")]
        pairs = [(cell, rival) for cell in cells for rival in (RECALL_ONLY, *rivals) if rival in results.per_case]
        return compare(pairs, results.per_case, self.summary.found.run.clusters)

    @property
    def at(self) -> str:
        """When the run began, in ISO 8601 (UTC)."""
        return str(self.summary.folder.about["at"])

    @property
    def machine(self) -> dict[str, object]:
        """The processor and the cores that this process may use."""
        return {"processor": processor(), "cores": available_cores()}

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of `palate eval table --json`."""
        return {
            "table": self.name,
            "title": self.published.title,
            "source": self.published.source,
            "published": [
                {"data": section.name, **row.model_dump(mode="json")}
                for section in self.published.sections_for(self.dataset.name)
                for row in section.rows
            ],
            "notes": list(self.published.notes),
            "at": self.at,
            "machine": self.machine,
            "comparisons": [pair.as_row(self.published.headline, None) for pair in self.comparisons],
            "run": self.summary.as_json(),
        }


@contextmanager
def measured(wanted: Wanted, options: Options, opens: Opens) -> Iterator[Measured]:
    """The table with its run, made or gone on with; a run that is not kept vanishes with the context.

    Raises ConfigError and CatalogueError for what cannot be measured, as `palate eval run` does.
    """
    table = table_named(wanted.table)
    flags = {
        "task": table.task,
        "data": [str(wanted.data)],
        "limit": wanted.limit,
        "models": list(wanted.models) or None,
        "strategies": list(wanted.strategies) or None,
        "seed": wanted.seed,
        "learn": wanted.learn,
        "metrics": list(dict.fromkeys((table.headline, *table.metrics))),
    }
    asked = Asked.of(None, flags, options)
    (dataset,) = asked.datasets.values()
    with folder_for(asked, wanted.output) as folder:
        carry_out(asked, folder, opens)
        summary = Summary.of(folder)
        folder.write_summary(summary.as_json())
        yield Measured(wanted.table, table, dataset, summary)
