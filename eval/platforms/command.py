"""The command `palate eval platforms`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from eval.options import DEFAULT_SEED, DataOption, SeedOption, listed, settings_of, watch

if TYPE_CHECKING:
    from eval.cases import DataSet
    from eval.platforms.measure import Found

SplitOption = Annotated[str, typer.Option("--split", metavar="LIST", help="How to cut the catalogue: hash, year, tag.")]
PeopleOption = Annotated[int | None, typer.Option("--limit", min=2, metavar="N", help="Judge only the first N people.")]


def platforms(
    ctx: typer.Context,
    folder: DataOption,
    splits: SplitOption = "hash,year,tag",
    limit: PeopleOption = None,
    seed: SeedOption = DEFAULT_SEED,
    as_json: JsonOption = False,
) -> None:
    """Measure what a person's other platform is worth where they are new.

    The catalogue is cut into two platforms. Half of the people are known on both, and learned from; the others are
    known on one and new on the other, where all that they like is held out. No model is asked.
    """
    from eval.cases import DataSet
    from eval.platforms.measure import measured
    from eval.platforms.splitting import split_of

    dataset, settings = DataSet.open(folder, needs=()), settings_of(ctx)
    cut = [(how, split_of(dataset, how, seed, limit)) for how in listed(splits)]
    found = []
    for how, split in cut:
        with watch(f"Judging by {how}") as show:
            found.append(measured(split, how, settings, show))
    if as_json:
        render.write_json(_as_json(found, dataset, seed))
    else:
        _draw(found)


def _as_json(found: Sequence[Found], dataset: DataSet, seed: int) -> dict[str, object]:
    from eval.platforms.measure import METHOD
    from eval.platforms.splitting import SPLITS

    about = {"name": dataset.name, "sha256": dataset.sha256, "n_items": len(dataset.items)}
    cuts = {one.how: SPLITS[one.how] for one in found}
    return {"dataset": about, "seed": seed, "splits": [one.as_json() for one in found], "method": {**METHOD, **cuts}}


def _draw(found: Sequence[Found]) -> None:
    from rich import box
    from rich.table import Table

    from eval.platforms.measure import HEADLINE, METRICS
    from eval.platforms.splitting import SPLITS
    from eval.results import interval_text, verdict

    console = render.out()
    for one in found:
        table = Table(
            title=SPLITS[one.how], box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", title_justify="left"
        )
        table.add_column("on the new platform", overflow="fold", min_width=16)
        for metric in METRICS:
            table.add_column(f"{metric} [95 %]", justify="right", no_wrap=True)
        for name, row in one.rows.items():
            table.add_row(name, *(f"{row[metric].value:.3f}{interval_text(row[metric])}" for metric in METRICS))
        console.print(table)
        for pair in one.comparisons:
            console.print(render.plain(verdict(pair, HEADLINE)), soft_wrap=True)
        learned = "nothing was learned" if one.learned_from is None else f"learned from {one.learned_from:,} people"
        counts = ", ".join(f"{n:,} {name}" for name, n in one.items.items())
        people = f"{one.people:,} judged, {one.teachers:,} learned from"
        console.print(render.facts([("kappa", f"{one.kappa:g}, {learned}"), ("items", counts), ("people", people)]))
