"""Everything that a report says of a run, in whatever form it is written, and its documented JSON shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from eval.comparisons import Comparison
from eval.reporting.gating import Gate, gate_of, judge, metrics_of
from eval.reporting.losses import Loss, answers_to, worst_of
from eval.reporting.reading import Reading
from eval.reporting.slices import Slice, slices
from eval.results import verdict
from eval.running.folder import RunFolder
from eval.running.scoring import plan_of
from eval.running.tally import Tally, latency

if TYPE_CHECKING:
    from pathlib import Path

    from eval.running.answers import Answer


@dataclass(frozen=True)
class Report:
    """A run with all that is worked out for its report.

    `against` holds, for each baseline, every system over the same cases against it on the headline metric. Those that
    the run compares are of its family; the others are shown and not judged, so that they have no `p_holm`. `slices` are
    by cell; `answers` are those to the worst losses, by cell and case.
    """

    reading: Reading
    gate: Gate
    against: Mapping[str, tuple[Comparison, ...]]
    slices: Mapping[str, tuple[Slice, ...]]
    losses: tuple[Loss, ...]
    answers: Mapping[tuple[str, str], Answer]

    @property
    def pairs(self) -> tuple[Comparison, ...]:
        """What verdicts are given on: each cell against its baseline, then against the first cell."""
        cells = [cell.name for cell in self.reading.cells]
        wanted = [(cell, self.reading.baseline(cell)) for cell in cells] + [(cell, cells[0]) for cell in cells[1:]]
        found = {(pair.system, pair.against): pair for pair in self.reading.results.comparisons}
        return tuple(found[key] for key in dict.fromkeys(wanted) if key in found)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdicts in plain words."""
        return tuple(verdict(pair, self.reading.headline) for pair in self.pairs)


def report_of(path: Path) -> Report:
    """The report of the run in the folder. Raises ConfigError when there is none, or it has no answers."""
    plan = plan_of(RunFolder.open(path))
    conditions = gate_of(plan.as_plan())
    reading = Reading.of(path, tuple(dict.fromkeys([*plan.measured, *metrics_of(conditions)])))
    losses = tuple(worst_of(reading))
    baselines = {cell.name: reading.baseline(cell.name) for cell in reading.cells}
    return Report(
        reading,
        judge(reading, conditions, [cell.name for cell in reading.cells]),
        {base: _against(reading, base) for base in dict.fromkeys(baselines.values()) if base is not None},
        {cell: slices(reading, cell, base) for cell, base in baselines.items() if base is not None},
        losses,
        answers_to(reading, losses),
    )


def as_json(report: Report) -> dict[str, object]:
    """The documented JSON shape of one run in `palate eval report -o FILE.json`."""
    reading = report.reading
    return {
        "run": reading.name,
        "about": dict(reading.about),
        **reading.summary.as_json(),
        "sentences": list(report.sentences),
        "gate": report.gate.as_json(),
        "against": [_against_row(pair, reading.headline) for pairs in report.against.values() for pair in pairs],
        "reasons": {name: reasons_row(tally) for name, tally in reading.tallies.items()},
        "latency_ms": {name: latency_row(tally) for name, tally in reading.tallies.items()},
        "slices": {cell: [asdict(one) for one in found] for cell, found in report.slices.items()},
        "losses": [asdict(loss) for loss in report.losses],
    }


def reasons_row(tally: Tally) -> dict[str, object]:
    """Why answers of a cell failed or degraded, as plain values."""
    return {kind: [asdict(reason) for reason in tally.ranked_reasons(kind)] for kind in ("failed", "degraded")}


def latency_row(tally: Tally) -> dict[str, object]:
    """The median and the 95th percentile of a cell's times with their intervals, as plain values."""
    found = {name: latency(tally.times_ms, share) for name, share in (("p50", 0.5), ("p95", 0.95))}
    return {name: asdict(one) if one else None for name, one in found.items()}


def _against(reading: Reading, baseline: str) -> tuple[Comparison, ...]:
    """Every system against the baseline: as the run compares the two, else without a p that is corrected."""
    judged = {(one.system, one.against): one for one in reading.results.comparisons}
    names = [name for name in reading.peers(baseline) if name != baseline]
    shown = reading.against(names, baseline)
    return tuple(judged.get((one.system, one.against)) or replace(one, p_holm={}, family=0) for one in shown)


def _against_row(pair: Comparison, headline: str) -> dict[str, object]:
    """The comparison on the headline metric; its `p_holm` is null where the run does not judge it."""
    p, detectable = pair.p_holm.get(headline), pair.detectable[headline]
    told = {**asdict(pair.metrics[headline]), "p_holm": p, "detectable": detectable}
    return {"system": pair.system, "against": pair.against, "metrics": {headline: told}}
