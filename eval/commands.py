"""Measure recommendations on cases with known answers, and fit the blend's weights on them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from agent.errors import ConfigError
from eval.building.command import building
from eval.conversing.command import talk
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
from eval.platforms.command import platforms
from eval.privacy.command import privacy
from eval.probe.command import app as probe
from eval.realtime.command import realtime
from eval.recall.command import recall
from eval.reporting.command import add_to as add_reporting
from eval.running.command import add_to as add_running
from eval.running.options import LearnOption
from eval.simulating.command import simulate
from eval.speed.command import quantise, speed
from eval.tables.command import table
from eval.tradeoffs.command import tradeoffs
from eval.understanding.command import understand

if TYPE_CHECKING:
    from agent.settings import Settings
    from eval.cases import DataSet
    from eval.running.opening import Opens
    from eval.runs import Opened

    Opener = Callable[..., AbstractContextManager[Opened]]


@dataclass(frozen=True)
class Fit:
    """How a fit is made: on how many cases, in which halves, and how close to `around`, the weights in a file.

    `learns`: with what the data set's behaviour teaches. `llm`: with a language model's opinions.
    """

    limit: int | None
    seed: int
    l2: float
    around: Path | None
    learns: bool
    llm: bool


OutputOption = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write the weights to this TOML file.")
]
PrecisionOption = Annotated[
    float, typer.Option("--l2", min=0, metavar="X", help="How strongly weights are held to 0, or to --around.")
]
AroundOption = Annotated[
    Path | None, typer.Option("--around", metavar="FILE", help="Stay close to these weights, fitted on other data.")
]
NoModelOption = Annotated[bool, typer.Option("--no-model", help="Fit the signals alone, and ask no model.")]
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
        learn: LearnOption = None,
        no_model: NoModelOption = False,
        as_json: JsonOption = False,
    ) -> None:
        """Fit the blend's weights on a data set, and report them on cases that they were not fitted on."""
        settings = settings_of(ctx, model=model)
        wanted = Fit(limit, seed, l2, around, learns=_learns(learn), llm=not no_model)
        _fit(open_ranker, settings, folder, output, wanted, as_json)

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
    app.command("talk")(talk)
    app.command("understand")(understand)
    app.command("interests")(interests)
    app.command("tradeoffs")(tradeoffs)
    app.command("platforms")(platforms)
    app.command("privacy")(privacy)
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


def _palates_own(*given: Any, **chosen: Any) -> AbstractContextManager[Opened]:
    from eval.rankers import open_ranker

    return open_ranker(*given, **chosen)


app = commands_with(_palates_own)


def _learns(learn: str | None) -> bool:
    if learn not in (None, "none", "events"):
        raise ConfigError(f"--learn is {learn!r}", "Give none or events")
    return learn == "events"


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
    from eval import drawing, fitting, learning, runs, weights

    if output is not None:
        weights.writable(output)
    around = load_weights(wanted.around) if wanted.around else None
    dataset = _open(folder)
    learned = learning.taught_once(dataset, settings.learn) if wanted.learns else None
    learn = learning.told_of(dataset, settings.learn) if wanted.learns else None
    n, parts = dataset.n_run(wanted.limit), {"learned": learned, "llm": wanted.llm}
    with open_ranker(dataset.items, settings, watch, render.told, **parts) as opened, watch("Reading signals") as show:
        choices, run = runs.run_choices(
            dataset.cases(wanted.limit), dataset.items, opened.ranker, progress=lambda done: show(done, n)
        )
    report = fitting.report(choices, run, dataset, opened, seed=wanted.seed, l2=wanted.l2, around=around, learn=learn)
    if output is not None:
        weights.write_weights(output, report.tables)
        render.note(f"weights written to {output}")
    if as_json:
        render.write_json(report.as_json())
    else:
        drawing.draw_fit(report)
