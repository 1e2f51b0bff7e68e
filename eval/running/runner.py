"""Cells over cases into a run folder: what is there already is passed over, every answer is kept as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.errors import ModelUnavailable
from eval.baselines import baselines
from eval.cases import Case, DataSet
from eval.plan.cells import Cell
from eval.running.answers import Answer
from eval.running.asking import Heard, ask
from eval.running.folder import RunFolder
from eval.running.opening import CellOpener, OpenedCell
from eval.running.provenance import text_of
from eval.running.vectors import file_of, keep_vectors
from eval.systems import System, references

OPEN = ("recommend", "converse")  # the tasks over the whole catalogue
OUTAGE = 5  # cases in a row without the model: it is down, and more of them would tell nothing

Keep = Callable[[Cell, Answer], None]


@dataclass(frozen=True)
class Job:
    """What is to be run. `datasets` holds each opened data set by its folder, `baselines` its baselines by name."""

    cells: Sequence[Cell]
    datasets: Mapping[Path, DataSet]
    baselines: Mapping[Path, Sequence[str]]
    names: Mapping[Path, str]
    limit: int | None = None
    repeat: int = 1
    seed: int = 0
    orders: int = 1

    @property
    def task(self) -> str:
        """The task of all cells."""
        return self.cells[0].task

    def n_answers(self, cell: Cell) -> int:
        """How many answers the cell will have."""
        return self.datasets[cell.data].n_run(self.limit) * self.repeat

    def cases(self, cell: Cell) -> Iterator[tuple[int, Case]]:
        """Each case of the cell with the number of its repeat from 0, streamed; all cases, then all again.

        Where the whole catalogue is asked about, candidates that a case gives for another task are left out.
        """
        for repeat in range(self.repeat):
            for case in self.datasets[cell.data].cases(self.limit):
                yield repeat, case.model_copy(update={"candidates": ()}) if cell.task in OPEN else case


class Watching(Protocol):
    """Hears how a run goes, cell by cell."""

    def begin(self, cell: Cell, n: int) -> None:
        """A cell begins, which will have n answers."""
        ...

    def take(self, answer: Answer, *, fresh: bool) -> None:
        """Another answer is there: made just now, or by a run before this one."""
        ...

    def end(self) -> None:
        """The cell that was begun last has all its answers."""
        ...


def run(
    job: Job,
    folder: RunFolder,
    open_cell: CellOpener,
    watching: Watching,
    *,
    keep: Keep = lambda _cell, _answer: None,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Every answer that the folder does not hold yet, cell after cell, case after case; baselines first.

    `keep` hears of every fresh answer. A case on which a cell fails is an answer too, but is asked again by the next
    run. Raises what opening raises, ModelUnavailable when the model is down for five cases in a row (these are not
    kept), and ConfigError when another program writes to the folder, or a model is not the one that it was begun with.
    """
    with folder.writing():
        for data in job.datasets:
            _run_baselines(job, folder, data)
        for cell in job.cells:
            watching.begin(cell, job.n_answers(cell))
            _run_cell(job, folder, cell, open_cell, watching, keep, clock)
            watching.end()


def _run_cell(
    job: Job,
    folder: RunFolder,
    cell: Cell,
    open_cell: CellOpener,
    watching: Watching,
    keep: Keep,
    clock: Callable[[], float],
) -> None:
    done = set()
    for answer in folder.answers(cell.name):
        if answer.failed is None:
            done.add((answer.case_id, answer.repeat))
            watching.take(answer, fresh=False)
    if len(done) >= job.n_answers(cell):
        return
    dataset = job.datasets[cell.data]
    with open_cell(cell, dataset) as opened:
        folder.tell("models", cell.name, opened.model)
        left = ((repeat, case) for repeat, case in job.cases(cell) if (case.case_id, repeat) not in done)
        for heard in _lasting(cell, (ask(cell, opened, case, repeat, clock, job.orders) for repeat, case in left)):
            _tell_prompts(folder, cell, heard.prompts)
            folder.append(heard.answer)
            keep(cell, heard.answer)
            watching.take(heard.answer, fresh=True)
        _keep_vectors(job, folder, cell, opened)


def _lasting(cell: Cell, answers: Iterator[Heard]) -> Iterator[Heard]:
    """The answers; those that lack the model wait for what follows. Raises ModelUnavailable at the fifth in a row."""
    waiting: list[Heard] = []
    for heard in answers:
        waiting.append(heard)
        if not heard.unavailable:
            yield from waiting
            waiting.clear()
        elif len(waiting) == OUTAGE:
            last = heard.answer
            reason = (last.failed or last.degraded[0]).rstrip(".")
            raise ModelUnavailable(
                f"{cell.name}: {OUTAGE} cases in a row had no model, the last of them {last.case_id}: {reason}",
                "When it is there again, the same command goes on with the rest",
            )
    yield from waiting


def _tell_prompts(folder: RunFolder, cell: Cell, prompts: Mapping[str, str]) -> None:
    """Put the text of each prompt that was not used before into the folder."""
    there = folder.told("prompts").get(cell.name)
    told = there if isinstance(there, Mapping) else {}
    new = {name: mark for name, mark in prompts.items() if name not in told}
    if new:
        rows = {name: {"fingerprint": mark, "text": text_of(name, cell.prompts, mark)} for name, mark in new.items()}
        folder.tell("prompts", cell.name, {**told, **rows})


def _keep_vectors(job: Job, folder: RunFolder, cell: Cell, opened: OpenedCell) -> None:
    name = job.names[cell.data]
    if not file_of(folder.path, name).exists() and (vectors := opened.vectors()):
        keep_vectors(folder.path, name, vectors)


def _run_baselines(job: Job, folder: RunFolder, data: Path) -> None:
    """The orders that need no model, case by case; nothing where all are there."""
    dataset, name = job.datasets[data], job.names[data]
    done = {str(row["case_id"]) for row in folder.baselines() if row["data"] == name}
    if len(done) >= dataset.n_run(job.limit):
        return
    learned = baselines(job.baselines[data], dataset, job.task, job.seed)
    systems = (*learned, *references(dataset.references))
    rows = [{"name": system.name, "kind": system.kind, "about": system.about} for system in systems]
    folder.tell("systems", name, rows)
    for case in dataset.cases(job.limit):
        if case.case_id not in done:
            folder.append_baselines({"data": name, "case_id": case.case_id, "orders": _orders(systems, case)})


def _orders(systems: Sequence[System], case: Case) -> dict[str, list[str]]:
    return {system.name: list(system.order(case, None)) for system in systems}
