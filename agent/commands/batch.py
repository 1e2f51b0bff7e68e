"""`palate batch`: slates for many people, written to a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from agent.commands import render
from agent.commands.options import JsonOption, NoModelOption, WhereOption, meter_of, open_recommender, person
from agent.commands.people import CountOption
from agent.errors import ConfigError


def batch(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the lines go.")],
    users: Annotated[
        str | None, typer.Argument(metavar="USERS", help="A file with a user a line; - for stdin; default: everyone.")
    ] = None,
    k: CountOption = 5,
    where: WhereOption = None,
    no_llm: NoModelOption = False,
    no_reasons: Annotated[bool, typer.Option("--no-reasons", help="Leave reasons out.")] = False,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="As things stood then, such as 2026-11-22T18:00:00Z.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1_024, metavar="N", help="How many work at once (default: one a core).")
    ] = None,
    on: Annotated[Literal["processes", "ray"], typer.Option(help="Where: on this machine, or on Ray.")] = "processes",
    as_json: JsonOption = False,
) -> None:
    """Write slates for many people to a file, on many cores.

    A batch that was interrupted goes on when the same command is given again. What is written does not depend on how
    many workers there are, nor on where they work.
    """
    from agent.batch.run import Wanted
    from agent.batch.run import batch as run

    wanted = Wanted(k, where, not no_llm, not no_reasons, _time(at), on, workers)
    meter, began = meter_of(ctx, "Recommending"), time.monotonic()
    with open_recommender(ctx) as recommender:
        people = None if users is None else [person(line) for line in _lines(users)]
        try:
            done = run(recommender, people, output, wanted, meter)
        except KeyboardInterrupt:
            render.note(f"what is in {output} stays; the same command goes on with the rest")
            raise
    took_s, new = time.monotonic() - began, done.lines - done.before
    if as_json:
        row = {"output": str(output), "lines": done.lines, "before": done.before, "workers": done.workers}
        render.write_json({**row, "seconds": round(took_s, 3)})
    else:
        rate = f", {new / took_s:,.1f} a second" if new else ""
        render.out().print(f"{render.count(done.lines, 'line')} in {render.plain(output)}, {new:,} of them new{rate}.")


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--at {text!r} is no time", "Write for example: 2026-11-22T18:00:00Z") from error


def _lines(users: str) -> Iterator[str]:
    """What is not blank in the file, line by line."""
    try:
        text = sys.stdin.read() if users == "-" else Path(users).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the users in {users}: {error}", "Give a file with one user a line") from error
    yield from (line.strip() for line in text.split("\n") if line.strip())
