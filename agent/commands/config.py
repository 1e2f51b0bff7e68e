"""`palate config`: the settings in force, and where each value comes from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from agent.commands import render
from agent.commands.options import JsonOption, options_of

app = typer.Typer(no_args_is_help=True, help="Show the settings and where each value comes from.")

ChangedOption = Annotated[bool, typer.Option("--changed", help="Only what is not the default.")]


@app.callback()
def config() -> None:
    """Show the settings and where each value comes from."""


@app.command()
def show(ctx: typer.Context, changed: ChangedOption = False, as_json: JsonOption = False) -> None:
    """Show every setting with its value and its origin: flag, environment, file or default. Secrets are masked."""
    loaded = options_of(ctx).load()
    rows = [row for row in loaded.rows() if not changed or row[2] != "default"]
    if as_json:
        settings = {key: {"value": value, "origin": origin} for key, value, origin in rows}
        render.write_json({"file": str(loaded.file) if loaded.file else None, "settings": settings})
    else:
        _draw(rows)


def _draw(rows: list[tuple[str, Any, str]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("setting", "value", "origin"):
        table.add_column(name, overflow="fold", no_wrap=name == "setting")
    for key, value, origin in rows:
        style = "dim" if origin == "default" else "cyan"
        table.add_row(key, Text(_written(value)), Text(render.plain(origin), style=style))
    render.out().print(table)


def _written(value: object) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else render.plain(value)
