"""Measure recommendations on cases with known answers, and fit the blend's weights on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from agent.errors import ConfigError
from eval.building.command import building
from eval.options import (
    DEFAULT_SEED,
    DataOption,
    FolderOption,
    LimitOption,
    ModelOption,
    SeedOption,
    settings_of,
    watch,
)
from eval.probe.command import app as probe
from eval.speed.command import quantise, speed

if TYPE_CHECKING:
    from agent.settings import Settings
    from agent.types import Item
    from eval.cases import DataSet
    from eval.runs import Opened, Run, Told, Watch

    Opener = Callable[[Mapping[str, Item], Settings, Watch, Told], AbstractContextManager[Opened]]


@dataclass(frozen=True)
class Task:
    """A kind of case: its name, what it asks, and the keys that each of its cases must have."""

    name: str
    about: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What a run is asked: its task, how many cases, the metrics (None for the usual ones) and a margin, if any."""

    task: Task
    limit: int | None
    seed: int
    metrics: tuple[str, ...] | None
    margin: float | None


@dataclass(frozen=True)
class Fit:
    """How a fit is made: on how many cases, in which halves, and how close to `around`, the weights in a file."""

    limit: int | None
    seed: int
    l2: float
    around: Path | None


TASKS = {task.name: task for task in (Task("rank", "put given candidates in order", ("history", "candidates")),)}

TaskOption = Annotated[str, typer.Option("--task", metavar="TASK", help=f"What the cases ask: {', '.join(TASKS)}.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write the weights to this TOML file.")
]
MetricsOption = Annotated[
    str | None, typer.Option("--metrics", metavar="LIST", help="Metrics with commas, such as ndcg@10,recall@5,mrr.")
]
MarginOption = Annotated[
    float | None,
    typer.Option("--not-worse-than", min=0, max=1, metavar="X", help="Say of each pair if it loses X at most."),
]
PrecisionOption = Annotated[
    float, typer.Option("--l2", min=0, metavar="X", help="How strongly weights are held to 0, or to --around.")
]
AroundOption = Annotated[
    Path | None, typer.Option("--around", metavar="FILE", help="Stay close to these weights, fitted on other data.")
]
CandidatesOption = Annotated[
    int, typer.Option("--candidates", min=2, max=1_000, metavar="N", help="A case's candidates.")
]
HistoryOption = Annotated[int, typer.Option("--history", min=1, max=1_000, metavar="N", help="A case's newest events.")]


def commands_with(open_ranker: Opener) -> typer.Typer:
    """The commands, with the ranker that the opener gives."""
    app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

    @app.command("run")
    def run(
        ctx: typer.Context,
        folder: DataOption,
        task: TaskOption = "rank",
        limit: LimitOption = None,
        model: ModelOption = None,
        seed: SeedOption = DEFAULT_SEED,
        metrics: MetricsOption = None,
        margin: MarginOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Score the ranker and its parts on a data set, with intervals and paired comparisons.

        Beside the whole blend stand a random order, recall alone, every signal without the model, the model's own
        scores, the best order possible, and the orders of other systems that the data set holds. A second table says
        what the orders do besides hitting: coverage, fairness of exposure, novelty, diversity, truth to the taste.
        """
        settings = settings_of(ctx, model=model)
        asked = Asked(_task(task), limit, seed, _metrics(metrics), margin)
        _run(open_ranker, settings, folder, asked, as_json)

    @app.command("fit")
    def fit(
        ctx: typer.Context,
        folder: DataOption,
        output: OutputOption = None,
        limit: LimitOption = None,
        model: ModelOption = None,
        seed: SeedOption = DEFAULT_SEED,
        l2: PrecisionOption = 1.0,
        around: AroundOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Fit the blend's weights on a data set, and report them on cases that they were not fitted on."""
        settings = settings_of(ctx, model=model)
        _fit(open_ranker, settings, folder, output, Fit(limit, seed, l2, around), as_json)

    app.command("sample")(sample)
    app.add_typer(building, name="data")
    app.command("speed")(speed)
    app.add_typer(probe, name="probe")
    app.command("quantise")(quantise)
    return app


def sample(
    folder: DataOption,
    output: FolderOption,
    candidates: CandidatesOption = 20,
    history: HistoryOption = 10,
    seed: SeedOption = DEFAULT_SEED,
) -> None:
    """Make ranking cases out of events: what each person went on to like, among items drawn at random."""
    from eval.sampling import sample as write_sample

    n = write_sample(folder, output, candidates=candidates, history=history, seed=seed)
    render.note(f"{render.count(n, 'case')} of {candidates} candidates written to {output}")


def _palates_own(
    items: Mapping[str, Item], settings: Settings, shown_by: Watch, told: Told
) -> AbstractContextManager[Opened]:
    from eval.rankers import open_ranker

    return open_ranker(items, settings, shown_by, told)


app = commands_with(_palates_own)


def _task(name: str) -> Task:
    if name not in TASKS:
        known = ", ".join(f"{task.name} ({task.about})" for task in TASKS.values())
        raise ConfigError(f"there is no task {name!r}", f"Tasks: {known}")
    return TASKS[name]


def _open(folder: Path, task: Task) -> DataSet:
    from eval.cases import DataSet

    dataset = DataSet.open(folder, task.needs)
    if dataset.leaked:
        cases = render.count(len(dataset.leaked), "case")
        render.note(f"{cases} of {dataset.name} give the answer away in the history, such as {dataset.leaked[0]}")
    return dataset


def _metrics(listed: str | None) -> tuple[str, ...] | None:
    from eval.metrics import named

    return None if listed is None else named(listed)


def _run(open_ranker: Opener, settings: Settings, folder: Path, asked: Asked, as_json: bool) -> None:
    from eval import drawing, metrics, results, runs, systems
    from eval.popularity import shelf_of

    dataset = _open(folder, asked.task)
    shelf = shelf_of(dataset)
    compared = (*systems.built_in(asked.seed), *systems.references(dataset.references))
    n = dataset.n_run(asked.limit)
    with open_ranker(dataset.items, settings, watch, render.told) as opened, watch("Ranking cases") as show:
        run = runs.run_rank(
            dataset.cases(asked.limit), dataset.items, opened.ranker, compared, progress=lambda done: show(done, n)
        )
    shelf = replace(shelf, vectors=opened.vectors)
    found = results.summarise(run, compared, asked.metrics or metrics.DEFAULT, shelf)
    _note_troubles(run)
    if as_json:
        about = {"task": asked.task.name, "limit": asked.limit, "seed": asked.seed, "model": opened.model}
        render.write_json(results.as_json(found, run, dataset, about, asked.margin))
    else:
        shown = asked.metrics or drawing.USUAL
        drawing.draw_run(found, run, dataset, opened.model, shown=shown, margin=asked.margin)


def _fit(
    open_ranker: Opener,
    settings: Settings,
    folder: Path,
    output: Path | None,
    wanted: Fit,
    as_json: bool,
) -> None:
    from agent.rerank.weights import load_weights
    from eval import drawing, fitting, runs, weights

    if output is not None:
        weights.writable(output)
    around = load_weights(wanted.around) if wanted.around else None
    dataset = _open(folder, TASKS["rank"])
    n = dataset.n_run(wanted.limit)
    with open_ranker(dataset.items, settings, watch, render.told) as opened, watch("Reading signals") as show:
        choices, run = runs.run_choices(
            dataset.cases(wanted.limit), dataset.items, opened.ranker, progress=lambda done: show(done, n)
        )
    report = fitting.report(choices, run, dataset, opened, seed=wanted.seed, l2=wanted.l2, around=around)
    if output is not None:
        weights.write_weights(output, report.tables)
        render.note(f"weights written to {output}")
    if as_json:
        render.write_json(report.as_json())
    else:
        drawing.draw_fit(report)


def _note_troubles(run: Run) -> None:
    for reason, cases in run.degraded.most_common(3):
        render.note(f"{render.count(cases, 'case')} degraded: {reason}")
    if run.failed:
        first = next(iter(run.failed.items()))
        render.note(f"{render.count(len(run.failed), 'case')} failed and count as 0, such as {first[0]}: {first[1]}")
