"""The cases in which a cell does worst against the baseline, worst first, and the stored answers to look into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.metrics import PerCase, gained, valued

if TYPE_CHECKING:
    from eval.reporting.reading import Reading
    from eval.running.answers import Answer

MOST = 50  # cases that a report lets one look into


@dataclass(frozen=True, slots=True)
class Loss:
    """One case of one cell: the headline metric, that of the baseline, and how much better it is (below 0: worse)."""

    cell: str
    case_id: str
    value: float
    baseline: float
    change: float


def worst(values: PerCase, baseline: PerCase, metric: str, cell: str, most: int = MOST) -> list[Loss]:
    """The cases that lose against the baseline, the largest loss first; ties by what is scored, then by case id."""
    pairs = [(case, value, baseline[metric][case]) for case, value in valued(values[metric]).items()]
    found = [Loss(cell, case, own, other, _by(metric, own, other)) for case, own, other in pairs]
    lost = [loss for loss in found if loss.change < 0]
    return sorted(lost, key=lambda loss: (loss.change, loss.value, loss.case_id))[:most]


def _by(metric: str, value: float, baseline: float) -> float:
    one, other = gained(metric, value, baseline)
    return one - other


def worst_of(reading: Reading, most: int = MOST) -> list[Loss]:
    """The worst losses of all cells of a run together, each against its baseline, the largest first."""
    values = reading.results.per_case
    found = [
        loss
        for cell in reading.cells
        if (baseline := reading.baseline(cell.name)) is not None
        for loss in worst(values[cell.name], values[baseline], reading.headline, cell.name, most)
    ]
    return sorted(found, key=lambda loss: (loss.change, loss.value, loss.case_id, loss.cell))[:most]


def answers_to(reading: Reading, losses: Sequence[Loss]) -> Mapping[tuple[str, str], Answer]:
    """The stored answers of those cases, by cell and case: the first repeat of each. Answers are streamed."""
    wanted = {(loss.cell, reading.case_id(loss.cell, loss.case_id)): (loss.cell, loss.case_id) for loss in losses}
    found: dict[tuple[str, str], Answer] = {}
    for answer in reading.folder.answers() if wanted else ():
        key = wanted.get((answer.cell, answer.case_id))
        if key is not None and (key not in found or answer.repeat < found[key].repeat):
            found[key] = answer
    return found
