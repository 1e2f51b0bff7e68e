"""Two runs, or two cells of one, compared on the cases that they share: differences, wins and losses, prompt texts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from agent.commands.render import count
from agent.errors import ConfigError
from eval.cases import CARRY
from eval.comparisons import corrected, gains
from eval.metrics import PerCase, change_in, gained, lower_is_better, valued
from eval.plan.prices import money
from eval.reporting.reading import Reading
from eval.results import interval_text
from eval.statistics import Difference, difference, shown, smallest_detectable


@dataclass(frozen=True, slots=True)
class Change:
    """One case: what the base scored on the headline metric, and what the new cell does.

    `by` is how much better the new cell does; negative where it does worse.
    """

    case_id: str
    base: float
    new: float
    by: float

    @classmethod
    def of(cls, metric: str, case_id: str, base: float, new: float) -> Change:
        """That by the metric."""
        better, worse = gained(metric, new, base)
        return cls(case_id, base, new, better - worse)


@dataclass(frozen=True)
class CellDiff:
    """A cell of the new run against one of the base, over their `n` shared cases.

    Differences are gains: positive where the new cell is better, also by a metric of which less is better. `p_holm` is
    corrected for all cells of the diff (see `corrected`). `only_base` and `only_new` count the cases that one of them
    lacks, `changed` those whose relevant items, history or candidates are others now; none of these is compared.
    `wins` and `losses` run from the largest change down, ties by case id. `cost_per_1000` is what 1,000 answers of base
    and new cost, each by the prices of its own run; None where that is not known.
    """

    base: str
    new: str
    n: int
    only_base: int
    only_new: int
    changed: int
    metrics: Mapping[str, Difference]
    p_holm: Mapping[str, float]
    detectable: Mapping[str, float | None]
    wins: tuple[Change, ...]
    losses: tuple[Change, ...]
    prompts: Mapping[str, str]
    cost_per_1000: tuple[float | None, float | None] = (None, None)

    def as_row(self) -> dict[str, object]:
        """The documented JSON shape of one pair of cells."""
        metrics = {
            name: {**asdict(found), "p_holm": self.p_holm[name], "detectable": self.detectable[name]}
            for name, found in self.metrics.items()
        }
        return {
            "base": self.base,
            "new": self.new,
            "n": self.n,
            "not_shared": {"only_base": self.only_base, "only_new": self.only_new, "changed": self.changed},
            "metrics": metrics,
            "wins": [asdict(change) for change in self.wins],
            "losses": [asdict(change) for change in self.losses],
            "prompts": dict(self.prompts),
            "cost_per_1000": dict(zip(("base", "new"), self.cost_per_1000, strict=True)),
        }


@dataclass(frozen=True)
class Diff:
    """All pairs of cells that were compared, as one family of so many; `headline` is what verdicts are about.

    `is_one`: both are the same run, so that cells are called by their own names alone. `currencies` are empty where a
    run names no price.
    """

    base: str
    new: str
    headline: str
    family: int
    cells: tuple[CellDiff, ...]
    notes: tuple[str, ...] = ()
    is_one: bool = False
    currencies: tuple[str, str] = ("", "")

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of `palate eval diff --json`."""
        return {
            "base": self.base,
            "new": self.new,
            "headline": self.headline,
            "family": self.family,
            "cells": [cell.as_row() for cell in self.cells],
            "sentences": [self.sentence(cell) for cell in self.cells],
            "notes": list(self.notes),
        }

    def sentence(self, cell: CellDiff) -> str:
        """The verdict on one pair of cells in plain words."""
        found, p = cell.metrics[self.headline], cell.p_holm[self.headline]
        one, other = self.names(cell)
        word = "is not shown to differ from"
        if shown(found, p):
            word = "beats" if found.value > 0 else "loses to"
        figures = (
            f"{change_in(self.headline)} {found.value:+.3f}{interval_text(found)}, p = {p:.3g} (Holm, of {self.family})"
        )
        counts = f"better on {count(found.wins, 'case')}, worse on {found.losses:,}"
        return f"{one} {word} {other}: {figures}, n = {found.n:,}; {counts}"

    def names(self, cell: CellDiff) -> tuple[str, str]:
        """What the new cell and that of the base are called: with their runs, where these are two."""
        return (cell.new, cell.base) if self.is_one else (f"{self.new}: {cell.new}", f"{self.base}: {cell.base}")

    def cost(self, cell: CellDiff) -> str | None:
        """What 1,000 answers cost, the new ones and those of the base; None where neither run names a price."""
        if not any(self.currencies):
            return None
        base, new = (money(one, unit).strip() for one, unit in zip(cell.cost_per_1000, self.currencies, strict=True))
        return f"{new} for 1,000 answers, {base} before"

    @property
    def worse(self) -> bool:
        """Whether any pair is shown to be worse on the headline metric."""
        return any(
            shown(found := cell.metrics[self.headline], cell.p_holm[self.headline]) and found.value < 0
            for cell in self.cells
        )


def diff(base: Reading, new: Reading, pairs: Sequence[tuple[str, str]] | None = None) -> Diff:
    """The new run against the base, cell by cell: `pairs` of names, by default `pairs_of` them.

    Raises ConfigError when the runs share no metric, no cell or no case.
    """
    pairs = pairs_of(base, new) if pairs is None else pairs
    metrics = [name for name in base.results.metrics if name in new.results.metrics]
    if not metrics:
        raise ConfigError(f"{base.name} and {new.name} share no metric", "Name metrics that both have with --metrics")
    found = [_cell_diff(base, new, pair, metrics) for pair in pairs]
    adjusted = corrected([cell.metrics for cell in found])
    cells = tuple(replace(cell, p_holm=p) for cell, p in zip(found, adjusted, strict=True))
    headline = base.headline if base.headline in metrics else metrics[0]
    currencies = tuple(one.summary.plan.currency if one.summary.plan.prices else "" for one in (base, new))
    return Diff(
        base.name,
        new.name,
        headline,
        len(found),
        cells,
        tuple(_notes(base, new)),
        base.folder.path.resolve() == new.folder.path.resolve(),
        (currencies[0], currencies[1]),
    )


def pairs_of(base: Reading, new: Reading) -> list[tuple[str, str]]:
    """Which cells are compared: those of equal names; where there are none, every new cell with the base's first.

    Within one run every later cell is compared with the first. Raises ConfigError when no two cells can be paired.
    """
    ours, theirs = ([cell.name for cell in reading.cells] for reading in (base, new))
    if base.folder.path.resolve() == new.folder.path.resolve():
        found = [(ours[0], name) for name in theirs[1:]]
    else:
        found = [(name, name) for name in ours if name in theirs] or [(ours[0], name) for name in theirs]
    if not found:
        raise ConfigError(f"{base.name} has one cell only", "Give a second run, or a run of several cells")
    return found


def _cell_diff(base: Reading, new: Reading, pair: tuple[str, str], metrics: Sequence[str]) -> CellDiff:
    one, other = _values(base, pair[0]), _values(new, pair[1])
    ours, theirs = one[metrics[0]], other[metrics[0]]
    both = [case for case in ours if case in theirs]
    shared = [case for case in both if _asks_the_same(base, new, pair, case)]
    if any(map(lower_is_better, metrics)):
        shared = [case for case in shared if set(base.run.disliked[case]) == set(new.run.disliked[case])]
    if not shared:
        others = f": {count(len(both), 'case')} ask for something else now" if both else ""
        raise ConfigError(f"{base.name} and {new.name} share no case{others}", "Compare runs of the same data set")
    clusters = [new.run.users.get(case, case) for case in shared]
    values = {name: tuple({c: side[name][c] for c in shared} for side in (other, one)) for name in metrics}
    pairs = {name: gains(name, found[0], found[1], clusters) for name, found in values.items()}
    headline = base.headline if base.headline in metrics else metrics[0]
    if empty := [name for name, (known, _, _) in pairs.items() if not len(known)]:
        raise ConfigError(f"the cases that {base.name} and {new.name} share have no {empty[0]}", CARRY)
    changes = [Change.of(headline, case, one[headline][case], v) for case, v in valued(values[headline][0]).items()]
    return CellDiff(
        *pair,
        n=len(shared),
        only_base=len(ours) - len(both),
        only_new=len(theirs) - len(both),
        changed=len(both) - len(shared),
        metrics={name: difference(*sides, clusters=whose) for name, (*sides, whose) in pairs.items()},
        p_holm={},
        detectable={name: smallest_detectable(*sides, clusters=whose) for name, (*sides, whose) in pairs.items()},
        wins=_sorted([change for change in changes if change.by > 0]),
        losses=_sorted([change for change in changes if change.by < 0]),
        prompts=prompt_diffs(base, new, pair),
        cost_per_1000=(_cost(base, pair[0]), _cost(new, pair[1])),
    )


def _cost(reading: Reading, cell: str) -> float | None:
    """What 1,000 answers of a cell cost; None where the run names no price, or it is not known."""
    cost = reading.summary.costs.get(cell) if reading.summary.plan.prices else None
    return cost.per_1000.value if cost else None


def _asks_the_same(base: Reading, new: Reading, pair: tuple[str, str], case: str) -> bool:
    """Whether the case has the same relevant items, the same history and, as far as known, the same candidates."""
    one, other = base.run, new.run
    if set(one.relevant[case]) != set(other.relevant[case]) or one.histories[case] != other.histories[case]:
        return False
    ours, theirs = base.candidates(pair[0], case), new.candidates(pair[1], case)
    return not ours or not theirs or ours == theirs


def prompt_diffs(base: Reading, new: Reading, pair: tuple[str, str]) -> dict[str, str]:
    """The unified diff of each prompt whose text differs between the two cells, by name; empty where none does."""
    ours, theirs = texts_of(base, pair[0]), texts_of(new, pair[1])
    found = {}
    for name in sorted({*ours, *theirs}):
        one, other = ours.get(name, ""), theirs.get(name, "")
        if one != other:
            lines = difflib.unified_diff(
                one.splitlines(), other.splitlines(), f"{pair[0]}/{name}", f"{pair[1]}/{name}", lineterm=""
            )
            found[name] = "\n".join(lines)
    return found


def texts_of(reading: Reading, cell: str) -> dict[str, str]:
    """The texts of the prompts that a cell used, by name."""
    prompts = reading.about.get("prompts")
    of_cell = prompts.get(cell) if isinstance(prompts, Mapping) else None
    rows = of_cell.items() if isinstance(of_cell, Mapping) else ()
    return {str(name): str(row["text"]) for name, row in rows if isinstance(row, Mapping) and "text" in row}


def _values(reading: Reading, cell: str) -> PerCase:
    if cell not in reading.results.per_case:
        known = ", ".join(c.name for c in reading.cells)
        raise ConfigError(f"{reading.name} has no cell {cell!r}", f"Its cells: {known}")
    return reading.results.per_case[cell]


def _sorted(changes: Sequence[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda change: (-abs(change.by), change.case_id)))


def _notes(base: Reading, new: Reading) -> list[str]:
    """What else differs between the runs: the data sets, the model, versions."""
    found = ["the data sets of the runs differ"] if _hashes(base) != _hashes(new) else []
    for key, words in (("model", "models"), ("versions", "versions"), ("seed", "seeds")):
        if base.about.get(key) != new.about.get(key):
            found.append(f"the {words} of the runs differ")
    return found


def _hashes(reading: Reading) -> dict[str, object]:
    told = reading.about.get("datasets")
    rows = told.items() if isinstance(told, Mapping) else ()
    return {str(name): row.get("sha256") for name, row in rows if isinstance(row, Mapping)}
