"""The commands init, plan, run and score: from an evaluation to its figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from eval.options import listed
from eval.running.options import (
    BaselinesOption,
    CurrencyOption,
    DataOption,
    FileArgument,
    GateOption,
    LanguageOption,
    LearnOption,
    LimitOption,
    MetricsOption,
    ModelsOption,
    NounOption,
    OrdersOption,
    PathsOption,
    PriceOption,
    PromptsOption,
    RepeatOption,
    SeedOption,
    StrategiesOption,
    TaskOption,
    VersusOption,
    asked_of,
    flags_of,
)

if TYPE_CHECKING:
    from eval.running.asked import Asked
    from eval.running.folder import RunFolder
    from eval.running.opening import Opens
    from eval.running.summary import Summary

FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write to.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", metavar="DIR", help="Keep the run here; by default in runs/ beside the file, if any."),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with a run that is there; refuse to begin one.")]
FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Ask the model anew, also where its answers are kept; for a new folder.")
]
LikeOption = Annotated[
    Path | None, typer.Option("--like", metavar="RUN", help="Take the spread of differences from this run.")
]
MarginOption = Annotated[
    float | None,
    typer.Option("--not-worse-than", min=0, max=1, metavar="X", help="Say of each pair if it loses X at most."),
]


def add_to(app: typer.Typer, opens: Opens | None = None) -> None:
    """Give the commands init, plan, run and score to the app. Cells are opened by `opens`, by default Palate's own."""
    app.command("init")(init)
    app.command("plan")(plan)
    app.command("run")(run_with(opens))
    app.command("score")(score)


def init(folder: FolderArgument = Path()) -> None:
    """Write an evaluation to begin with: eval.yaml, two versions of a prompt, and a small data set of old books.

    Everything in it runs on this machine with the default model. Nothing that is there is overwritten.
    """
    from eval.plan.start import write_start

    for path in write_start(folder):
        render.note(f"written: {path}")
    render.out().print("Go on with: palate eval plan, palate eval run", soft_wrap=True)


def plan(
    ctx: typer.Context,
    file: FileArgument = None,
    data: DataOption = None,
    task: TaskOption = None,
    limit: LimitOption = None,
    models: ModelsOption = None,
    strategies: StrategiesOption = None,
    prompts: PromptsOption = None,
    paths: PathsOption = None,
    language: LanguageOption = None,
    noun: NounOption = None,
    repeat: RepeatOption = None,
    orders: OrdersOption = None,
    learn: LearnOption = None,
    seed: SeedOption = None,
    metrics: MetricsOption = None,
    baselines: BaselinesOption = None,
    versus: VersusOption = None,
    gate: GateOption = None,
    prices: PriceOption = None,
    currency: CurrencyOption = None,
    like: LikeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what a run would take and what it could show. No model is asked.

    Cells, answers, model calls at most, how many answers are kept from earlier runs, about how long it takes, and the
    smallest difference that so many cases can show.
    """
    from eval.running.planning import draw_plan, estimate_of

    flags = flags_of(
        task, limit, models, strategies, prompts, language, noun, repeat, seed, versus, orders, currency, learn, paths
    )
    asked = asked_of(ctx, file, data=data, metrics=metrics, baselines=baselines, gate=gate, prices=prices, **flags)
    _note_leaks(asked)
    found, notes = estimate_of(asked, like), asked.notes()
    for note in notes:
        render.note(note)
    if as_json:
        plain = {"task": asked.evaluation.task, "plan": asked.evaluation.as_plan()}
        render.write_json({**plain, **found.as_json(), "notes": notes})
    else:
        draw_plan(asked, found)


def run_with(opens: Opens | None = None) -> Callable[..., None]:
    """The command, with cells opened so."""

    def run(
        ctx: typer.Context,
        file: FileArgument = None,
        data: DataOption = None,
        task: TaskOption = None,
        limit: LimitOption = None,
        models: ModelsOption = None,
        strategies: StrategiesOption = None,
        prompts: PromptsOption = None,
        paths: PathsOption = None,
        language: LanguageOption = None,
        noun: NounOption = None,
        repeat: RepeatOption = None,
        orders: OrdersOption = None,
        learn: LearnOption = None,
        seed: SeedOption = None,
        metrics: MetricsOption = None,
        baselines: BaselinesOption = None,
        versus: VersusOption = None,
        gate: GateOption = None,
        prices: PriceOption = None,
        currency: CurrencyOption = None,
        output: OutputOption = None,
        resume: ResumeOption = False,
        fresh: FreshOption = False,
        margin: MarginOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Ask every model with every prompt on every case, and score them beside baselines, in pairs, with intervals.

        The whole blend stands beside its parts, baselines, and the orders of other systems that the data set holds.
        Every answer is kept as it comes: the same command goes on with a run that was broken off.
        """
        from eval.running.doing import carry_out, folder_for
        from eval.running.opening import open_cells
        from eval.running.summary import Summary

        more = (repeat, seed, versus, orders, currency, learn, paths)
        flags = flags_of(task, limit, models, strategies, prompts, language, noun, *more)
        asked = asked_of(ctx, file, data=data, metrics=metrics, baselines=baselines, gate=gate, prices=prices, **flags)
        _note_leaks(asked)
        with folder_for(asked, output, resume=resume, fresh=fresh) as folder:
            carry_out(asked, folder, opens or open_cells, fresh=fresh)
            _keep_and_show(folder, Summary.of(folder, known=asked.datasets), margin, as_json)
            _say_where(folder, kept=bool(asked.file or output))

    return run


def _say_where(folder: RunFolder, *, kept: bool) -> None:
    if kept:
        render.note(f"kept in {folder.path}; go on with: palate eval report {folder.path} -o report.html")


def score(
    folder: RunArgument, metrics: MetricsOption = None, margin: MarginOption = None, as_json: JsonOption = False
) -> None:
    """Score the answers of a run again, by other metrics if wanted. No model is asked; summary.json is written anew."""
    from eval.running.folder import RunFolder
    from eval.running.summary import Summary

    opened = RunFolder.open(folder)
    summary = Summary.of(opened, listed(metrics) if metrics is not None else None)
    _keep_and_show(opened, summary, margin, as_json)


def _keep_and_show(folder: RunFolder, summary: Summary, margin: float | None, as_json: bool) -> None:
    """Keep the figures and show them; those that cannot be kept are shown all the same."""
    try:
        folder.write_summary(summary.as_json())
    finally:
        _show(summary, margin, as_json)


def _show(summary: Summary, margin: float | None, as_json: bool) -> None:
    from eval.running.drawing import draw_summary

    for note in summary.troubles():
        render.note(note)
    if as_json:
        render.write_json(summary.as_json(margin))
    else:
        draw_summary(summary, margin=margin)


def _note_leaks(asked: Asked) -> None:
    for dataset in asked.datasets.values():
        if dataset.leaked:
            cases = render.count(len(dataset.leaked), "case")
            told = "give the answer away in the history, in words or in events"
            render.note(f"{cases} of {dataset.name} {told}, such as {dataset.leaked[0]}")
