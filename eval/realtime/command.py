"""The command `palate eval realtime`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from agent.errors import ConfigError
from eval.options import DEFAULT_SEED, SeedOption, listed, settings_of, watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eval.realtime.measure import Times

MOST_EVENTS = 1_000_000

EventsOption = Annotated[str, typer.Option("--events", metavar="N,N", help="How many events people have.")]
RepeatOption = Annotated[int, typer.Option("--repeat", min=1, max=100_000, metavar="N", help="New events for each.")]


def realtime(
    ctx: typer.Context,
    events: EventsOption = "10,1000,5000",
    repeat: RepeatOption = 200,
    seed: SeedOption = DEFAULT_SEED,
    as_json: JsonOption = False,
) -> None:
    """Time the way of one event from the store to the profile, for people who have done little and much.

    People and films are made up; every tenth event is late. Nothing is left behind.
    """
    from eval.realtime.measure import measure

    sizes = sizes_of(events)
    with watch("Timing events") as show:
        found = measure(settings_of(ctx), sizes, repeat, seed, show)
    if as_json:
        render.write_json({"seed": seed, "rows": [one.as_json() for one in found]})
    else:
        _draw(found)


def sizes_of(text: str) -> list[int]:
    """`10,1000,5000` as numbers, each once, in order. Raises ConfigError for anything else."""
    parts = listed(text)
    if not parts or not all(part.isascii() and part.isdigit() and 1 <= int(part) <= MOST_EVENTS for part in parts):
        raise ConfigError(f"--events {text!r} is no list of numbers", f"Write such as 10,1000, up to {MOST_EVENTS}")
    return sorted({int(part) for part in parts})


def _draw(found: Sequence[Times]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from eval.realtime.measure import TARGET_MS

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in ("events", "write p50", "p95 ms", "update p50", "p95 ms", f"< {TARGET_MS:g} ms", "anew ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            f"{one.events:,}",
            f"{one.write_p50_ms:.2f}",
            f"{one.write_p95_ms:.2f}",
            f"{one.update_p50_ms:.2f}",
            f"{one.update_p95_ms:.2f}",
            Text("met", style="green") if one.met else Text("missed", style="red"),
            f"{one.anew_ms:.1f}",
        )
    render.out().print(table)
    told = "update: from the event on the disk to the profile with it; anew: all events of somebody not kept"
    render.out().print(Text(told, style="dim"), soft_wrap=True)
