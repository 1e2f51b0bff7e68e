"""From an evaluation to what is run: its cells with their settings, its data sets checked, its run.json."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.commands.options import Options
from agent.errors import ConfigError
from agent.settings import Settings
from eval.baselines import left_out, usual
from eval.cases import CARRY, DISLIKED, DataSet
from eval.metrics import lower_is_better
from eval.plan.cells import BUILT_IN, RECOMMEND, Cell, cells_of, data_names
from eval.plan.checks import check_cells
from eval.plan.config import EXPLAIN, Evaluation, checked, load
from eval.running import provenance
from eval.running.runner import Job
from eval.running.summary import left_out_lines
from eval.running.unreachable import KEY, unreachable, unreachable_lines
from eval.systems import LIKELIHOOD_ONLY, RECALL_ONLY, WITHOUT_MODEL
from eval.tasks import task_named


@dataclass(frozen=True)
class Asked:
    """What is to be run, all of it checked and no model asked. `options` are those of the command line.

    `file` is the one that asks for it, None where flags alone do.
    """

    evaluation: Evaluation
    cells: tuple[Cell, ...]
    datasets: Mapping[Path, DataSet]
    options: Options
    file: Path | None = None

    @classmethod
    def of(cls, file: Path | None, flags: Mapping[str, object], options: Options) -> Asked:
        """What a file and flags ask for; flags go before the file, the file before the settings.

        Raises ConfigError and CatalogueError for whatever is wrong with it, before any model is asked.
        """
        given = load(file, flags) if file else checked({k: v for k, v in flags.items() if v is not None}, "the flags")
        evaluation = resolved(given, options.load().settings)
        cells = _cells(evaluation)
        check_cells(cells)
        task = task_named(evaluation.task)
        datasets = {folder: DataSet.open(folder, task.needs) for folder in dict.fromkeys(cell.data for cell in cells)}
        found = cls(evaluation, cells, datasets, options, file)
        for cell in cells:
            found.settings_of(cell)
        found.check_versus()
        found.check_disliked()
        return found

    @property
    def names(self) -> dict[Path, str]:
        """The name of each data set by its folder."""
        names = data_names(self.cells)
        return {cell.data: names[cell.name] for cell in self.cells}

    def settings_of(self, cell: Cell) -> Settings:
        """The settings that a cell runs with. Raises ConfigError."""
        own: dict[str, object] = {
            "model.reference": cell.model,
            "rerank.strategy": cell.strategy,
            "language": cell.language,
            "noun": cell.noun,
        }
        own |= {"prompts": cell.prompts} if cell.prompts != BUILT_IN else {}
        settings = dataclasses.replace(self.options, overrides={**self.options.overrides, **own}).load().settings
        return settings if cell.prompts != BUILT_IN else settings.model_copy(update={"prompts": None})

    def baselines(self) -> dict[Path, tuple[str, ...]]:
        """The baselines of each data set: those that are named, or all that its data and what is installed allow."""
        return {folder: self.evaluation.baselines or usual(dataset) for folder, dataset in self.datasets.items()}

    def left_out(self) -> dict[str, dict[str, str]]:
        """The baselines that are left out, by the name of the data set, each with the reason."""
        if self.evaluation.task == EXPLAIN:
            return {}
        found = {self.names[f]: left_out(self.evaluation.baselines, one) for f, one in self.datasets.items()}
        return {name: reasons for name, reasons in found.items() if reasons}

    def unreachable(self) -> dict[str, dict[str, int]]:
        """The cases that can never be hit, counted by the name of the data set."""
        named = {self.names[folder]: dataset for folder, dataset in self.datasets.items()}
        return unreachable(named, self.evaluation.task, self.evaluation.limit)

    def notes(self) -> list[str]:
        """What must be known before it is run, a line each: baselines left out, cases lost, prices unused."""
        models = {cell.model for cell in self.cells}
        lines = [*left_out_lines(self.left_out()), *unreachable_lines(self.unreachable())]
        unused = [name for name in self.evaluation.prices if name not in models]
        return [*lines, *([f"prices of {', '.join(unused)}: no cell has such a model"] if unused else [])]

    def job(self) -> Job:
        """What is to be run, for the runner."""
        plan = self.evaluation
        how = (plan.limit, plan.repeat, plan.seed, plan.orders)
        return Job(self.cells, self.datasets, self.baselines(), self.names, *how)

    def about(self) -> dict[str, object]:
        """The run.json of it. Raises as `provenance.about` does."""
        named = self.names
        datasets = {named[folder]: (one, one.n_run(self.evaluation.limit)) for folder, one in self.datasets.items()}
        baselines = {named[folder]: names for folder, names in self.baselines().items()}
        about = provenance.about(self.evaluation.as_plan(), self.cells, datasets, baselines, self.options.load())
        return {**about, "left_out": self.left_out(), KEY: self.unreachable()}

    def check_versus(self) -> None:
        """Do nothing where the cells can be compared with what the plan and its gate name. Raises ConfigError."""
        parts = (WITHOUT_MODEL, LIKELIHOOD_ONLY)
        known = {RECALL_ONLY, *(parts if len(self.cells) == 1 else ()), *(cell.name for cell in self.cells)}
        known |= {name for names in self.baselines().values() for name in names}
        known |= {name for dataset in self.datasets.values() for name in dataset.references}
        told = f"Systems: {', '.join(sorted(known))}"
        _refuse_unknown(self.evaluation.versus, known, told)
        of_cells = {f"{cell.name}/{part}" for cell in self.cells for part in (RECALL_ONLY, *parts)}
        of_sets = {f"{name} {system}" for name in self.names.values() for system in known}
        for condition in self.evaluation.gate:
            _refuse_unknown(condition.versus, {None, *known, *parts, *of_cells, *of_sets}, told)

    def check_disliked(self) -> None:
        """Do nothing where the cases that are run carry what the metrics and the gate count. Raises ConfigError."""
        plan = self.evaluation
        asked = (*plan.measured, *(one.metric for one in plan.gate if one.metric))
        name = next((name for name in asked if lower_is_better(name)), None)
        for dataset in self.datasets.values() if name else ():
            first = dataset.first_disliked
            if first is None or first >= dataset.n_run(plan.limit):
                raise ConfigError(f"{name}: no case of {dataset.name} that is run carries {DISLIKED}", CARRY)


def _refuse_unknown(system: str | None, known: Collection[str | None], told: str) -> None:
    if system not in known:
        raise ConfigError(f"there is no system {system!r} to compare with", told)


def resolved(evaluation: Evaluation, settings: Settings) -> Evaluation:
    """The evaluation with the settings in the place of all that it leaves open."""
    prompts = str(settings.prompts) if settings.prompts else BUILT_IN
    return evaluation.model_copy(
        update={
            "models": evaluation.models or (settings.model.reference,),
            "strategies": evaluation.strategies or (settings.rerank.strategy,),
            "prompts": evaluation.prompts or (prompts,),
            "paths": evaluation.paths or (RECOMMEND,),
            "language": evaluation.language or settings.language,
            "noun": evaluation.noun or settings.noun,
        }
    )


def _cells(plan: Evaluation) -> tuple[Cell, ...]:
    folders = [Path(os.path.abspath(folder)) for folder in plan.data]  # noqa: PTH100  # links stay as they are
    return cells_of(
        folders,
        plan.models,
        plan.strategies,
        plan.prompts,
        plan.paths,
        task=plan.task,
        language=str(plan.language),
        noun=str(plan.noun),
    )
