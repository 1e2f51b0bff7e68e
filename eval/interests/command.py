"""The command `palate eval interests`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from eval.options import DEFAULT_SEED, DataOption, SeedOption, watch

PeopleOption = Annotated[int | None, typer.Option("--limit", min=4, metavar="N", help="Only the first N people.")]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Write the calibration plot to this SVG file.")
]


def interests(
    folder: DataOption,
    limit: PeopleOption = None,
    seed: SeedOption = DEFAULT_SEED,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the interest posterior: the log-loss of the next liked item's tags, and whether its intervals hold.

    Half of the people are for fitting hyperparameters, the other half for the figures; nothing is changed by it. No
    model is asked.
    """
    from eval.cases import DataSet
    from eval.files import write_text
    from eval.interests.drawing import draw, figure
    from eval.interests.report import measured

    dataset = DataSet.open(folder, needs=())
    with watch("Fitting") as show:
        report = measured(dataset, seed=seed, limit=limit, progress=show)
    if plot is not None:
        write_text(plot, [figure(report)])
        render.note(f"plot written to {plot}")
    if as_json:
        render.write_json(report.as_json())
    else:
        draw(report)
