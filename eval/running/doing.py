"""A run carried out: its folder found or begun, every missing answer asked for, all of it followed on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.commands import render
from agent.errors import ConfigError
from eval.metrics import per_case
from eval.options import watch
from eval.plan.cells import Cell
from eval.plan.config import EXPLAIN
from eval.running.asked import Asked
from eval.running.folder import ANSWERS, NEW, RunFolder
from eval.running.lines import whole_lines
from eval.running.live import Progress
from eval.running.opening import Opens, Surroundings
from eval.running.provenance import mark
from eval.running.runner import run
from eval.running.timings import timings_for
from eval.systems import RECALL_ONLY

RUNS = "runs"


@contextmanager
def folder_for(asked: Asked, output: Path | None, *, resume: bool = False, fresh: bool = False) -> Iterator[RunFolder]:
    """The folder of a run: `output`, else one beside the file that names what is asked, else a temporary one.

    What is there already is gone on with where it is the same run. Raises ConfigError where it is another one, where
    there is none to `resume`, or where there are answers already and all are to be `fresh`.
    """
    about = asked.about()
    path = output or (asked.file and asked.file.parent / RUNS / f"{asked.file.stem}-{mark(about)}")
    if path is None:
        if resume:
            raise ConfigError("without a file a run is not kept", "Name its folder with --output DIR")
        with TemporaryDirectory(prefix="palate-eval-") as folder:
            yield RunFolder.create(Path(folder), about)
        return
    if resume:
        RunFolder.open(path)
    if fresh and any(whole_lines(path / ANSWERS)):
        raise ConfigError(f"{path} holds answers, which --fresh would not ask for again", NEW)
    yield RunFolder.create(path, about)


def carry_out(asked: Asked, folder: RunFolder, opens: Opens, *, fresh: bool = False) -> None:
    """Ask for every answer that the folder lacks, and follow it on stderr. Raises as `run` does.

    Ctrl-C says how to go on, and is passed on.
    """
    plan, job = asked.evaluation, asked.job()
    around = Surroundings(asked.settings_of, plan.seed, watch, render.told, fresh, plan.limit, plan.learns)
    metric = None if plan.task == EXPLAIN else plan.headline
    timings = timings_for(asked)
    try:
        with opens(around) as open_cell, closing(timings), Progress(metric, plan.versus, _against(asked, folder)) as go:
            run(job, folder, open_cell, go, keep=timings.keep)
    except KeyboardInterrupt:
        n = sum(job.n_answers(cell) for cell in job.cells)
        there = sum(1 for _ in folder.done())
        render.note(f"{there:,} of {render.count(n, 'answer')} are kept; the same command goes on with the rest")
        raise


def _against(asked: Asked, folder: RunFolder) -> Callable[[Cell], Mapping[str, float]]:
    """The headline's values of the baseline or reference that cells are compared with, where it is one of these."""
    plan = asked.evaluation
    own = {RECALL_ONLY, *(cell.name for cell in asked.cells)}

    def _values(cell: Cell) -> Mapping[str, float]:
        if plan.versus in own or plan.task == EXPLAIN:
            return {}
        name = asked.names[cell.data]
        orders = {
            str(row["case_id"]): [str(one) for one in rows.get(plan.versus, ())]
            for row in folder.baselines()
            if row["data"] == name and isinstance(rows := row["orders"], Mapping)
        }
        cases = list(asked.datasets[cell.data].cases(plan.limit))
        relevant, disliked = ({case.case_id: ids(case) for case in cases} for ids in (_relevant, _disliked))
        return per_case(orders, relevant, [plan.headline], disliked)[plan.headline]

    return _values


_relevant, _disliked = attrgetter("relevant"), attrgetter("disliked")
