"""`palate status` and `palate doctor`: what there is, and whether every part of it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from agent.commands import render
from agent.commands.options import JsonOption, open_recommender
from agent.errors import StoreError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from agent.commands.checks import Check
    from agent.recommender import Recommender

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "bold red")}


def status(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show what is stored, indexed and configured.

    Opens neither the language model nor the embedder; `palate doctor` does.
    """
    with open_recommender(ctx) as recommender:
        found = recommender.status() | {"index": _index(recommender), "learned": _learned(recommender)}
        found |= {"privacy": _privacy(recommender)}
        if as_json:
            render.write_json(found)
        else:
            render.out().print(render.facts(list(_flat(found))))


def _index(recommender: Recommender) -> dict[str, object]:
    try:
        health = recommender.index.health()
    except StoreError as error:
        return {"rows": None, "reachable": None, "problem": error.message}
    return {"rows": health.rows, "reachable": health.reachable, "problem": health.problem or None}


def _learned(recommender: Recommender) -> dict[str, object]:
    from agent.parts.learning import standing

    try:
        found = standing(recommender.parts)
    except StoreError as error:
        return {"at": None, "due": None, "problem": error.message}
    at = found.record.at if found.record else None
    return {"at": at, "due": found.due, "changed_events": found.changed, "problem": found.problem or None}


def _privacy(recommender: Recommender) -> dict[str, object]:
    from agent.commands.privacy import standing

    found = standing(recommender)
    return {name: found[name] for name in ("encrypted", "epsilon", "spent", "budget")}


def _flat(found: Mapping[str, Any], prefix: str = "") -> Sequence[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in found.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        rows += _flat(value, f"{label} ") if isinstance(value, Mapping) else [(label, _shown(value))]
    return rows


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def doctor(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Check every part of this installation, one by one.

    Settings, folders, catalogue, index, embedder and language model are opened for real. The exit code is 1 when one
    check fails; warnings leave it at 0.
    """
    from agent.commands.checks import checks_of

    checks: list[Check] = []
    for check in checks_of(ctx):
        checks.append(check)
        if not as_json:
            render.out().print(_line(check))
    tally = {status: sum(check.status == status for check in checks) for status in _MARKS}
    if as_json:
        render.write_json({**tally, "checks": [asdict(check) for check in checks]})
    else:
        render.out().print(", ".join(f"{n} {status}" for status, n in tally.items()))
    raise typer.Exit(1 if tally["fail"] else 0)


def _line(check: Check) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    mark, style = _MARKS[check.status]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1, style=style)
    table.add_column(width=13, style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    detail = Text(render.plain(check.detail))
    if check.hint:
        detail.append(f"\n{render.plain(check.hint)}", style="yellow")
    table.add_row(mark, check.check, detail)
    return table
