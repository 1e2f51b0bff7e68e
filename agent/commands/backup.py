"""`palate backup` and `palate restore`: a data folder as one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption, options_of

if TYPE_CHECKING:
    from agent.backup.manifest import Manifest

DestinationArgument = Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="Where the backup is to lie.")]
SourceArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A file that palate backup wrote.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the store that the data folder holds.")]


def backup(ctx: typer.Context, destination: DestinationArgument, as_json: JsonOption = False) -> None:
    """Write the data folder into one file.

    The index and what was learned are left out: both are computed anew. The file holds what people did and said; only
    its owner may read it. Whoever is forgotten later is still in it.
    """
    from agent.backup.making import back_up

    loaded = options_of(ctx).load()
    target, manifest = back_up(loaded.settings, destination, loaded.file)
    if as_json:
        render.write_json({"file": str(target), **_shape(manifest)})
    else:
        size = sum(member.bytes for member in manifest.files.values())
        typer.echo(f"{target}: {_told(manifest)}, {size / 1e6:,.1f} MB before packing")


def restore(
    ctx: typer.Context, source: SourceArgument, force: ForceOption = False, as_json: JsonOption = False
) -> None:
    """Make the data folder what a backup holds.

    Every file is checked by its hash before anything is touched. A folder that holds a store is left alone unless
    --force is given, and one whose index a server uses is refused. Settings and keys are put back only where there are
    none.
    """
    from agent.backup.restoring import restore as put_back
    from agent.settings import FILE_NAME

    flags = options_of(ctx)
    settings = flags.load().settings
    done = put_back(settings, source, flags.config or Path(FILE_NAME), force=force)
    manifest = done.manifest
    if as_json:
        told = {"folder": str(settings.folder), "settings": done.settings, "keys": done.keys}
        render.write_json({**told, **_shape(manifest)})
        return
    typer.echo(f"{settings.folder}: {_told(manifest)}, as of {manifest.at}")
    then = "palate index, and palate learn" if manifest.learned else "palate index"
    render.note(f"the first answer builds the index; to do it now: {then}")
    if done.keys:
        render.note("keys are those of the backup: one that was removed since opens again (palate serve keys list)")
    if done.spent:
        render.note(f"of the privacy budget {done.spent:g} is spent; what was released after the backup is not counted")


def _told(manifest: Manifest) -> str:
    return f"{render.count(manifest.items, 'item')}, {render.count(manifest.events, 'event')}"


def _shape(manifest: Manifest) -> dict[str, object]:
    return manifest.model_dump(mode="json", exclude={"layout"})
