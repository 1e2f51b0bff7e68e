"""Measure recommendations on cases with known answers, and fit the blend's weights on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from eval.building.command import building
from eval.interests.command import interests
from eval.optimising.command import optimize
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
from eval.realtime.command import realtime
from eval.recall.command import recall
from eval.reporting.command import add_to as add_reporting
from eval.running.command import add_to as add_running
from eval.simulating.command import simulate
from eval.speed.command import quantise, speed
from eval.tables.command import table
from eval.tradeoffs.command import tradeoffs

if TYPE_CHECKING:
    from agent.settings import Settings
    from agent.types import Item
    from eval.cases import DataSet
    from eval.running.opening import Opens
    from eval.runs import Opened, Told, Watch

    Opener = Callable[[Mapping[str, Item], Settings, Watch, Told], AbstractContextManager[Opened]]


@dataclass(frozen=True)
class Fit:
    """How a fit is made: on how many cases, in which halves, and how close to `around`, the weights in a file."""

    limit: int | None
    seed: int
    l2: float
    around: Path | None


OutputOption = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write the weights to this TOML file.")
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


def commands_with(open_ranker: Opener, opens: Opens | None = None) -> typer.Typer:
    """The commands, with the ranker that the opener gives, and cells that `opens` opens (None: Palate's own)."""
    app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

    add_running(app, opens)

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
    app.command("table")(table)
    app.command("recall")(recall)
    app.command("realtime")(realtime)
    app.add_typer(probe, name="probe")
    app.command("quantise")(quantise)
    app.command("optimize")(optimize)
    app.command("simulate")(simulate)
    app.command("interests")(interests)
    app.command("tradeoffs")(tradeoffs)
    add_reporting(app)
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


def _open(folder: Path) -> DataSet:
    from eval.cases import DataSet

    dataset = DataSet.open(folder)
    if dataset.leaked:
        cases = render.count(len(dataset.leaked), "case")
        told = "give the answer away in the history, in words or in events"
        render.note(f"{cases} of {dataset.name} {told}, such as {dataset.leaked[0]}")
    return dataset


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
    dataset = _open(folder)
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
