"""The command `palate eval tradeoffs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from eval.options import DEFAULT_SEED, DataOption, LimitOption, SeedOption, settings_of, watch

if TYPE_CHECKING:
    from agent.settings import Settings
    from eval.cases import DataSet
    from eval.tradeoffs.report import Report

CandidatesOption = Annotated[
    int, typer.Option("--candidates", min=10, max=1_000, metavar="N", help="How many recall finds for a case.")
]
LearnOption = Annotated[bool, typer.Option("--learn", help="Learn from the data set's behaviour first.")]
PlotOption = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Write the curves to this SVG file.")]


def tradeoffs(
    ctx: typer.Context,
    folder: DataOption,
    candidates: CandidatesOption = 100,
    limit: LimitOption = None,
    learn: LearnOption = False,
    seed: SeedOption = DEFAULT_SEED,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what each knob of the slate gives and costs: NDCG@10 against calibration, diversity and novelty.

    Half of the people choose a value for each knob, the figures are those of the other half; nothing is changed by
    it. No model is asked.
    """
    from eval.cases import DataSet
    from eval.files import write_text
    from eval.tradeoffs import drawing

    settings, dataset = settings_of(ctx), DataSet.open(folder, needs=())
    recall = settings.recall.model_copy(update={"n_candidates": candidates})
    found = _measured(dataset, settings.model_copy(update={"recall": recall}), limit, learn, seed)
    about = {"data": str(folder), "data_sha256": dataset.sha256, "learn": learn, "seed": seed}
    if plot is not None:
        write_text(plot, [drawing.figure(found, dataset.name)])
        render.note(f"plot written to {plot}")
    if as_json:
        render.write_json(found.as_json(about))
    else:
        drawing.draw(found, about)


def _measured(dataset: DataSet, settings: Settings, limit: int | None, learn: bool, seed: int) -> Report:
    from eval.learning import taught
    from eval.tasks.catalogue import open_folder
    from eval.tradeoffs.gathering import gathered
    from eval.tradeoffs.report import report

    with open_folder(dataset, settings, watch, render.told) as parts:
        learned = taught(dataset, settings.learn) if learn else None
        with watch("Ranking") as show:
            found = gathered(dataset, parts, seed=seed, limit=limit, taught=learned, show=show)
    with watch("Turning knobs") as show:
        return report(found, seed, show)
