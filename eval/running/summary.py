"""A scored run in its documented shapes: what `run`, `score` and summary.json tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

from agent.commands.render import count
from eval.beyond import K
from eval.cases import Stock
from eval.intervals import NO_INTERVAL
from eval.metrics import own_library
from eval.plan.cells import Cell, data_names
from eval.plan.config import EXPLAIN, RANK, USUAL, Evaluation
from eval.plan.prices import price_for
from eval.results import MAX_NAMED_CASES, as_rows, beyond_method, compared_rows, method
from eval.running.answers import Answer
from eval.running.folder import RunFolder
from eval.running.packed import Marks, Names
from eval.running.scoring import Reckoned, plan_of, reckon
from eval.running.spending import Cost
from eval.running.stability import Stable
from eval.running.tally import RATES, Tally
from eval.running.unreachable import KEY, unreachable_lines
from eval.statistics import Estimate, percentile, rate


@dataclass
class Summary:
    """A run scored: its figures, and by cell what went wrong, what it took, and how good its rationales are."""

    folder: RunFolder
    plan: Evaluation
    found: Reckoned
    tallies: Mapping[str, Tally]
    rationales: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, folder: RunFolder, metrics: Sequence[str] | None = None, known: Mapping[Path, Stock] | None = None
    ) -> Summary:
        """The run in the folder. Raises ConfigError where it has no answers, or for a name that is no metric.

        Data sets that are `known`, by their folders, are not read again.
        """
        counting = _Counting(folder.cells())
        found = reckon(folder, metrics, counting.take, known)
        told = {name: figures for name, one in found.rationales.items() if (figures := one.figures())}
        told_before = (*left_out_lines(folder.about.get("left_out")), *unreachable_lines(folder.about.get(KEY)))
        found = replace(found, notes=(*found.notes, *told_before))
        return cls(folder, plan_of(folder), found, counting.tallies, told)

    @property
    def cells(self) -> list[Cell]:
        """The cells that have answers."""
        return [cell for cell in self.folder.cells() if self.tallies[cell.name].n]

    @property
    def unnamed(self) -> bool:
        """Whether the metrics are the usual ones, because nobody named any."""
        return set(self.found.results.metrics) == set(USUAL)

    @property
    def same_items(self) -> str | None:
        """Why it tells nothing what orders do besides hitting: all show the same items. None where it tells."""
        longest = max((tally.longest for tally in self.tallies.values()), default=0)
        if self.plan.task != RANK or not 0 < longest <= K:
            return None
        return f"coverage, diversity and the like, for the first {K} places hold all candidates, whatever their order"

    @property
    def n(self) -> int:
        """How many answers there are."""
        return sum(tally.n for tally in self.tallies.values())

    def rate(self, flaw: str) -> Estimate:
        """The share of people with an answer that has the flaw, in any cell, within Wilson's bounds."""
        return rate(self._n_people(flaw), self._n_people(""))

    def _n_people(self, flaw: str) -> int:
        """How many have an answer with the flaw ("": any). Equal ids of two data sets are two people."""
        names = data_names(self.folder.cells())
        found: defaultdict[str, Marks] = defaultdict(Marks)
        for cell, tally in self.tallies.items():
            found[names[cell]].update(tally.people.get(flaw, Marks()))
        return sum(map(len, found.values()))

    def flawed(self, flaw: str) -> int:
        """How many answers have a flaw, by the names of `RATES`."""
        return sum(tally.flawed[flaw] for tally in self.tallies.values())

    def troubles(self) -> Iterator[str]:
        """What a reader must be told first: what degraded, what failed, what cannot be told, one line each."""
        run = self.found.run
        for reason, n in run.degraded.most_common(3):
            yield f"{count(n, 'case')} degraded: {reason}"
        if failed := self.flawed("failed"):
            first = next(iter(run.failed.items()))
            yield f"{count(failed, 'case')} failed and count as 0, such as {first[0]}: {first[1]}"
        yield from self.found.notes

    @cached_property
    def costs(self) -> Mapping[str, Cost | None]:
        """What each cell's answers cost by the prices of the plan; None where that is not known."""
        prices = {cell.name: price_for(cell.model, self.plan.prices) for cell in self.cells}
        return {name: self.tallies[name].spending.cost(price) for name, price in prices.items()}

    @cached_property
    def stable(self) -> Mapping[str, Stable]:
        """How stable the answers of each cell are that was asked in several orders."""
        found = ((cell.name, self.tallies[cell.name].stability.found) for cell in self.cells)
        return {name: one for name, one in found if one is not None}

    def dataset(self, name: str) -> dict[str, object]:
        """What run.json says of a data set, and whose its cases are."""
        told = self.folder.about.get("datasets")
        row = told.get(name) if isinstance(told, Mapping) else None
        names = data_names(self.folder.cells())
        prefix = f"{name}/" if len(set(names.values())) > 1 else ""
        users = {user for case, user in self.found.run.users.items() if case.startswith(prefix)}
        return {"name": name, **(row if isinstance(row, Mapping) else {}), "n_users": len(users)}

    def as_json(self, margin: float | None = None) -> dict[str, object]:
        """The documented JSON shape of `palate eval run --json` and of summary.json.

        With a margin each comparison says whether it is shown to be no worse than by that.
        """
        results, run, plan = self.found.results, self.found.run, self.plan
        names = list(dict.fromkeys(data_names(self.folder.cells()).values()))
        datasets = {name: self.dataset(name) for name in names}
        return {
            "task": plan.task,
            "limit": plan.limit,
            "seed": plan.seed,
            "model": self.folder.about.get("model"),
            "dataset": datasets[names[0]] if len(names) == 1 else None,
            "results": as_rows(results),
            "comparisons": compared_rows(results, margin),
            "timings_ms": _timings([ms for tally in self.tallies.values() for ms in tally.times_ms]),
            "degraded": {
                "count": self.flawed("degraded"),
                "reasons": dict(run.degraded),
                "rate": asdict(self.rate("degraded")),
            },
            "failed": {
                "count": self.flawed("failed"),
                "cases": dict(list(run.failed.items())[:MAX_NAMED_CASES]),
                "rate": asdict(self.rate("failed")),
            },
            "prompts": dict(run.prompts),
            "method": self._method(),
            "headline": results.headline,
            "currency": plan.currency,
            "versus": plan.versus,
            "repeat": plan.repeat,
            "datasets": datasets,
            "cells": [self._cell(cell) for cell in self.cells],
            "calls": {what: sum(tally.calls[what] for tally in self.tallies.values()) for what in ("asked", "kept")},
            "notes": list(self.found.notes),
        }

    def _cell(self, cell: Cell) -> dict[str, object]:
        tally, models = self.tallies[cell.name], self.folder.about.get("models")
        facts = models.get(cell.name) if isinstance(models, Mapping) else None
        row: dict[str, object] = {
            **cell.as_row(),
            "facts": facts,
            "n": tally.n,
            "rates": {name: asdict(tally.rate(name)) for name in RATES},
            "timings_ms": _timings(tally.times_ms),
            "tokens": dict(tally.tokens),
            "calls": {what: tally.calls[what] for what in ("asked", "kept")},
            "cost": cost.as_row() if (cost := self.costs[cell.name]) else None,
            "stability": stable.as_row() if (stable := self.stable.get(cell.name)) else None,
        }
        told = self.rationales.get(cell.name)
        return {**row, "rationales": {name: asdict(one) for name, one in told.items()}} if told else row

    def _method(self) -> dict[str, object]:
        results = self.found.results
        if self.plan.task == EXPLAIN:
            from eval.tasks.rationales import FORMULAS, OF_ALL

            told = {name: {"formula": formula, "library": own_library()} for name, formula in FORMULAS.items()}
            told |= {name: {**told[name], "interval": NO_INTERVAL} for name in OF_ALL}
            return {**method(()), "metrics": told}
        return {**method(results.metrics), **({"beyond": beyond_method(results.shelf)} if results.shelf else {})}


def left_out_lines(left_out: object) -> Iterator[str]:
    """A line for each baseline that was left out, given by data set and name with the reason."""
    for reasons in left_out.values() if isinstance(left_out, Mapping) else ():
        by_reason: dict[str, list[str]] = {}
        for name, reason in reasons.items():
            by_reason.setdefault(str(reason), []).append(str(name))
        yield from (f"{', '.join(names)}: left out, {reason}" for reason, names in by_reason.items())


class _Counting:
    """Counts the answers of each cell on their way."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        names = data_names(cells)
        people = {name: Names() for name in names.values()}
        self.tallies = {cell.name: Tally(cell.name, names=people[names[cell.name]]) for cell in cells}

    def take(self, answer: Answer) -> None:
        """Count one more answer."""
        if answer.cell in self.tallies:
            self.tallies[answer.cell].take(answer)


def _timings(times_ms: Sequence[float]) -> dict[str, float]:
    return {"p50": percentile(times_ms, 0.5), "p95": percentile(times_ms, 0.95), "n": len(times_ms)}
