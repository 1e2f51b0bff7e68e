"""The command that prints a table of the field: published figures beside those measured here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption, options_of
from eval.options import DEFAULT_SEED, DataOption, LimitOption, SeedOption, listed
from eval.running.options import LearnOption

if TYPE_CHECKING:
    from eval.running.opening import CellOpener, Opens, Surroundings

TableArgument = Annotated[str, typer.Argument(metavar="TABLE", help="llmrank, redial or ml-100k.")]
ModelsOption = Annotated[
    str | None, typer.Option("--models", metavar="LIST", help="Models with commas, each as for palate --model.")
]
StrategiesOption = Annotated[
    str | None, typer.Option("--strategies", metavar="LIST", help="Strategies with commas, as rerank.strategy.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", metavar="DIR", help="Keep the run here, and go on with one that is there.")
]


def table_with(opens: Opens) -> Callable[..., None]:
    """The command, with cells opened so."""

    def table(
        ctx: typer.Context,
        name: TableArgument,
        folder: DataOption,
        models: ModelsOption = None,
        strategies: StrategiesOption = None,
        limit: LimitOption = None,
        seed: SeedOption = DEFAULT_SEED,
        output: OutputOption = None,
        learn: LearnOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Print a table of the field: what others published, marked as such, beside what is measured here and now.

        `llmrank` is for LLMRank's cases of ML-1M or Games, `redial` for the conversations of ReDial, `ml-100k` for the
        events of MovieLens-100K. Every model is asked with every strategy; baselines are always there.
        """
        from eval.tables.drawing import draw
        from eval.tables.measure import Wanted, measured

        wanted = Wanted(name, folder, listed(models or ""), listed(strategies or ""), limit, seed, output, learn)
        with measured(wanted, options_of(ctx), opens) as found:
            if as_json:
                render.write_json(found.as_json())
            else:
                draw(found)

    return table


def _palates_own(around: Surroundings) -> AbstractContextManager[CellOpener]:
    from eval.running.opening import open_cells

    return open_cells(around)


table = table_with(_palates_own)
