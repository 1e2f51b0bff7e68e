"""What the commands of `palate eval` share: the options that several of them take, settings, and meters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import options_of
from eval.chance import SEED

if TYPE_CHECKING:
    from agent.settings import Settings
    from eval.plan.single import Single

DEFAULT_SEED = SEED

DataOption = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder with items.jsonl and cases.jsonl.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the first N cases.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="REF", help="Language model, as for palate --model.")
]
PlannedSeedOption = Annotated[
    int | None, typer.Option("--seed", metavar="N", help=f"Seed of all that is drawn by lot; {SEED}.")
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of all that is drawn by lot.")]
PlanOption = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="Take data, model, strategy and the like from this eval.yaml."),
]
PlannedDataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder with items.jsonl and cases.jsonl.")
]
FolderOption = Annotated[Path, typer.Option("--output", metavar="DIR", help="The new folder.")]


def settings_of(
    ctx: typer.Context,
    *,
    model: str | None = None,
    strategy: str | None = None,
    others: Mapping[str, object] | None = None,
) -> Settings:
    """The settings of this call; the model and the strategy that a command's own flags name go before all others.

    So do `others`, by their keys; None is not given. Raises ConfigError.
    """
    options = options_of(ctx)
    given: dict[str, object] = {"model.reference": model, "rerank.strategy": strategy, **(others or {})}
    flags = {key: value for key, value in given.items() if value is not None}
    return dataclasses.replace(options, overrides={**options.overrides, **flags}).load().settings


def single_of(
    ctx: typer.Context,
    plan: Path | None,
    *,
    data: Path | None,
    model: str | None,
    limit: int | None,
    seed: int | None,
    strategy: str | None = None,
) -> Single:
    """The data set and the settings of a command that asks one model; what a plan names besides is noted.

    Raises ConfigError.
    """
    from eval.plan.single import single

    found = single(options_of(ctx), plan, data=data, model=model, strategy=strategy, limit=limit, seed=seed)
    for note in found.notes:
        render.note(note)
    return found


def watch(doing: str) -> AbstractContextManager[render.Meter]:
    """A meter on stderr for one piece of work, wiped when it ends, whichever way."""
    return closing(render.Meter(doing))


def listed(text: str) -> tuple[str, ...]:
    """The parts of a list with commas, in its order; blank ones are left out."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
