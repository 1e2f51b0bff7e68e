"""`palate sbom`: what this installation is made of, as a CycloneDX bill of materials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.commands import render
from agent.commands.options import options_of

OutputOption = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")]


def sbom(ctx: typer.Context, output: OutputOption = None) -> None:
    """List all packages and models here, with hashes.

    Model files are hashed anew, so that it tells what lies here. Needs the extra `sbom`.
    """
    from agent.supply.sbom import bill_of_materials

    text = bill_of_materials(options_of(ctx).load().settings)
    if output is None:
        typer.echo(text)
        return
    fresh = output.with_name(f".{output.name}.new")
    fresh.write_text(text + "\n", encoding="utf-8")
    fresh.replace(output)
    render.note(f"written to {output}")
