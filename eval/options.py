"""What the commands of `palate eval` share: the options that several of them take, settings, and meters."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import options_of
from eval.chance import SEED

if TYPE_CHECKING:
    from agent.settings import Settings

DEFAULT_SEED = SEED

DataOption = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder with items.jsonl and cases.jsonl.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the first N cases.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="REF", help="Language model, as for palate --model.")
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of all that is drawn by lot.")]
FolderOption = Annotated[Path, typer.Option("--output", metavar="DIR", help="The new folder.")]


def settings_of(ctx: typer.Context, *, model: str | None = None, strategy: str | None = None) -> Settings:
    """The settings of this call; the model and the strategy that a command's own flags name go before all others.

    Raises ConfigError.
    """
    options = options_of(ctx)
    given = {"model.reference": model, "rerank.strategy": strategy}
    flags = {key: value for key, value in given.items() if value is not None}
    return dataclasses.replace(options, overrides={**options.overrides, **flags}).load().settings


def watch(doing: str) -> AbstractContextManager[render.Meter]:
    """A meter on stderr for one piece of work, wiped when it ends, whichever way."""
    return closing(render.Meter(doing))


def listed(text: str) -> tuple[str, ...]:
    """The parts of a list with commas, in its order; blank ones are left out."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
